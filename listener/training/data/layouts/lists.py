"""The lists of the tutorial: ``train_list.txt`` and ``test_list.txt``, on each line ``path<TAB>label``.

Labels are often numbers; ``label_list.txt`` beside them then holds a name on each line, from number 0 on.
"""

from dataclasses import replace
from pathlib import Path

from listener.errors import DatasetError, printable
from listener.files import is_file
from listener.training.data.clip import Clip
from listener.training.data.layouts.folders import SPLITS
from listener.training.data.layouts.paths import Finder
from listener.training.data.layouts.tables import Made, listing_of
from listener.training.data.listing import Layout, Listing, Options, Sign, Strength
from listener.training.data.problems import Problem

LABELS = "label_list.txt"


def recognise(folder: Path, options: Options) -> Sign | None:
    """Look for lists."""
    names = [path.name for path in _lists(folder)]
    return Sign(", ".join(names), Strength.TABLE) if names else None


def read(folder: Path, options: Options) -> Listing:
    """List what the lists name; the recordings need not be there under the very same path."""
    lists = _lists(folder)
    if not lists:
        raise DatasetError(
            f"{printable(folder)}: holds no train_list.txt or test_list.txt: PATH, a tab, LABEL"
        )
    labels = _labels(folder)
    find = Finder(folder, folder)
    made = [each for path in lists for each in _made(path, labels, find)]
    listing = listing_of(folder, "list", ", ".join(path.name for path in lists), made, "")
    return replace(listing, labels=tuple(sorted(set(labels))))


def _lists(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.glob("*_list.txt"))
        if path.name != LABELS and is_file(path) and any("\t" in line for line in _lines(path)[:10])
    ]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise DatasetError(f"{printable(path)}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{printable(path)}: cannot be read: it is not UTF-8; save it as that") from error


def _labels(folder: Path) -> list[str]:
    """Names of the labels, by their numbers; none where there is no list of them."""
    if not is_file(folder / LABELS):
        return []
    names = [line.strip() for line in _lines(folder / LABELS)]
    while names and not names[-1]:
        names.pop()
    for number, name in enumerate(names, start=1):
        if not name:
            raise DatasetError(f"{printable(folder / LABELS)}, line {number}: has no label")
    return names


def _made(path: Path, labels: list[str], find: Finder) -> list[Made]:
    split = SPLITS.get(path.name.removesuffix("_list.txt").lower(), "")
    return [
        _clip(f"{printable(path)}, line {number}", line, split, labels, find)
        for number, line in enumerate(_lines(path), start=1)
        if line.strip()
    ]


def _clip(where: str, line: str, split: str, labels: list[str], find: Finder) -> Made:
    named, tab, label = line.rpartition("\t")
    if not tab or not named.strip():
        return Problem(where, "is not PATH, a tab, LABEL")
    named, label = named.strip(), label.strip()
    if not label:
        return Problem(where, "has no label")
    if labels and label.isdecimal() and label not in labels:
        if int(label) >= len(labels):
            return Problem(where, f"label {label} is not in {LABELS}, which ends with {len(labels) - 1}")
        label = labels[int(label)]
    if (found := find(named)) is None:
        return Problem(where, f"{printable(named)}: {find.why(named)}")
    return Clip(found, label, split=split)


LIST = Layout("list", recognise, read)
