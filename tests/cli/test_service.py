"""``listener service``, with a systemd that only remembers; tests/systemd has a real one."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from listener.cli.service import service
from listener.errors import ServiceError
from listener.resources import default_config
from listener.service import Installation, Places, Scope
from listener.service.unit import Origin, origin
from tests.program import run
from tests.service.fake_systemd import FakeSystemd


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSystemd:
    """A systemd that answers as told, and a home folder of its own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    fake = FakeSystemd(folder)
    monkeypatch.setenv("PATH", fake.path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("SUDO_USER", raising=False)
    return fake


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the user's configuration and units go."""
    return tmp_path / "home/.config"


@dataclass
class Machine:
    """A machine whose /etc is in a folder, for those who are root on it."""

    places: Places
    program: Path

    def call(self, *arguments: str) -> Result:
        """Run the command in this process."""
        return CliRunner().invoke(service, arguments, prog_name="listener service")

    def refusal(self, *arguments: str) -> str:
        """Run the command, which has to refuse, and give the line."""
        result = self.call(*arguments)
        assert isinstance(result.exception, ServiceError), result.output
        assert "\n" not in str(result.exception)
        return str(result.exception)


@pytest.fixture
def machine(tmp_path: Path, systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with the program in a place that the unit can see."""
    etc = tmp_path / "etc"
    places = Places(etc / "systemd/listener.service", etc / "listener/config.yaml", etc / "listener/secrets")
    program = Path("/opt/listener/bin/listener")
    monkeypatch.setattr(Places, "of", lambda scope: places)
    monkeypatch.setattr(Installation, "current", lambda: Installation(program, ()))
    monkeypatch.setattr("listener.service.installation.HIDDEN", {})
    monkeypatch.setattr("listener.service.installation._closed", lambda place: None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return Machine(places, program)


def test_install_for_a_user(systemd: FakeSystemd, home: Path) -> None:
    done = run("service", "install", "--user")
    assert done.returncode == 0, done.stderr
    unit = home / "systemd/user/listener.service"
    assert origin(unit) is Origin.WRITTEN
    assert f"-c {home}/listener/config.yaml --no-console" in unit.read_text()
    assert (home / "listener/config.yaml").read_bytes() == default_config().read_bytes()
    assert systemd.calls == [
        "--user daemon-reload",
        "--user enable listener.service",
        "--user restart listener.service",
    ]
    assert "loginctl enable-linger" in done.stdout


def test_who_lingers_is_not_told_to(systemd: FakeSystemd) -> None:
    systemd.lingers(True)
    done = run("service", "install", "--user")
    assert (done.returncode, "enable-linger" in done.stdout) == (0, False)


def test_the_unit_starts_a_program_that_is_there(systemd: FakeSystemd, home: Path) -> None:
    run("service", "install", "--user")
    (start,) = (
        line
        for line in (home / "systemd/user/listener.service").read_text().splitlines()
        if line.startswith("ExecStart=")
    )
    program = start.removeprefix("ExecStart=").split(" run ")[0].strip('"')
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert "listener" in done.stdout


def test_install_for_the_machine(systemd: FakeSystemd, machine: Machine) -> None:
    result = machine.call("install")
    assert result.exit_code == 0, result.output
    places = machine.places
    assert f"ExecStart={machine.program} run -c {places.config} --no-console" in places.unit.read_text()
    assert places.config.read_bytes() == default_config().read_bytes()
    assert places.secrets is not None
    assert [path.stat().st_mode & 0o777 for path in (places.unit, places.config, places.secrets)] == [
        0o644,
        0o644,
        0o700,
    ]
    assert systemd.calls == ["daemon-reload", "enable listener.service", "restart listener.service"]
    assert "not the internet" in result.output


def test_whatever_the_umask_the_service_can_read_its_files(machine: Machine) -> None:
    before = os.umask(0o077)
    try:
        machine.call("install")
    finally:
        os.umask(before)
    config = machine.places.config
    assert config.stat().st_mode & 0o777 == 0o644
    assert config.parent.stat().st_mode & 0o777 == 0o755


def test_a_second_time_changes_nothing(systemd: FakeSystemd, machine: Machine) -> None:
    machine.call("install")
    systemd.forget()
    before = machine.places.unit.stat().st_mtime_ns
    assert machine.call("install").exit_code == 0
    assert machine.places.unit.stat().st_mtime_ns == before
    assert systemd.calls == ["enable listener.service", "start listener.service"]


def test_another_installation_takes_over(
    systemd: FakeSystemd, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.call("install")
    systemd.forget()
    monkeypatch.setattr(Installation, "current", lambda: Installation(Path("/srv/newer/listener"), ()))
    assert machine.call("install").exit_code == 0
    assert "ExecStart=/srv/newer/listener " in machine.places.unit.read_text()
    assert systemd.calls == ["daemon-reload", "enable listener.service", "restart listener.service"]


def test_a_configuration_is_never_overwritten(machine: Machine, tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("windows: {hop_s: 1}\n")
    result = machine.call("install", "-c", os.path.relpath(config))
    assert result.exit_code == 0
    assert config.read_text() == "windows: {hop_s: 1}\n"
    assert f"-c {config} " in machine.places.unit.read_text()
    assert not machine.places.config.exists()


def test_a_dry_run_does_nothing(systemd: FakeSystemd, machine: Machine) -> None:
    result = machine.call("install", "--print")
    assert result.exit_code == 0
    assert f"ExecStart={machine.program} run" in result.stdout
    assert [line.split()[0] for line in result.stderr.splitlines()] == ["would"] * 6
    assert f"would write {machine.places.unit}" in result.stderr
    assert systemd.calls == []
    assert not machine.places.unit.parent.exists()
    machine.call("install")
    systemd.forget()
    result = machine.call("uninstall", "--print")
    assert f"would remove {machine.places.unit}" in result.stderr
    assert machine.places.unit.exists()
    assert systemd.calls == []


def test_what_a_dry_run_prints_is_what_is_written(machine: Machine) -> None:
    printed = machine.call("install", "--print").stdout
    machine.call("install")
    assert machine.places.unit.read_text() == printed


def test_a_dry_run_needs_no_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = run("service", "install", "--user", "--print")
    assert "Type=notify" in done.stdout
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("listener: there is no systemd here")


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_a_unit_changed_by_hand_is_left_alone(systemd: FakeSystemd, machine: Machine, command: str) -> None:
    machine.call("install")
    unit = machine.places.unit
    changed = unit.read_text().replace("WatchdogSec=30", "WatchdogSec=60")
    unit.write_text(changed)
    systemd.forget()
    assert "was changed by hand" in machine.refusal(command)
    assert unit.read_text() == changed
    assert systemd.calls == []
    assert machine.call(command, "--force").exit_code == 0
    assert not unit.exists() or origin(unit) is Origin.WRITTEN


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_anothers_unit_is_left_alone(machine: Machine, command: str) -> None:
    machine.places.unit.parent.mkdir(parents=True)
    machine.places.unit.write_text("[Service]\nExecStart=/bin/true\n")
    assert "was not written by `listener service install`" in machine.refusal(command)
    assert machine.places.unit.read_text() == "[Service]\nExecStart=/bin/true\n"


def test_uninstall_leaves_what_is_the_users(systemd: FakeSystemd, machine: Machine) -> None:
    machine.call("install")
    drop_in = machine.places.drop_ins / "mine.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nIPAddressAllow=any\n")
    assert "is left as it is" in machine.call("install").output
    systemd.forget()
    result = machine.call("uninstall")
    assert result.exit_code == 0
    assert systemd.calls == ["disable --now listener.service", "daemon-reload"]
    assert not machine.places.unit.exists()
    assert machine.places.config.exists()
    assert drop_in.exists()
    assert f"{machine.places.config} is left" in result.output


def test_uninstall_of_nothing(systemd: FakeSystemd, machine: Machine) -> None:
    result = machine.call("uninstall")
    assert (result.exit_code, systemd.calls) == (0, [])
    assert "nothing to remove" in result.output


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_without_root(
    systemd: FakeSystemd, machine: Machine, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    line = machine.refusal(command, "--force")
    assert f"sudo {machine.program} service {command} --force" in line
    assert "--user" in line
    assert systemd.calls == []
    assert machine.call(command, "--print").exit_code == 0


def test_the_sudo_line_keeps_the_configuration(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    line = machine.refusal("install", "-c", "/srv/a b.yaml")
    assert f"sudo {machine.program} service install -c '/srv/a b.yaml'" in line


def test_sudo_is_not_for_a_users_service(systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "alice")
    result = CliRunner().invoke(service, ["install", "--user"], prog_name="listener service")
    assert "not alice's" in str(result.exception)
    assert systemd.calls == []


@pytest.mark.parametrize(
    ("arguments", "answer", "told"),
    [
        ((), "offline", "was not started by systemd"),
        (("--user",), "offline", "loginctl enable-linger"),
        (("--user",), "", "no systemd session of this user"),
    ],
)
@pytest.mark.parametrize("command", ["install", "uninstall", "status"])
def test_no_systemd_runs(
    systemd: FakeSystemd, command: str, arguments: tuple[str, ...], answer: str, told: str
) -> None:
    systemd.is_running(answer)
    done = run("service", command, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("listener: ")
    assert told in line


def test_a_place_that_cannot_be_written(systemd: FakeSystemd, home: Path) -> None:
    home.parent.mkdir()
    home.write_text("a file where a folder should be")
    done = run("service", "install", "--user")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("listener: ")
    assert str(home) in line
    assert systemd.calls == []


def test_a_service_that_does_not_start(systemd: FakeSystemd, machine: Machine) -> None:
    systemd.refuses("Job for listener.service failed.\nSee journalctl -xeu listener.service.")
    line = machine.refusal("install")
    assert "does not start: systemctl restart listener.service: Job for listener.service failed. See" in line
    systemd.says(
        "2026-11-21T13:03:04+0000 vm systemd[1]: Starting listener.service...",
        "2026-11-21T13:03:04+0000 vm listener[250]: /etc/listener/config.yaml:1: model: is no table",
        "2026-11-21T13:03:04+0000 vm systemd[1]: listener.service: Failed with result 'exit-code'.",
    )
    assert machine.refusal("install") == (
        "listener.service does not start: /etc/listener/config.yaml:1: model: is no table; "
        "more: journalctl --unit=listener.service"
    )


@pytest.mark.parametrize(("mode", "told"), [(0o700, "closed to the service's own user"), (0o755, None)])
def test_a_program_that_the_services_user_cannot_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, told: str | None
) -> None:
    monkeypatch.setattr("listener.service.installation.HIDDEN", {})
    _open_up(tmp_path, monkeypatch)
    program = tmp_path / "opt/listener"
    program.parent.mkdir(mode=mode)
    program.write_text("")
    problem = Installation(program, ()).out_of_sight(tmp_path / "not-there-yet.yaml")
    assert problem is None if told is None else told in str(problem)


@pytest.mark.parametrize("place", ["/home/me/listener", "/root/listener", "/run/user/1000/x", "/tmp/x"])
def test_a_program_out_of_the_units_sight(place: str) -> None:
    seen = Path("/usr/bin/env")
    config = Path("/etc/listener.yaml")
    for installation in (Installation(Path(place), ()), Installation(seen, (Path(place),))):
        problem = str(installation.out_of_sight(config))
        assert problem.startswith(f"{place} is out of the system unit's sight (P")
        assert "/opt/listener" in problem
        assert "--user" in problem
    assert "name another with -c" in str(Installation(seen, ()).out_of_sight(Path(place)))
    assert Installation(seen, ()).out_of_sight(config) is None


def test_a_link_into_a_home_folder_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home/me").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "home/me/listener")
    monkeypatch.setattr("listener.service.installation.HIDDEN", {"X": (str(tmp_path / "home"),)})
    problem = str(Installation(tmp_path / "link", ()).out_of_sight(Path("/etc/c.yaml")))
    assert "home/me/listener is out of" in problem or "closed" in problem


def _open_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everybody pass the folders that pytest made for this user only."""
    from listener.service import installation

    passed = installation._to_be_passed
    monkeypatch.setattr(
        installation,
        "_to_be_passed",
        lambda place: ((path, bit) for path, bit in passed(place) if path not in (folder, *folder.parents)),
    )


def shown(**changes: str) -> dict[str, str]:
    """What systemd shows of a service that runs."""
    return {
        "LoadState": "loaded",
        "UnitFileState": "enabled",
        "FragmentPath": "/etc/systemd/system/listener.service",
        "DropInPaths": "",
        "ActiveState": "active",
        "SubState": "running",
        "Result": "success",
        "StatusText": "listening: mic (48 kHz), 99.99 % heard",
        "ActiveEnterTimestamp": "Sat 2026-11-21 12:18:21 UTC",
        "StateChangeTimestamp": "Sat 2026-11-21 12:20:00 UTC",
        "NRestarts": "3",
        **changes,
    }


@pytest.mark.parametrize("active", ["active", "reloading"])
def test_status_of_one_that_runs(systemd: FakeSystemd, active: str) -> None:
    systemd.shows(**shown(ActiveState=active, DropInPaths="/etc/x.conf"))
    systemd.says("2026-11-21T12:18:27+0000 pi listener[98]: rooster began")
    done = run("service", "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert "since Sat 2026-11-21 12:18:21 UTC" in done.stdout
    for part in ("listening: mic (48 kHz), 99.99 % heard", "restarts  3", "enabled   yes", "/etc/x.conf"):
        assert part in done.stdout
    assert done.stdout.splitlines()[-1].endswith("rooster began")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"ActiveState": "failed", "SubState": "failed", "Result": "watchdog"}, "failed (watchdog)"),
        ({"ActiveState": "inactive", "SubState": "dead", "StatusText": ""}, "stopped"),
        ({"ActiveState": "activating", "SubState": "start"}, "starting"),
        (
            {"ActiveState": "activating", "SubState": "auto-restart", "Result": "exit-code"},
            "ended (exit-code), about to be started again",
        ),
        ({"ActiveState": "deactivating", "SubState": "stop-sigterm"}, "stopping"),
    ],
)
def test_status_of_one_that_does_not_run(systemd: FakeSystemd, changes: dict[str, str], told: str) -> None:
    systemd.shows(**shown(**changes))
    done = run("service", "status")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"listener: listener.service is not running: {told}")
    assert "journalctl --unit=listener.service" in line
    assert f"state     {told} since Sat 2026-11-21 12:20:00 UTC" in done.stdout
    assert ("says" in done.stdout) == (changes["SubState"] in ("start", "stop-sigterm")), "or it is no news"


@pytest.mark.parametrize(
    ("arguments", "line", "journal"),
    [
        ((), "listener service install", "--unit=listener.service"),
        (("--user",), "listener service install --user", "--user-unit=listener.service"),
    ],
)
def test_status_of_none(systemd: FakeSystemd, arguments: tuple[str, ...], line: str, journal: str) -> None:
    done = run("service", "status", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"listener: listener.service is not installed: {line}\n"
    systemd.shows(**shown())
    run("service", "status", *arguments)
    assert journal in systemd.journal_calls[-1]


def test_places_follow_the_users_environment() -> None:
    places = Places.of(Scope.USER, {"XDG_CONFIG_HOME": "/srv/settings"})
    assert places.unit == Path("/srv/settings/systemd/user/listener.service")
    assert places.config == Path("/srv/settings/listener/config.yaml")
    assert Places.of(Scope.SYSTEM).unit == Path("/etc/systemd/system/listener.service")
