"""Made-up things to show."""

from dataclasses import replace
from typing import Any

import numpy as np

from listener.console.scene import Scene, Step
from listener.types import (
    Decision,
    Event,
    ModelCard,
    Phase,
    PipelineStats,
    Prediction,
    Reason,
    SourceState,
    SourceStats,
)

LABELS = ("dog", "cat", "rooster", "smoke_alarm", "siren", "rain", "glass_breaking")
CARD = ModelCard(
    name="household",
    version="1.0.0",
    labels=LABELS,
    sample_rate=16_000,
    window_s=2.048,
    hop_s=0.5,
    input="log_mel",
    activation="sigmoid",
)


def source(name: str = "mic", **values: Any) -> SourceStats:
    ordinary = SourceStats(
        name, SourceState.LIVE, sample_rate=48_000, level_db=-30.0, peak_db=-12.0, heard_s=60.0
    )
    return replace(ordinary, **values)


def stats(*sources: SourceStats, **values: Any) -> PipelineStats:
    ordinary = PipelineStats(
        elapsed_s=60.0,
        sources=sources or (source(),),
        windows=120,
        events=1,
        queued=0,
        hop_s=0.5,
        latency_s=(0.041, 0.07, 0.088),
        cpu_share=0.23,
    )
    return replace(ordinary, **values)


def step(
    scores: dict[str, float], active: str = "", name: str = "mic", labels: tuple[str, ...] = LABELS
) -> Step:
    """A window in which the labels have these scores, others 0, and an event of one of them lasts."""
    values = np.array([scores.get(label, 0.0) for label in labels], np.float32)
    decisions = [
        Decision(
            source=name,
            label=label,
            end_s=60.0,
            score=float(score),
            smoothed_score=float(score),
            threshold=0.35 if label == active else 0.5,
            reason=Reason.ONGOING if label == active else Reason.QUIET,
        )
        for label, score in zip(labels, values, strict=True)
    ]
    return Step(Prediction(name, values, 58.0, 60.0), decisions)


def onset(label: str = "dog", identity: str = "1", **values: Any) -> Event:
    ordinary = Event(identity, Phase.ONSET, "mic", label, 12.5, None, 0.91, 0.91, CARD.identity)
    return replace(ordinary, **values)


def offset(label: str = "dog", identity: str = "1", **values: Any) -> Event:
    ended = onset(label, identity, phase=Phase.OFFSET, offset_s=15.0, score=0.1, peak_score=0.97)
    return replace(ended, **values)


def scene(**values: Any) -> Scene:
    return replace(Scene("1.2.3", CARD, 0.5, stats(), windows_per_s=2.0), **values)
