"""What shows the events of a run where the console does not: JSON lines, or nothing but the log."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import Full, Queue
from typing import TYPE_CHECKING, Protocol

from listener.event_format import event_json
from listener.types import Decision, Event, PipelineStats, Prediction

if TYPE_CHECKING:
    from listener.actions.lane import ActionStats

LOOK_EVERY_S = 0.05
MOST_WAITING = 10_000
"""Events that wait for a slow reader; more are dropped and counted."""
LAST_WORDS_S = 3.0
"""How long a reader that does not read is waited for in the end."""


class View(Protocol):
    """Whatever shows what is going on: the live console, plain lines, JSON lines, or nothing."""

    def on_event(self, event: Event) -> None:
        """Take an event; called in the engine's thread, and so must not block."""

    def on_step(self, prediction: Prediction, decisions: Sequence[Decision]) -> None:
        """Take a window's scores and decisions; must not block either."""

    def run(
        self,
        pipeline_stats: Callable[[], PipelineStats],
        action_stats: Callable[[], Mapping[str, "ActionStats"]],
        stop: threading.Event,
        done: threading.Event,
    ) -> None:
        """Show, until one of the two is set or nobody looks any more."""

    def close(self) -> None:
        """Show what came after that."""


class StopFlag(threading.Event):
    """An event that a signal handler may set.

    A handler runs in the middle of whatever the main thread does; were that thread just
    inside of an ordinary event's lock, setting it would wait for ever.
    """

    def __init__(self) -> None:
        super().__init__()
        self._set = False

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._set

    def set(self) -> None:
        """Set it."""
        self._set = True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, ``timeout`` seconds at most."""
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        while not self._set and (left_s := deadline - time.monotonic()) > 0:
            time.sleep(min(LOOK_EVERY_S, left_s))
        return self._set


class NoView:
    """Shows nothing; the log says it all."""

    def on_event(self, event: Event) -> None:
        """Take an event."""

    def on_step(self, prediction: Prediction, decisions: Sequence[Decision]) -> None:
        """Take a window's scores and decisions."""

    def run(
        self,
        pipeline_stats: Callable[[], PipelineStats],
        action_stats: Callable[[], Mapping[str, "ActionStats"]],
        stop: threading.Event,
        done: threading.Event,
    ) -> None:
        """Wait until one of the two is set."""
        while not (stop.wait(LOOK_EVERY_S) or done.is_set()):
            pass

    def close(self) -> None:
        """There is nothing to show."""


class JsonLines(NoView):
    """One event a line on standard output. A reader that is slow, or gone, holds up nobody."""

    def __init__(self) -> None:
        self.dropped = 0
        self._reader_gone = threading.Event()
        self._waiting: Queue[Event | None] = Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._print, name="json", daemon=True)

    def on_event(self, event: Event) -> None:
        """Take an event."""
        try:
            self._waiting.put_nowait(event)
        except Full:
            self.dropped += 1

    def run(
        self,
        pipeline_stats: Callable[[], PipelineStats],
        action_stats: Callable[[], Mapping[str, "ActionStats"]],
        stop: threading.Event,
        done: threading.Event,
    ) -> None:
        """Print until one of the two is set, or nobody reads any more."""
        self._thread.start()
        while not (stop.wait(LOOK_EVERY_S) or done.is_set() or self._reader_gone.is_set()):
            pass

    def close(self) -> None:
        """Print what came since; a reader that does not read is waited for no longer than a moment."""
        with suppress(Full):
            self._waiting.put(None, timeout=LAST_WORDS_S)
        if self._thread.ident is not None:
            self._thread.join(LAST_WORDS_S)

    def _print(self) -> None:
        while (event := self._waiting.get()) is not None:
            try:
                print(event_json(event), flush=True)
            except OSError:
                self._reader_gone.set()
                return
