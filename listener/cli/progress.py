"""What a command shows while it works: bars on a terminal; elsewhere a line now and then, or nothing."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from listener.training.fit import Report

LINE_EVERY_S = 30.0
"""Between lines, where nobody watches."""

_SMOOTHING = 0.98


class _Bars:
    """A bar for each thing that is worked at; a context manager that shows them on a terminal."""

    def __init__(self, *columns: ProgressColumn | str, transient: bool = False) -> None:
        console = Console(stderr=True)
        self._is_watched = console.is_terminal
        self._bars = Progress(*columns, console=console, disable=not self._is_watched, transient=transient)
        self._tasks: dict[str, TaskID] = {}
        self._next_line = 0.0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def _show(self, what: str, done: float, total: float | None, **fields: Any) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total, **fields)
        self._bars.update(self._tasks[what], completed=done, total=total, **fields)

    def _print(self, line: str, is_last: bool = False) -> None:
        """Print a line where nobody watches; one that comes too soon is left out, unless it is the last."""
        if not self._is_watched and (time.monotonic() >= self._next_line or is_last):
            self._next_line = time.monotonic() + LINE_EVERY_S
            print(line, file=sys.stderr, flush=True)


class CountProgress(_Bars):
    """Called with how much is done, and of how much; None where nobody knows.

    Parameters
    ----------
    what
        Of which there are so many.
    in_bytes
        They are counted in bytes.
    """

    def __init__(self, what: str, in_bytes: bool = False) -> None:
        count: ProgressColumn = DownloadColumn() if in_bytes else MofNCompleteColumn()
        super().__init__(TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn())
        self._what = what
        self._in_bytes = in_bytes
        self._show(what, 0, None)
        self._next_line = time.monotonic() + LINE_EVERY_S  # what is done sooner needs no line

    def __call__(self, done: int, total: int | None) -> None:
        """Show how far it is."""
        self._show(self._what, done, total)
        of = "" if total is None else f" of {self._told(total)}"
        self._print(f"{self._what}: {self._told(done)}{of}")

    def _told(self, number: int) -> str:
        return decimal(number) if self._in_bytes else str(number)


class ShareProgress(_Bars):
    """Called with what is being done, and the share that is done, in [0, 1]; bars only, gone at the end."""

    def __init__(self) -> None:
        super().__init__(*Progress.get_default_columns(), transient=True)

    def __call__(self, what: str, done: float) -> None:
        """Show how far it is."""
        self._show(what, done, 1.0)


class TrainingProgress(_Bars):
    """Called with a network's name and how its training goes."""

    def __init__(self) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"),
            TextColumn("{task.fields[speed]:.0f} windows/s"),
            TextColumn("{task.fields[left]} left"),
        )
        self._losses: dict[str, float] = {}

    def __call__(self, name: str, report: "Report") -> None:
        """Show that a step is done."""
        before = self._losses.get(name, report.loss)
        loss = self._losses[name] = _SMOOTHING * before + (1 - _SMOOTHING) * report.loss
        speed, left = report.windows_per_s, _clock(report.seconds_left)
        self._show(name, report.step, report.of, loss=loss, speed=speed, left=left)
        line = (
            f"{name}: step {report.step} of {report.of}, loss {loss:.3f}, {speed:.0f} windows/s, {left} left"
        )
        self._print(line, is_last=report.step == report.of)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
