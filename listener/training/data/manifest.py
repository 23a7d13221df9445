"""Manifests: one CSV file that names every clip of a folder, with its label and where it belongs.

Only ``path`` and ``label`` must be there. A column that is not known is kept, for recipes
that choose by it.
"""

import csv
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path

from listener.errors import DatasetError, printable
from listener.files import is_file, whole_file
from listener.training.data.clip import CLIP_COLUMNS, Clip, Manifest
from listener.training.data.problems import refuse as refuse
from listener.training.data.rows import Row, read_rows

MANIFEST_NAMES = ("manifest.csv", "clips.csv")
"""Under which a folder's manifest is looked for, in this order."""

_ALIASES = {"lead_silence_s": "first_s", "licence_clip": "licence", "license": "licence", "url": "source_url"}
_NUMBERS = ("first_s", "active_s", "duration_s")
_TEXTS = tuple(name for name in CLIP_COLUMNS if name not in (*_NUMBERS, "judged"))
_LONGEST_CELL = csv.field_size_limit()


def read_manifest(folder: Path, name: str | None = None) -> Manifest:
    """Read the manifest of a folder.

    Parameters
    ----------
    folder
        What the clips' paths are relative to.
    name
        Of the file; None: one of `MANIFEST_NAMES`.

    Raises
    ------
    DatasetError
        The folder or the manifest is missing, or rows are broken; every such row is named.
    """
    path = _find(folder, name)
    clips: list[Clip] = []
    problems = []
    seen: dict[tuple[str, float], str] = {}
    for row in _rows(path):
        try:
            clip = _clip(row.cells)
            first = seen.setdefault((clip.path, clip.first_s), row.where)
            if first != row.where:
                line = first.rpartition(" ")[2]
                raise ValueError(f"names the same sound as line {line}: {printable(clip.path)}")
            clips.append(clip)
        except ValueError as error:
            problems.append(f"{row.where}: {error}")
    if not clips and not problems:
        problems = [f"{printable(path)}: names no clip"]
    refuse(problems)
    return Manifest(folder, in_order(clips))


def write_manifest(path: Path, clips: Iterable[Clip]) -> None:
    """Write a manifest, whole or not at all.

    Raises
    ------
    DatasetError
        The file cannot be written, or what stands in a clip cannot be.
    """
    text = manifest_text(clips)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as half_written:
            half_written.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise DatasetError(f"{printable(path)}: the manifest cannot be written: {error.strerror}") from error


def manifest_text(clips: Iterable[Clip]) -> str:
    """Give clips as the text of a manifest.

    Raises
    ------
    DatasetError
        What stands in a clip cannot be written, such as a name that is not UTF-8; each is named.
    """
    rows = in_order(clips)
    tags = sorted({tag for clip in rows for tag in clip.tags})
    refuse([problem for clip in rows if (problem := _unwritable(clip))])
    text = StringIO()
    # Told that lines end in CR LF, the writer puts quotes around both; a lone CR would end a row.
    writer = csv.writer(_UnixLines(text), lineterminator="\r\n")
    for cells in (
        [*CLIP_COLUMNS, *tags],
        *([clip.column(c) for c in (*CLIP_COLUMNS, *tags)] for clip in rows),
    ):
        writer.writerow(cells)
    return text.getvalue()


def in_order(clips: Iterable[Clip]) -> tuple[Clip, ...]:
    """Sort clips as they stand in a manifest."""
    return tuple(sorted(clips, key=lambda clip: (clip.path, clip.first_s)))


class _UnixLines:
    """Passes rows on with the end of line that the system's own tools like."""

    def __init__(self, file: StringIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix("\r\n") + "\n")


def _unwritable(clip: Clip) -> str | None:
    cells = [clip.column(name) for name in (*CLIP_COLUMNS, *clip.tags)]
    try:
        "".join((*cells, *clip.tags)).encode()
    except UnicodeEncodeError:
        return f"{printable(clip.path)}: its name, or what is said of it, is not UTF-8"
    if max(map(len, cells)) > _LONGEST_CELL:
        return f"{printable(clip.path)}: what is said of it is too long: {max(map(len, cells))} characters"
    return None


def _find(folder: Path, name: str | None) -> Path:
    if not folder.is_dir():
        raise DatasetError(
            f"{printable(folder)}: there is no such folder: --data names the one that holds the recordings"
        )
    if found := find_manifest(folder, name):
        return found
    raise DatasetError(
        f"{printable(folder / (name or MANIFEST_NAMES[0]))}: is missing: it lists the clips, one a row; "
        f"`listener dataset scan {printable(folder)}` makes one"
    )


def find_manifest(folder: Path, name: str | None = None) -> Path | None:
    """Give the manifest of a folder, if there is one."""
    names = (name,) if name else MANIFEST_NAMES
    return next((folder / each for each in names if is_file(folder / each)), None)


def _rows(path: Path) -> list[Row]:
    headings, rows = read_rows(path)
    known = {_ALIASES.get(heading, heading) for heading in headings}
    told = printable(", ".join(headings)) or "none"
    refuse(
        [
            f"{printable(path)}: there is no column '{name}'; its columns: {told}"
            for name in ("path", "label")
            if name not in known
        ]
    )
    return rows


def _clip(row: Mapping[str, str]) -> Clip:
    # Where a table has both, the name that is ours is meant.
    known = {_ALIASES[name]: value for name, value in row.items() if name in _ALIASES}
    known |= {name: value for name, value in row.items() if name not in _ALIASES}
    for name in ("path", "label"):
        if not known[name].strip():
            raise ValueError(f"has no {name}")
    numbers = {name: _seconds(name, known[name]) for name in _NUMBERS if known.get(name)}
    texts = {name: known[name] for name in _TEXTS if name in known}
    tags = {name: value for name, value in known.items() if name not in CLIP_COLUMNS}
    return Clip(**texts, **numbers, judged=known.get("judged") != "0", tags=tags)  # type: ignore[arg-type]


def _seconds(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} is no number: {text!r}") from None
    if not 0 <= value < 1e9:
        raise ValueError(f"{name} must be seconds, 0 or more: {text}")
    return value
