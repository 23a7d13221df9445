"""What is wrong with a data set, told all at once: whoever mends it wants the list."""

from collections.abc import Sequence
from dataclasses import dataclass

from listener.errors import DatasetError, printable

PROBLEMS_SHOWN = 20
"""Lines of one refusal; of more, the number is told."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a clip or a label, which may be left out."""

    where: str
    """A file, a line of a table or a label; printable."""

    what: str
    """What is wrong there."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def shown(problems: Sequence[object], most: int = PROBLEMS_SHOWN) -> list[str]:
    """Give a line for each problem; of very many the first, and how many more there are."""
    # A name may hold a line break, and would pass for two problems.
    lines = [printable(problem) for problem in problems[:most]]
    if len(problems) > len(lines):
        lines.append(f"... and {len(problems) - len(lines)} more")
    return lines


def refuse(problems: Sequence[object]) -> None:
    """Raise a `DatasetError` that lists the problems, if there are any."""
    if problems:
        raise DatasetError("\n".join(shown(problems)))
