"""What signals ask for. A handler sets a flag, and whoever looks at it does the work."""

import os
import signal
import threading
import time
from types import FrameType

LOOK_EVERY_S = 0.05
EVERY_STREAM = (0, 1, 2)


class StopFlag(threading.Event):
    """An event that a signal handler may set.

    A handler runs in the middle of whatever the main thread does; were that thread just
    inside of an ordinary event's lock, setting it would wait for ever.
    """

    def __init__(self) -> None:
        super().__init__()
        self._set = False

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._set

    def set(self) -> None:
        """Set it."""
        self._set = True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, ``timeout`` seconds at most."""
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        while not self._set and (left_s := deadline - time.monotonic()) > 0:
            time.sleep(min(LOOK_EVERY_S, left_s))
        return self._set


class Signals:
    """SIGHUP to read the configuration again; SIGINT and SIGTERM to end in good order, twice to end now."""

    def __init__(self) -> None:
        self.stop = StopFlag()
        """Set when the program is to end."""
        self.ended_by: list[int] = []
        """The signal that said so."""
        self._reload_asked = False
        self._terminals = _terminals()

    def await_reload(self) -> None:
        """Take SIGHUP as a wish for another configuration; SIGTERM still ends the program on the spot."""
        signal.signal(signal.SIGHUP, self._on_hangup)
        # Nothing has begun that would have to be brought to an end.
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))

    def await_stop(self) -> None:
        """Let the first signal end the program in good order, and the second raise `KeyboardInterrupt`."""
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGTERM, self._on_stop)

    def take_reload(self) -> bool:
        """Say whether a reload was asked for since the last call."""
        asked, self._reload_asked = self._reload_asked, False
        return asked

    @property
    def is_hurried(self) -> bool:
        """Somebody did not want to wait for the end."""
        return len(self.ended_by) > 1

    def _on_hangup(self, number: int, frame: FrameType | None) -> None:
        if self._terminals and not self._terminals & _terminals():
            # The window was closed: nobody would ever see the program again.
            self._end(number)
        else:
            self._reload_asked = True

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self._end(number)
        if self.is_hurried:
            raise KeyboardInterrupt

    def _end(self, number: int) -> None:
        self.ended_by.append(number)
        self.stop.set()


def _terminals() -> set[int]:
    """Give those standard streams that are a terminal which still has somebody at it."""
    return {stream for stream in EVERY_STREAM if os.isatty(stream)}
