"""A disk that is full or read-only costs what should be written to it, and nothing else."""

import json
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import listener.open_events
from listener.actions.clip import ClipAction, ClipOptions
from listener.config import ActionSettings
from listener.errors import ModelError
from listener.events import LabelRule
from listener.open_events import OpenEvents, writer
from listener.pipeline import Pipeline
from listener.testing import CollectingAction, ScriptedClassifier, ScriptedSource, Step, tiny_bundle
from listener.types import Event, Phase
from tests.bundles import loudness_bundle
from tests.disk import PAGE, SmallDisk
from tests.program import PATIENCE_S, command, run
from tests.virtual_microphone import VirtualMicrophone

RATE = 16_000
BURSTS = 5
"""In each act; the disk is as it should be in the first and the last, and in trouble in between."""
ACTS = 3
PERIOD_S = 3.0

ELSEWHERE = Event("e1", Phase.ONSET, "mic", "elsewhere", 1.0, None, 1.0, 1.0, "m/1")
"""Goes on all the while: of a disk that is full, the journal needs what it has, and more."""

RecordProperty = Callable[[str, object], None]


@pytest.fixture
def patient_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is waited for, and a disk that is back is seen at once."""
    monkeypatch.setattr(listener.open_events, "NOTE_WAITS_S", PATIENCE_S)
    monkeypatch.setattr(writer, "RETRY_S", 0.0)
    monkeypatch.setattr(writer, "TICK_S", 0.01)


class Engine:
    """All of it but the model, with clips and the open events on a disk."""

    def __init__(self, folder: Path) -> None:
        self.curtains = [threading.Event() for _ in range(ACTS)]
        script: list[Step] = []
        for curtain in self.curtains:
            script += [curtain, *_bursts(BURSTS)]
        self.good = CollectingAction("good")
        self.journal = OpenEvents(folder / "state", "key")
        clip = ClipAction("clip", ClipOptions(directory=folder / "clips", before_s=0.5, after_s=0.5))
        any_event = ActionSettings(use="test", when="both")
        self.pipeline = Pipeline(
            [ScriptedSource("mic", script)],
            ScriptedClassifier(),
            [LabelRule(0.5, 0.5, release_s=0.25, cooldown_s=0.0)],
            0.25,
            [(self.good, any_event), (clip, ActionSettings(use="clip"))],
            self.journal.note,
            on_told=self.journal.told,
        )

    def play(self, act: int) -> None:
        """Let an act go by, and all that is done about it."""
        self.curtains[act].set()
        assert self.good.wait_for(2 * BURSTS * (act + 1), PATIENCE_S)
        clips = self.pipeline.action_stats
        _wait_until(lambda: clips()["clip"].fired + clips()["clip"].failed == BURSTS * (act + 1))


def _bursts(n: int) -> list[Step]:
    rng = np.random.default_rng(n)
    gain = np.repeat([0.001, 0.5, 0.001], RATE).astype(np.float32)
    period = rng.uniform(-1, 1, len(gain)).astype(np.float32) * gain
    return [*np.split(np.tile(period, n), n * 30)]


def _wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.01)


def _whole(clips: Path) -> int:
    """Count the clips; all of them are whole, and nothing else is there."""
    files = list(clips.iterdir())
    for file in files:
        assert file.suffix == ".flac"
        samples, _ = soundfile.read(file, dtype="int16")
        assert len(samples) == soundfile.info(file).frames > 0
    return len(files)


def _fill(disk: SmallDisk) -> None:
    # What a file has begun to use of a page is its own: even a full disk has room for it there.
    journal = disk.folder / "state" / "open-events-key.jsonl"
    with journal.open("ab") as file:
        file.write(b"\n" * (-journal.stat().st_size % PAGE))
    disk.fill()


TROUBLES: dict[str, tuple[Callable[[SmallDisk], None], Callable[[SmallDisk], None], str]] = {
    "full": (_fill, SmallDisk.make_room, "No space left on device"),
    "read-only": (SmallDisk.make_read_only, SmallDisk.make_writable, "Read-only file system"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_engine_goes_on(
    trouble: str,
    small_disk: SmallDisk,
    patient_journal: None,
    caplog: pytest.LogCaptureFixture,
    record_property: RecordProperty,
) -> None:
    begins, ends, why = TROUBLES[trouble]
    engine = Engine(small_disk.folder)
    journal = small_disk.folder / "state" / "open-events-key.jsonl"
    engine.journal.start()
    engine.journal.note(ELSEWHERE)
    engine.pipeline.start()
    try:
        engine.play(0)
        _wait_until(lambda: journal.read_text().count("told") == BURSTS)
        begins(small_disk)
        engine.play(1)
        _wait_until(lambda: "cannot be noted" in caplog.text)
        ends(small_disk)
        _wait_until(lambda: "noted again" in caplog.text)
        engine.play(2)
        assert engine.pipeline.done.wait(PATIENCE_S)
    finally:
        engine.pipeline.stop()
        engine.journal.told(replace(ELSEWHERE, phase=Phase.OFFSET, offset_s=99.0))
        engine.journal.close()
    engine.pipeline.raise_failure()
    stats = engine.pipeline.stats()
    (mic,) = stats.sources
    n_events = ACTS * BURSTS
    assert mic.heard_s == pytest.approx(n_events * PERIOD_S)
    assert mic.lost_s == 0.0
    assert (mic.overflows, mic.overruns, mic.thinned, mic.skipped) == (0, 0, 0, 0)
    assert _ends(engine.good.events) == [(1.0 + PERIOD_S * n, 2.0 + PERIOD_S * n) for n in range(n_events)]
    clips = engine.pipeline.action_stats()["clip"]
    assert (clips.fired, clips.failed, clips.dropped, clips.timed_out) == (10, 5, 0, 0)
    assert _whole(small_disk.folder / "clips") == 10
    assert engine.journal.missed == 2 * BURSTS
    assert list((small_disk.folder / "state").iterdir()) == []
    failures = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    # A disk that is full is told of once, and once more when it is over.
    said = (
        {"no clip can be written": BURSTS} if trouble != "full" else {"is full": 1, "writes clips again": 1}
    )
    for text, times in said.items():
        assert sum(text in line for line in failures) == times, failures
    assert sum("cannot be noted" in text and why in text for text in failures) == 1
    assert sum("noted again; 10 were not" in text for text in failures) == 1
    assert len(failures) == sum(said.values()) + 2, failures
    for name, figure in {
        "heard_s": mic.heard_s,
        "lost_s": mic.lost_s,
        "events": stats.events,
        "clips written": clips.fired,
        "clips failed": clips.failed,
        "events not noted": engine.journal.missed,
    }.items():
        record_property(name, figure)


def _ends(events: list[Event]) -> list[tuple[float, float | None]]:
    return [(event.onset_s, event.offset_s) for event in events if event.phase is Phase.OFFSET]


def test_what_was_noted_before_is_still_there_when_the_program_is_killed_in_trouble(
    small_disk: SmallDisk, patient_journal: None, caplog: pytest.LogCaptureFixture
) -> None:
    state = small_disk.folder / "state"
    engine = Engine(small_disk.folder)
    engine.journal.start()
    engine.journal.note(ELSEWHERE)
    _fill(small_disk)
    engine.journal.note(replace(ELSEWHERE, id="e2"))
    left = (state / "open-events-key.jsonl").read_bytes()
    _wait_until(lambda: "cannot be noted" in caplog.text)
    engine.journal.close()
    small_disk.make_room()
    (state / "open-events-key.jsonl").write_bytes(left)
    after = OpenEvents(state, "key")
    after.start()
    assert [end.id for end in after.recovered()] == ["e1"]
    after.close()


def test_the_program_waits_with_its_output_and_tells_of_each_trouble_once(
    small_disk: SmallDisk, tmp_path: Path, record_property: RecordProperty
) -> None:
    """Clips, open events and standard output on a disk that is full at the start."""
    n_bursts = 100
    config = _configuration(tmp_path, small_disk.folder / "clips", n_bursts)
    log, printed = tmp_path / "log", small_disk.folder / "events.jsonl"
    environment = {**os.environ, "XDG_STATE_HOME": str(small_disk.folder)}
    small_disk.fill()
    with (
        open(printed, "w") as stdout,
        open(log, "w") as stderr,
        subprocess.Popen(
            command("run", "-c", config, "--json"), env=environment, stdout=stdout, stderr=stderr
        ) as program,
    ):
        try:
            said = {"cannot be noted": 1, "wait to be printed": 1, "pauses: the disk of": 1}
            _wait_until(
                lambda: (
                    all(log.read_text().count(text) >= times for text, times in said.items())
                    or program.poll() is not None
                )
            )
            small_disk.make_room()
            assert program.wait(PATIENCE_S) == 0, log.read_text()
        finally:
            program.kill()
    told = log.read_text()
    assert f"bursts: heard {2.0 * n_bursts:.1f} s, lost 0.0 s" in told
    assert f"{n_bursts} events" in told
    events = [json.loads(line) for line in printed.read_text().splitlines()]
    assert [event["phase"] for event in events] == ["onset", "offset"] * n_bursts
    for once in (
        "cannot be noted",
        "noted again",
        "wait to be printed",
        "printed again",
        "pauses: the disk of",
        "writes clips again",
    ):
        assert told.count(once) == 1, f"'{once}' in:\n{told}"
    assert "Traceback" not in told
    n_clips = _whole(small_disk.folder / "clips")
    assert 0 < n_clips < n_bursts
    record_property("heard_s", 2.0 * n_bursts)
    record_property("events printed", len(events))
    record_property("clips written", n_clips)


def _configuration(folder: Path, clips: Path, n_bursts: int) -> Path:
    rng = np.random.default_rng(1)
    period = rng.uniform(-1, 1, 2 * RATE) * np.repeat([0.001, 0.5], [3 * RATE // 2, RATE // 2])
    soundfile.write(folder / "bursts.wav", np.tile(period, n_bursts), RATE, subtype="PCM_16")
    path = folder / "config.yaml"
    path.write_text(
        f"""
