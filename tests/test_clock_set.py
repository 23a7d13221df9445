"""The clock is wrong, and set back and forth: what happens in stream time does not care."""

import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from listener.pipeline import intake, troubles
from listener.pipeline.intake import Intake
from listener.pipeline.troubles import Troubles
from listener.types import AudioChunk, Event
from tests.bundles import loudness_bundle
from tests.program import PATIENCE_S, Program, comparable, events, run
from tests.settable_clock import SettableClock
from tests.virtual_microphone import VirtualMicrophone

RATE = 16_000
DAY_S = 86_400
YEAR_S = 365 * DAY_S
RecordProperty = Callable[[str, object], None]


def test_the_clock_of_a_process_can_be_set(settable_clock: SettableClock) -> None:
    """The tool itself: Python sees the time that it is set to, and the monotonic clock goes on."""
    program = "import time; print(time.time(), time.monotonic())"
    seen = []
    for by_s in (0, -20 * YEAR_S):
        settable_clock.set(by_s)
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=settable_clock.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
        seen.append([float(number) for number in done.stdout.split()])
    (before, monotonic_before), (after, monotonic_after) = seen
    assert after - before == pytest.approx(-20 * YEAR_S, abs=PATIENCE_S)
    assert 0 <= monotonic_after - monotonic_before < PATIENCE_S


