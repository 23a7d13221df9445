"""``listener record``."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from listener.levels import decibels
from tests.virtual_microphone import PATIENCE_S, VirtualMicrophone

COMMAND = [sys.executable, "-c", "from listener.cli import main; main()", "record"]
RATE = 16_000
PLAYED_S = 60
"""Longer than any test listens."""


def record(*arguments: str | Path) -> tuple[int, str, str]:
    command = [*COMMAND, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def written(folder: Path) -> int:
    """Bytes of the unfinished recordings in this folder."""
    return sum(path.stat().st_size for path in folder.glob(".*.part"))


def noise(n_samples: int) -> NDArray[np.int16]:
    samples = np.random.default_rng(2).integers(-32_768, 32_768, n_samples).astype(np.int16)
    samples[0] = samples[-1] = 12_345
    return samples


def begin_to_play(microphone: VirtualMicrophone, samples: NDArray[np.int16], probe: Path) -> None:
    """Play, and wait until it is heard."""
    microphone.play_array(samples)

    def is_heard() -> bool:
        assert record("-d", "0.1", "-o", probe, "--force")[0] == 0
        return bool(soundfile.read(probe)[0].any())

    wait_for(is_heard)


@pytest.mark.parametrize("backend", ["pyaudio", "sounddevice"])
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_ctrl_c_keeps_what_was_played(
    backend: str, suffix: str, virtual_microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    out = tmp_path / f"kept{suffix}"
    process = start("--out", out, "--backend", backend)
    wait_for(virtual_microphone.is_listened_to)
    played = noise(PLAYED_S * RATE)
    virtual_microphone.play_array(played)
    wait_for(virtual_microphone.is_played_to)
    before = written(tmp_path)
    wait_for(lambda: written(tmp_path) > before + 2.5 * 2 * RATE)
    assert not out.exists()
    process.send_signal(signal.SIGINT)
    code, stdout, err = finish(process)
    assert (code, err) == (0, "")
    assert re.fullmatch(rf"{out}: \d+\.\d s at {RATE} Hz\n", stdout)
    assert soundfile.info(out).subtype == "PCM_16"
    heard = soundfile.read(out, dtype="int16")[0]
    heard = heard[np.flatnonzero(heard)[0] :]
    assert len(heard) > RATE // 2
    assert np.array_equal(heard, played[: len(heard)])
    assert list(tmp_path.iterdir()) == [out]


def test_a_duration_is_kept_to_the_sample(virtual_microphone: VirtualMicrophone, tmp_path: Path) -> None:
    out = tmp_path / "a.wav"
    code, stdout, err = record("-d", "0.51", "-o", out)
    assert (code, err) == (0, "")
    assert stdout == f"{out}: 0.5 s at {RATE} Hz\n"
    assert soundfile.info(out).frames == 8_160


def test_takes_of_a_label_follow_each_other_without_a_gap(
    virtual_microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    into = tmp_path / "sounds"
    process = start("--label", "door bell", "--into", into, "-d", "0.35", "--count", "9000")
    wait_for(virtual_microphone.is_listened_to)
    played = noise(PLAYED_S * RATE)
    virtual_microphone.play_array(played)
    wait_for(lambda: len(list(into.rglob("*.wav"))) >= 4)  # none of them is silent
    process.send_signal(signal.SIGINT)
    code, stdout, err = finish(process)
    n_silent = err.count("not kept, for it is nothing but silence\n")  # before it was played to
    assert code == 130
    takes = sorted((into / "door bell").iterdir())
    assert stdout.count(" s at 16000 Hz") == len(takes)
    assert [re.sub(r"\d{8}-\d{6}", "TIME", path.name) for path in takes] == [
        f"door_bell-TIME-{number:04}.wav" for number in range(1 + n_silent, 1 + n_silent + len(takes))
    ]
    assert {soundfile.info(path).frames for path in takes[:-1]} == {5_600}
    heard = np.concatenate([soundfile.read(path, dtype="int16")[0] for path in takes])
    heard = heard[np.flatnonzero(heard)[0] :]
    assert len(heard) > 5_600
    assert np.array_equal(heard, played[: len(heard)])


def test_takes_never_replace_others(virtual_microphone: VirtualMicrophone, tmp_path: Path) -> None:
    begin_to_play(virtual_microphone, noise(PLAYED_S * RATE), tmp_path / "probe.wav")
    for _ in range(2):
        assert record("--label", "dog", "--into", tmp_path, "-d", "0.05", "--count", "2")[0] == 0
    assert len(list((tmp_path / "dog").iterdir())) == 4


def test_takes_of_a_muted_microphone_are_not_kept(
    virtual_microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    into = tmp_path / "sounds"
    code, stdout, err = record("--label", "dog", "--into", into, "-d", "0.1", "--count", "2")
    assert (code, stdout) == (1, "")
    *takes, last = err.splitlines()
    assert [
        line.endswith(f"000{n}.wav: not kept, for it is nothing but silence")
        for n, line in enumerate(takes, 1)
    ] == [True, True]
    assert last.startswith("listener: the microphone gave nothing but digital silence: is it muted")
    assert not into.exists()


def test_of_takes_the_silent_ones_are_left_out(virtual_microphone: VirtualMicrophone, tmp_path: Path) -> None:
    played = noise(PLAYED_S * RATE)
    seconds = np.arange(len(played)) // RATE
    played[seconds % 2 == 1] = 1  # one step of 16 bits: below -90 dBFS
    begin_to_play(virtual_microphone, played, tmp_path / "probe.wav")
    into = tmp_path / "sounds"
    code, _, err = record("--label", "dog", "--into", into, "-d", "0.25", "--count", "12")
    takes = [soundfile.read(path, dtype="int16")[0] for path in (into / "dog").iterdir()]
    n_silent = err.count("not kept, for it is nothing but silence\n")
    assert (code, err.count("\n")) == (0, n_silent)
    assert n_silent >= 2
    assert n_silent + len(takes) == 12
    assert all(take.max() > 1 for take in takes)


def test_ctrl_c_among_takes_keeps_those_that_are_there(
    virtual_microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    begin_to_play(virtual_microphone, noise(PLAYED_S * RATE), tmp_path / "probe.wav")
    process = start("--label", "dog", "--into", tmp_path, "-d", "0.3", "--count", "9000")
    folder = tmp_path / "dog"
    wait_for(lambda: folder.is_dir() and len(list(folder.glob("*.wav"))) >= 3)
    process.send_signal(signal.SIGINT)
    assert finish(process)[0] == 130
    lengths = [soundfile.info(path).frames for path in sorted(folder.iterdir())]
    assert lengths[:3] == [4_800] * 3
    assert set(lengths[:-1]) == {4_800}


@pytest.mark.parametrize("label", ["a/b", "..", ".hidden", " ", "a\nb"])
def test_a_label_that_cannot_be_a_folder(label: str, tmp_path: Path) -> None:
    code, out, err = record("--label", label, "--into", tmp_path / "sounds", "-d", "1")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.endswith(": cannot be the name of a folder\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "dog"], "--label and --into go together."),
        (["--into", "x"], "--label and --into go together."),
        (["--count", "3", "-d", "1"], "--count needs --duration, --label and --into."),
        (["--count", "3", "--label", "dog", "--into", "x"], "--count needs --duration, --label and --into."),
        (["--out", "a.wav", "--label", "dog", "--into", "x"], "--into names the files: leave out --out."),
    ],
)
def test_options_that_do_not_go_together(arguments: list[str], message: str) -> None:
    code, out, err = record(*arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_without_a_microphone_no_folder_is_left(no_audio_system: None, tmp_path: Path) -> None:
    assert record("--label", "dog", "--into", tmp_path / "sounds", "-d", "1")[0] == 1
    assert not (tmp_path / "sounds").exists()


def test_ctrl_c_before_the_duration_is_an_interrupt_that_keeps_the_file(
    virtual_microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    out = tmp_path / "a.wav"
    process = start("-d", "1000", "-o", out)
    wait_for(lambda: written(tmp_path) > 20_000)
    process.send_signal(signal.SIGINT)
    code, stdout, _ = finish(process)
    assert code == 130
    assert str(out) in stdout
    assert soundfile.info(out).frames > 8_000


def test_a_lost_microphone_keeps_the_file(virtual_microphone: VirtualMicrophone, tmp_path: Path) -> None:
    out = tmp_path / "a.wav"
    process = start("-o", out)
    wait_for(lambda: written(tmp_path) > 20_000)
    virtual_microphone.kill()
    code, stdout, err = finish(process)
    assert code == 1
    assert err == "listener: microphone of source 'mic' is gone: was it unplugged?\n"
    assert str(out) in stdout
    assert soundfile.info(out).frames > 8_000


def test_without_a_name_it_is_named_after_the_time(
    virtual_microphone: VirtualMicrophone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = record("-d", "0.1")
    assert (code, err) == (0, "")
    assert [
        re.fullmatch(r"recording-\d{8}-\d{6}\.wav", path.name) is not None for path in tmp_path.iterdir()
    ] == [True]


def test_a_file_that_is_there_is_replaced_only_when_told(
    virtual_microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    out = tmp_path / "a.wav"
    out.write_bytes(b"dear")
    code, _, err = record("-d", "0.1", "-o", out)
    assert code == 1
    assert err == f"listener: --out {out} is there already: choose another name, or give --force\n"
    assert out.read_bytes() == b"dear"
    assert record("-d", "0.1", "-o", out, "--force")[0] == 0
    assert soundfile.info(out).frames == 1_600


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "x/a.mp3"], "--out x/a.mp3: the name has to end in .wav or .flac"),
        (["--out", "missing/a.wav"], "--out missing/a.wav cannot be written: No such file or directory"),
        (["--device", "no such"], "no microphone is called 'no such': there are "),
        (["--channel", "0"], "--channel 0: give mix, or a channel counted from 1"),
        (["--channel", "left"], "--channel left: give mix, or a channel counted from 1"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    arguments: list[str],
    message: str,
    virtual_microphone: VirtualMicrophone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = record("-d", "0.1", *arguments)
    assert (code, out) == (1, "")
    assert err.startswith(f"listener: {message}")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_in_one_line(virtual_microphone: VirtualMicrophone, tmp_path: Path) -> None:
    limit = 'ulimit -f 64; exec "$@"'  # at 64 KiB writing fails, as it does on a full disk
    command = ["bash", "-c", limit, "bash", *COMMAND, "-o", str(tmp_path / "a.wav")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == f"listener: --out {tmp_path}/a.wav cannot be written: is the disk full?\n"
    assert soundfile.info(tmp_path / "a.wav").frames > 30_000  # what had its place is kept


def test_without_an_audio_system_there_is_one_line(no_audio_system: None, tmp_path: Path) -> None:
    code, out, err = record("-o", tmp_path / "a.wav")
    assert (code, out) == (1, "")
    assert err.startswith("listener: no microphone found: ")
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("*a.wav*"))
    assert not list(tmp_path.glob(".*"))


def test_the_meter_of_a_terminal_shows_silence_as_silence(
    virtual_microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    leader, terminal = os.openpty()
    command = [*COMMAND, "-d", "0.5", "-o", str(tmp_path / "a.wav")]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "NO_COLOR": "1"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=terminal, env=environment)
    os.close(terminal)
    shown = b""
    try:
        while data := os.read(leader, 65_536):
            shown += data
    except OSError:  # the other side has closed: how Linux ends a terminal
        pass
    os.close(leader)
    assert process.wait(PATIENCE_S) == 0
    assert b"rms   -inf  peak   -inf  highest   -inf dBFS" in shown


@pytest.mark.parametrize(("amplitude", "db"), [(1.0, 0.0), (0.1, -20.0), (0.0, float("-inf"))])
def test_levels(amplitude: float, db: float) -> None:
    assert decibels(amplitude) == pytest.approx(db)
