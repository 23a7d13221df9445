"""``listener evaluate``: how good a bundle is."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from listener.cli.common import table
from listener.cli.judging import load, progress, typed, warn
from listener.errors import ListenerError

if TYPE_CHECKING:
    from listener.training.data.clip import Manifest
    from listener.training.evaluate.clips import ClipFigures
    from listener.training.evaluate.evaluation import Evaluation, OnClips, OnStreams
    from listener.training.evaluate.intervals import Figure

PATH = click.Path(path_type=Path)
Subsets = Mapping[str, Mapping[str, tuple[str, ...]]]


@click.command()
@click.argument("bundle", type=PATH)
@click.option("--data", type=PATH, help="Folder of clips: with a manifest.")
@click.option("--recipe", type=PATH, help="Choose clips, labels, folds and subsets as this recipe does.")
@click.option("--where", metavar="COL=VALUE", multiple=True, help="Only clips with this in their manifest.")
@click.option("--folds", metavar="FOLDS", help="Only clips of these folds: 4, or 3,4.  [default: all]")
@click.option("--streams", type=PATH, help="Folder of recordings, each with its NAME.csv or NAME.txt.")
@click.option("--report", "report_path", type=PATH, metavar="FILE.html", help="Report with plots to write.")
@click.option("--json", "as_json", is_flag=True, help="Every figure, as one JSON object.")
def evaluate(
    bundle: Path,
    data: Path | None,
    recipe: Path | None,
    where: tuple[str, ...],
    folds: str | None,
    streams: Path | None,
    report_path: Path | None,
    as_json: bool,
) -> None:
    """Say how good BUNDLE is: on clips (--data), on streams with known events (--streams), or both.

    It is judged through the engine that runs live, with the thresholds of its card.
    """
    if data is None and streams is None:
        raise click.UsageError("there is nothing to judge by: give --data, --streams or both")
    if data is None and (recipe or where or folds):
        raise click.UsageError("--recipe, --where and --folds choose clips: they need --data")
    if report_path is not None and not report_path.parent.is_dir():
        raise ListenerError(f"--report {report_path}: there is no folder {report_path.parent}")
    evaluation = _evaluate(bundle, data, recipe, where, folds, streams)
    for warning in evaluation.warnings:
        warn(warning)
    if report_path is not None:
        from listener.training.evaluate.report import write_report

        write_report(report_path, evaluation)
    if as_json:
        click.echo(json.dumps(evaluation.as_json()))
        return
    click.echo("\n\n".join(_told(evaluation)))
    if report_path is not None:
        click.echo(f"\nwritten: {report_path}")


def _evaluate(
    bundle: Path,
    data: Path | None,
    recipe: Path | None,
    where: tuple[str, ...],
    folds: str | None,
    streams: Path | None,
) -> "Evaluation":
    from listener.training.evaluate import evaluation as whole
    from listener.training.evaluate.references import find_streams

    # What is wrong with the data is said before the model is loaded.
    clips, subsets = _clips(data, recipe, where) if data is not None else (None, {})
    found = find_streams(streams) if streams is not None else []
    classifier, rules = load(bundle)
    evaluation = whole.begin(bundle, classifier.card, typed())
    with progress() as tell:
        if clips is not None:
            wanted = [fold.strip() for fold in folds.split(",")] if folds else []
            evaluation = whole.with_clips(evaluation, classifier, clips, wanted, subsets, tell)
        if streams is not None:
            evaluation = whole.with_streams(evaluation, classifier, streams, found, rules, tell)
    classifier.close()
    return evaluation


def _clips(data: Path, recipe: Path | None, where: tuple[str, ...]) -> "tuple[Manifest, Subsets]":
    from listener.training.data.choose import choose
    from listener.training.data.manifest import read_manifest
    from listener.training.evaluate.evaluation import chosen
    from listener.training.recipe import read_recipe

    wanted = read_recipe(recipe) if recipe is not None else None
    manifest = read_manifest(data)
    if wanted is not None:
        manifest = choose(manifest, wanted)
    return chosen(manifest, _where(where)), wanted.subsets if wanted is not None else {}


def _where(pairs: tuple[str, ...]) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for pair in pairs:
        name, found, text = pair.partition("=")
        if not found or not name:
            raise click.BadParameter(f"'{pair}' is no COL=VALUE, such as clean=1", param_hint="--where")
        columns.setdefault(name.strip(), []).append(text.strip())
    return columns


def _told(evaluation: "Evaluation") -> Iterator[str]:
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
                *(_two(f.value) for f in (one.precision, one.recall, one.f1, one.average_precision)),
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
                _two(one.recall.value),
                _two(one.precision.value),
                str(one.false_events),
                _rate(one.false_per_hour),
                _two(one.median_latency_s),
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
                _two(one.precision.value),
                _two(one.recall.value),
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
                    _two(one.median_latency_s),
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


def _two(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _interval(low: float, high: float) -> str:
    return "" if math.isnan(low) else f" ({low:.2f}-{high:.2f})"


def _rate(figure: "Figure") -> str:
    return f"{figure.value:.1f} ({figure.low:.1f}-{figure.high:.1f})"
