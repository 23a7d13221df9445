"""What a dataset command shows while it works: a bar on a terminal, else a line now and then."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

LINE_EVERY_S = 30.0
"""Between lines, where nobody watches."""


class DatasetProgress:
    """Called with how much is done, and of how much; None where nobody knows.

    Parameters
    ----------
    what
        Of which there are so many.
    in_bytes
        They are counted in bytes.
    """

    def __init__(self, what: str, in_bytes: bool = False) -> None:
        self._console = Console(stderr=True)
        count: ProgressColumn = DownloadColumn() if in_bytes else MofNCompleteColumn()
        columns = (TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task = self._bar.add_task(what, total=None)
        self._what = what
        self._in_bytes = in_bytes
        self._next_line = time.monotonic() + LINE_EVERY_S

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, done: int, total: int | None) -> None:
        """Show how far it is."""
        self._bar.update(self._task, completed=done, total=total)
        if not self._console.is_terminal and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_EVERY_S
            of = "" if total is None else f" of {self._told(total)}"
            print(f"{self._what}: {self._told(done)}{of}", file=sys.stderr, flush=True)

    def _told(self, number: int) -> str:
        return decimal(number) if self._in_bytes else str(number)
