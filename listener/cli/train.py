"""``listener train``: from recordings to a bundle."""

import os
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import click

from listener.errors import ConfigError

if TYPE_CHECKING:
    from listener.training.data.clip import Manifest
    from listener.training.evaluate.evaluation import Evaluation
    from listener.training.recipe import Recipe
    from listener.training.reproduce import Reproduction
    from listener.training.trainer import Progress, Trainer

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("recipe", type=PATH)
@click.option(
    "--data", type=PATH, required=True, help="Folder of the recordings, with or without a manifest."
)
@click.option("--out", type=PATH, help="Bundle to write.  [default: models/NAME.pt; none with --holdout]")
@click.option(
    "--holdout", metavar="FOLDS", help="Train one network without these folds (3,4), judge it by them."
)
@click.option("--cross-validate/--no-cross-validate", default=True, help="Measure first.  [default: do]")
@click.option(
    "--resume/--fresh", default=True, help="Go on from the checkpoints, or start over.  [default: go on]"
)
@click.option("--runs", type=PATH, default=Path("runs"), show_default=True, help="Folder for checkpoints.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "gpu"]),
    default="auto",
    show_default=True,
    help="What to train on.",
)
@click.option(
    "--set", "changes", metavar="KEY=VALUE", multiple=True, help="Change the recipe: fit.steps=100."
)
def train(
    recipe: Path,
    data: Path,
    out: Path | None,
    holdout: str | None,
    cross_validate: bool,
    resume: bool,
    runs: Path,
    device: str,
    changes: tuple[str, ...],
) -> None:
    """Train a model as RECIPE says: cross-validate it, train it on all clips, write the bundle.

    It may be interrupted at any moment: the same command goes on where it was. Started by torchrun,
    it trains on several devices or hosts.
    """
    if out is not None and out.is_dir():
        raise ConfigError(f"--out {out}: is a folder: it names the bundle, such as {out / 'NAME.pt'}")
    if out is not None and out.suffix == ".onnx":
        raise ConfigError(f"--out {out}: what is trained is NAME.pt; `listener export` makes ONNX of it")
    wanted, manifest = _read(recipe, data, changes)

    from listener.cli.progress import TrainingProgress
    from listener.training.reproduce import Reproduction
    from listener.training.trainer import forget_all

    folds = _folds(holdout, wanted, manifest)
    folder = runs / wanted.name
    if not folds:
        out = out or Path("models") / f"{wanted.name}.pt"
    _claim(folder, "--runs")
    if out is not None:
        _claim(out.parent, "--out")
    is_first = _is_first()
    with _alone_in(folder) if is_first else nullcontext():
        if not resume and is_first:
            forget_all(folder)
        if is_first:
            click.echo(_plan(wanted, manifest, 1 if folds or not cross_validate else None), err=True)
        with TrainingProgress() as progress:
            trainer = _trainer(wanted, recipe.parent, manifest, folder, device, progress)
            reproduction = Reproduction(trainer, _command(recipe, holdout, changes))
            try:
                if folds:
                    _measure(reproduction, folds, out, trainer.is_first)
                elif out is not None:
                    _reproduce(reproduction, cross_validate, out, trainer.is_first)
            except KeyboardInterrupt:
                click.echo("interrupted: the same command goes on from the last checkpoint", err=True)
                raise


def _is_first() -> bool:
    """Whether this is the first of the processes that torchrun has started, or the only one.

    A RANK alone says nothing: on a cluster it may be that of some other program.
    """
    return "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("RANK", "0") == "0"


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a folder of checkpoints, as long as the block lasts, or the process.

    Raises
    ------
    DatasetError
        There is one.
    """
    from listener.training.data.whole_folder import locked_folder

    with ExitStack() as held:
        with suppress(OSError):  # there are file systems without locks
            held.enter_context(locked_folder(folder, ": wait for it, or give --runs another folder"))
        yield


def _claim(folder: Path, option: str) -> None:
    """Find out whether files can be written to a folder before hours are spent; make it if need be.

    Raises
    ------
    ConfigError
        They cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(f"{option}: {folder}: cannot be written to: {error.strerror}") from error


