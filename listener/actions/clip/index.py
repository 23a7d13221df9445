"""Which files in a folder are clips of an action: nothing else is ever deleted.

A small SQLite file lies hidden among the clips, and moves with them. It is opened for each
look at it, so that a disk that was taken away and brought back is no trouble, and several
programs may use it.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from listener.actions.clip.files import Entry

INDEX = ".clips.sqlite3"
"""Name of the file."""

WAIT_S = 5.0
"""How long another one that writes to it is waited for, in seconds."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS clips (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    action TEXT NOT NULL, label TEXT NOT NULL, score REAL NOT NULL, written_at REAL NOT NULL,
    files TEXT NOT NULL, bytes INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS clips_by_score ON clips (action, label, score, id);
CREATE INDEX IF NOT EXISTS clips_by_age ON clips (action, id, written_at, bytes);
"""

_INSERT = (
    "INSERT INTO clips (id, action, label, score, written_at, files, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)"
)

FIRST = -(2**62)
"""Before any clip."""

_OLDEST = """
SELECT id, label, score, written_at, files FROM clips AS c
WHERE action = :action AND id > :after AND id < (SELECT max(id) FROM clips WHERE action = :action)
"""

_WRITTEN_BEFORE = "AND written_at < :before\n"

_NOT_AMONG_THE_BEST = """
AND (score, id) < (
    SELECT score, id FROM clips AS b WHERE b.action = c.action AND b.label = c.label
    ORDER BY score DESC, id DESC LIMIT 1 OFFSET :worst
)
"""


class Index:
    """The clips of one action.

    Parameters
    ----------
    folder
        Where they are.
    action
        Name of the action: others may use the same folder.
    """

    def __init__(self, folder: Path, action: str) -> None:
        self.folder = folder
        self.path = folder / INDEX
        self._action = action

    def add(self, *entries: Entry) -> int:
        """Note clips, before they get their names; give the number of the last one.

        Raises
        ------
        sqlite3.Error
            They cannot be noted.
        """
        with self._opened() as database:
            return [database.execute(_INSERT, self._row(None, one)).lastrowid or 0 for one in entries][-1]

    def add_older(self, entries: Sequence[Entry]) -> None:
        """Note clips, in their order, that are older than all that are noted.

        Raises
        ------
        sqlite3.Error
            They cannot be noted.
        """
        with self._opened() as database:
            (oldest,) = database.execute("SELECT coalesce(min(id), 0) FROM clips").fetchone()
            first = min(int(oldest), 0) - len(entries)
            database.executemany(
                _INSERT, [self._row(number, one) for number, one in enumerate(entries, start=first)]
            )

    def forget(self, numbers: Sequence[int]) -> None:
        """Strike clips out.

        Raises
        ------
        sqlite3.Error
            They cannot be.
        """
        with self._opened() as database:
            database.executemany("DELETE FROM clips WHERE id = ?", [(number,) for number in numbers])

    def totals(self) -> tuple[int, int]:
        """Give the number of clips, and the bytes of all their files.

        Raises
        ------
        sqlite3.Error
            It cannot be read.
        """
        with self._opened() as database:
            row = database.execute(
                "SELECT count(*), coalesce(sum(bytes), 0) FROM clips WHERE action = ?", (self._action,)
            ).fetchone()
        return int(row[0]), int(row[1])

    def oldest(
        self, n: int, keep_best: int = 0, after: int = FIRST, before: float | None = None
    ) -> list[Entry]:
        """Give the oldest clips, but for the newest of all, and for those with the highest scores.

        Parameters
        ----------
        n
            So many at most.
        keep_best
            So many of each label are left out; of those with the same score, the newest.
        after
            Those with a number above this.
        before
            Those that were written before this ``time.time()``; None: whenever it was.

        Raises
        ------
        sqlite3.Error
            It cannot be read.
        """
        query = _OLDEST
        query += _NOT_AMONG_THE_BEST if keep_best else ""
        query += _WRITTEN_BEFORE if before is not None else ""
        query += "ORDER BY id LIMIT :n"
        values = {"action": self._action, "after": after, "worst": keep_best - 1, "n": n, "before": before}
        with self._opened() as database:
            rows = database.execute(query, values).fetchall()
        return [_entry(row) for row in rows]

    def renew(self) -> None:
        """Put a file aside that is no index any more.

        Raises
        ------
        OSError
            It cannot be.
        """
        self.path.replace(self.path.with_name(f"{INDEX}.damaged"))
        # What it was about to do would be done to the next one.
        self.path.with_name(f"{INDEX}-journal").unlink(missing_ok=True)

    def all(self, at_once: int = 1000) -> Iterator[Entry]:
        """Give all clips, the oldest first.

        Raises
        ------
        sqlite3.Error
            It cannot be read.
        """
        after = FIRST
        while True:
            with self._opened() as database:
                rows = database.execute(
                    "SELECT id, label, score, written_at, files FROM clips"
                    " WHERE action = ? AND id > ? ORDER BY id LIMIT ?",
                    (self._action, after, at_once),
                ).fetchall()
            if not rows:
                return
            yield from map(_entry, rows)
            after = rows[-1][0]

    def _row(self, number: int | None, one: Entry) -> tuple[object, ...]:
        return number, self._action, one.label, one.score, one.written_at, json.dumps(one.files), one.size

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self.path, timeout=WAIT_S)
        try:
            # What a loss of power may cost is the newest entries, not the file.
            database.execute("PRAGMA synchronous = NORMAL")
            with database:
                if not database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
                    database.executescript(_SCHEMA)
                yield database
        finally:
            database.close()


def is_damaged(error: sqlite3.Error) -> bool:
    """Tell whether the file is no index any more, and will never be."""
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_full(error: sqlite3.Error) -> bool:
    """Tell whether the disk has no room for it."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _entry(row: tuple[int, str, float, float, str]) -> Entry:
    number, label, score, written_at, files = row
    return Entry(
        label, score, written_at, tuple((str(name), int(size)) for name, size in json.loads(files)), number
    )
