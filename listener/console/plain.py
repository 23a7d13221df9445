"""Plain lines, for a pipe, a file or a terminal that cannot draw."""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from listener.actions.runner.account import ActionStats
from listener.event_format import event_line, printable
from listener.types import Decision, Event, ModelCard, PipelineStats, Prediction, SourceState, SourceStats

PERIOD_S = 0.125
"""Longest time that a line waits, in seconds."""

MAX_WAITING = 10_000
"""Events that wait for a reader; of more, the oldest are counted only."""


class PlainConsole:
    """Prints a line for each event, and one when a source comes, goes or ends.

    A reader that has gone away ends `run` and is no error.

    Parameters
    ----------
    card
        The model's card.
    version
        The program's version.
    out
        Where to print; standard output if left out.
    """

    def __init__(self, card: ModelCard, version: str, out: TextIO | None = None) -> None:
        self._version = version
        self._model = _told_model(card)
        self._printed_model = ""
        self._out = sys.stdout if out is None else out
        self._lock = threading.Lock()
        self._events: deque[Event] = deque(maxlen=MAX_WAITING)
        self._untold = 0
        self._states: dict[str, SourceState] = {}
        self._reader_gone = False

    def on_event(self, event: Event) -> None:
        """Put down an event to be printed; never waits for the reader."""
        with self._lock:
            self._untold += len(self._events) == MAX_WAITING
            self._events.append(event)

    def on_step(self, prediction: Prediction, decisions: Sequence[Decision]) -> None:
        """Scores are not printed."""

    def on_model(self, card: ModelCard, hop_s: float) -> None:
        """Put down that another model listens; another hop is not printed."""
        with self._lock:
            self._model = _told_model(card)

    def run(
        self,
        pipeline_stats: Callable[[], PipelineStats],
        action_stats: Callable[[], Mapping[str, ActionStats]],
        stop: threading.Event,
        is_done: Callable[[], bool],
    ) -> None:
        """Print until the engine is to stop or is done, or nobody reads any more.

        Parameters
        ----------
        pipeline_stats, action_stats
            Give the newest counts; those of actions are not printed.
        stop, is_done
            Either ends the printing.
        """
        ended = False
        while not ended and not self._reader_gone:
            ended = stop.is_set() or is_done()
            self._tell_model()
            self._tell_states(pipeline_stats().sources)
            self._tell_events()
            if not ended:
                stop.wait(PERIOD_S)

    def close(self) -> None:
        """Print the events that came since `run` returned; the engine has stopped."""
        self._tell_events()

    def _tell_model(self) -> None:
        with self._lock:
            model, before = self._model, self._printed_model
            self._printed_model = model
        if model != before:
            self._print(f"now {model}" if before else f"listener {self._version}, {model}")

    def _tell_states(self, sources: Sequence[SourceStats]) -> None:
        for source in sources:
            if self._states.get(source.name) is not source.state:
                self._states[source.name] = source.state
                problem = f": {source.problem}" if source.problem else ""
                self._print(f"{source.name} is {source.state.value}{problem}")

    def _tell_events(self) -> None:
        with self._lock:
            events, untold = list(self._events), self._untold
            self._events.clear()
            self._untold = 0
        if untold:
            self._print(f"{untold} older events are not shown: they came faster than they could be printed")
        for event in events:
            self._print(event_line(event))

    def _print(self, line: str) -> None:
        if self._reader_gone:
            return
        encoding = self._out.encoding or "utf-8"
        try:
            self._out.write(printable(line).encode(encoding, "replace").decode(encoding) + "\n")
            self._out.flush()
        except BrokenPipeError:
            self._reader_gone = True
            _discard(self._out)


def _told_model(card: ModelCard) -> str:
    return f"{card.identity}, {len(card.labels)} labels"


def _discard(out: TextIO) -> None:
    """Let the interpreter's last flush go nowhere: it would complain of the closed pipe once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, out.fileno())
    os.close(nowhere)
