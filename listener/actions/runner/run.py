"""One run of an action, in a thread of its own, so that it can be given up."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Literal

from listener.actions.base import Action, ActionContext, Hold, Recording
from listener.actions.when.mutes import Mutes
from listener.errors import ActionError
from listener.types import Event, Phase

KEPT_FILES = 512
"""Clips and pictures that are remembered: far more than can be on their way at once."""

FileKind = Literal["clip", "picture"]
"""What one action makes of an event, and another one may want."""


class Board:
    """What all actions of a runner share. Whoever reads or writes it holds ``lock``.

    Each lane waits on a condition of its own, or every event would wake the threads of every action.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.file_written = threading.Condition(self.lock)
        """Notified when an action is through that makes clips or pictures, and at the stop."""
        self.stop_at = inf
        """``time.monotonic()`` at which everything ends; infinite until the stop."""
        self.mutes = Mutes()
        """In whose noise the microphones are."""
        self._files: OrderedDict[tuple[str, FileKind], Path] = OrderedDict()

    @property
    def stopping(self) -> bool:
        """No event is taken any more."""
        return self.stop_at < inf

    def publish(self, kind: FileKind, event: Event, path: Path) -> None:
        """Remember where a clip or picture of an event was written."""
        with self.lock:
            self._files[event.id, kind] = path
            if len(self._files) > KEPT_FILES:
                self._files.popitem(last=False)

    def file_of(self, kind: FileKind, event: Event) -> Path | None:
        """Give the clip or picture of an event, if there is one by now."""
        with self.lock:
            return self._files.get((event.id, kind))


class Telling:
    """An event, until every action that has to be told of it is through with it.

    What it counts is guarded by a lock of its own; whoever makes it is one of those it waits for.

    Parameters
    ----------
    event
        The event.
    on_told
        Called when the last one is through; must neither block nor raise.
    """

    def __init__(self, event: Event, on_told: Callable[[Event], None]) -> None:
        self._event = event
        self._on_told = on_told
        self._left = 1
        self._lock = threading.Lock()

    def add(self) -> None:
        """Wait for one more."""
        with self._lock:
            self._left += 1

    def finish(self) -> None:
        """Wait for one less."""
        with self._lock:
            self._left -= 1
            if self._left:
                return
        self._on_told(self._event)


@dataclass(slots=True, eq=False)
class Job:
    """An event on its way through one action."""

    event: Event
    """What was heard."""

    submitted_at: float
    """``time.monotonic()``."""

    at_s: float
    """Stream time at which it was decided, in seconds."""

    hold: Hold | None
    """The sound that is kept for it."""

    waits_for: tuple["Job", ...] = ()
    """Those that must be done before this one starts, because they write the clip or picture it wants."""

    telling: Telling | None = None
    """Told when it is done, unless the program's end was in its way."""

    is_cut_short: bool = False
    """The program ended before it could be done: it is to be told on the next start."""

    done: bool = False
    """It has run, failed or was dropped."""

    attempt: int = 0
    """How often it was begun."""

    is_replaced: bool = False
    """A newer event has taken its place."""

    @property
    def key(self) -> str:
        """Name what is to be done: the same for every attempt at it, also after a crash."""
        key = f"{self.event.id}-{self.event.phase.value}"
        # Of updates there are many, and none is told again after a crash.
        return f"{key}-{self.at_s:.3f}" if self.event.phase is Phase.UPDATE else key


class Run:
    """A run that has started.

    Parameters
    ----------
    action
        Whose ``run`` is called.
    job
        With what.
    board
        Knows the clips and pictures of the event.
    changed
        Notified when it ends.
    time_s
        How long it may take, in seconds.
    """

    def __init__(
        self, action: Action, job: Job, board: Board, changed: threading.Condition, time_s: float
    ) -> None:
        self.ends_at = time.monotonic() + time_s
        self.finished = False
        self.error: BaseException | None = None
        self._action = action
        self._job = job
        self._attempt = job.attempt
        self._board = board
        self._changed = changed
        self._cancelled = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"action:{action.name}:run", daemon=True)
        self.thread.start()

    def cancel(self) -> None:
        """Ask it to return."""
        self._cancelled.set()
        if self._job.hold is not None:
            self._job.hold.release()
        self._action.cancel()

    def _run(self) -> None:
        try:
            self._action.run(self._job.event, self._context())
        except BaseException as error:  # noqa: BLE001 - even SystemExit is a failure of this run and no more
            self.error = error
        with self._changed:
            self.finished = True
            self._changed.notify_all()

    def _context(self) -> ActionContext:
        event = self._job.event
        return ActionContext(
            fetch_audio=self._fetch_audio,
            clip=self._board.file_of("clip", event),
            publish_clip=lambda path: self._board.publish("clip", event, path),
            picture=self._board.file_of("picture", event),
            publish_picture=lambda path: self._board.publish("picture", event, path),
            cancelled=self._cancelled,
            key=self._job.key,
            attempt=self._attempt,
        )

    def _fetch_audio(self, start_s: float, end_s: float) -> Recording:
        if self._job.hold is None:
            raise ActionError("no sound is kept for an action that does not say wants_audio")
        return self._job.hold.fetch(start_s, end_s, max(0.0, self.ends_at - time.monotonic()))
