"""What of an evaluation stands in a card."""

from collections.abc import Iterator
from dataclasses import replace

from listener.training.evaluate.clips import ClipFigures
from listener.training.evaluate.evaluation import Evaluation, OnStreams
from listener.types import ModelCard


def card_with(card: ModelCard, evaluation: Evaluation) -> ModelCard:
    """Write what was measured into a card."""
    figures: dict[str, float] = {}
    if evaluation.clips is not None:
        on_clips = evaluation.clips.figures
        figures[f"accuracy_{len(on_clips.labels)}"] = on_clips.accuracy.value
        figures |= {
            f"{name}_accuracy": part.accuracy.value for name, part in evaluation.clips.subsets.items()
        }
        figures |= {
            "macro_f1": on_clips.macro_f1.value,
            "mean_average_precision": on_clips.mean_average_precision.value,
            "clips": float(on_clips.clips),
        }
        card = replace(
            card,
            figures_per_label=_per_label(on_clips),
            confusion=_confusion(on_clips),
            subset_confusion={name: _confusion(part) for name, part in evaluation.clips.subsets.items()},
        )
    if evaluation.streams is not None:
        figures |= dict(_of_streams(evaluation.streams))
    return replace(card, figures={name: round(value, 4) for name, value in figures.items() if value == value})


def _per_label(figures: ClipFigures) -> dict[str, dict[str, float]]:
    return {
        label: {
            "recall": round(one.recall.value, 4),
            "precision": round(one.precision.value, 4),
            "average_precision": round(one.average_precision.value, 4),
            "clips": float(one.clips),
        }
        for label, one in figures.per_label.items()
    }


def _confusion(figures: ClipFigures) -> dict[str, dict[str, int]]:
    return {
        label: {said: count for said, count in zip(figures.labels, row, strict=True) if count}
        for label, row in zip(figures.labels, figures.confusion, strict=True)
    }


def _of_streams(streams: OnStreams) -> Iterator[tuple[str, float]]:
    figures = streams.figures
    overlap = figures.events["overlap"]
    yield "stream_targets", float(figures.targets)
    yield "stream_found", float(overlap.found)
    yield "stream_false_events", float(figures.false_events)
    yield "stream_f1", overlap.f1.value
    yield "stream_latency_s", figures.latency.median_s.value
    if figures.negative_hours:
        yield "negative_false_events", float(figures.negative_false_events)
        yield "negative_minutes", 60 * figures.negative_hours
