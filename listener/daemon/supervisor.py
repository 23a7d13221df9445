"""Watches over the engine: tells systemd how it is, and reloads when it is asked to.

``READY=1`` is sent when the first window was classified, or every source is known to be away;
``WATCHDOG=1`` for as long as no stage stands still (`listener.daemon.watch`).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator

from listener.daemon.engine import Engine
from listener.daemon.notify import Notifier
from listener.daemon.reload import Reloader
from listener.daemon.status import LastEvent, names_of, status_line
from listener.daemon.watch import Watch
from listener.logs import redact
from listener.types import OVERLOAD, STATUS, Event, Phase, PipelineStats, SourceState, StageProgress

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
STATUS_EVERY_S = 1.0
STANDS_STILL_S = 10.0
"""Where nobody watches, a stage that stays where it is for so long is worth a line in the log."""
LEAST_STANDS_STILL_S = 5.0
"""A busy machine may hold a stage up for a while."""
STOP_S = 20.0
"""The end takes less than this; afterwards the watchdog is not fed any more."""
CLOSE_S = 1.0
"""How long its own end is waited for, in seconds."""
NOT_THERE = (SourceState.ABSENT, SourceState.LOST, SourceState.ENDED)


class EventNotes:
    """What the status says of events."""

    def __init__(self) -> None:
        self.is_overloaded = False
        """The model cannot keep up."""
        self._last: tuple[Event, float] | None = None

    def take(self, event: Event) -> None:
        """Take note of an event; does not block."""
        if event.label == OVERLOAD:
            self.is_overloaded = event.phase is Phase.ONSET
        if event.phase is Phase.ONSET and not event.label.startswith(STATUS):
            self._last = (event, time.monotonic())

    def last(self, now: float) -> LastEvent | None:
        """Give the newest event that began, at ``now`` seconds of the monotonic clock."""
        if self._last is None:
            return None
        event, told_at = self._last
        return LastEvent(event.label, event.source, now - told_at)


class Supervisor:
    """One thread that looks a few times a second.

    Parameters
    ----------
    engine
        What is watched; it need not have been started.
    notes
        What happened of late.
    reloader
        What reloads.
    take_reload
        Says whether a reload was asked for since the last call.
    notifier
        Who is told.
    """

    def __init__(
        self,
        engine: Engine,
        notes: EventNotes,
        reloader: Reloader,
        take_reload: Callable[[], bool],
        notifier: Notifier,
    ) -> None:
        self._engine = engine
        self._notes = notes
        self._reloader = reloader
        self._take_reload = take_reload
        self._notifier = notifier
        self._watchdog_s = notifier.watchdog_s
        limit_s = STANDS_STILL_S
        if self._watchdog_s is not None:
            limit_s = max(LEAST_STANDS_STILL_S, self._watchdog_s / 3)
        self._watch = Watch(limit_s)
        self._look_every_s = min(LOOK_EVERY_S, (self._watchdog_s or 60) / 8)
        self._standing: list[str] = []
        self._is_ready = False
        self._pinged_at = self._told_at = float("-inf")
        self._told = ""
        self._beats = 0
        self._stopping_since: float | None = None
        self._failure: Exception | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="supervisor", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def beat(self) -> None:
        """Take note that the main thread is well; who has called it once has to do so again and again."""
        self._beats += 1

    def stopping(self) -> None:
        """Take note that the end has begun."""
        self._stopping_since = time.monotonic()
        self._notifier.stopping("stopping")

    def close(self) -> None:
        """End."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_S)  # a log that nobody reads may hold it

    @property
    def has_manager(self) -> bool:
        """A service manager waits for what is said here, and for the end."""
        return self._notifier.active

    @property
    def failure(self) -> Exception | None:
        """What has ended it, by a defect of the program."""
        return self._failure

    def _work(self) -> None:
        try:
            self._watch_on()
        except Exception as error:  # noqa: BLE001 - whatever it was: without it, the program is to end
            self._failure = error

    def _watch_on(self) -> None:
        while not self._closing.wait(self._look_every_s):
            now = time.monotonic()
            if self._stopping_since is None:
                self._look(now)
            elif now - self._stopping_since < STOP_S:
                self._ping(now)

    def _look(self, now: float) -> None:
        stats = self._engine.stats()
        if not self._is_ready and _is_ready(stats):
            self._is_ready = True
            self._notifier.ready()
        self._watch_over(now)
        if self._is_ready:
            self._reloader.look()
            if not self._reloader.is_busy and self._take_reload():
                self._reloader.begin()
        self._tell("; ".join(self._status(stats, now)), now)
        if not self._standing:
            self._ping(now)

    def _watch_over(self, now: float) -> None:
        stages = self._engine.progress()
        if self._beats and self._watchdog_s:  # else a terminal may hold it up for as long as it likes
            stages.append(StageProgress("main", self._beats))
        before, self._standing = self._standing, self._watch.look(stages, now)
        for name in self._standing:
            if name not in before:
                log.error("the stage %s stands still", name)
        for name in before:
            if name not in self._standing:
                log.warning("the stage %s moves again", name)

    def _status(self, stats: PipelineStats, now: float) -> Iterator[str]:
        for name in self._standing:
            yield f"the stage {name} stands still"
        if self._reloader.problem:
            yield f"configuration not taken: {self._reloader.problem}"
        names = names_of(self._engine.setup.file.config.sources)
        yield status_line(stats, names, self._notes.last(now), self._notes.is_overloaded)

    def _tell(self, status: str, now: float) -> None:
        if status != self._told and now - self._told_at >= STATUS_EVERY_S:
            self._told, self._told_at = status, now
            self._notifier.status(redact(status))  # anybody on the machine can read it

    def _ping(self, now: float) -> None:
        # A look early, so that it is never late.
        if self._watchdog_s and now - self._pinged_at >= self._watchdog_s / 2 - self._look_every_s:
            self._pinged_at = now
            self._notifier.watchdog()


def _is_ready(stats: PipelineStats) -> bool:
    return stats.windows > 0 or all(source.state in NOT_THERE for source in stats.sources)
