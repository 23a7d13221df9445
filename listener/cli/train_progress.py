"""What ``listener train`` shows while it works: a bar on a terminal, else a line now and then."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

if TYPE_CHECKING:
    from listener.training.fit import Report

LINE_EVERY_S = 30.0
"""Between lines, where nobody watches."""

_SMOOTHING = 0.98


class TrainingProgress:
    """Called with a network's name and how its training goes."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"),
            TextColumn("{task.fields[speed]:.0f} windows/s"),
            TextColumn("{task.fields[left]} left"),
        )
        self._bars = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._tasks: dict[str, TaskID] = {}
        self._losses: dict[str, float] = {}
        self._next_line = 0.0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, name: str, report: "Report") -> None:
        """Show that a step is done."""
        before = self._losses.get(name, report.loss)
        loss = self._losses[name] = _SMOOTHING * before + (1 - _SMOOTHING) * report.loss
        speed, left = report.windows_per_s, _clock(report.seconds_left)
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=report.of, loss=loss, speed=speed, left=left)
        self._bars.update(self._tasks[name], completed=report.step, loss=loss, speed=speed, left=left)
        is_done = report.step == report.of
        if not self._console.is_terminal and (time.monotonic() >= self._next_line or is_done):
            self._next_line = time.monotonic() + LINE_EVERY_S
            print(
                f"{name}: step {report.step} of {report.of}, loss {loss:.3f}, "
                f"{speed:.0f} windows/s, {left} left",
                file=sys.stderr,
                flush=True,
            )


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
