"""The way of events through one action: inbox, deadline, attempts, time-out, and a count of everything.

A lane's workers take one event after the other and watch over its run, which has a
thread for itself. A run that overstays its time is cancelled; one that ignores that is
left behind, and the lane goes on without it.
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from math import inf

from listener.actions.base import MAX_AUDIO_S, Action, AudioTap, Hold, Program
from listener.actions.runner.account import Account, ActionStats, GivenUpError, described
from listener.actions.runner.limits import Breaker, limits_of, pause_before
from listener.actions.runner.run import Board, Job, Run, Telling
from listener.actions.when.trigger import Trigger, Verdict
from listener.config import ActionSettings
from listener.errors import ActionError, BrokenPluginError, ListenerError, TransientError, one_line
from listener.types import STATUS, Event, Phase

log = logging.getLogger(__name__)

CANCEL_S = 3.5
"""Seconds that a cancelled run has to return before it counts as hung."""

MAX_HUNG = 3
"""Runs that may hang at once; at that point the action is paused, or threads would pile up for ever."""


def open_action(action: Action, program: Program | None = None) -> None:
    """Prepare an action.

    Raises
    ------
    ActionError
        It cannot work as configured; the message names it.
    BrokenPluginError
        Its own code fails; the message names it likewise.
    """
    try:
        if program is not None:
            action.join(program)
        action.open()
    except ListenerError as error:
        raise ActionError(f"action '{action.name}': {error}") from error
    except Exception as error:
        message = f"action '{action.name}' cannot be set up: {one_line(described(error))}"
        raise BrokenPluginError(message) from error


def try_action(action: Action) -> None:
    """See whether an action can be prepared, and let go of what that took.

    Raises
    ------
    ActionError, BrokenPluginError
        As `open_action`.
    """
    try:
        open_action(action)
    finally:
        try:
            action.close()
        except Exception as error:  # noqa: BLE001 - a stranger's that never was open may raise any
            log.warning("action '%s' could not be closed: %s", action.name, one_line(described(error)))


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
        self.is_paused = False
        """Somebody has switched it off."""
        self._limits = limits_of(action, settings)
        self._trigger = Trigger(settings)
        self._breaker = Breaker(self._limits.breaker)
        self._audio = audio
        self._board = board
        self._cancel_s = cancel_s
        self._changed = threading.Condition(board.lock)
        self._inbox: deque[Job] = deque()
        self._running: set[Job] = set()
        self._account = Account(action.name)
        self._hanging: list[threading.Thread] = []
        self._retires_at = inf
        self._dice = random.Random()
        name = f"action:{action.name}"
        names = [name, *(f"{name}:{n}" for n in range(2, self._limits.workers + 1))]
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for name in names]
        self._at_work = len(self._threads)

    def judge(self, event: Event, at_s: float) -> Verdict:
        """Tell whether the action answers to an event, and why. Call with the board held."""
        verdict = self._trigger.judge(event, at_s, self._board.mutes.by(event), self.is_paused)
        if verdict.is_meant and not verdict.fires:
            self._account.count("held")
        return verdict

    def skips(self, event: Event) -> bool:
        """Say whether an event makes way for another; make way for it where it goes first.

        Call with the board held.
        """
        policy = self.settings.concurrency
        # An end is never lost because its beginning is still at work: it would leave a light on.
        if policy == "skip" and event.phase is not Phase.OFFSET and (self._running or self._inbox):
            self._account.count("skipped")
            return True
        if policy == "restart":
            for job in self._running:
                job.is_replaced = True
            self._board.file_written.notify_all()
            self.wake()
            self._account.count("skipped", len(self._inbox))
            for job in self._inbox:
                self._finish(job)
            self._inbox.clear()
        return False

    def accept(
        self, event: Event, at_s: float, writers: Sequence[tuple[Action, Job]], telling: Telling
    ) -> Job | None:
        """Put an event into the inbox, or drop it where there is no room. Call with the board held."""
        if self._board.stopping or len(self._inbox) >= self.settings.inbox:
            self._account.count("dropped")
            if self._board.stopping and not self.action.wants_audio:
                telling.add()  # for good: it is told on the next start
            return None
        waits_for = tuple(job for writer, job in writers if _needs(self.action, writer))
        job = Job(event, time.monotonic(), at_s, self._hold(event), waits_for)
        # Who wants the sound as well cannot be told later: it will be gone.
        if not self.action.wants_audio:
            job.telling = telling
            telling.add()
        self._inbox.append(job)
        self.wake()
        return job

    def complain_of_full_inbox(self) -> None:
        """Say that an event was dropped; after the stop that goes without saying."""
        if not self._board.stopping:
            self._account.complain("full", "events are dropped: %d wait already (inbox)", self.settings.inbox)

    def stats(self) -> ActionStats:
        """Give the counts."""
        with self._board.lock:
            rests_s = max(0.0, self._breaker.open_until - time.monotonic())
            return self._account.stats(len(self._inbox), self.is_paused, self.action.lost, rests_s)

    def start(self) -> None:
        """Begin to work; the action is open."""
        for thread in self._threads:
            thread.start()

    def retire(self, budget_s: float) -> None:
        """Take no more events, and end what waits and what runs within ``budget_s`` seconds.

        Call with the board held. The lane closes its action by itself.
        """
        self._retires_at = time.monotonic() + budget_s
        self._board.file_written.notify_all()
        self.wake()

    def wake(self) -> None:
        """Let its threads see what has changed. Call with the board held."""
        self._changed.notify_all()

    @property
    def is_busy(self) -> bool:
        """Something runs or waits. Call with the board held."""
        return bool(self._running or self._inbox)

    @property
    def is_alive(self) -> bool:
        """It has not come to its end."""
        return any(thread.is_alive() for thread in self._threads)

    def alive_at(self, until: float) -> list[str]:
        """Wait for the end of the stopped lane, until a moment of ``time.monotonic()``; name what goes on."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - time.monotonic()))
        return [thread.name for thread in (*self._threads, *self._hanging) if thread.is_alive()]

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
                log.exception("action '%s' failed: %s", self.action.name, described(error))
            finally:
                self._finish(job)
        with self._board.lock:
            self._at_work -= 1
            is_last = not self._at_work
        if is_last:
            self._drop_rest()
            if not self._still_hanging():  # closing what a run is inside of can crash the process
                self._close()

    @property
    def _stop_at(self) -> float:
        return min(self._board.stop_at, self._retires_at)

    def _wait(
        self, done: Callable[[], bool], until: float, changed: threading.Condition | None = None
    ) -> bool:
        """Wait until ``done()``, a moment of ``time.monotonic()`` or the stop; tell whether it is done."""
        changed = changed or self._changed
        with changed:
            while not done() and (left_s := min(until, self._stop_at) - time.monotonic()) > 0:
                changed.wait(left_s)
            return done()

    def _next(self) -> Job | None:
        """Give the next event; wait for it, and while the breaker is open. None: it is over."""
        with self._board.lock:
            while True:
                now = time.monotonic()
                if now >= self._stop_at or (self._stop_at < inf and not self._has_hope()):
                    return None
                if self._inbox and now >= self._breaker.open_until:
                    job = self._inbox.popleft()
                    self._running.add(job)
                    return job
                until = min(self._stop_at, self._breaker.open_until if self._inbox else inf)
                self._changed.wait(None if until == inf else until - now)

    def _has_hope(self) -> bool:
        """Say whether anything that waits can run before the end. Call with the board held."""
        return bool(self._inbox) and (self._breaker.open_until < self._stop_at or bool(self._running))

    def _do(self, job: Job) -> None:
        # The event before this one may have waited for `after_s` of sound, which is nobody's delay.
        gone_at = job.submitted_at + self._limits.deadline_s + self.action.after_s
        if self._refuses(job, gone_at):
            return
        self._await_files(job, gone_at)
        while True:
            if job.is_replaced:
                self._count("skipped")
                return
            if time.monotonic() >= self._stop_at:
                self._count("dropped")
                job.is_cut_short = self._board.stopping
                return
            job.attempt += 1
            self._note_start(job)
            error = self._attempt(job)
            if not self._tries_again(job, error, gone_at):
                self._end(job, error)
                return

    def _await_files(self, job: Job, gone_at: float) -> None:
        """Wait until what others make of the event is there, or somebody else takes its place."""

        def is_ready() -> bool:
            return job.is_replaced or all(writer.done for writer in job.waits_for)

        self._wait(is_ready, gone_at, self._board.file_written)

    def _note_start(self, job: Job) -> None:
        with self._board.lock:
            if self.settings.mute_s:
                self._board.mutes.begin(self.action.name, self.settings.mute_s)
            if job.attempt > 1:
                self._account.count("retried")
                return
            self._account.note_start(job.event, job.submitted_at)

    def _attempt(self, job: Job) -> BaseException | None:
        """Run it once; give what went wrong, if anything did."""
        run = Run(self.action, job, self._board, self._changed, self.settings.timeout_s + self.action.after_s)
        if self._wait(lambda: run.finished or job.is_replaced, run.ends_at) and run.finished:
            return run.error
        return self._give_up(run, job)

    def _give_up(self, run: Run, job: Job) -> GivenUpError:
        """Cancel a run that has not ended."""
        now = time.monotonic()
        why, is_final = f"timeout_s is {self.settings.timeout_s:g}", False
        if job.is_replaced:
            why, is_final = "a newer event takes its place (concurrency)", True
        elif now >= self._stop_at:
            is_final = True
            if self._board.stopping:
                why = "the program stops"
                job.is_cut_short = now < run.ends_at
            else:
                why = "the configuration has no such action any more"
        try:
            run.cancel()
        except Exception as error:
            log.exception("action '%s' could not be cancelled: %s", self.action.name, described(error))
        run.thread.join(self._cancel_s)
        hangs = run.thread.is_alive()
        if hangs:
            with self._board.lock:
                self._hanging.append(run.thread)
        return GivenUpError(why, is_final or hangs, hangs)

    def _tries_again(self, job: Job, error: BaseException | None, gone_at: float) -> bool:
        """Say whether a failed run is tried again, after the pause that this takes."""
        retry = self._limits.retry
        if not isinstance(error, TransientError) or getattr(error, "is_final", False):
            return False
        if retry is None or job.attempt > retry.times:
            return False
        until = time.monotonic() + max(error.after_s, pause_before(job.attempt + 1, retry, self._dice))
        if until >= gone_at:
            return False
        log.warning("action '%s' on %s: %s; it is tried again", self.action.name, job.event.label, error)
        self._wait(lambda: job.is_replaced, until)
        return not job.is_replaced

    def _end(self, job: Job, error: BaseException | None) -> None:
        """Count how a job ended for good, and say what went wrong."""
        if error is None:
            self._count("fired")
        elif job.is_replaced:
            self._count("skipped")
            log.info("action '%s' on %s: %s", self.action.name, job.event.label, error)
            return
        else:
            self._count("timed_out" if isinstance(error, GivenUpError) else "failed")
            if isinstance(error, GivenUpError) and error.hangs:
                self._count("hung")
            self._account.tell(job.event, error)
        with self._board.lock:
            recovered = error is None and self._breaker.worked()
            pause_s = None if error is None else self._breaker.failed(time.monotonic())
        if recovered:
            log.warning("action '%s' works again", self.action.name)
        if pause_s is not None and not self._board.stopping:
            log.error("action '%s' fails all the time: it pauses for %.0f s", self.action.name, pause_s)

    def _refuses(self, job: Job, gone_at: float) -> bool:
        now = time.monotonic()
        if now > gone_at:
            self._count("late")
            self._account.complain(
                "late", "%s is %.0f s old and dropped (deadline_s)", job.event.label, now - job.submitted_at
            )
            return True
        if len(self._still_hanging()) >= MAX_HUNG:
            self._count("dropped")
            self._account.complain("paused", "paused, events are dropped: %d runs of it hang", MAX_HUNG)
            return True
        return False

    def _still_hanging(self) -> list[threading.Thread]:
        with self._board.lock:  # of several workers none forgets what another one has just left behind
            self._hanging = [thread for thread in self._hanging if thread.is_alive()]
            return self._hanging

    def _drop_rest(self) -> None:
        with self._board.lock:
            rest = list(self._inbox)
            self._inbox.clear()
            self._account.count("dropped", len(rest))
        for job in rest:
            job.is_cut_short = self._board.stopping
            self._finish(job)
        if rest:
            were = "event was" if len(rest) == 1 else "events were"
            log.error("action '%s': %d %s dropped at the stop", self.action.name, len(rest), were)

    def _finish(self, job: Job) -> None:
        with self._board.lock:
            job.done = True
            self._running.discard(job)
            if self._stop_at < inf:
                self.wake()  # who waited for this one's success may go home
            if self.action.writes_clip or self.action.writes_picture:
                self._board.file_written.notify_all()
        if job.hold is not None:
            job.hold.release()
        if job.telling is not None and not job.is_cut_short:
            job.telling.finish()

    def _close(self) -> None:
        try:
            self.action.close()
        except Exception as error:
            log.exception("action '%s' could not be closed: %s", self.action.name, described(error))

    def _count(self, what: str) -> None:
        with self._board.lock:
            self._account.count(what)


def _needs(action: Action, writer: Action) -> bool:
    is_clip = action.wants_clip and writer.writes_clip
    return is_clip or (action.wants_picture and writer.writes_picture)
