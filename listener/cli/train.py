"""``listener train``: from recordings to a bundle."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from listener.cli.common import table
from listener.errors import ConfigError

if TYPE_CHECKING:
    from listener.training.recipe import Recipe
    from listener.training.reproduce import Evaluation

FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("recipe", type=FOLDER)
@click.option("--data", type=FOLDER, required=True, help="Folder that holds clips.csv.")
@click.option("--out", type=FOLDER, help="Bundle to write.  [default: models/NAME.pt; none with --holdout]")
@click.option(
    "--holdout", metavar="FOLDS", help="Train one network without these folds (3,4), judge it by them."
)
@click.option("--cross-validate/--no-cross-validate", default=True, help="Measure first.  [default: do]")
@click.option(
    "--resume/--fresh", default=True, help="Go on from the checkpoints, or start over.  [default: go on]"
)
@click.option("--runs", type=FOLDER, default=Path("runs"), show_default=True, help="Folder for checkpoints.")
def train(
    recipe: Path,
    data: Path,
    out: Path | None,
    holdout: str | None,
    cross_validate: bool,
    resume: bool,
    runs: Path,
) -> None:
    """Train a model as RECIPE says: cross-validate it, train it on all clips, write the bundle.

    It may be interrupted at any moment: the same command goes on where it was.
    """
    from listener.cli.train_progress import TrainingProgress
    from listener.training.manifest import read_manifest
    from listener.training.recipe import read_recipe
    from listener.training.reproduce import Trainer

    wanted = read_recipe(recipe)
    folds = _folds(holdout, wanted)
    manifest = read_manifest(data, wanted)
    folder = runs / wanted.name
    if not resume:
        for checkpoint in folder.glob("*/checkpoint.pt"):
            checkpoint.unlink()
    command = f"listener train {recipe} --data DIR"
    with TrainingProgress() as progress:
        trainer = Trainer(wanted, manifest, folder, progress)
        if folds:
            evaluation = trainer.hold_out(folds, out, f"{command} --holdout {holdout}")
        else:
            out = out or Path("models") / f"{wanted.name}.pt"
            evaluation = trainer.reproduce(out, cross_validate, command)
    _print(evaluation, out)


def _folds(holdout: str | None, recipe: "Recipe") -> tuple[int, ...]:
    if holdout is None:
        return ()
    parts = holdout.split(",")
    if not all(part.strip().isdigit() and int(part) in recipe.folds for part in parts):
        known = ", ".join(str(fold) for fold in recipe.folds)
        raise ConfigError(f"--holdout {holdout}: the recipe's folds are {known}; several with commas between")
    folds = tuple(sorted({int(part) for part in parts}))
    if len(folds) == len(recipe.folds):
        raise ConfigError(f"--holdout {holdout}: leaves no fold to train on")
    return folds


def _print(evaluation: "Evaluation", out: Path | None) -> None:
    rows = [
        (label, f"{figures['recall']:.2f}", f"{figures['precision']:.2f}", f"{figures['clips']:.0f}")
        for label, figures in evaluation.figures_per_label.items()
    ]
    if rows:
        print(table(("LABEL", "RECALL", "PRECISION", "CLIPS"), rows))
    for name, value in evaluation.figures.items():
        print(f"{name.replace('_', ' ')}: {value:.4g}")
    if out is not None:
        print(f"written: {out}")