sources: [{{use: file, name: bursts, path: {folder}/bursts.wav, speed: 20}}]
model: {{path: {loudness_bundle(folder / "loudness.pt")}}}
windows: {{hop_s: 0.1}}
events: {{only: [loud], default: {{release_s: 0.1, cooldown_s: 0}}}}
actions: [{{use: clip, directory: {clips}, before_s: 0.2, after_s: 0.2, inbox: 1000}}]
"""
    )
    return path


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_recording_keeps_what_had_its_place(
    suffix: str, small_disk: SmallDisk, virtual_microphone: VirtualMicrophone
) -> None:
    noise = np.random.default_rng(2).integers(-20_000, 20_000, 60 * RATE).astype(np.int16)
    small_disk.fill(leave=25 * PAGE)
    virtual_microphone.play_array(noise)
    out = small_disk.folder / f"recording{suffix}"
    done = run("record", "-o", out)
    assert done.returncode == 1
    assert done.stderr == f"listener: --out {out} cannot be written: is the disk full?\n"
    samples, _ = soundfile.read(out, dtype="int16")
    assert len(samples) == soundfile.info(out).frames > RATE
    small_disk.make_room()
    assert list(small_disk.folder.iterdir()) == [out]


def test_an_analysis_is_written_whole_or_not_at_all(small_disk: SmallDisk, tmp_path: Path) -> None:
    config = _configuration(tmp_path, tmp_path, n_bursts=40)
    out = small_disk.folder / "events.jsonl"
    out.write_text("what was there")
    small_disk.fill(leave=PAGE)
    arguments = ("analyze", "-c", config, tmp_path / "bursts.wav", "--format", "jsonl", "--out", out)
    full = run(*arguments)
    assert (full.returncode, full.stdout) == (1, "")
    assert full.stderr == f"listener: --out {out}: cannot be written: No space left on device\n"
    assert out.read_text() == "what was there"
    small_disk.make_room()
    assert list(small_disk.folder.iterdir()) == [out]
    assert run(*arguments).returncode == 0
    assert len(out.read_text().splitlines()) == 40


def test_a_bundle_is_written_whole_or_not_at_all(small_disk: SmallDisk) -> None:
    small_disk.fill(leave=PAGE)
    with pytest.raises(ModelError, match=r"tiny\.pt: the bundle cannot be written: "):
        tiny_bundle(small_disk.folder / "tiny.pt")
    small_disk.make_room()
    assert list(small_disk.folder.iterdir()) == []
    tiny_bundle(small_disk.folder / "tiny.pt")


def test_what_is_printed_to_a_full_disk_fails_in_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command("models", "list"), stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"listener: No space left on device\n")
