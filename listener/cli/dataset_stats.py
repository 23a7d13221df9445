"""``listener dataset stats``: what a data set is like."""

import json
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import click

from listener.cli.common import table
from listener.cli.dataset_scan import LAYOUTS

if TYPE_CHECKING:
    from listener.training.data.listing import Listing
    from listener.training.data.stats import Part, Stats

DOUBLES_SHOWN = 10


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path), metavar="FOLDER|MANIFEST")
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default="auto",
    show_default=True,
    help="How the recordings lie there; auto takes a manifest where there is one, else looks.",
)
@click.option("--plots", type=click.Path(path_type=Path), metavar="DIR", help="Draw PNG pictures there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def stats(dataset: Path, layout: str, plots: Path | None, as_json: bool) -> int:
    """Show how long, loud and silent the recordings are, how even the labels, and what is there twice.

    What cannot be read is listed, and the exit code is 1 then.
    """
    from listener.cli.progress import CountProgress
    from listener.logs import complain
    from listener.training.data.problems import shown
    from listener.training.data.stats import stats as look

    listing = _listing(dataset, layout)
    with CountProgress("recordings") as progress:
        found = look(listing, progress)
    if as_json:
        print(json.dumps(found.figures(), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print(found)
    if plots is not None:
        from listener.training.data.plots import plot

        plot(found, plots)
        if not as_json:
            print(f"plots: {plots}")
    for line in shown(found.problems):
        complain(line)
    return 1 if found.problems else 0


def _listing(dataset: Path, layout: str) -> "Listing":
    from listener.training.data.layouts import LAYOUTS, list_dataset
    from listener.training.data.listing import Options

    if dataset.is_file():
        return LAYOUTS["manifest"].read(dataset.parent, Options(table=dataset.name))
    if layout == "auto" and LAYOUTS["manifest"].recognise(dataset, Options()):
        layout = "manifest"
    return list_dataset(dataset, layout)


def _print(found: "Stats") -> None:
    from listener.errors import printable

    print(f"layout: {found.listing.layout} ({printable(found.listing.known_by)})")
    headings = (
        *("LABEL", "CLIPS", "GROUPS", "MINUTES", "LENGTH S", "LEVEL DBFS", "PEAK"),
        *("SILENT", "QUIET", "BAND KHZ"),
    )
    rows = [(printable(label), *_cells(part)) for label, part in found.by_label.items()]
    print(table(headings, [*rows, ("all", *_cells(found.all))]))
    if list(found.by_fold) != [""]:
        print()
        rows = [(printable(fold) or "none", *_cells(part)) for fold, part in found.by_fold.items()]
        print(table(("FOLD", *headings[1:]), rows))
    print("\nlengths, levels and bands: median, and between which nine in ten are")
    print(f"sample rates (Hz): {_counts(found, 'sample_rate')}")
    print(f"channels: {_counts(found, 'channels')}")
    print(f"encodings: {_counts(found, 'encoding')}")
    _print_doubles(found)
    for remark in found.remarks:
        print(f"mind: {printable(remark)}")


def _print_doubles(found: "Stats") -> None:
    from listener.training.data.doubles import told

    print(f"sounds that are there more than once: {len(found.doubles)}")
    for same in found.doubles[:DOUBLES_SHOWN]:
        print(f"  {told(same)}")
    if (n_more := len(found.doubles) - DOUBLES_SHOWN) > 0:
        print(f"  ... and {n_more} more")


def _counts(found: "Stats", what: str) -> str:
    return ", ".join(f"{name}: {number}" for name, number in found.count(what).items())


def _cells(part: "Part") -> tuple[str, ...]:
    length, level, band = part.length_s, part.level_db, part.bandwidth_hz
    return (
        str(part.n_clips),
        str(part.n_groups),
        f"{part.seconds / 60:.1f}",
        f"{length.median:.2f} ({length.p5:.2f} to {length.p95:.2f})",
        f"{_db(level.median)} ({_db(level.p5)} to {_db(level.p95)})",
        _db(part.peak_db.highest, 1),
        f"{part.silent_share:.0%}",
        f"{part.quiet_share:.0%}",
        f"{band.median / 1_000:.1f} ({band.p5 / 1_000:.1f} to {band.p95 / 1_000:.1f})",
    )


def _db(level: float, digits: int = 0) -> str:
    # Adding 0 makes the -0.0 that rounding leaves the 0.0 that it is.
    return f"{round(level, digits) + 0.0:.{digits}f}" if isfinite(level) else "-inf"
