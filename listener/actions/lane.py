"""The way of events through one action: inbox, deadline, time-out, and a count of everything.

A lane's own thread takes one event after the other and watches over its run, which has a
thread for itself. A run that overstays its time is cancelled; one that ignores that is
left behind, and the lane goes on without it.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import inf

from listener.actions.base import MAX_AUDIO_S, Action, AudioTap, Hold
from listener.actions.run import Board, Job, Run, Telling
from listener.config import ActionSettings
from listener.errors import ActionError, ListenerError
from listener.types import STATUS, Event

log = logging.getLogger(__name__)

CANCEL_S = 3.5
"""Seconds that a cancelled run has to return before it counts as hung."""

MAX_HUNG = 3
"""Runs that may hang at once; at that point the action is paused, or threads would pile up for ever."""

COMPLAIN_EVERY_S = 60.0
"""Least time between two log lines on the same trouble of an action, in seconds."""


@dataclass(frozen=True, slots=True)
class ActionStats:
    """What became of the events that an action was to answer."""

    fired: int = 0
    """Runs that did what they should."""

    failed: int = 0
    """Runs that ended with an error."""

    timed_out: int = 0
    """Runs that were given up, because of their time-out or the stop."""

    dropped: int = 0
    """Events that never ran: inbox full, action paused, or stop."""

    late: int = 0
    """Events that waited longer than the deadline and were not acted on."""

    hung: int = 0
    """Runs among the timed-out ones that did not return when cancelled."""

    queued: int = 0
    """Events in the inbox now."""


def label_matches(label: str, pattern: str) -> bool:
    """Say whether a pattern means a label; ``*`` means what was heard, ``@*`` what was not."""
    if label.startswith(STATUS) is not pattern.startswith(STATUS):
        return False
    return fnmatchcase(label, pattern)


def open_action(action: Action) -> None:
    """Prepare an action.

    Raises
    ------
    ActionError
        It cannot work as configured; the message names it.
    """
    try:
        action.open()
    except ListenerError as error:
        raise ActionError(f"action '{action.name}': {error}") from error
    except Exception as error:
        raise ActionError(f"action '{action.name}' cannot be set up: {_described(error)}") from error


class Lane:
    """One action with its inbox and threads.

    Parameters
    ----------
    action
        What is run; the lane opens and closes it.
    settings
        When, and within which limits.
    audio
        Where its sound comes from.
    board
        What it shares with the other lanes.
    cancel_s
        Seconds that a cancelled run has to return before it counts as hung.
    """

    def __init__(
        self,
        action: Action,
        settings: ActionSettings,
        audio: AudioTap,
        board: Board,
        cancel_s: float,
    ) -> None:
        self.action = action
        self.settings = settings
        self._audio = audio
        self._board = board
        self._cancel_s = cancel_s
        self._inbox: deque[Job] = deque()
        self._counts: Counter[str] = Counter()
        self._hanging: list[threading.Thread] = []
        self._complained_at: dict[str, float] = {}
        self._retires_at = inf
        self._thread = threading.Thread(target=self._work, name=f"action:{action.name}", daemon=True)

    def selects(self, event: Event) -> bool:
        """Tell whether the action answers to an event."""
        chosen = self.settings
        return (
            chosen.when in ("both", event.phase.value)
            # The score that ends an event is low by nature: its peak is what a user means.
            and event.peak_score >= chosen.min_score
            and any(label_matches(event.label, pattern) for pattern in chosen.labels)
            and any(fnmatchcase(event.source, pattern) for pattern in chosen.sources)
        )

    def accept(self, event: Event, clips_from: tuple[Job, ...], telling: Telling) -> Job | None:
        """Put an event into the inbox, or drop it where there is no room. Call with the board held."""
        if self._board.stopping or len(self._inbox) >= self.settings.inbox:
            self._counts["dropped"] += 1
            if self._board.stopping and not self.action.wants_audio:
                telling.add()  # for good: it is told on the next start
            return None
        waits_for = clips_from if self.action.wants_clip else ()
        job = Job(event, time.monotonic(), self._hold(event), waits_for)
        # Who wants the sound as well cannot be told later: it will be gone.
        if not self.action.wants_audio:
            job.telling = telling
            telling.add()
        self._inbox.append(job)
        return job

    def complain_of_full_inbox(self) -> None:
        """Say that an event was dropped; after the stop that goes without saying."""
        if not self._board.stopping:
            self._complain("full", "events are dropped: %d wait already (inbox)", self.settings.inbox)

    def stats(self) -> ActionStats:
        """Give the counts."""
        with self._board.changed:
            return ActionStats(**self._counts, queued=len(self._inbox))

    def start(self) -> None:
        """Begin to work; the action is open."""
        self._thread.start()

    def retire(self, budget_s: float) -> None:
        """Take no more events, and end what waits and what runs within ``budget_s`` seconds.

        Call with the board held. The lane closes its action by itself.
        """
        self._retires_at = time.monotonic() + budget_s
        self._board.changed.notify_all()

    @property
    def is_alive(self) -> bool:
        """It has not come to its end."""
        return self._thread.is_alive()

    def alive_at(self, until: float) -> list[str]:
        """Wait for the end of the stopped lane, until a moment of ``time.monotonic()``; name what goes on."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, until - time.monotonic()))
        return [thread.name for thread in (self._thread, *self._hanging) if thread.is_alive()]

    def _hold(self, event: Event) -> Hold | None:
        if not self.action.wants_audio or event.label.startswith(STATUS):
            return None
        end_s = event.onset_s if event.offset_s is None else event.offset_s
        earliest_s = end_s + self.action.after_s - MAX_AUDIO_S
        return self._audio.hold(event.source, max(0.0, event.onset_s - self.action.before_s, earliest_s))

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._do(job)
            except Exception as error:  # no thread can be started
                self._count("failed")
                log.exception("action '%s' failed: %s", self.action.name, _described(error))
            finally:
                self._finish(job)
        self._drop_rest()
        if not self._still_hanging():  # closing what a run is inside of can crash the process
            self._close()

    @property
    def _stop_at(self) -> float:
        return min(self._board.stop_at, self._retires_at)

    def _wait(self, done: Callable[[], bool], until: float) -> bool:
        """Wait until ``done()``, a moment of ``time.monotonic()`` or the stop; tell whether it is done."""
        with self._board.changed:
            while not done() and (left_s := min(until, self._stop_at) - time.monotonic()) > 0:
                self._board.changed.wait(left_s)
            return done()

    def _next(self) -> Job | None:
        with self._board.changed:
            self._board.changed.wait_for(lambda: self._inbox or self._stop_at < inf)
            has_time = time.monotonic() < self._stop_at
            return self._inbox.popleft() if self._inbox and has_time else None

    def _do(self, job: Job) -> None:
        # The event before this one may have waited for `after_s` of sound, which is nobody's delay.
        patience_s = self.settings.deadline_s + self.action.after_s
        if self._refuses(job, patience_s):
            return
        self._wait(lambda: all(writer.done for writer in job.clips_from), job.submitted_at + patience_s)
        if time.monotonic() >= self._stop_at:
            self._count("dropped")
            job.is_cut_short = self._board.stopping
            return
        run = Run(self.action, job, self._board, self.settings.timeout_s + self.action.after_s)
        if self._wait(lambda: run.finished, run.ends_at):
            self._account(run, job.event)
        else:
            job.is_cut_short = time.monotonic() < run.ends_at and self._board.stopping
            self._give_up(run, job.event)

    def _refuses(self, job: Job, patience_s: float) -> bool:
        waited_s = time.monotonic() - job.submitted_at
        if waited_s > patience_s:
            self._count("late")
            self._complain("late", "%s is %.0f s old and dropped (deadline_s)", job.event.label, waited_s)
            return True
        if len(self._still_hanging()) >= MAX_HUNG:
            self._count("dropped")
            self._complain("paused", "paused, events are dropped: %d runs of it hang", MAX_HUNG)
            return True
        return False

    def _account(self, run: Run, event: Event) -> None:
        if run.error is None:
            self._count("fired")
            return
        self._count("failed")
        expected = isinstance(run.error, ListenerError)
        log.error(
            "action '%s' failed on %s: %s",
            self.action.name,
            event.label,
            run.error if expected else _described(run.error),
            exc_info=None if expected else run.error,
        )

    def _give_up(self, run: Run, event: Event) -> None:
        self._count("timed_out")
        why = f"timeout_s is {self.settings.timeout_s:g}"
        if time.monotonic() >= self._stop_at:
            why = (
                "the program stops"
                if self._board.stopping
                else "the configuration has no such action any more"
            )
        log.error("action '%s' on %s is given up: %s", self.action.name, event.label, why)
        try:
            run.cancel()
        except Exception as error:
            log.exception("action '%s' could not be cancelled: %s", self.action.name, _described(error))
        run.thread.join(self._cancel_s)
        if run.thread.is_alive():
            self._count("hung")
            self._hanging.append(run.thread)
            log.error("action '%s' on %s hangs and is left behind", self.action.name, event.label)

    def _still_hanging(self) -> list[threading.Thread]:
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        return self._hanging

    def _drop_rest(self) -> None:
        with self._board.changed:
            rest = list(self._inbox)
            self._inbox.clear()
            self._counts["dropped"] += len(rest)
        for job in rest:
            job.is_cut_short = self._board.stopping
            self._finish(job)
        if rest:
            log.error("action '%s': %d events were dropped at the stop", self.action.name, len(rest))

    def _finish(self, job: Job) -> None:
        with self._board.changed:
            job.done = True
            self._board.changed.notify_all()
        if job.hold is not None:
            job.hold.release()
        if job.telling is not None and not job.is_cut_short:
            job.telling.finish()

    def _close(self) -> None:
        try:
            self.action.close()
        except Exception as error:
            log.exception("action '%s' could not be closed: %s", self.action.name, _described(error))

    def _count(self, what: str) -> None:
        with self._board.changed:
            self._counts[what] += 1

    def _complain(self, about: str, message: str, *values: object) -> None:
        now = time.monotonic()
        if now - self._complained_at.get(about, -COMPLAIN_EVERY_S) >= COMPLAIN_EVERY_S:
            self._complained_at[about] = now
            log.error(f"action '%s': {message}", self.action.name, *values)


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
