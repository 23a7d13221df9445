"""An evaluation as one HTML file that needs nothing else: no script, no font, no picture from elsewhere."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import listener
from listener.errors import DatasetError
from listener.files import whole_file
from listener.training.evaluate.clips import ClipFigures
from listener.training.evaluate.evaluation import Evaluation, OnClips, OnStreams
from listener.training.evaluate.html import (
    cell,
    duration,
    number,
    percent,
    picture,
    span,
    table,
    tiles,
    value_and_range,
)
from listener.training.evaluate.plots import (
    RIGHT,
    TRUE,
    WRONG,
    confusion_plot,
    reliability_plot,
    score_plot,
    snr_plot,
    timeline_plot,
)
from listener.training.evaluate.streams import BLOCK_S, CRITERIA
from listener.training.evaluate.style import CSS

_MOST_TIMELINES = 20

_OF_CLIPS = (
    """The score of a clip is the highest of its windows', as `listener predict` gives it; the verdict is
    the label of the highest score, among those labels that some of the clips have.""",
    """Intervals on clips: 1000 bootstrap samples of the recordings that they come from, and Wilson's
    where that is wider; none, where every sample said the same.""",
)
_OF_STREAMS = (
    """Events are made by the live event logic: by the card's thresholds or, in the report of a training, by
    thresholds from folds that no stream is made of.""",
    """A found event stands for at most one that happened, of the same label. Overlap: they share time.
    Onset: within so many seconds of the true one. Onset and offset: the offset as well, within as many or
    half of the event's length.""",
    """A false event lies where its label is not heard at all. Time to decision runs from the true onset to
    the end of the window with which the event was told.""",
    """PSDS: Bilen et al., 2020, with the settings of the DCASE challenges; labels that never happen in the
    streams are not part of it.""",
    f"""Intervals on events: bootstrap of pieces of {BLOCK_S:g} s; on events an hour: Garwood's, for a Poisson
    process; on shares of a label's events: Wilson's.""",
)


def write_report(path: Path, evaluation: Evaluation) -> None:
    """Write the report, whole or not at all.

    Raises
    ------
    DatasetError
        It cannot be written, or matplotlib is not installed.
    """
    text = report(evaluation)
    try:
        with whole_file(path) as half_written:
            half_written.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DatasetError(f"--report {path}: cannot be written: {error.strerror}") from error


def report(evaluation: Evaluation) -> str:
    """Form the report."""
    title = f"{evaluation.card.identity}: how good it is"
    parts = [
        f"<h1>{escape(evaluation.card.identity)}</h1>",
        (
            f'<p class="soft">judged on {evaluation.measured_at:%d %B %Y, %H:%M} UTC '
            f"by listener {escape(listener.__version__)}, through the engine that runs live. "
            "Ranges are 95 % intervals.</p>"
        ),
        *(f'<p class="warn">{escape(warning)}.</p>' for warning in evaluation.warnings),
    ]
    if evaluation.clips is not None:
        parts += _clips(evaluation, evaluation.clips)
    if evaluation.streams is not None:
        parts += _streams(evaluation.streams)
    parts += _how(evaluation)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _clips(evaluation: Evaluation, clips: OnClips) -> Iterator[str]:
    figures = clips.figures
    yield "<h2>Clips</h2>"
    yield f"<p>{figures.clips} clips of {len(figures.labels)} labels{_folds(clips.folds)}.</p>"
    yield tiles(
        [
            ("accuracy", percent(figures.accuracy), span(figures.accuracy, percent=True)),
            ("macro F1", number(figures.macro_f1.value), span(figures.macro_f1)),
            ("mean average precision", *value_and_range(figures.mean_average_precision)),
            ("calibration error", number(figures.calibration.expected_error), "of the verdict's score"),
        ]
    )
    if clips.subsets:
        rows = [[name, *_subset(subset)] for name, subset in clips.subsets.items()]
        yield "<h3>Parts of them, each among its own labels</h3>"
        yield table(("subset", "clips", "labels", "accuracy", "macro F1", "mAP"), rows)
    if clips.left_out:
        told = ", ".join(f"{escape(label)} ({count})" for label, count in clips.left_out.items())
        yield f'<p class="soft">Left out, as the model has no such label: {told}.</p>'
    yield "<h3>Each label</h3>"
    yield table(
        ("label", "clips", "precision", "recall", "F1", "average precision"),
        [
            [
                label,
                str(one.clips),
                *(cell(f) for f in (one.precision, one.recall, one.f1, one.average_precision)),
            ]
            for label, one in figures.per_label.items()
        ],
    )
    yield picture("Confusions: clips by true label (row) and verdict (column).", confusion_plot(figures))
    yield picture(
        "How often a verdict of a given score is right. Below the diagonal, scores promise too much.",
        reliability_plot(figures.calibration),
    )
    ons = {label: thresholds.on for label, thresholds in evaluation.card.thresholds.items()}
    yield picture(
        "Scores of the clips that have a label (blue, upwards) and of all others (grey, downwards), as roots "
        "of shares; the dotted line is where an event begins.",
        score_plot(clips.judged, figures, evaluation.card.labels, ons),
    )