def _read(recipe: Path, data: Path, changes: tuple[str, ...]) -> "tuple[Recipe, Manifest]":
    from listener.training.recipe import read_recipe

    wanted = read_recipe(recipe, changes)

    # With these comes torch, which takes seconds: a misspelt key is told before.
    from listener.training.data.choose import choose
    from listener.training.data.layouts import open_dataset
    from listener.training.networks import check_network

    check_network(wanted.network, recipe.parent)
    return wanted, choose(open_dataset(data, wanted.data.layout), wanted)


def _plan(recipe: "Recipe", manifest: "Manifest", n_networks: int | None) -> str:
    """Say what is to be done; None: a network for each fold, and one of all unless it is among them."""
    n_folds = len(recipe.folds_of(manifest.folds))
    n_networks = n_networks or n_folds + (recipe.trained_on == "all")
    labels = recipe.labels_of(manifest.labels)
    n_steps = recipe.fit.n_steps(sum(clip.label in labels for clip in manifest))
    what = "1 network" if n_networks == 1 else f"{n_networks} networks, one after another,"
    # An epoch without a fold is shorter; and who stops early does not get there.
    most = "up to " if recipe.fit.epochs is not None or recipe.fit.early_stop is not None else ""
    return f"{recipe.name}: reading {len(manifest.clips)} recordings, then {what} of {most}{n_steps} steps"


def _trainer(
    recipe: "Recipe", folder: Path, manifest: "Manifest", runs: Path, device: str, progress: "Progress"
) -> "Trainer":
    from listener.training.fit import start
    from listener.training.trainer import Trainer

    fabric = start(recipe.fit.precision, device)  # type: ignore[arg-type]
    return Trainer(recipe, folder, manifest, runs, fabric, progress)


def _folds(holdout: str | None, recipe: "Recipe", manifest: "Manifest") -> tuple[str, ...]:
    if holdout is None:
        return ()
    known = manifest.folds
    folds = tuple(sorted({part.strip() for part in holdout.split(",")}))
    if not set(folds) <= set(known):
        raise ConfigError(
            f"--holdout {holdout}: the folds are {', '.join(known)}; several with commas between"
        )
    if len(folds) == len(known):
        raise ConfigError(f"--holdout {holdout}: leaves no fold to train on")
    return folds


def _measure(reproduction: "Reproduction", folds: tuple[str, ...], out: Path | None, is_first: bool) -> None:
    evaluation = reproduction.hold_out(folds)
    _tell(evaluation)
    if out is not None:
        _write(reproduction, evaluation, out, folds, is_first)
    _report(reproduction, evaluation)


def _reproduce(reproduction: "Reproduction", cross_validate: bool, out: Path, is_first: bool) -> None:
    evaluation = reproduction.cross_validate() if cross_validate else None
    _tell(evaluation)
    _write(reproduction, evaluation, out, reproduction.left_out, is_first)
    _report(reproduction, evaluation)


def _tell(evaluation: "Evaluation | None") -> None:
    from listener.cli.figures import evaluation_as_text
    from listener.cli.judging import warn

    if evaluation is None:
        return
    click.echo(evaluation_as_text(evaluation))
    for warning in evaluation.warnings:
        warn(warning)


def _write(
    reproduction: "Reproduction",
    evaluation: "Evaluation | None",
    out: Path,
    held_out: tuple[str, ...],
    is_first: bool,
) -> None:
    reproduction.write(out, evaluation, held_out)
    if is_first:
        click.echo(f"written: {out}")


def _report(reproduction: "Reproduction", evaluation: "Evaluation | None") -> None:
    """Write the report last: where it cannot be, the bundle is there nevertheless."""
    from listener.training.evaluate.report import write_report

    if evaluation is None:
        return
    write_report(reproduction.report, evaluation)
    click.echo(f"report: {reproduction.report}")


def _command(recipe: Path, holdout: str | None, changes: tuple[str, ...]) -> str:
    """What is to be typed again; where this machine keeps its files is nobody's business."""
    name = recipe.name if recipe.is_absolute() else str(recipe)
    options = ["--holdout", holdout] if holdout else []
    options += [word for change in changes for word in ("--set", change)]
    return shlex.join(["listener", "train", name, "--data", "DIR", *options])
