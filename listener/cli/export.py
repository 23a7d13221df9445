"""``listener export``: a bundle in another form."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from listener.training.export.comparison import Comparison
    from listener.training.export.convert import Form

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("bundle", type=PATH)
@click.option("--to", type=click.Choice(["torchscript", "onnx", "int8"]), required=True, help="The form.")
@click.option("--out", type=PATH, help="File to write.  [default: models/NAME.onnx, NAME-int8.onnx, ...]")
@click.option(
    "--front-end",
    type=click.Choice(["inside", "outside"]),
    default="outside",
    show_default=True,
    help="inside: the model eats waveforms, and makes its spectrograms itself.",
)
@click.option(
    "--data",
    type=PATH,
    multiple=True,
    help="Folder of recordings to compare on: with a manifest, or any below it. Several: --data A --data B.",
)
@click.option(
    "--clips",
    default=400,
    show_default=True,
    type=click.IntRange(1),
    help="Recordings to compare on, at most.",
)
def export(
    bundle: Path, to: "Form", out: Path | None, front_end: str, data: tuple[Path, ...], clips: int
) -> None:
    """Write BUNDLE in another form, if that says the same: TorchScript, ONNX, or ONNX in 8-bit integers.

    Both are run on the recordings first; an export that differs is not written.
    """
    from listener.training.export.convert import Order, convert

    inside = front_end == "inside"
    out = out or Path("models") / _name(bundle.stem, to, inside)
    if not data:
        click.echo("note: compared on made-up sounds; --data DIR names a folder of real ones", err=True)
    found = convert(Order(bundle, to, out, inside, data, clips))
    for line in _told(found):
        click.echo(line)
    click.echo(f"written: {out}")


def _name(stem: str, to: "Form", inside: bool) -> str:
    form = f"{'-waveform' if inside else ''}{'-int8' if to == 'int8' else ''}"
    return f"{stem}{form}{'.pt' if to == 'torchscript' else '.onnx'}"


def _told(found: "Comparison") -> list[str]:
    lines = [
        f"compared on          {found.n_clips} recordings, {found.n_windows} windows",
        f"largest difference   {found.largest:.2g}",
        f"mean difference      {found.mean:.2g}",
        f"same verdict         {found.agreement:.1%} of the recordings",
    ]
    if found.n_labelled:
        lines.append(
            f"named rightly        {found.right_after:.1%} of {found.n_labelled} recordings "
            f"whose label is known; by the original {found.right_before:.1%}"
        )
    return lines
