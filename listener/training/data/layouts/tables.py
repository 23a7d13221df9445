"""What the layouts that come with a table have in common."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from listener.errors import DatasetError, printable
from listener.files import is_file
from listener.training.data.clip import Clip
from listener.training.data.listing import Listing, find_files
from listener.training.data.problems import Problem, refuse
from listener.training.data.rows import Row, read_rows

Made = Clip | Problem
"""What became of a row."""


def rows_with(path: Path, columns: Sequence[str], delimiter: str | None = ",") -> list[Row]:
    """Read a table that must have certain columns.

    Raises
    ------
    DatasetError
        It is missing, broken or empty, or columns are missing; all are named.
    """
    if not is_file(path):
        raise DatasetError(f"{printable(path)}: is missing: it names the recordings")
    headings, rows = read_rows(path, delimiter)
    refuse([f"{printable(path)}: there is no column '{name}'" for name in columns if name not in headings])
    if not rows:
        raise DatasetError(f"{printable(path)}: names no recording")
    return rows


def listing_of(
    folder: Path, layout: str, known_by: str, made: Iterable[Made], group_is: str, below: str = "."
) -> Listing:
    """Give what the rows of a table name, and say what the table leaves out.

    Parameters
    ----------
    folder, layout, known_by, group_is
        Of the `Listing`.
    made
        What became of each row.
    below
        Folder in which recordings are looked for that the table does not name.
    """
    clips: dict[tuple[str, float], Clip] = {}
    problems = []
    for each in made:
        if isinstance(each, Problem):
            problems.append(each)
        elif (known := clips.setdefault((each.path, each.first_s), each)) is not each:
            told = "twice" if known.label == each.label else f"as '{known.label}' and as '{each.label}'"
            problems.append(Problem(printable(folder / each.path), f"is named {told} in {known_by}"))
    if not clips:
        refuse(problems or [f"{printable(folder)}: names no recording"])
    remarks = _unnamed(folder, below, {clip.path for clip in clips.values()}, known_by)
    return Listing(
        folder, layout, known_by, tuple(clips.values()), group_is, tuple(problems), remarks=tuple(remarks)
    )


def _unnamed(folder: Path, below: str, named: set[str], table: str) -> list[str]:
    if not (folder / below).is_dir():
        return []
    found = {(Path(below) / path).as_posix() for path in find_files(folder / below).recordings}
    if not (unnamed := sorted(found - named)):
        return []
    told = printable(unnamed[0]) + (f" and {len(unnamed) - 1} more" if len(unnamed) > 1 else "")
    return [f"{told}: not named in {table}, and left out"]