def _streams(streams: OnStreams) -> Iterator[str]:
    figures = streams.figures
    latency = figures.latency
    yield "<h2>Streams</h2>"
    yield (
        f"<p>{figures.streams} streams, {duration(figures.hours)}, with {figures.targets} events to be found"
        f"; {duration(figures.negative_hours)} of them hold none.</p>"
    )
    overlap, second = figures.events["overlap"], figures.events["onset_1s"]
    yield tiles(
        [
            ("event F1, by overlap", *value_and_range(overlap.f1)),
            ("event F1, onset within 1 s", *value_and_range(second.f1)),
            *(
                (f"PSDS, scenario {name[-1]}", number(value), "0 to 1")
                for name, value in streams.psds.items()
            ),
            (
                "false events an hour",
                number(figures.false_per_hour.value, 2),
                span(figures.false_per_hour, 2),
            ),
            (
                "the same, where nothing happens",
                number(figures.negative_false_per_hour.value, 2),
                span(figures.negative_false_per_hour, 2),
            ),
            (
                "median time to decision",
                f"{number(latency.median_s.value, 2)} s",
                span(latency.median_s, 2),
            ),
            ("19 of 20 within", f"{number(latency.p95_s, 2)} s", f"of {latency.events} found"),
        ]
    )
    if figures.unknown_targets:
        told = ", ".join(f"{escape(label)} ({n})" for label, n in figures.unknown_targets.items())
        yield f'<p class="soft">Events that the model has no label for, and that count nowhere: {told}.</p>'
    yield "<h3>Events found, by what is asked of them</h3>"
    yield table(
        ("criterion", "found", "missed", "surplus", "F1", "precision", "recall"),
        [
            [
                _criterion(name),
                str(one.found),
                str(one.missed),
                str(one.surplus),
                *map(cell, (one.f1, one.precision, one.recall)),
            ]
            for name, one in [*figures.events.items(), ("segments", figures.segments)]
        ],
    )
    yield "<h3>Each label</h3>"
    yield table(
        (
            "label",
            "events",
            "found",
            "recall",
            "precision",
            "false events",
            "an hour",
            "median s to decision",
        ),
        [
            [
                label,
                str(one.targets),
                str(one.found),
                cell(one.recall),
                cell(one.precision),
                str(one.false_events),
                cell(one.false_per_hour, 2),
                number(one.median_latency_s, 2),
            ]
            for label, one in figures.per_label.items()
        ],
    )
    if figures.misled_by:
        told = "; ".join(f"{escape(pair)} ({count})" for pair, count in figures.misled_by.items())
        yield f'<p class="soft">False events that lay upon another known sound: {told}.</p>'
    if figures.by_snr:
        yield picture("Events found, by how far they stand out.", snr_plot(figures.by_snr))
    yield "<h3>What happened, and what was found</h3>"
    yield (
        f'<p class="soft">Above each line what happened (<span style="color:{TRUE}">filled: found</span>; '
        f'hollow: missed), below it what was found (<span style="color:{RIGHT}">where its label is '
        f'heard</span>, <span style="color:{WRONG}">in vain</span>).</p>'
    )
    for heard in streams.heard[:_MOST_TIMELINES]:
        yield picture(escape(heard.stream.name), timeline_plot(heard, streams.rules))
    if (n_more := len(streams.heard) - _MOST_TIMELINES) > 0:
        yield f'<p class="soft">{n_more} more streams are not drawn.</p>'


def _how(evaluation: Evaluation) -> Iterator[str]:
    card = evaluation.card
    rows = [
        ("command", f"<code>{escape(evaluation.command)}</code>"),
        ("bundle", f"{escape(str(evaluation.bundle))}, {escape(card.identity)}"),
        ("trained on", escape(card.training_data or "nothing that its card names")),
        ("manifest of the training", f"<code>{escape(card.manifest_sha256 or 'not stated')}</code>"),
        ("windows", f"{card.window_s:g} s, one every {card.hop_s:g} s"),
    ]
    if evaluation.clips is not None:
        rows.append(("clips", escape(str(evaluation.clips.folder))))
        rows.append(("manifest of the clips", f"<code>{evaluation.clips.manifest_sha256}</code>"))
    if evaluation.streams is not None:
        rows.append(("streams", escape(str(evaluation.streams.folder))))
    yield "<h2>How it was measured</h2>"
    yield "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows) + "</dl>"
    yield "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in explanations(evaluation)) + "</ul>"


def explanations(evaluation: Evaluation) -> list[str]:
    """Say what the figures mean."""
    of_clips = _OF_CLIPS if evaluation.clips is not None else ()
    return [*of_clips, *(_OF_STREAMS if evaluation.streams is not None else ())]


def _criterion(name: str) -> str:
    if name == "segments":
        return "each second"
    assert name in CRITERIA
    if name == "overlap":
        return "overlap"
    parts = name.split("_")
    return f"{' and '.join(parts[:-1])} within {parts[-1].removesuffix('s')} s"


def _subset(figures: ClipFigures) -> list[str]:
    return [
        str(figures.clips),
        str(len(figures.labels)),
        *(cell(one) for one in (figures.accuracy, figures.macro_f1, figures.mean_average_precision)),
    ]


def _folds(folds: Sequence[str]) -> str:
    return f", of fold {', '.join(map(escape, folds))}" if folds else ""
