"""The units' text: what systemd thinks of it, and whether a change by hand is seen."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from listener.errors import ServiceError
from listener.resources import systemd_units
from listener.service import Scope, render
from listener.service.unit import TEMPLATES, Origin, origin

MOST_EXPOSURE = 2.0


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program in a folder with an awkward name."""
    path = tmp_path / "ä b 5%h $HOME" / "listener"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("config", ["/etc/listener/config.yaml", '/srv/my "own" 5%h/$HOME/ä.yaml'])
def test_systemd_has_no_complaint(scope: Scope, program: Path, config: str, tmp_path: Path) -> None:
    unit = tmp_path / "listener.service"
    unit.write_text(render(scope, program, Path(config)))
    told = _analyze(
        "--man=no", *(("--user",) if scope is Scope.USER else ()), "verify", str(unit), tmp=tmp_path
    )
    assert "listener" not in told


@pytest.mark.parametrize("name", TEMPLATES.values())
def test_the_shipped_files_know_no_unknown_key(name: str, tmp_path: Path) -> None:
    """They name a program that is not there, and nothing else is wrong with them."""
    scope = ("--user",) if name == TEMPLATES[Scope.USER] else ()
    told = _analyze("--man=no", *scope, "verify", str(systemd_units() / name), tmp=tmp_path, check=False)
    complaints = [
        line for line in told.splitlines() if "listener" in line and "is not executable" not in line
    ]
    assert complaints == []


def test_the_systems_unit_is_hardened(tmp_path: Path) -> None:
    told = _analyze(
        "security",
        "--offline=true",
        f"--threshold={MOST_EXPOSURE * 10:.0f}",
        str(systemd_units() / "listener.service"),
        tmp=tmp_path,
    )
    exposure = re.search(r"Overall exposure level.*: ([\d.]+)", told)
    assert exposure is not None
    assert float(exposure.group(1)) <= MOST_EXPOSURE


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize(
    "line",
    [
        "Type=notify",
        "NotifyAccess=main",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "WatchdogSec=30",
        "TimeoutStopSec=20",
        "KillMode=mixed",
        "Restart=on-failure",
        "StartLimitIntervalSec=0",
    ],
)
def test_both_are_watched_and_started_again(scope: Scope, line: str) -> None:
    text = render(scope, Path("/opt/listener/bin/listener"), Path("/etc/listener/config.yaml"))
    assert line in text.splitlines()


@pytest.mark.parametrize("folder", ['a"b', "a'b", "a\\b", "a\nb"])
def test_a_program_that_systemd_would_not_start_is_refused(folder: str) -> None:
    with pytest.raises(ServiceError, match="systemd starts no program"):
        render(Scope.USER, Path("/opt") / folder / "listener", Path("/etc/listener/config.yaml"))


def test_it_starts_this_installation() -> None:
    text = render(Scope.SYSTEM, Path("/srv/hear/bin/listener"), Path("/srv/hear/config.yaml"))
    assert "ExecStart=/srv/hear/bin/listener run -c /srv/hear/config.yaml --no-console" in text.splitlines()
    assert text.count("ExecStart=") == 1


def test_a_change_by_hand_is_seen(tmp_path: Path) -> None:
    unit = tmp_path / "listener.service"
    assert origin(unit) is Origin.ABSENT
    text = render(Scope.SYSTEM, Path("/a/listener"), Path("/a/config.yaml"))
    unit.write_text(text)
    assert origin(unit) is Origin.WRITTEN
    unit.write_text(text.replace("WatchdogSec=30", "WatchdogSec=60"))
    assert origin(unit) is Origin.CHANGED
    unit.write_text((systemd_units() / "listener.service").read_text())
    assert origin(unit) is Origin.FOREIGN
    unit.write_bytes(b"\xff\xfe\n")
    assert origin(unit) is Origin.FOREIGN


def _analyze(*arguments: str, tmp: Path, check: bool = True) -> str:
    done = subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp), "SYSTEMD_COLORS": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout + done.stderr
