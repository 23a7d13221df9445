"""A table of one's own: a CSV file with a column for the file and one for the label, under whatever names."""

from collections.abc import Mapping
from pathlib import Path

from listener.errors import DatasetError, printable
from listener.files import is_file
from listener.training.data.clip import CLIP_COLUMNS, Clip
from listener.training.data.layouts.paths import Finder
from listener.training.data.layouts.tables import Made, listing_of, rows_with
from listener.training.data.listing import Layout, Listing, Options, Sign, Strength
from listener.training.data.manifest import MANIFEST_NAMES
from listener.training.data.rows import Row, read_rows

USUAL = {
    "path": (
        "path",
        "file",
        "filename",
        "file_name",
        "filepath",
        "file_path",
        "fname",
        "wav",
        "audio",
        "clip",
    ),
    "label": ("label", "class", "category", "class_name", "classname", "target", "sound", "event"),
    "fold": ("fold",),
    "group": (
        "group",
        "source",
        "src_file",
        "fsid",
        "speaker",
        "speaker_id",
        "device",
        "recording",
        "session",
    ),
    "split": ("split", "subset"),
    "first_s": ("first_s", "onset_s", "onset", "start_s"),
    "active_s": ("active_s",),
    "end_s": ("end_s", "offset_s", "offset"),
    "licence": ("licence", "license"),
    "source_url": ("source_url", "url"),
    "author": ("author",),
    "title": ("title",),
    "dataset": ("dataset",),
}
"""Column of a manifest, and ``end_s``, where a sound ends: what tables call it; the first that is there."""

NEEDED = ("path", "label")
NUMBERS = ("first_s", "active_s", "end_s")


def recognise(folder: Path, options: Options) -> Sign | None:
    """Look for a CSV file that has a column for the file and one for the label."""
    try:
        path = _find(folder, options)
        headings, _ = read_rows(path, delimiter=None)
        _columns(path, headings, options.columns)
        return Sign(path.name, Strength.TABLE)
    except DatasetError:
        return None


def read(folder: Path, options: Options) -> Listing:
    """List what the table names."""
    path = _find(folder, options)
    headings, _ = read_rows(path, delimiter=None)
    columns = _columns(path, headings, options.columns)
    find = Finder(folder, path.parent)
    made = [_clip(row, columns, find) for row in rows_with(path, (), delimiter=None)]
    group = columns.get("group", "")
    return listing_of(folder, "csv", path.name, made, group_is=group)


def _find(folder: Path, options: Options) -> Path:
    """Give the table that is meant.

    Raises
    ------
    DatasetError
        There is none, or more than one.
    """
    if options.table is not None:
        return folder / options.table
    tables = [path for path in sorted(folder.glob("*.csv")) if is_file(path) and not _is_manifest(path)]
    fitting = [path for path in tables if _fits(path, options)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(printable(path.name) for path in fitting)
        raise DatasetError(f"{printable(folder)}: holds several tables: say which with --table: {names}")
    if len(tables) == 1:
        return tables[0]  # reading it will tell what it lacks
    raise DatasetError(
        f"{printable(folder)}: holds no CSV file with columns for file and label; --table names it"
    )


def _is_manifest(path: Path) -> bool:
    """Say whether a table is what `listener.training.data.layouts.manifests` reads."""
    return path.name in MANIFEST_NAMES and set(NEEDED) <= _headings(path)


def _headings(path: Path) -> set[str]:
    try:
        return set(read_rows(path)[0])
    except DatasetError:
        return set()


def _fits(path: Path, options: Options) -> bool:
    try:
        headings, _ = read_rows(path, delimiter=None)
        _columns(path, headings, options.columns)
    except DatasetError:
        return False
    return True


def _columns(path: Path, headings: list[str], told: Mapping[str, str]) -> dict[str, str]:
    """Find what the table calls each column of a manifest."""
    known = {heading.strip().lower(): heading for heading in reversed(headings)}
    columns = {
        ours: next((known[name] for name in names if name in known), "") for ours, names in USUAL.items()
    }
    there_are = printable(", ".join(headings))
    for ours, theirs in told.items():
        if ours not in USUAL:
            raise DatasetError(
                f"--column {ours}={theirs}: there is no '{ours}': there are {', '.join(USUAL)}"
            )
        if theirs and theirs not in headings:
            raise DatasetError(f"--column {ours}={theirs}: {printable(path)} has the columns {there_are}")
        columns[ours] = theirs
    if missing := [ours for ours in NEEDED if not columns[ours]]:
        raise DatasetError(
            f"{printable(path)}: which column is the {' and which the '.join(missing)}? "
            f"--column {missing[0]}=NAME says it; there are {there_are}"
        )
    return {ours: theirs for ours, theirs in columns.items() if theirs}


def _clip(row: Row, columns: Mapping[str, str], find: Finder) -> Made:
    cells = {ours: row.cells[theirs].strip() for ours, theirs in columns.items()}
    for name in NEEDED:
        if not cells[name]:
            return row.problem(f"has no {columns[name]}")
    found = find(cells["path"])
    if found is None:
        return row.problem(f"{printable(cells['path'])}: {find.why(cells['path'])}")
    try:
        numbers = _piece(cells)
    except ValueError as error:
        return row.problem(str(error))
    texts = {name: cell for name, cell in cells.items() if name not in ("path", *NUMBERS)}
    used = set(columns.values())
    tags = {
        name.strip(): cell
        for name, cell in row.cells.items()
        if name not in used and name.strip() and name.strip() not in CLIP_COLUMNS
    }
    return Clip(found, tags=tags, **texts, **numbers)  # type: ignore[arg-type]


def _piece(cells: Mapping[str, str]) -> dict[str, float]:
    """Where in its file the sound lies, as far as the table says so."""
    numbers = {}
    for name in NUMBERS:
        if text := cells.get(name):
            try:
                numbers[name] = float(text)
            except ValueError:
                raise ValueError(f"{name} is no number: {text!r}") from None
            if not 0 <= numbers[name] < 1e9:
                raise ValueError(f"{name} must be seconds, 0 or more: {text}")
    end_s = numbers.pop("end_s", None)
    if end_s is not None and "active_s" not in numbers:
        numbers["active_s"] = round(end_s - numbers.get("first_s", 0.0), 6)
    if numbers.get("active_s", 1.0) <= 0:
        raise ValueError("its sound ends before it begins")
    return numbers


TABLE = Layout("csv", recognise, read)
