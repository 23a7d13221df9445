"""The program as `pip install .` leaves it: no checkout beside it, run from any folder."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from listener import __version__

ROOT = Path(__file__).parent.parent
PATIENCE_S = 150.0


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it.

    Only the program itself is installed. What it depends on is lent by the running
    environment: installing a few hundred megabytes once more would prove nothing about the wheel.
    """
    folder = tmp_path_factory.mktemp("wheel")
    python = [sys.executable, "-m"]
    _call([*python, "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)], cwd=folder)
    [wheel] = folder.glob("listener-*.whl")
    venv = folder / "venv"
    _call([*python, "venv", "--without-pip", str(venv)], cwd=folder)
    pip = [*python, "pip", "--python", str(venv)]
    _call([*pip, "install", "--no-index", "--no-deps", str(wheel)], cwd=folder)
    [packages] = venv.glob("lib/python*/site-packages")
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv


def test_tells_its_version(environment: Path, tmp_path: Path) -> None:
    assert __version__ in _listener(environment, tmp_path, "--version")


@pytest.mark.parametrize("folder", ["models", "systemd"])
def test_folders_travel_in_it(environment: Path, folder: str) -> None:
    travelled = _share(environment) / folder
    shipped = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    assert shipped
    for path in shipped:
        assert (travelled / path.relative_to(ROOT / folder)).read_bytes() == path.read_bytes()


def test_finds_its_own_configuration(environment: Path, tmp_path: Path) -> None:
    code = "from listener.resources import default_config; print(default_config())"
    found = Path(_call([str(environment / "bin/python"), "-c", code], cwd=tmp_path).strip())
    assert found == _share(environment) / "config.yaml"
    assert found.read_bytes() == (ROOT / "config.yaml").read_bytes()


def test_lists_its_model(environment: Path, tmp_path: Path, household: Path) -> None:
    assert household.stem in _listener(environment, tmp_path, "models", "list")


def test_finds_its_plugins_through_entry_points(environment: Path, tmp_path: Path) -> None:
    listed = _listener(environment, tmp_path, "plugins")
    for name in ("microphone", "demo", "torchscript", "command", "clip"):
        assert name in listed


@pytest.mark.usefixtures("household")
def test_hears_the_demo_scene(environment: Path, tmp_path: Path) -> None:
    arguments = ["run", "--source", "demo", "--speed", "max", "--json"]
    events = [json.loads(line) for line in _listener(environment, tmp_path, *arguments).splitlines()]
    assert "smoke_alarm" in {event["label"] for event in events}


def _share(environment: Path) -> Path:
    [share] = environment.glob("lib/python*/site-packages/listener/share")
    return share


def _listener(environment: Path, folder: Path, *arguments: str) -> str:
    return _call([str(environment / "bin/listener"), *arguments], cwd=folder)


def _call(command: list[str], cwd: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
