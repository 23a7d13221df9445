"""Messages that wait until the broker has them, over a restart of the program.

What is in memory counts; a small SQLite file follows it, so that a crash in the middle of a write
leaves all of a message or nothing. Where the file cannot be written the program goes on without it,
and says so. Safe to use from any thread.
"""

import logging
import os
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

MOST_BYTES = 16_000_000
"""Topics and payloads in all; a thousand events have half a million."""

COMPLAIN_EVERY_S = 60.0
"""Least time between two log lines on the same trouble, in seconds."""

SET_UP = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA wal_autocheckpoint = 200;
PRAGMA journal_size_limit = 1000000;
BEGIN EXCLUSIVE;
CREATE TABLE IF NOT EXISTS waiting (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL, topic TEXT NOT NULL, payload TEXT NOT NULL
);
COMMIT;
"""
"""A crash of the program loses nothing; one of the machine the newest moments, and never the file."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message on its way to the broker."""

    number: int
    """Grows from message to message."""

    key: str
    """Names what it tells: see `listener.actions.base.ActionContext.key`; empty: nothing is like it."""

    topic: str
    """Where it is published."""

    payload: str
    """What is published."""

    @property
    def n_bytes(self) -> int:
        """About how much room it takes."""
        return len(self.topic) + len(self.payload)


