"""Killed at a hundred random moments: the next start is clean, and whatever began has an end."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.bundles import loudness_bundle
from tests.program import PATIENCE_S, Program

LIFE = Path(__file__).parent / "crash" / "life.py"
RATE = 16_000
KILLS = 10
"""In a row, each life after the one before; then one life is let end in good order."""

RecordProperty = Callable[[str, object], None]


@dataclass
class Account:
    """What became of all lives in a row."""

    folder: Path
    moments: Counter[str] = field(default_factory=Counter)

    def choose(self, dice: random.Random) -> str:
        """Choose in which part of its life the next one is killed."""
        when = dice.choice(("start", "work", "work", "work", "stop"))
        self.moments[when] += 1
        return when

    def assert_whole(self, record_property: RecordProperty) -> None:
        """Every onset that was told has its end, and no clip is half of one."""
        lines = (self.folder / "told.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        onsets = {event["id"]: event for event in events if event["phase"] == "onset"}
        offsets: dict[str, set[str]] = {}
        for line, event in zip(lines, events, strict=True):
            if event["phase"] == "offset":
                offsets.setdefault(event["id"], set()).add(line)
        assert onsets
        assert set(onsets) <= set(offsets), "an onset was told, and never its end"
        # Who is told twice, because nobody knows whether the first time got through, can see that it is so.
        assert all(len(same) == 1 for same in offsets.values())
        twice = sum(event["phase"] == "offset" for event in events) - len(offsets)
        assert twice <= 2 * self.moments.total()
        for lines_of_end in offsets.values():
            _assert_true(json.loads(min(lines_of_end)), onsets)
        n_clips = _assert_clips_whole(self.folder / "clips")
        for name, figure in {
            "kills": dict(self.moments),
            "onsets told": len(onsets),
            "ends told": len(offsets),
            "ends told twice": twice,
            "clips": n_clips,
            "clips cut off, and hidden": len(list((self.folder / "clips").glob(".*"))),
        }.items():
            record_property(name, figure)


def _assert_true(end: dict[str, Any], onsets: dict[str, dict[str, Any]]) -> None:
    assert end["offset_s"] >= end["onset_s"]
    if end["started_at"] is not None:
        assert end["ended_at"] >= end["started_at"]
    onset = onsets.get(end["id"])
    if onset is not None:  # else the program was killed before it could tell
        same = ("source", "label", "onset_s", "started_at", "model", "score")
        assert {name: end[name] for name in same} == {name: onset[name] for name in same}


def _assert_clips_whole(folder: Path) -> int:
    clips = sorted(folder.glob("*.flac"))
    for clip in clips:
        samples, _ = soundfile.read(clip, dtype="int16")
        assert len(samples) == soundfile.info(clip).frames > 0, clip
        assert np.abs(samples).max() > 0, f"{clip} has nothing of what it was written for"
    return len(clips)


def _die(start: list[str], account: Account, dice: random.Random, life_s: float) -> None:
    """Start a life and kill it at a random moment: while it starts, works or stops."""
    when = account.choose(dice)
    process = subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        if when == "start":
            time.sleep(dice.uniform(0, life_s))
        else:
            _wait_until_it_listens(process)
            time.sleep(dice.uniform(0, life_s))
        if when == "stop":
            process.send_signal(signal.SIGTERM)
            time.sleep(dice.uniform(0, 0.3))
    finally:
        process.kill()
    _, err = process.communicate(timeout=PATIENCE_S)
    assert not _complaints(err), f"killed at its {when}, it said before:\n{err}"


def _wait_until_it_listens(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said, f"it never listened: {process.stderr.read() if process.stderr else ''}"


def _complaints(err: str) -> list[str]:
    return [line for line in err.splitlines() if any(w in line for w in ("WARNING", "ERROR", "Traceback"))]


def _end_in_good_order(start: list[str], life_s: float) -> None:
    with subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            _wait_until_it_listens(process)
            time.sleep(life_s)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    assert process.returncode == 0, err
    assert not _complaints(err)


@pytest.mark.parametrize("seed", range(9))
def test_the_engine_is_killed(seed: int, tmp_path: Path, record_property: RecordProperty) -> None:
    """Ninety times: without the model, which takes the longest to start, and knows of no state."""
    start = [sys.executable, str(LIFE), str(tmp_path)]
    dice = random.Random(seed)
    account = Account(tmp_path)
    for _ in range(KILLS):
        _die(start, account, dice, life_s=0.6)
    _end_in_good_order(start, life_s=1.0)
    assert list((tmp_path / "state").iterdir()) == []
    account.assert_whole(record_property)


def test_the_program_is_killed(tmp_path: Path, record_property: RecordProperty) -> None:
    """Ten times: all of it, as a user starts it."""
    arguments = ("run", "-c", _configuration(tmp_path), "--json")
    dice = random.Random(9)
    account = Account(tmp_path)
    for _ in range(KILLS):
        when = account.choose(dice)
        with Program(*arguments, state=tmp_path / "state") as program:
            if when != "start":
                program.wait_for_log("listening to bursts")
            time.sleep(dice.uniform(0, 1.5))
            if when == "stop":
                program.interrupt(signal.SIGTERM)
                time.sleep(dice.uniform(0, 0.5))
            program.kill()
        _assert_clean(program)
    with Program(*arguments, state=tmp_path / "state") as program:
        program.wait_for_log("listening to bursts")
        time.sleep(2.0)
        program.interrupt(signal.SIGTERM)
        assert program.wait() == 0
    _assert_clean(program)
    assert list((tmp_path / "state" / "listener").iterdir()) == []
    account.assert_whole(record_property)


def _configuration(folder: Path) -> Path:
    """Twenty minutes of half a loud second in every two, four times as fast as in real life."""
    rng = np.random.default_rng(1)
    cycle = rng.uniform(-1, 1, 2 * RATE) * np.repeat([0.001, 0.5], [3 * RATE // 2, RATE // 2])
    soundfile.write(folder / "bursts.wav", np.tile(cycle, 600), RATE, subtype="PCM_16")
    path = folder / "config.yaml"
    path.write_text(
        f"""
sources: [{{use: file, name: bursts, path: {folder}/bursts.wav, speed: 4}}]
model: {{path: {loudness_bundle(folder / "loudness.pt")}}}
windows: {{hop_s: 0.1}}
events: {{only: [loud], default: {{release_s: 0.1, cooldown_s: 0}}}}
actions:
  - {{use: log}}
  - {{use: command, name: tell, when: both, run: [sh, -c, 'exec cat >> "$0"', {folder}/told.jsonl]}}
  - {{use: clip, directory: {folder}/clips, before_s: 0.5, after_s: 0.5}}
"""
    )
    return path


def _assert_clean(program: Program) -> None:
    """It complained of nothing but the kill before, and each line on its standard output is an event."""
    said = "".join(program.told)
    assert all("the last run was cut short" in line for line in _complaints(said)), said
    for line in program.printed:
        assert json.loads(line)["label"] == "loud"
