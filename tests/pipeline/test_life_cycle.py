"""A microphone from the day that it is not there yet to the day that it is pulled."""

import threading
from datetime import UTC, datetime

import numpy as np
import pytest

from listener.clock import Clock
from listener.config import ActionSettings, HealthSettings
from listener.errors import DeviceError
from listener.events import LabelRule
from listener.pipeline import Pipeline
from listener.pipeline.troubles import Troubles
from listener.testing import CollectingAction, ScriptedClassifier, ScriptedSource, Step
from listener.types import AudioChunk, Event, Phase, SourceChange, SourceState

RATE = 16_000
PATIENCE_S = 60.0
RULE = LabelRule(0.5, 0.5, release_s=0.25, cooldown_s=0.0)


class ScriptClock(Clock):
    """Time that passes with what a script says."""

    def __init__(self) -> None:
        self.time_s = 1000.0

    def now(self) -> float:
        return self.time_s

    def pause(self, seconds: float, stopping: threading.Event) -> None:
        self.time_s += seconds


class Microphone(ScriptedSource):
    """A scripted microphone with a clock: a chunk takes its time, and nothing takes what `read` was given."""

    def __init__(self, script: list[Step], **options: object) -> None:
        super().__init__("mic", script, **options)  # type: ignore[arg-type]
        self.health = HealthSettings()
        self.clock = self.script_clock = ScriptClock()

    def read(self, timeout_s: float) -> AudioChunk | None:
        chunk = super().read(timeout_s)
        took_s = timeout_s if chunk is None else len(chunk.samples) / chunk.sample_rate
        self.script_clock.time_s += took_s
        return chunk


def noise(seconds: float, level: float = 0.01) -> list[Step]:
    samples = np.random.default_rng(0).uniform(-level, level, round(seconds * RATE)).astype(np.float32)
    return [*np.array_split(samples, round(seconds / 0.05))]


def nothing(seconds: float) -> list[Step]:
    return [None] * round(seconds / 0.25)


def live(script: list[Step], **options: object) -> tuple[list[Event], Pipeline]:
    """Run the script to its end; give the troubles that were told."""
    action = CollectingAction()
    pipeline = Pipeline(
        [Microphone(script, **options)],
        ScriptedClassifier(score=lambda samples: [0.0]),
        [RULE],
        0.25,
        [(action, ActionSettings(use="collect", when="both", labels=("@*",)))],
    )
    pipeline.start(wait_for_sources=True)
    try:
        assert pipeline.done.wait(PATIENCE_S)
    finally:
        pipeline.stop()
    pipeline.raise_failure()
    return action.events, pipeline


def told(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.label, event.phase.value) for event in events]


def test_absent_at_the_start_is_normal() -> None:
    problems = [DeviceError("no such microphone")] * 5
    events, pipeline = live(noise(3), open_problems=problems)
    assert told(events) == [("@source.absent", "onset"), ("@source.absent", "offset")]
    (source,) = pipeline.stats().sources
    assert source.heard_s == pytest.approx(3.0)
    assert source.lost_s == 0.0


@pytest.mark.parametrize(
    ("trouble", "label"),
    [
        (nothing(2.0), "@source.stalled"),
        ([np.zeros(RATE // 10, np.float32)] * 200, "@source.silent"),
        (noise(10.0, level=20.0), "@source.clipping"),
    ],
)
def test_each_trouble_is_told_and_its_end_too(trouble: list[Step], label: str) -> None:
    loud = [None if step is None else np.clip(step, -1, 1) for step in trouble]  # type: ignore[arg-type]
    events, pipeline = live([*noise(5), *loud, *noise(10)])
    assert told(events) == [(label, "onset"), (label, "offset")]
    onset, offset = events
    assert onset.id == offset.id
    assert offset.offset_s is not None
    assert offset.offset_s >= onset.onset_s
    assert onset.started_at is not None
    assert pipeline.stats().sources[0].state is SourceState.ENDED


def test_sound_that_nobody_reported_missing_becomes_a_gap() -> None:
    """Two seconds in which nothing comes, and what was played meanwhile never does."""
    events, pipeline = live([*noise(35), *nothing(2.0), *noise(35)])
    assert ("@source.lagging", "onset") in told(events)
    (source,) = pipeline.stats().sources
    assert source.lost_s == pytest.approx(2.0, abs=0.01)
    assert source.heard_s == pytest.approx(70.0)


def test_a_microphone_that_gives_nothing_is_opened_again() -> None:
    events, pipeline = live([*noise(5), *nothing(4.0), *noise(5)])
    assert told(events) == [
        ("@source.stalled", "onset"),
        ("@source.stalled", "offset"),
        ("@source.lost", "onset"),
        ("@source.lost", "offset"),
    ]
    (source,) = pipeline.stats().sources
    assert source.heard_s == pytest.approx(10.0)
    assert 4.0 <= source.lost_s <= 5.0
    # The gap is where it was, and as long as it was.
    lost_end = events[-1].offset_s
    assert lost_end == pytest.approx(5.0 + source.lost_s, abs=0.1)


def test_what_is_still_wrong_at_the_end_ends_with_it() -> None:
    events, _ = live([*noise(5), *nothing(2.0)])
    assert [event.phase for event in events] == [Phase.ONSET, Phase.OFFSET]


def test_a_star_means_no_trouble() -> None:
    """Who wants to hear of everything that sounds does not want a picture of a cable."""
    action = CollectingAction()
    pipeline = Pipeline(
        [Microphone([*noise(2), DeviceError("unplugged"), *noise(2)])],
        ScriptedClassifier(score=lambda samples: [0.0]),
        [RULE],
        0.25,
        [(action, ActionSettings(use="collect", when="both"))],
    )
    pipeline.start()
    assert pipeline.done.wait(PATIENCE_S)
    pipeline.stop()
    assert action.events == []


def test_an_event_ends_in_time_though_its_microphone_stays_away() -> None:
    """Whoever switched something on for a siren is not left waiting for somebody to mend the cable."""
    told, ended = [], threading.Event()

    def on_event(event: Event) -> None:
        told.append(event)
        if event.label == "sound" and event.phase is Phase.OFFSET:
            ended.set()

    problems = [None, *[DeviceError("still away")] * 1_000]
    source = ScriptedSource("mic", [*noise(3, level=0.5), DeviceError("pulled")], open_problems=problems)
    pipeline = Pipeline([source], ScriptedClassifier(), [RULE], 0.25, on_event=on_event)
    pipeline.start()
    try:
        assert ended.wait(PATIENCE_S)
        assert pipeline.stats().sources[0].state is SourceState.LOST
        (offset,) = [event for event in told if event.label == "sound" and event.phase is Phase.OFFSET]
        assert offset.offset_s == 3.0
    finally:
        pipeline.stop()


def test_a_source_may_be_called_as_the_program_is() -> None:
    troubles: list[Event] = []
    teller = Troubles(troubles.append)
    lost = SourceChange("listener", SourceState.LIVE, SourceState.LOST, "gone", 1.0, datetime.now(UTC))
    teller.of_source(lost)
    teller.of_model(True, "too slow")
    teller.of_model(False, "fine")
    assert [event.label for event in troubles] == ["@source.lost", "@overload", "@overload"]
