"""``listener dataset crop``: recordings to pieces."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from listener.cli.common import seconds_option

if TYPE_CHECKING:
    from listener.training.data.crop import Cropped

FILE_NAMES_SHOWN = 5


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="INPUT...")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder to make; it must not be there yet."
)
@seconds_option("--length", "Of each piece.", may_be_0=False)
@seconds_option("--hop", "From one to the next.  [default: --length]", may_be_0=False)
@seconds_option(
    "--min-length", "Leave out what is shorter.  [default: half of --length; 0.1 around activity]"
)
@click.option(
    "--around-activity",
    is_flag=True,
    help="Cut where something stands out of the noise; --length is the most.",
)
@click.option(
    "--above",
    type=click.FloatRange(1, 60),
    default=12.0,
    show_default=True,
    metavar="DB",
    help="How far it must stand out.",
)
@seconds_option("--pad", "Keep so much before and behind it.", default=0.1)
@seconds_option("--join", "What is less apart is one.", default=0.3)
@click.option("--label", help="Of recordings of which nothing else says what is heard in them.")
@click.option("--rate", type=click.IntRange(1_000, 768_000), metavar="HZ", help="Resample to this rate.")
@click.option("--format", "kind", type=click.Choice(["flac", "wav"]), default="flac", show_default=True)
def crop(
    inputs: tuple[Path, ...],
    out: Path,
    length: float | None,
    hop: float | None,
    min_length: float | None,
    around_activity: bool,
    above: float,
    pad: float,
    join: float,
    label: str | None,
    rate: int | None,
    kind: Literal["flac", "wav"],
) -> None:
    """Cut recordings to pieces of one length, or around what goes on in them.

    INPUT is a manifest (.csv), a folder or a recording. A folder's manifest is taken; without one, its
    sub-folders are the labels. The pieces are mono, 16-bit; beside them lies a manifest in which they keep
    label, fold and split, and all pieces of one recording are one group.
    """
    from listener.cli.progress import CountProgress
    from listener.training.data.activity import ActivityOptions
    from listener.training.data.crop import CropOptions
    from listener.training.data.crop import crop as cut
    from listener.training.data.crop_sources import find_sources

    _refuse_contradictions(length, hop, around_activity)
    activity = None
    if around_activity:
        shortest = ActivityOptions().min_s if min_length is None else min_length
        activity = ActivityOptions(above_db=above, min_s=shortest, join_s=join, pad_s=pad)
    sources = find_sources(inputs, label)
    options = CropOptions(length, hop, None if around_activity else min_length, activity, rate, kind)
    with CountProgress("cut") as progress:
        cropped = cut(sources, out, options, progress)
    _print(cropped, len(sources), out)


def _refuse_contradictions(length: float | None, hop: float | None, around_activity: bool) -> None:
    if length is None and not around_activity:
        raise click.UsageError("Say how to cut: --length S, --around-activity, or both.")
    if hop is not None and length is None:
        raise click.UsageError("--hop needs --length.")


def _print(cropped: "Cropped", n_sources: int, out: Path) -> None:
    from listener.errors import printable

    seconds = sum(piece.duration_s or 0.0 for piece in cropped.pieces)
    labels = {piece.label for piece in cropped.pieces}
    print(f"{len(cropped.pieces)} pieces of {n_sources} recordings, {seconds:.1f} s, {len(labels)} labels")
    if cropped.without:
        named = ", ".join(printable(path) for path in cropped.without[:FILE_NAMES_SHOWN])
        more = len(cropped.without) - FILE_NAMES_SHOWN
        print(f"nothing of {len(cropped.without)}: {named}{f' and {more} more' if more > 0 else ''}")
    print(f"written: {out / 'manifest.csv'}")
