"""What is told on the broker, and in the log."""

import logging
import threading

from tests.broker import PATIENCE_S

DOG = "listener/mic/dog"
HERE = "listener/attic/state/availability"


class LogWaiter(logging.Handler):
    """Lets a test wait for a line of the log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        self._changed = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._changed:
            self.lines.append(record.getMessage())
            self._changed.notify_all()

    def wait_for(self, text: str, times: int = 1) -> None:
        with self._changed:
            told = self._changed.wait_for(lambda: self.count(text) >= times, PATIENCE_S)
        assert told, f"'{text}' was never said: {self.lines}"

    def count(self, text: str) -> int:
        return sum(text in line for line in self.lines)