class Outbox:
    """What waits.

    Parameters
    ----------
    name
        Of the action, for the log.
    path
        The file; None: there is no place for one.
    most
        Messages that are kept; of more, the oldest are dropped.
    """

    def __init__(self, name: str, path: Path | None, most: int) -> None:
        self.dropped = 0
        """Messages that were dropped since the start."""
        self.refused = 0
        """Messages that the broker refused."""
        self.is_attached = False
        """The file has been read, and follows what is in memory."""
        self._name = name
        self._path = path
        self._most = most
        self._lock = threading.Lock()
        self._waiting: OrderedDict[int, Message] = OrderedDict()
        self._keys: set[str] = set()
        self._n_bytes = 0
        self._last = 0
        self._file: sqlite3.Connection | None = None
        self._is_behind = False
        self._complained_at: dict[str, float] = {}

    def __len__(self) -> int:
        with self._lock:
            return len(self._waiting)

    def attach(self) -> bool:
        """Read the file, and let it follow from now on; what is in memory comes after what was in it.

        Returns
        -------
        bool
            False: another one has the file at present.
        """
        with self._lock:
            if self._path is None or self.is_attached:
                return True
            try:
                before = self._opened(self._path)
            except sqlite3.DatabaseError as error:
                if _is_locked(error):
                    return False
                self._complain("file", "what waits is not kept over a restart: %s: %s", self._path, error)
                return True
            except OSError as error:
                problem = error.strerror or error
                self._complain("file", "what waits is not kept over a restart: %s: %s", self._path, problem)
                return True
            self.is_attached = True
            now, self._waiting = list(self._waiting.values()), OrderedDict()
            self._keys, self._n_bytes, self._last = set(), 0, 0
            for key, topic, payload in [*before, *((one.key, one.topic, one.payload) for one in now)]:
                self._add(key, topic, payload)
            self._is_behind = True
            self._make_room()
            self._write(lambda file: None)
            if before:
                log.info("action '%s': %d messages wait from before", self._name, len(before))
            return True

    def put(self, key: str, topic: str, payload: str) -> None:
        """Add a message, unless the same one waits already; never raises for want of room."""
        with self._lock:
            if key and key in self._keys:
                return
            message = self._add(key, topic, payload)
            gone = self._make_room()

            def write(file: sqlite3.Connection) -> None:
                row = (message.number, message.key, message.topic, message.payload)
                file.execute("INSERT INTO waiting VALUES (?, ?, ?, ?)", row)
                file.executemany("DELETE FROM waiting WHERE number = ?", [(number,) for number in gone])

            self._write(write)

    def after(self, number: int) -> Message | None:
        """Give the oldest message with a greater number."""
        with self._lock:
            if not self._waiting or self._last <= number:
                return None
            if (following := self._waiting.get(number + 1)) is not None:
                return following
            return next((one for one in self._waiting.values() if one.number > number), None)

    def remove(self, number: int) -> None:
        """Forget a message: the broker has it. One that is not there any more is no trouble."""
        with self._lock:
            if number not in self._waiting:
                return
            self._take_out(number)
            self._write(lambda file: file.execute("DELETE FROM waiting WHERE number = ?", (number,)))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._write(lambda file: None)
            self._let_go()

    def _add(self, key: str, topic: str, payload: str) -> Message:
        self._last += 1
        message = Message(self._last, key, topic, payload)
        self._waiting[message.number] = message
        self._n_bytes += message.n_bytes
        if key:
            self._keys.add(key)
        return message

    def _take_out(self, number: int) -> None:
        message = self._waiting.pop(number)
        self._n_bytes -= message.n_bytes
        self._keys.discard(message.key)

    def _make_room(self) -> list[int]:
        gone = []
        while len(self._waiting) > self._most or self._n_bytes > MOST_BYTES:
            number = next(iter(self._waiting))
            self._take_out(number)
            gone.append(number)
        self.dropped += len(gone)
        if gone:
            self._complain("full", "the oldest messages are dropped, %d by now (queue)", self.dropped)
        return gone

    def _opened(self, path: Path) -> list[tuple[str, str, str]]:
        """Open the file and read it; one that is no such file, or is damaged, is set aside.

        Raises
        ------
        OSError, sqlite3.Error
            It cannot be opened.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return self._read(path)
        except sqlite3.DatabaseError as error:
            self._let_go()
            if isinstance(error, sqlite3.OperationalError):
                raise
            self._set_aside(path, error)
        return self._read(path)

    def _read(self, path: Path) -> list[tuple[str, str, str]]:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._file = file = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        with closing(file.cursor()) as cursor:
            cursor.executescript(SET_UP)
            if cursor.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("it is damaged")
            newest = "SELECT key, topic, payload FROM waiting ORDER BY number DESC LIMIT ?"
            try:
                rows = cursor.execute(newest, (self._most,)).fetchall()
            except sqlite3.OperationalError as error:  # another table by that name
                raise sqlite3.DatabaseError(str(error)) from error
        if not all(isinstance(value, str) for row in rows for value in row):
            raise sqlite3.DatabaseError("it holds what is no message")
        return rows[::-1]

    def _set_aside(self, path: Path, error: sqlite3.Error) -> None:
        aside = path.with_name(f"{path.name}.damaged")
        path.replace(aside)
        for suffix in ("-wal", "-shm", "-journal"):  # they belong to the old file
            with suppress(FileNotFoundError):
                path.with_name(f"{path.name}{suffix}").unlink()
        log.error(
            "action '%s': the messages that wait cannot be read (%s): %s is set aside as %s",
            self._name,
            error,
            path,
            aside.name,
        )

    def _write(self, change: Callable[[sqlite3.Connection], object]) -> None:
        """Let the file follow; one that could not is written anew as soon as it can be."""
        file = self._file
        if file is None:
            return
        try:
            file.execute("BEGIN IMMEDIATE")
            if self._is_behind:
                rows = [(one.number, one.key, one.topic, one.payload) for one in self._waiting.values()]
                file.execute("DELETE FROM waiting")
                file.executemany("INSERT INTO waiting VALUES (?, ?, ?, ?)", rows)
            else:
                change(file)
            file.execute("COMMIT")
            self._is_behind = False
        except sqlite3.Error as error:
            self._is_behind = True
            with suppress(sqlite3.Error):
                file.execute("ROLLBACK")
            self._complain("file", "what waits is not kept over a restart: %s: %s", self._path, error)

    def _let_go(self) -> None:
        if self._file is not None:
            with suppress(sqlite3.Error):
                self._file.close()
            self._file = None

    def _complain(self, about: str, message: str, *values: object) -> None:
        """Say what goes wrong again and again, but not again and again."""
        now = time.monotonic()
        if now - self._complained_at.get(about, -COMPLAIN_EVERY_S) >= COMPLAIN_EVERY_S:
            self._complained_at[about] = now
            log.error(f"action '%s': {message}", self._name, *values)


def _is_locked(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
