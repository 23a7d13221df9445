"""``listener devices``."""

import json
import subprocess
import sys

import pytest

from tests.virtual_microphone import VirtualMicrophone

COMMAND = [sys.executable, "-c", "from listener.cli import main; main()", "devices"]


def devices(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_every_back_end_and_device_is_shown(virtual_microphone: VirtualMicrophone) -> None:
    code, out, err = devices()
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    for backend in ("pyaudio", "sounddevice"):
        names = {row[2] for row in rows if row[0] == backend}
        assert names == {"default", "room", "fifo"}
    assert all(row[-1] == "yes" for row in rows[1:])


def test_as_json(virtual_microphone: VirtualMicrophone) -> None:
    code, out, err = devices("--json")
    assert (code, err) == (0, "")
    default = next(each for each in json.loads(out) if each["default"] and each["backend"] == "pyaudio")
    assert default["name"] == "default"
    assert default["default_rate_hz"] == 44_100
    assert default["opens"] is True
    assert default["problem"] is None


@pytest.mark.parametrize(("arguments", "shown"), [([], ""), (["--json"], "[]\n")])
def test_without_an_audio_system_there_is_one_line(
    arguments: list[str], shown: str, no_audio_system: None
) -> None:
    code, out, err = devices(*arguments)
    assert (code, out) == (1, shown)
    assert err.startswith("listener: no microphone found: ")
    assert err.count("\n") == 1
