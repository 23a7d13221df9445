"""How data sets lie on the disk, and one door to all of them: `open_dataset`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from listener.errors import DatasetError, printable
from listener.training.data.clip import Manifest
from listener.training.data.folds import FoldOptions
from listener.training.data.layouts.esc50 import ESC50
from listener.training.data.layouts.folders import FOLDERS
from listener.training.data.layouts.fsdd import FSDD
from listener.training.data.layouts.lists import LIST
from listener.training.data.layouts.manifests import MANIFEST
from listener.training.data.layouts.table import TABLE
from listener.training.data.layouts.urbansound8k import URBANSOUND8K
from listener.training.data.listing import Layout, Listing, Options, Sign
from listener.training.data.manifest import read_manifest
from listener.training.data.scan import ScanOptions, scan

AUTO = "auto"
LAYOUTS = {layout.name: layout for layout in (MANIFEST, FOLDERS, URBANSOUND8K, ESC50, FSDD, TABLE, LIST)}
"""Name of a layout: what it is."""


def list_dataset(folder: Path, layout: str = AUTO, options: Options | None = None) -> Listing:
    """List the recordings of a data set, as its layout names them; none is looked into.

    Parameters
    ----------
    folder
        Of the data set.
    layout
        One of `LAYOUTS`, or ``auto``: whichever the folder shows most surely. A ``manifest.csv`` counts
        only where there is nothing else, for a scan may have written it.
    options
        What cannot be seen.

    Raises
    ------
    DatasetError
        There is no such folder, it is not laid out so, or it might be laid out in several ways.
    """
    options = options or Options()
    if not folder.is_dir():
        raise DatasetError(f"{printable(folder)}: there is no such folder")
    if layout != AUTO:
        return LAYOUTS[layout].read(folder, options)
    sign, found = _recognise(folder, options)
    if found is MANIFEST:
        options = replace(options, table=sign.what)
    return found.read(folder, options)


def open_dataset(
    folder: Path, layout: str = AUTO, progress: Callable[[int, int], None] | None = None
) -> Manifest:
    """Give the clips of a data set: those of its manifest, or what a scan finds where it has none.

    Parameters
    ----------
    folder
        Of the data set.
    layout
        One of `LAYOUTS`; ``auto`` takes a manifest where there is one, else looks. Any other looks anew.
    progress
        Is told how many recordings a scan has looked at, and how many there are.

    Raises
    ------
    DatasetError
        It cannot be read, or something is wrong in it: everything is named.
    """
    if layout == MANIFEST.name or (layout == AUTO and MANIFEST.recognise(folder, Options())):
        return read_manifest(folder)
    # How short a clip may be is said by the recipe, and so is how folds are dealt.
    options = ScanOptions(min_s=0.0, folds=FoldOptions(deal=False))
    return scan(list_dataset(folder, layout), options, progress).manifest


def _recognise(folder: Path, options: Options) -> tuple[Sign, Layout]:
    signs = [(sign, layout) for layout in LAYOUTS.values() if (sign := layout.recognise(folder, options))]
    if not signs:
        raise DatasetError(
            f"{printable(folder)}: is no data set that is known: a folder for each label, with recordings "
            "in it, would be one"
        )
    strongest = max(sign.strength for sign, _ in signs)
    first, *others = [(sign, layout) for sign, layout in signs if sign.strength == strongest]
    if others:
        told = " or ".join(_told(*each) for each in (first, *others))
        raise DatasetError(f"{printable(folder)}: may be {told}: say which with --layout")
    return first


def _told(sign: Sign, layout: Layout) -> str:
    return f"{layout.name} ({sign.what})"
