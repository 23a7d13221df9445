"""Who judges the engine is judged too: each kind of defect must be seen."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from listener.config import HealthSettings
from listener.events import LabelRule
from listener.pipeline import Pipeline
from listener.testing import Bursts, Fault, FaultyMicrophone, Loss, ScriptedClassifier, Silence, Unplug
from listener.types import Event, Phase, Samples, SourceStats
from tests.lab import verdict

RATE = 1_000
DURATION_S = 600.0
PATIENCE_S = 60.0
PLAN: list[Fault] = [
    Unplug(at_s=60, for_s=30),
    Loss(at_s=200, for_s=0.5, told="flag"),
    Silence(at_s=300, for_s=30),
    Loss(at_s=400, for_s=2.0, told="count"),
]

Run = tuple[FaultyMicrophone, Bursts, list[Event], SourceStats]


def heard(samples: Samples) -> list[float]:
    swing = float(samples.max() - samples.min())
    return [float(0.08 < swing < 0.42), float(swing > 0.48)]


@pytest.fixture(scope="module")
def run() -> Run:
    sound, events = Bursts(1), list[Event]()
    microphone = FaultyMicrophone("mic", sound, PLAN, RATE, 0.5, DURATION_S)
    classifier = ScriptedClassifier(("soft", "loud"), heard, 1.0, 1.0, RATE)
    rule = LabelRule(0.5, 0.5, release_s=1.0, cooldown_s=0.0)
    pipeline = Pipeline([microphone], classifier, [rule] * 2, 1.0, on_event=events.append)
    pipeline.start()
    assert pipeline.done.wait(PATIENCE_S)
    pipeline.stop()
    return microphone, sound, events, pipeline.stats().sources[0]


def problems(run: Run) -> set[str]:
    microphone, sound, events, stats = run
    found = {
        "pairs": verdict.of_pairs(events),
        "sound": verdict.of_sound(microphone, stats),
        "bursts": verdict.of_bursts(microphone, sound, events, 1.0),
        "troubles": verdict.of_troubles(microphone, events, DURATION_S, HealthSettings()),
    }
    return {what for what, told in found.items() if [*told]}


def test_all_is_well(run: Run) -> None:
    assert problems(run) == set()


@pytest.mark.parametrize(
    ("defect", "seen"),
    [
        (lambda event: None if event.phase is Phase.OFFSET and event.label == "loud" else event, "pairs"),
        (lambda event: None if event.label == "@source.lost" else event, "troubles"),
        (lambda event: None if event.label == "@source.lagging" else event, "troubles"),
        (
            lambda event: replace(event, label="@source.stalled") if event.label[0] == "@" else event,
            "troubles",
        ),
        (lambda event: None if event.label == "soft" else event, "bursts"),
        (lambda event: replace(event, onset_s=event.onset_s + 2.0), "bursts"),
        (lambda event: replace(event, offset_s=(event.offset_s or 0.0) + 3.0), "bursts"),
    ],
)
def test_what_is_wrong_with_events_is_seen(
    defect: Callable[[Event], Event | None], seen: str, run: Run
) -> None:
    microphone, sound, events, stats = run
    spoilt = [event for event in map(defect, events) if event is not None]
    assert seen in problems((microphone, sound, spoilt, stats))


@pytest.mark.parametrize(
    "defect", [{"heard_s": 1e-3}, {"lost_s": 0.5}, {"lost_s": -0.5}, {"skipped": 1}, {"overflows": -2}]
)
def test_what_is_wrong_with_the_sound_is_seen(defect: dict[str, float], run: Run) -> None:
    microphone, sound, events, stats = run
    spoilt = replace(stats, **{name: getattr(stats, name) + by for name, by in defect.items()})
    assert "sound" in problems((microphone, sound, events, spoilt))
