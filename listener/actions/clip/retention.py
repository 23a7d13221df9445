"""Which clips go, and when: a thread that looks after a folder, so that no clip waits for it."""

import errno
import logging
import os
import shutil
import sqlite3
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf
from pathlib import Path

from listener.actions.clip.files import Entry
from listener.actions.clip.index import FIRST, Index, is_damaged, is_full
from listener.actions.clip.naming import is_being_written, naming
from listener.actions.clip.options import ClipOptions
from listener.actions.clip.sidecar import found_sidecars

log = logging.getLogger(__name__)

LOOK_EVERY_S = 60.0
"""Clips grow old, and others fill the disk, also while nothing is heard."""

RECONCILE_EVERY_S = 86_400.0
"""How often it is looked which clips have been taken away by hand."""

STEADY_S = 600.0
"""Nothing is too old by a clock that was set in so many seconds: it may have been set wrong."""

CLOSE_S = 1.0
"""How long the end waits for what is still to be deleted, in seconds; the next start sees to the rest."""

ROOM_S = 1.0
"""How long a clip waits for others to make way."""

AT_ONCE = 50
"""Clips that are struck out together."""

MB = 1e6

DAY_S = 86_400.0


class Retention:
    """Keeps the clips of one action within their limits.

    Parameters
    ----------
    action
        Its name.
    folder
        Where its clips are.
    options
        The limits.
    """

    def __init__(self, action: str, folder: Path, options: ClipOptions) -> None:
        self._action = action
        self._folder = folder
        self._options = options
        self._index = Index(folder, action)
        self._steady = _SteadyClock()
        self._due = threading.Event()
        self._until = inf
        self._trouble = ""
        self._reconciled_at = -inf
        self._is_new = False
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def start(self) -> None:
        """Begin to look after the folder; twice is once."""
        with self._starting:
            if self._thread is None:
                self._until = inf
                self._is_new = self._is_new or not self._index.path.exists()
                self._thread = threading.Thread(target=self._work, name=f"clips:{self._action}", daemon=True)
                self._due.set()
                self._thread.start()

    def close(self) -> None:
        """End it; what is due is done, within `CLOSE_S` seconds."""
        with self._starting:
            if self._thread is not None:
                self._until = time.monotonic() + CLOSE_S
                self._due.set()
                self._thread.join(2 * CLOSE_S)
                self._thread = None

    def note(self, entry: Entry) -> int:
        """Note a clip before it gets its name; give its number, 0 where it cannot be noted.

        Raises
        ------
        OSError
            The disk is full.
        """
        for _ in range(2):
            try:
                return self._index.add(entry)
            except sqlite3.Error as error:
                if is_full(error):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
                if not self._mends(error):
                    self._complain(f"clips cannot be noted, and so are never deleted: {error}")
                    return 0
        return 0

    def forget(self, number: int) -> None:
        """Strike out a clip that did not get its name."""
        with suppress(sqlite3.Error):  # it is struck out when its time has come
            self._index.forget([number])

    def wrote(self) -> None:
        """Look after the folder soon: there is one more."""
        self._due.set()

    def make_room(self, n_bytes: int) -> bool:
        """See that so many bytes can be written without touching ``least_free_mb``; tell whether they can."""
        least = (self._options.least_free_mb or 0.0) * MB + n_bytes
        if not self._has_less(least):
            return True
        with suppress(sqlite3.Error):
            self._remove_while(lambda entry: self._has_less(least), time.monotonic() + ROOM_S)
        return not self._has_less(least)

    def tidy(self) -> None:
        """Delete what goes by now.

        Raises
        ------
        OSError, sqlite3.Error
            It cannot be done.
        """
        chosen = self._options
        if chosen.keep_days is not None and self._steady.is_steady():
            self._remove_while(lambda entry: True, inf, before=time.time() - chosen.keep_days * DAY_S)
        n_clips, size = self._index.totals()
        most_clips = inf if chosen.keep_count is None else chosen.keep_count
        most_bytes = inf if chosen.keep_mb is None else chosen.keep_mb * MB
        least_free = (chosen.least_free_mb or 0.0) * MB

        def goes(entry: Entry) -> bool:
            nonlocal n_clips, size
            if n_clips <= most_clips and size <= most_bytes and not self._has_less(least_free):
                return False
            n_clips -= 1
            size -= entry.size
            return True

        self._remove_while(goes, inf)

    def _work(self) -> None:
        is_over = False
        while not is_over:
            self._due.wait(LOOK_EVERY_S)
            self._due.clear()
            is_over = self._until < inf  # this look is the last one
            try:
                self._look()
            except (OSError, sqlite3.Error) as error:
                if not (isinstance(error, sqlite3.Error) and self._mends(error)):
                    self._complain(f"old clips cannot be deleted: {error}")
            else:
                self._trouble = ""

    def _look(self) -> None:
        if self._is_new:
            self._adopt()
            self._is_new = False
        if time.monotonic() - self._reconciled_at >= RECONCILE_EVERY_S:
            self._reconcile()
            self._reconciled_at = time.monotonic()
        self.tidy()

    def _adopt(self) -> None:
        """Take charge of clips from before there was an index: the JSON beside them says whose they are."""
        found = sorted(found_sidecars(self._folder, self._action), key=lambda entry: entry.written_at)
        # What was written meanwhile was noted before it could be found.
        noted = {entry.files[-1] for entry in self._index.all()}
        entries = [entry for entry in found if entry.files[-1] not in noted]
        if entries:
            self._index.add_older(entries)
            log.info(
                "action '%s': %d clips were found that it has written before", self._action, len(entries)
            )

    def _reconcile(self) -> None:
        """Strike out what somebody else has taken away."""
        gone = [
            entry.number
            for entry in self._index.all()
            if not (
                self._is_on_its_way(entry) or any((self._folder / name).exists() for name, _ in entry.files)
            )
        ]
        for first in range(0, len(gone), 10 * AT_ONCE):
            self._index.forget(gone[first : first + 10 * AT_ONCE])

    def _remove_while(self, goes: Callable[[Entry], bool], until: float, before: float | None = None) -> None:
        """Delete clips, the oldest first, until one stays or a moment of ``time.monotonic()`` has come."""
        after = FIRST
        while batch := self._index.oldest(AT_ONCE, self._options.keep_best, after, before):
            gone = []
            for entry in batch:
                if self._is_on_its_way(entry):
                    after = entry.number
                    continue
                if time.monotonic() > min(until, self._until) or not goes(entry):
                    break
                if self._remove(entry):
                    gone.append(entry.number)
                after = entry.number
            if gone:
                self._index.forget(gone)
            if after != batch[-1].number:
                return

    def _is_on_its_way(self, entry: Entry) -> bool:
        """Tell whether a clip is noted, but has no name yet: it is neither gone nor to be deleted."""
        return any(is_being_written(self._folder / name) for name, _ in entry.files)

    def _remove(self, entry: Entry) -> bool:
        """Delete the files of a clip; tell whether it is gone, or nobody's but the user's."""
        try:
            for name, size in entry.files:
                _unlink(self._folder, name, size)
        except OSError as error:
            self._complain(f"'{entry.files[-1][0]}' cannot be deleted: {error.strerror}")
            return False
        return True

    def _has_less(self, n_bytes: float) -> bool:
        return n_bytes > 0 and shutil.disk_usage(self._folder).free < n_bytes

    def _mends(self, error: sqlite3.Error) -> bool:
        """Begin a new index where the old one is beyond repair; tell whether that was it."""
        if not is_damaged(error):
            return False
        log.warning("action '%s': the index of its clips is damaged and begun anew", self._action)
        with suppress(OSError):
            self._index.renew()
            self._is_new = True
            self._due.set()
            return True
        return False

    def _complain(self, trouble: str) -> None:
        if self._trouble != trouble:
            self._trouble = trouble
            log.warning("action '%s': %s", self._action, trouble)


class _SteadyClock:
    """Tells whether the time of day has gone on evenly for a while."""

    def __init__(self) -> None:
        self._ahead_s = time.time() - time.monotonic()
        self._since = time.monotonic()

    def is_steady(self) -> bool:
        """Tell whether nobody has set it within `STEADY_S` seconds."""
        ahead_s = time.time() - time.monotonic()
        if abs(ahead_s - self._ahead_s) > 1.0:
            self._ahead_s = ahead_s
            self._since = time.monotonic()
        return time.monotonic() - self._since >= STEADY_S


def _unlink(folder: Path, name: str, size: int) -> None:
    """Delete a file that is as it was written, and the folders that it leaves empty."""
    path = folder / name
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        return  # a link leads elsewhere
    with suppress(FileNotFoundError, NotADirectoryError):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_size == size:
            path.unlink()
    for parent in Path(name).parents:
        if parent == Path():
            return
        with naming, suppress(OSError):  # the lock, or the next clip's folder would vanish under it
            (folder / parent).rmdir()
