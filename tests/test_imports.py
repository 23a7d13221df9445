"""What the program must not load: it costs memory and seconds for as long as the daemon lives."""

import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE_S = 90.0

AT_EXIT = """
import atexit, sys
atexit.register(lambda: print("loaded:", *sorted(sys.modules), file=sys.stderr))
from listener.cli import main
main()
"""


@pytest.mark.usefixtures("household")
def test_listening_loads_no_training_tool(tmp_path: Path) -> None:
    loaded = _modules_after(
        "run", "--source", "demo", "--speed", "max", "--duration", "3", "--json", cwd=tmp_path
    )
    assert "torch" in loaded
    assert not loaded & {"librosa", "numba", "scipy", "matplotlib", "listener.training"}


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    loaded = _modules_after("--help", cwd=tmp_path)
    assert "listener" in loaded
    assert not loaded & {"torch", "pyaudio", "sounddevice"}


def _modules_after(*arguments: str, cwd: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", AT_EXIT, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())
