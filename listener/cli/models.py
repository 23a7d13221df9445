"""``listener models``."""

from pathlib import Path

import click

from listener.cli.common import table
from listener.errors import ListenerError, ModelError

BUNDLE_SUFFIXES = (".pt", ".onnx")


@click.group()
def models() -> None:
    """Show and verify model bundles."""


@models.command("list")
def list_() -> None:
    """List the bundles in ./models and those that came with the program."""
    from listener.classifiers.bundle import read_card

    rows = []
    for path in _bundles():
        try:
            card = read_card(path)
            accuracy = next(
                (f"{value:.1%}" for name, value in card.figures.items() if "accuracy" in name), "-"
            )
            rows.append((str(path), card.identity, str(len(card.labels)), accuracy, card.licence))
        except ModelError as error:
            rows.append((str(path), "-", "-", "-", str(error).partition(": ")[2]))
    if not rows:
        raise ModelError("there is no bundle in ./models and none came with the program: train one")
    click.echo(table(("PATH", "MODEL", "LABELS", "ACCURACY", "LICENCE"), rows))


@models.command()
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the card as it stands in the bundle.")
def show(path: Path | None, as_json: bool) -> None:
    """Show a bundle's card."""
    from listener.classifiers.bundle import card_json, read_card

    path = path or _default()
    card = read_card(path)
    if as_json:
        click.echo(card_json(card))
        return
    click.echo(f"{card.identity} ({path})")
    click.echo(
        f"input      {card.input}, {card.window_s:.3f} s at {card.sample_rate} Hz, every {card.hop_s:g} s"
    )
    for name, text in (
        ("licence", card.licence),
        ("training", card.training_data),
        ("evaluation", card.evaluation),
        ("thanks", card.attribution),
        ("notes", card.notes),
    ):
        if text:
            click.echo(click.wrap_text(text, 100, f"{name:<11}", " " * 11))
    for name, value in card.figures.items():
        click.echo(f"figure     {name} {value:g}")
    figures = sorted({figure for of_label in card.figures_per_label.values() for figure in of_label})
    rows = []
    for label in card.labels:
        limits = card.thresholds.get(label)
        measured = card.figures_per_label.get(label, {})
        rows.append(
            (
                label,
                f"{limits.on:.2f}" if limits else "-",
                f"{limits.off:.2f}" if limits else "-",
                *(_figure(measured[figure]) if figure in measured else "-" for figure in figures),
            )
        )
    click.echo()
    click.echo(table(("LABEL", "ON", "OFF", *(figure.upper() for figure in figures)), rows))


def _figure(value: float) -> str:
    """Counts have no hundredths."""
    return f"{value:.2f}" if value <= 1 or not value.is_integer() else f"{value:.0f}"


@models.command()
@click.argument("paths", type=click.Path(path_type=Path), nargs=-1)
def verify(paths: tuple[Path, ...]) -> None:
    """Load bundles and see whether they reproduce their own reference scores."""
    from listener.assembly import build_classifier
    from listener.classifiers.bundle import read_card
    from listener.config import Config, ModelSettings
    from listener.config_file import ConfigFile

    problems = []
    for path in paths or _bundles():
        try:
            card = read_card(path)  # or another of that name might be found in its place
            build_classifier(ConfigFile(Config(model=ModelSettings(path=path)))).close()
            click.echo(f"{path}: {card.identity} is as its card says")
        except ListenerError as error:
            problems.append(str(error))
    if problems:
        raise ModelError("\n".join(problems))


def _bundles() -> list[Path]:
    from listener.resources import bundled_models

    folders = {folder.resolve(): folder for folder in (bundled_models(), Path("models"))}
    found = (path for folder in folders.values() for path in folder.glob("*"))
    return sorted(path for path in found if path.suffix.lower() in BUNDLE_SUFFIXES)


def _default() -> Path:
    from listener.assembly import find_model
    from listener.config import Config, ModelSettings
    from listener.config_file import ConfigFile

    return find_model(ModelSettings(), ConfigFile(Config()))
