"""``listener dataset scan``: from a folder of recordings to its manifest."""

import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

import click

from listener.cli.common import seconds_option, table

if TYPE_CHECKING:
    from listener.training.data.clip import Clip
    from listener.training.data.scan import Scan

LAYOUTS = ("auto", "manifest", "folders", "urbansound8k", "esc50", "fsdd", "csv", "list")
MOST_FOLDS_SHOWN = 10
LONG_SILENCE_S = 0.5


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default="auto",
    show_default=True,
    help="How the recordings lie there; auto looks.",
)
@click.option("--table", "table_name", metavar="FILE", help="CSV file in FOLDER that names the recordings.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="OURS=THEIRS",
    help="What that file calls a column: label=kind. More than once; group= says that there is none.",
)
@seconds_option("--min-s", "Leave out what lasts for less.  [default: 0.5; spoken digits 0.1; manifests 0]")
@click.option(
    "--group",
    "pattern",
    metavar="PATTERN",
    help="Regular expression that finds in a path what must not be split: '^[^/]+/([^_]+)_'.",
)
@click.option("--folds", type=click.IntRange(2), metavar="N", help="Deal groups to N folds.")
@click.option(
    "--fold-by",
    type=click.Choice(["fold", "group"]),
    help="The folds of the data; or one for each group, such as a speaker.  [default: those of the data, "
    "else five are dealt]",
)
@click.option("--seed", default=0, show_default=True, help="Of the dealing.")
@click.option("--skip-broken", is_flag=True, help="Leave out what is wrong, instead of writing nothing.")
@click.option("--out", type=click.Path(path_type=Path), help="Manifest.  [default: FOLDER/manifest.csv]")
@click.option("--force", is_flag=True, help="Replace a manifest that is there.")
@click.option("--dry-run", is_flag=True, help="Look, tell, and write nothing.")
def scan(
    folder: Path,
    layout: str,
    table_name: str | None,
    columns: tuple[str, ...],
    min_s: float | None,
    pattern: str | None,
    folds: int | None,
    fold_by: Literal["fold", "group"] | None,
    seed: int,
    skip_broken: bool,
    out: Path | None,
    force: bool,
    dry_run: bool,
) -> None:
    """Look at every recording of FOLDER, put them into folds, and write its manifest.

    What was cut from one recording, or spoken by one voice, stays in one fold. What is wrong is listed,
    and then nothing is written.
    """
    from listener.cli.progress import CountProgress
    from listener.errors import DatasetError, printable
    from listener.training.data.folds import FoldOptions
    from listener.training.data.layouts import list_dataset
    from listener.training.data.listing import Options
    from listener.training.data.scan import ScanOptions
    from listener.training.data.scan import scan as look

    if folds is not None and fold_by is not None:
        raise click.UsageError("--folds deals anew, --fold-by takes what is there: give one of them.")
    group, named = _pattern(pattern), _columns(columns)
    out = out or folder / "manifest.csv"
    if not folder.is_dir():
        raise DatasetError(f"{printable(folder)}: there is no such folder")
    before = None if dry_run else _refuse_to_replace(out, force)
    listing = list_dataset(folder, layout, Options(table_name, named))
    options = ScanOptions(min_s, group, skip_broken, FoldOptions(folds, fold_by, seed))
    with CountProgress("recordings") as progress:
        found = look(listing, options, progress)
    _print(found)
    if not dry_run:
        _write(found, out, before)


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise click.BadParameter(
            f"'{text}' is no regular expression: {error}", param_hint="--group"
        ) from None


def _columns(given: tuple[str, ...]) -> dict[str, str]:
    named = {}
    for each in given:
        ours, equals, theirs = each.partition("=")
        if not equals:
            raise click.BadParameter(
                f"'{each}' is not OURS=THEIRS, such as label=kind", param_hint="--column"
            )
        named[ours] = theirs
    return named


def _refuse_to_replace(out: Path, force: bool) -> str | None:
    """Look at once whether there is a manifest, which somebody may have worked on; give its text."""
    from listener.errors import DatasetError, printable

    try:
        before = out.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        before = ""
    if force:
        return before
    raise DatasetError(
        f"{printable(out)}: is there already: --force replaces it, --out FILE writes another, "
        "--layout manifest with either completes it"
    )


def _write(found: "Scan", out: Path, before: str | None) -> None:
    from listener.errors import printable
    from listener.training.data.manifest import manifest_text, write_manifest

    clips = [_seen_from(out, found.manifest.folder, clip) for clip in found.manifest]
    if manifest_text(clips) == before:
        print(f"unchanged: {printable(out)}")
        return
    write_manifest(out, clips)
    print(f"written: {printable(out)}")


def _seen_from(out: Path, folder: Path, clip: "Clip") -> "Clip":
    """A clip whose path is relative to where the manifest lies."""
    above = os.path.relpath(folder, out.parent)
    return clip if above == "." else replace(clip, path=str(PurePosixPath(above, clip.path)))


def _print(found: "Scan") -> None:
    from listener.errors import printable
    from listener.logs import complain
    from listener.training.data.problems import shown

    print(f"layout: {found.listing.layout} ({printable(found.listing.known_by)})")
    print(_summary(found))
    print(_totals(found))
    if found.short:
        print(f"left out, too short: {len(found.short)}")
    for title, problems in (
        ("left out", found.left_out),
        ("left out", found.short),
        ("mind", found.warnings),
    ):
        for line in shown(problems):
            complain(f"{title}: {line}")


def _summary(found: "Scan") -> str:
    """A row for each label, with the clips in each fold."""
    from listener.errors import printable
    from listener.training.data.deal import group_of

    manifest = found.manifest
    folds = manifest.folds if len(manifest.folds) <= MOST_FOLDS_SHOWN else ()
    parts: dict[str | None, list[Clip]] = {label: [] for label in manifest.labels}
    for clip in manifest:
        parts[clip.label].append(clip)
    rows = []
    for label, clips in (*parts.items(), (None, manifest.clips)):
        counts = Counter(clip.fold for clip in clips)
        rows.append(
            (
                "all" if label is None else printable(label),
                str(len(clips)),
                str(len({group_of(clip) for clip in clips})),
                f"{sum(clip.active_s or 0.0 for clip in clips) / 60:.1f}",
                *(str(counts[fold]) for fold in folds),
            )
        )
    headings = ("LABEL", "CLIPS", "GROUPS", "MINUTES", *(printable(f"FOLD {fold}") for fold in folds))
    return table(headings, rows)


def _totals(found: "Scan") -> str:
    manifest = found.manifest
    silent = sum(
        (clip.duration_s or 0.0) - (clip.active_s or 0.0) > LONG_SILENCE_S
        for clip in manifest
        if clip.active_s is not None and found.measured[clip.path].first_s == clip.first_s
    )
    folds = f"folds: {len(manifest.folds) or 'none'}"
    if manifest.folds:
        folds += f" ({found.folds_are})"
    return f"{folds}\nmore than {LONG_SILENCE_S:g} s of digital silence around their sound: {silent} clips"
