"""An evaluation as tables on a terminal."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from listener.cli.common import table

if TYPE_CHECKING:
    from listener.training.evaluate.clips import ClipFigures
    from listener.training.evaluate.evaluation import Evaluation, OnClips, OnStreams
    from listener.training.evaluate.intervals import Figure


def evaluation_as_text(evaluation: "Evaluation") -> str:
    """Give the tables, and lines of what does not fit into one."""
    return "\n\n".join(_parts(evaluation))


def _parts(evaluation: "Evaluation") -> Iterator[str]:
    yield f"{evaluation.card.identity} ({evaluation.bundle})"
    if evaluation.clips is not None:
        yield from _told_of_clips(evaluation.clips)
    if evaluation.streams is not None:
        yield from _told_of_streams(evaluation.streams)


def _told_of_clips(clips: "OnClips") -> Iterator[str]:
    figures = clips.figures
    yield table(
        ("LABEL", "CLIPS", "PRECISION", "RECALL", "F1", "AP"),
        [
            (
                label,
                str(one.clips),
                *(number(f.value) for f in (one.precision, one.recall, one.f1, one.average_precision)),
            )
            for label, one in figures.per_label.items()
        ],
    )
    of_folds = f", fold {', '.join(clips.folds)}" if clips.folds else ""
    whole = [(f"all{of_folds}", figures), *clips.subsets.items()]
    yield table(
        ("CLIPS", "NUMBER", "LABELS", "ACCURACY", "MACRO F1", "MAP"),
        [(name, *_overall(part)) for name, part in whole],
    )
    lines = [f"expected calibration error: {figures.calibration.expected_error:.3f}"]
    if clips.left_out:
        told = ", ".join(f"{label} ({count})" for label, count in clips.left_out.items())
        lines.append(f"left out, as the model has no such label: {told}")
    yield "\n".join(lines)


def _overall(figures: "ClipFigures") -> tuple[str, ...]:
    return (
        str(figures.clips),
        str(len(figures.labels)),
        str(figures.accuracy),
        str(figures.macro_f1),
        str(figures.mean_average_precision),
    )


def _told_of_streams(streams: "OnStreams") -> Iterator[str]:
    figures = streams.figures
    yield table(
        ("LABEL", "EVENTS", "FOUND", "RECALL", "PRECISION", "FALSE", "PER HOUR", "MEDIAN S"),
        [
            (
                label,
                str(one.targets),
                str(one.found),
                number(one.recall.value),
                number(one.precision.value),
                str(one.false_events),
                _rate(one.false_per_hour),
                number(one.median_latency_s),
            )
            for label, one in figures.per_label.items()
        ],
    )
    yield table(
        ("CRITERION", "FOUND", "MISSED", "SURPLUS", "F1", "PRECISION", "RECALL"),
        [
            (
                name.replace("_", " "),
                str(one.found),
                str(one.missed),
                str(one.surplus),
                str(one.f1),
                number(one.precision.value),
                number(one.recall.value),
            )
            for name, one in [*figures.events.items(), ("each second", figures.segments)]
        ],
    )
    if figures.by_snr:
        yield table(
            ("SNR DB", "EVENTS", "FOUND", "MEDIAN S"),
            [
                (
                    f"{one.low_db:g} to {one.high_db:g}",
                    str(one.targets),
                    str(one.found),
                    number(one.median_latency_s),
                )
                for one in figures.by_snr
            ],
        )
    yield "\n".join(_lines(streams))


def _lines(streams: "OnStreams") -> Iterator[str]:
    figures, latency = streams.figures, streams.figures.latency
    minutes = 60 * figures.hours
    yield f"streams: {figures.streams}, {minutes:.1f} min, {figures.targets} events to be found"
    yield f"false events: {figures.false_events}, {_rate(figures.false_per_hour)} an hour"
    if figures.negative_hours:
        rate = _rate(figures.negative_false_per_hour)
        yield (
            f"where nothing is to be found: {figures.negative_false_events} "
            f"in {60 * figures.negative_hours:.1f} min, {rate} an hour"
        )
    if latency.events:
        low, high = latency.median_s.low, latency.median_s.high
        yield (
            f"onset to decision: median {latency.median_s.value:.2f} s{_interval(low, high)}, "
            f"19 of 20 within {latency.p95_s:.2f} s"
        )
    for name, value in streams.psds.items():
        yield f"{name}: {value:.3f}"
    if figures.misled_by:
        yield "misled: " + "; ".join(f"{pair} ({count})" for pair, count in figures.misled_by.items())
    if figures.unknown_targets:
        told = ", ".join(f"{label} ({count})" for label, count in figures.unknown_targets.items())
        yield f"events that the model has no label for: {told}"


def number(value: float, digits: int = 2) -> str:
    """Write a number; one that nobody could measure as a dash."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _interval(low: float, high: float) -> str:
    return "" if math.isnan(low) else f" ({low:.2f}-{high:.2f})"


def _rate(figure: "Figure") -> str:
    return f"{figure.value:.1f} ({figure.low:.1f}-{figure.high:.1f})"
