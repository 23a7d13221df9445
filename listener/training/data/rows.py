"""Tables as people keep them: CSV files, read row by row with the line that each stands on."""

import csv
from dataclasses import dataclass
from pathlib import Path

from listener.errors import DatasetError, one_line, printable
from listener.training.data.problems import Problem, refuse

DELIMITERS = ",;\t"
"""What may stand between the cells of a table that somebody made: the one that its headings use most."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table."""

    where: str
    """File and line, for whoever has to mend it."""

    cells: dict[str, str]
    """What stands under each heading; empty where a row is shorter than the headings."""

    def problem(self, what: str) -> Problem:
        """Say what is wrong with it."""
        return Problem(self.where, what)


def read_rows(path: Path, delimiter: str | None = ",") -> tuple[list[str], list[Row]]:
    """Read a table whose first line holds its headings.

    Parameters
    ----------
    path
        Of the file, in UTF-8.
    delimiter
        What stands between cells; None: one of `DELIMITERS`, as the headings tell.

    Returns
    -------
    headings, rows
        Blank lines are no rows.

    Raises
    ------
    DatasetError
        It cannot be read, has no headings or has one twice, or rows are longer than the headings.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if delimiter is None:
                delimiter = max(DELIMITERS, key=file.readline().count)
                file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            headings = next(reader, [])
            raw = [(reader.line_num, cells) for cells in reader if cells]
    except UnicodeDecodeError as error:
        raise DatasetError(f"{printable(path)}: cannot be read: it is not UTF-8; save it as that") from error
    except csv.Error as error:
        raise DatasetError(
            f"{printable(path)}, line {reader.line_num}: cannot be read: {one_line(error)}"
        ) from error
    except OSError as error:
        raise DatasetError(f"{printable(path)}: cannot be read: {error.strerror}") from error
    _check(path, headings, raw)
    padding = [""] * len(headings)
    return headings, [
        Row(f"{printable(path)}, line {line}", dict(zip(headings, cells + padding, strict=False)))
        for line, cells in raw
    ]


def _check(path: Path, headings: list[str], raw: list[tuple[int, list[str]]]) -> None:
    doubled = sorted({heading for heading in headings if headings.count(heading) > 1})
    refuse([f"{printable(path)}: there are two columns '{printable(heading)}'" for heading in doubled])
    refuse(
        [
            f"{printable(path)}, line {line}: has {len(cells)} cells, the headings are {len(headings)}: "
            "a text with a comma in it needs quotes"
            for line, cells in raw
            if len(cells) > len(headings)
        ]
    )
