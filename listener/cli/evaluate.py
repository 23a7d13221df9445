"""``listener evaluate``: how good a bundle is."""

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from listener.cli.figures import evaluation_as_text
from listener.cli.judging import load, typed, warn
from listener.cli.progress import ShareProgress
from listener.errors import ListenerError

if TYPE_CHECKING:
    from listener.training.data.clip import Manifest
    from listener.training.evaluate.evaluation import Evaluation

PATH = click.Path(path_type=Path)
Subsets = Mapping[str, Mapping[str, tuple[str, ...]]]


@click.command()
@click.argument("bundle", type=PATH)
@click.option("--data", type=PATH, help="Folder of clips, with or without a manifest.")
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
    if report_path is not None and report_path.is_dir():
        raise ListenerError(
            f"--report {report_path}: is a folder: name a file, {report_path / 'report.html'}"
        )
    evaluation = _evaluate(bundle, data, recipe, where, folds, streams)
    for warning in evaluation.warnings:
        warn(warning)
    if report_path is not None:
        from listener.training.evaluate.report import write_report

        write_report(report_path, evaluation)
    if as_json:
        click.echo(json.dumps(evaluation.as_json()))
        return
    click.echo(evaluation_as_text(evaluation))
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
    with closing(classifier), ShareProgress() as tell:
        if clips is not None:
            wanted = [fold.strip() for fold in folds.split(",")] if folds else []
            evaluation = whole.with_clips(evaluation, classifier, clips, wanted, subsets, tell)
        if streams is not None:
            evaluation = whole.with_streams(evaluation, classifier, streams, found, rules, tell)
    return evaluation


def _clips(data: Path, recipe: Path | None, where: tuple[str, ...]) -> "tuple[Manifest, Subsets]":
    from listener.training.data.choose import choose
    from listener.training.data.layouts import open_dataset
    from listener.training.evaluate.evaluation import chosen
    from listener.training.recipe import read_recipe

    wanted = read_recipe(recipe) if recipe is not None else None
    manifest = open_dataset(data, wanted.data.layout if wanted is not None else "auto")
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
