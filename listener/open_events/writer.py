"""The thread that writes lines to the disk, so that nobody else has to wait for it."""

import logging
import threading
import time
from collections.abc import Callable

from listener.errors import printable
from listener.open_events.file import JournalFile

log = logging.getLogger(__name__)

TICK_S = 0.2
"""What was written is made to outlive a loss of power when nothing has come for so long."""
MORE_EVERY_S = 5.0
"""How often it is asked whether there is more to write."""
RETRY_S = 10.0
"""How often a disk in trouble is tried again."""
HANGS_S = 10.0
"""A disk that nothing can be written to for so long is spoken of."""
COMPACT_BYTES = 100_000
"""A file of this size is written anew, with what is still wanted of it."""
MOST_WAITING = 1_000
"""Lines that wait for a disk that hangs; of more, the file is written anew in the end."""
CLOSE_WAITS_S = 1.0
"""How long the disk is waited for in the end."""


class Writer:
    """Appends lines to a file, and writes the file anew when it is in disorder or long.

    Parameters
    ----------
    file
        Where to.
    on_read
        Called with what was in the file, once it is ours.
    whole
        Gives all that the file should say; called with ``changed`` held.
    more
        Gives lines to add, every now and then; called with ``changed`` held.
    level
        Level of the log for saying that the file is another process's.
    """

    def __init__(
        self,
        file: JournalFile,
        on_read: Callable[[bytes], None],
        whole: Callable[[], str],
        more: Callable[[], str],
        level: int,
    ) -> None:
        self.changed = threading.Condition()
        """Held by whoever changes what `whole` gives, until the line that says so is put."""
        self.is_off = False
        """Nothing is written: the file is another process's."""
        self.missed = 0
        """Lines that were waited for in vain."""
        self._file = file
        self._on_read, self._whole, self._more = on_read, whole, more
        self._level = level
        self._lines: list[str] = []
        self._n_put = self._n_written = 0
        self._is_ours = False
        self._in_disorder = False
        self._unsynced = False
        self._compact_at = COMPACT_BYTES
        self._problem = ""
        self._missed_before = 0
        self._stuck_since: float | None = None
        self._hang_told = False
        self._closing = False
        self._tried_at = self._asked_at = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)

    def start(self) -> None:
        """Take hold of the file and begin. Never raises; waits for the disk."""
        self._attempt(self._take_hold)
        if not self.is_off:
            self._thread.start()

    def put(self, line: str, wait_s: float = 0.0) -> bool:
        """Hand over a line, with ``changed`` held.

        Waits until it is written, ``wait_s`` seconds at most, and not at all where the disk is known to
        be in trouble.

        Returns
        -------
        bool
            Whether it is written.
        """
        if self.is_off:
            return False
        self._n_put += 1
        mine = self._n_put
        if not self._problem:  # then all of it will be written anew
            self._lines.append(line)
        if len(self._lines) > MOST_WAITING:
            self._lines.clear()
            self._in_disorder = True
        self.changed.notify_all()
        if wait_s and not self._problem and self._stuck_since is None:
            self.changed.wait_for(lambda: self._n_written >= mine or self._problem, wait_s)
            if self._n_written < mine and not self._problem:
                self._stuck_since = time.monotonic()
        is_written = self._n_written >= mine
        self.missed += not is_written and wait_s > 0
        self._tell_hang()
        return is_written

    def close(self) -> None:
        """Write what waits, and remove the file if it says nothing."""
        with self.changed:
            self._closing = True
            self.changed.notify_all()
        if self._thread.ident is None:
            self._file.close(remove=False)
            return
        self._thread.join(CLOSE_WAITS_S)

    def _work(self) -> None:
        while not self._closing:
            with self.changed:
                self.changed.wait_for(self._is_pressed, TICK_S if self._is_restless() else MORE_EVERY_S)
            self._turn()
        if not self.is_off:
            self._turn()
            self._file.close(remove=not self._problem and not self._whole())

    def _is_pressed(self) -> bool:
        return self._closing or bool(self._lines) or (self._in_disorder and not self._problem)

    def _is_restless(self) -> bool:
        return self._unsynced or bool(self._problem)

    def _turn(self) -> None:
        now = time.monotonic()
        if self._problem:
            if self._closing or now - self._tried_at >= RETRY_S:
                self._tried_at = now
                self._attempt(self._mend)
        elif self._in_disorder or self._file.size >= self._compact_at:
            self._attempt(self._rewrite)
        else:
            self._attempt(self._append)

    def _attempt(self, what: Callable[[], None]) -> None:
        try:
            what()
        except BlockingIOError:
            self.is_off = self._closing = True
            log.log(self._level, "another process notes its open events in '%s'", self._file.path)
        except OSError as error:
            self._fail(error)

    def _take_hold(self) -> None:
        self._file.lock()
        data = self._file.read()
        with self.changed:
            self._on_read(data)
            self._is_ours = self._in_disorder = True  # half a line at its end, perhaps; or it is not there

    def _append(self) -> None:
        with self.changed:
            text, upto = "".join(self._lines), self._n_put
            self._lines.clear()
            self._unsynced |= bool(text)
            if time.monotonic() - self._asked_at >= MORE_EVERY_S:
                self._asked_at = time.monotonic()
                text += self._more()
        if text:
            try:
                self._file.append(text)
            except OSError:  # gone, perhaps, and welcome anew
                self._rewrite()
            else:
                self._note_written(upto)
        elif self._unsynced:
            self._file.sync()
            self._unsynced = False

    def _rewrite(self) -> None:
        with self.changed:
            text, upto = self._whole(), self._n_put
            self._lines.clear()
            self._in_disorder = False
        self._file.rewrite(text)
        self._unsynced = False
        self._compact_at = max(COMPACT_BYTES, 2 * len(text))
        self._note_written(upto)

    def _mend(self) -> None:
        if not self._is_ours:
            self._take_hold()
        self._rewrite()
        with self.changed:
            self._problem = ""
        log.warning("open events are noted again; %d were not", self.missed - self._missed_before)
        self._missed_before = self.missed

    def _note_written(self, upto: int) -> None:
        with self.changed:
            self._n_written = upto
            if upto == self._n_put:
                self._stuck_since, self._hang_told = None, False
            self.changed.notify_all()

    def _fail(self, error: OSError) -> None:
        path, why = printable(self._file.path), error.strerror or str(error)
        with self.changed:
            is_new, self._problem = not self._problem, why
            self._lines.clear()
            self.changed.notify_all()
        if is_new:
            self._tried_at = time.monotonic()
            log.warning(
                "open events cannot be noted in '%s': %s; were the program killed now, nobody would be told "
                "of their ends",
                path,
                why,
            )

    def _tell_hang(self) -> None:
        since = self._stuck_since
        if since is not None and not self._hang_told and time.monotonic() - since >= HANGS_S:
            self._hang_told = True
            log.warning("open events wait for the disk to take them: '%s' hangs", printable(self._file.path))
