"""What ``listener train`` shows while it works: a bar on a terminal, else a line now and then."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

LINE_EVERY_S = 30.0
"""Between lines, where nobody watches."""

_SMOOTHING = 0.98


class TrainingProgress:
    """Called with a network's name, the steps done, the steps in all and the loss."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"),
            TimeRemainingColumn(),
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

    def __call__(self, name: str, done: int, total: int, loss: float) -> None:
        """Show that a step is done."""
        mean = self._losses[name] = _SMOOTHING * self._losses.get(name, loss) + (1 - _SMOOTHING) * loss
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, loss=loss)
        self._bars.update(self._tasks[name], completed=done, loss=mean)
        if not self._console.is_terminal and (time.monotonic() >= self._next_line or done == total):
            self._next_line = time.monotonic() + LINE_EVERY_S
            print(f"{name}: step {done} of {total}, loss {mean:.3f}", file=sys.stderr, flush=True)