def test_a_recording_has_the_same_events_whatever_the_clock_does(
    settable_clock: SettableClock, tmp_path: Path, record_property: RecordProperty
) -> None:
    """Set by up to ten years some twenty times a second, from the first moment on."""
    config = _configuration(tmp_path, f"{{use: file, name: mic, path: {tmp_path}/bursts.wav, speed: 8}}")
    soundfile.write(tmp_path / "bursts.wav", _bursts(10), RATE, subtype="PCM_16")
    expected = run("run", "-c", config, "--json")
    assert expected.returncode == 0, expected.stderr
    dice, times = random.Random(1), 0
    with Program("run", "-c", config, "--json", environment=settable_clock.environment) as program:
        pause = threading.Event()
        while program.is_running:
            settable_clock.set(dice.randint(-10 * YEAR_S, 10 * YEAR_S))
            times += 1
            pause.wait(0.05)
        assert program.wait() == 0, "".join(program.told)
    seen = [json.loads(line) for line in program.printed]
    assert [comparable(event) for event in seen] == [comparable(event) for event in events(expected.stdout)]
    assert len(seen) == 10  # every other burst lies within the cooldown of the one before
    record_property("times that the clock was set", times)
    record_property("events", len(seen) // 2)


class WallClock:
    """Stands where a module has ``datetime``."""

    def __init__(self) -> None:
        self.set_by_s = 0.0

    def now(self, zone: tzinfo) -> datetime:
        return datetime.now(zone) + timedelta(seconds=self.set_by_s)


@pytest.mark.parametrize("by_s", [-DAY_S, DAY_S])
def test_the_end_of_a_trouble_is_not_told_by_another_clock(
    by_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = WallClock()
    monkeypatch.setattr(troubles, "datetime", clock)
    told: list[Event] = []
    of_program = Troubles(told.append)
    of_program.of_model(True, "it cannot keep up")
    clock.set_by_s = by_s
    of_program.of_model(False, "it keeps up again")
    onset, offset = told
    assert onset.started_at is not None
    assert offset.started_at == onset.started_at
    assert offset.ended_at is not None
    assert timedelta() <= offset.ended_at - onset.started_at < timedelta(seconds=PATIENCE_S)


@pytest.mark.parametrize("by_s", [-DAY_S, DAY_S])
def test_once_the_clock_is_set_right_events_have_the_right_time(
    by_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without a battery begins in the past, and is told the time when its network is there."""
    clock = WallClock()
    monkeypatch.setattr(intake, "datetime", clock)
    stream = Intake(RATE, has_clock=True)
    anchors = []
    for n in range(4):
        list(stream.push(AudioChunk(np.zeros(RATE, np.float32), n * RATE, RATE), now=float(n)))
        anchors.append(stream.anchor)
        clock.set_by_s = by_s if n else 0.0
    first, second, third, fourth = (anchor.utc for anchor in anchors if anchor is not None)
    assert first == second
    assert third - second == pytest.approx(timedelta(seconds=by_s), abs=timedelta(seconds=PATIENCE_S))
    assert third == fourth


def test_a_microphone_and_actions_do_not_care(
    settable_clock: SettableClock,
    virtual_microphone: VirtualMicrophone,
    tmp_path: Path,
    record_property: RecordProperty,
) -> None:
    settings = [DAY_S, 10 * YEAR_S, -40 * YEAR_S, 0]
    config = _configuration(
        tmp_path,
        "{use: microphone, name: mic}",
        f"""
actions:
  - use: command
    name: slow
    labels: ["*", "@*"]
    when: both
    timeout_s: 60
    run: [sh, -c, 'sleep 0.5; cat >> "$0"', {tmp_path}/told]
  - {{use: command, name: hangs, timeout_s: 1, run: [sleep, "1000"]}}
  - {{use: clip, directory: {tmp_path}/clips, before_s: 1, after_s: 1}}
""",
    )
    with Program("run", "-c", config, "--json", environment=settable_clock.environment) as program:
        program.wait_for_log("listening to mic")
        player = virtual_microphone.play_array(_bursts(2 * len(settings)))
        seen = []
        for by_s in settings:
            seen.append(program.wait_for_event("loud", "onset"))
            settable_clock.set(by_s)  # while it goes on, and while its actions run
            seen.append(program.wait_for_event("loud", "offset"))
        player.wait()
        lost, back = _lose_and_find(program, virtual_microphone, settable_clock)
        program.interrupt()
        assert program.wait() == 130
    told = "".join(program.told)
    for onset, offset in zip(seen[::2], seen[1::2], strict=True):
        _assert_true_to_each_other(onset, offset)
    _assert_true_to_each_other(lost, back)
    # A burst begins every two seconds; the one after an event lies within its cooldown of three.
    apart_s = [after["onset_s"] - before["onset_s"] for before, after in pairwise(seen[::2])]
    assert apart_s == pytest.approx([4.0] * (len(settings) - 1), abs=0.3)
    assert (tmp_path / "told").read_text().splitlines() == [line.rstrip() for line in program.printed]
    assert told.count("action 'hangs' on loud is given up: timeout_s is 1") == len(settings)
    assert told.count("is given up") == len(settings)
    clips = [soundfile.info(path).duration for path in (tmp_path / "clips").glob("*.flac")]
    assert clips == pytest.approx([2.0] * len(settings), abs=0.1)
    # Set while the sound before went on: each event is told with the time that it was then.
    _assert_times(seen[::2], [0, *settings[:-1]])
    record_property("times that the clock was set", len(settings) + 1)
    record_property("seconds from onset to onset", apart_s)


def _configuration(folder: Path, source: str, actions: str = "actions: [{use: log}]") -> Path:
    path = folder / "config.yaml"
    path.write_text(
        f"""
sources: [{source}]
model: {{path: {loudness_bundle(folder / "loudness.pt")}}}
windows: {{hop_s: 0.1}}
events: {{only: [loud], default: {{release_s: 0.1, cooldown_s: 3}}}}
{actions}
"""
    )
    return path


def _bursts(n: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Half a loud second in every two, at its end."""
    gain = np.repeat([10, 10_000], [3 * RATE // 2, RATE // 2])
    noise = np.random.default_rng(1).uniform(-1, 1, n * 2 * RATE)
    return np.asarray(np.round(noise * np.tile(gain, n)), np.int16)


def _lose_and_find(
    program: Program, microphone: VirtualMicrophone, clock: SettableClock
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Unplug the microphone, set the clock back by a day, and plug it in again."""
    microphone.unload()
    lost = program.wait_for_event("@source.lost", "onset")
    clock.set(-DAY_S)
    microphone.plug_in()
    return lost, program.wait_for_event("@source.lost", "offset")


def _assert_true_to_each_other(onset: dict[str, Any], offset: dict[str, Any]) -> None:
    for name in ("id", "source", "label", "onset_s", "started_at"):
        assert offset[name] == onset[name]
    started_at, ended_at = (datetime.fromisoformat(offset[name]) for name in ("started_at", "ended_at"))
    assert ended_at >= started_at
    if not onset["label"].startswith("@"):
        lasted_s = (ended_at - started_at).total_seconds()
        assert lasted_s == pytest.approx(offset["offset_s"] - offset["onset_s"], abs=0.002)


def _assert_times(onsets: list[dict[str, Any]], set_by_s: list[int]) -> None:
    now = datetime.now(UTC)
    for onset, by_s in zip(onsets, set_by_s, strict=True):
        started_at = datetime.fromisoformat(onset["started_at"]) - timedelta(seconds=by_s)
        assert timedelta() <= now - started_at < timedelta(seconds=PATIENCE_S)
