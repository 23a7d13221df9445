"""Chaos: random faults for a week of simulated time, through the engine with its threads.

Everything follows from a seed. What fails says which; it is played again with::

    CHAOS_SEED=... CHAOS_MINUTES=... python -m pytest tests/test_chaos.py
"""

import logging
import os
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

import pytest

from listener.classifiers.bundle import read_card
from listener.classifiers.torchscript import TorchScriptClassifier
from listener.config import HealthSettings
from listener.events import LabelRule
from listener.pipeline import Pipeline
from listener.sources.demo import SAMPLE_RATE, render_scene
from listener.testing import (
    Bursts,
    Fault,
    FaultyMicrophone,
    Loop,
    ScriptedClassifier,
    Sound,
    drawn,
    tiny_bundle,
)
from listener.types import Event, Samples
from tests.lab import verdict

SEED = int(os.environ.get("CHAOS_SEED", "1"))
MINUTES = float(os.environ.get("CHAOS_MINUTES", "10000"))
"""Of all microphones together."""

RATE = 1_000
CHUNK_S = 0.8
HOP_S = 1.0
HEALTH = HealthSettings(stalled_s=2, lost_s=5)
"""Chunks are long, for there are millions of seconds of them."""

N_MICROPHONES = 4
"""At once."""

PARTS = 8
"""One after the other."""

LOOK_EVERY_S = 1.0
HANGS_S = 120.0


QUIET_END_S = 60.0
"""Nothing begins so shortly before the end: what is lost there cannot be measured any more."""


def plan(seed: str, duration_s: float, rate_hz: int) -> Iterator[Fault]:
    """Draw what happens to a microphone."""
    faults = drawn(seed, rate_hz=rate_hz)
    return takewhile(lambda fault: fault.at_s < duration_s - QUIET_END_S, faults)


def soft_or_loud(samples: Samples) -> list[float]:
    """Tell the bursts apart by how far they swing; what is clipped swings further."""
    swing = float(samples.max() - samples.min())
    return [float(0.08 < swing < 0.42), float(0.48 < swing < 1.7)]


def run_to_end(pipeline: Pipeline, microphones: Sequence[FaultyMicrophone]) -> None:
    """Run until all has been heard; fail when time stands still."""
    pipeline.start(wait_for_sources=True)
    try:
        before, still_s = -1.0, 0.0
        while not pipeline.done.wait(LOOK_EVERY_S):
            now = sum(microphone.clock.now() for microphone in microphones)
            still_s = still_s + LOOK_EVERY_S if now == before else 0.0
            before = now
            states = [(source.name, source.state.value) for source in pipeline.stats().sources]
            assert still_s < HANGS_S, f"deadlock at {now:.1f} s: {states}"
    finally:
        pipeline.stop()
    pipeline.raise_failure()


@pytest.fixture(autouse=True)
def _be_quiet() -> Iterator[None]:
    """A week of trouble has many lines to log."""
    log = logging.getLogger("listener")
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(logging.NOTSET)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.timeout(600)
def test_a_week_of_chaos(part: int) -> None:
    duration_s = MINUTES * 60 / PARTS / N_MICROPHONES
    numbers = range(part * N_MICROPHONES, (part + 1) * N_MICROPHONES)
    sounds = [Bursts(SEED + number) for number in numbers]
    microphones = [
        FaultyMicrophone(
            f"microphone {number}",
            sound,
            plan(f"{SEED} {number}", duration_s, RATE),
            RATE,
            CHUNK_S,
            duration_s,
        )
        for number, sound in zip(numbers, sounds, strict=True)
    ]
    for microphone in microphones:
        microphone.health = HEALTH
    events: list[Event] = []
    classifier = ScriptedClassifier(("soft", "loud"), soft_or_loud, 1.0, HOP_S, RATE)
    rule = LabelRule(0.5, 0.5, release_s=HOP_S, cooldown_s=0.0)
    pipeline = Pipeline(microphones, classifier, [rule] * 2, HOP_S, on_event=events.append)
    run_to_end(pipeline, microphones)
    problems = [*verdict.of_pairs(events)]
    for microphone, sound, stats in zip(microphones, sounds, pipeline.stats().sources, strict=True):
        problems += verdict.of_sound(microphone, stats)
        problems += verdict.of_bursts(microphone, sound, events, HOP_S)
        problems += verdict.of_troubles(microphone, events, duration_s, HEALTH)
    told = "\n".join(problems[:20])
    assert not problems, f"CHAOS_SEED={SEED} CHAOS_MINUTES={MINUTES:g}: {len(problems)} problems\n{told}"


def hear_with_a_model(path: Path, seed: int, duration_s: float) -> list[tuple[object, ...]]:
    """Let two microphones, at the rates of real ones, go wrong; say what was told, less what differs."""
    sounds: list[Sound] = [Bursts(seed), Loop(render_scene(), SAMPLE_RATE)]
    microphones = [
        FaultyMicrophone(
            f"microphone {number}",
            sound,
            plan(f"{seed} {number}", duration_s, SAMPLE_RATE),
            duration_s=duration_s,
        )
        for number, sound in enumerate(sounds)
    ]
    events: list[Event] = []
    classifier = TorchScriptClassifier(path, read_card(path))
    rules = [LabelRule(0.6, 0.4)] * len(classifier.card.labels)
    pipeline = Pipeline(microphones, classifier, rules, 0.5, on_event=events.append)
    run_to_end(pipeline, microphones)
    problems = [*verdict.of_pairs(events)]
    for microphone, stats in zip(microphones, pipeline.stats().sources, strict=True):
        problems += verdict.of_sound(microphone, stats)
        problems += verdict.of_troubles(microphone, events, duration_s, microphone.health)
    assert not problems, f"seed {seed}: {problems}"
    return sorted(
        (event.source, event.label, event.phase.value, event.onset_s, event.offset_s or 0.0, event.score)
        for event in events
    )


def test_chaos_with_a_model_is_the_same_each_time(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "tiny.pt")
    first = hear_with_a_model(tmp_path / "tiny.pt", SEED, 1000.0)
    assert len(first) > 40
    assert hear_with_a_model(tmp_path / "tiny.pt", SEED, 1000.0) == first
