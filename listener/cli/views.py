"""What shows the events of a run where the console does not: JSON lines, or nothing but the log."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import Full, Queue
from typing import TYPE_CHECKING, Protocol

from listener.cli.line_output import LineOutput
from listener.event_format import event_json
from listener.types import Decision, Event, ModelCard, PipelineStats, Prediction

if TYPE_CHECKING:
    from listener.actions.runner.account import ActionStats

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.05
MOST_WAITING = 10_000
"""Events that wait for a slow reader; more are dropped and counted."""
LAST_WORDS_S = 2.0
"""How long a reader that does not read is waited for in the end."""


class View(Protocol):
    """Whatever shows what is going on: the live console, plain lines, JSON lines, or nothing."""

    def on_event(self, event: Event) -> None:
        """Take an event; called in the engine's thread, and so must not block."""

    def on_step(self, prediction: Prediction, decisions: Sequence[Decision]) -> None:
        """Take a window's scores and decisions; must not block either."""

    def on_model(self, card: ModelCard, hop_s: float) -> None:
        """Take note that what follows is judged by this model, every so many seconds; must not block."""

    def run(
        self,
        pipeline_stats: Callable[[], PipelineStats],
        action_stats: Callable[[], Mapping[str, "ActionStats"]],
        stop: threading.Event,
        is_done: Callable[[], bool],
    ) -> None:
        """Show, until ``stop`` is set or ``is_done`` says so, or nobody looks any more.

        ``is_done`` is called a few times a second for as long as this goes on.
        """

    def close(self) -> None:
        """Show what came after that."""


class NoView:
    """Shows nothing; the log says it all."""

    def on_event(self, event: Event) -> None:
        """Take an event."""

    def on_step(self, prediction: Prediction, decisions: Sequence[Decision]) -> None:
        """Take a window's scores and decisions."""

    def on_model(self, card: ModelCard, hop_s: float) -> None:
        """Take note of another model or hop."""

    def run(
        self,
        pipeline_stats: Callable[[], PipelineStats],
        action_stats: Callable[[], Mapping[str, "ActionStats"]],
        stop: threading.Event,
        is_done: Callable[[], bool],
    ) -> None:
        """Wait for the end."""
        while not (stop.wait(LOOK_EVERY_S) or is_done()):
            pass

    def close(self) -> None:
        """There is nothing to show."""


class JsonLines(NoView):
    """One event a line on standard output. A reader that is slow, or gone, holds up nobody."""

    def __init__(self) -> None:
        self.dropped = 0
        self._out = LineOutput()
        self._reader_gone = threading.Event()
        self._waiting: Queue[Event | None] = Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._print, name="json", daemon=True)

    def on_event(self, event: Event) -> None:
        """Take an event."""
        try:
            self._waiting.put_nowait(event)
        except Full:
            if not self.dropped:
                log.warning("events are not printed: %d wait already for standard output", MOST_WAITING)
            self.dropped += 1

    def run(
        self,
        pipeline_stats: Callable[[], PipelineStats],
        action_stats: Callable[[], Mapping[str, "ActionStats"]],
        stop: threading.Event,
        is_done: Callable[[], bool],
    ) -> None:
        """Print until the end, or until nobody reads any more."""
        self._thread.start()
        while not (stop.wait(LOOK_EVERY_S) or is_done() or self._reader_gone.is_set()):
            pass

    def close(self) -> None:
        """Print what came since; a reader that does not read is waited for no longer than a moment."""
        until = time.monotonic() + LAST_WORDS_S
        with suppress(Full):
            self._waiting.put(None, timeout=LAST_WORDS_S)
        if self._thread.ident is not None:
            self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive():
            log.warning("%d events were not printed", self._waiting.qsize() + self.dropped)
        self._out.stop()

    def _print(self) -> None:
        while (event := self._waiting.get()) is not None:
            if not self._out.write(event_json(event)):
                self._reader_gone.set()
                return
