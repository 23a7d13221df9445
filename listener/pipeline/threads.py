"""The engine's threads: named, watched, and told to stop."""

import logging
import threading
import time
from collections.abc import Callable, Iterable

log = logging.getLogger(__name__)


class StageThread(threading.Thread):
    """A stage's thread. When its work fails, somebody is told; it never dies unnoticed.

    Parameters
    ----------
    name
        Of the stage, as it stands in the log.
    work
        What it does until it is done.
    on_failure
        Called with the stage's name and the exception that ended it.
    """

    def __init__(
        self, name: str, work: Callable[[], None], on_failure: Callable[[str, Exception], None]
    ) -> None:
        # A thread that hangs in a driver must not keep the process from ending.
        super().__init__(name=name, daemon=True)
        self._work = work
        self._on_failure = on_failure

    def run(self) -> None:
        """Work, and tell of failure."""
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 - whatever it was, it is told
            self._on_failure(self.name, error)


def wait_for(threads: Iterable[threading.Thread], budget_s: float) -> list[threading.Thread]:
    """Wait for threads to end, ``budget_s`` seconds for all of them; give those that go on."""
    deadline = time.monotonic() + budget_s
    started = [thread for thread in threads if thread.ident is not None]
    for thread in started:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [thread for thread in started if thread.is_alive()]


def join_all(threads: Iterable[threading.Thread], budget_s: float) -> None:
    """Wait for threads to end, ``budget_s`` seconds for all of them; name those that do not."""
    for thread in wait_for(threads, budget_s):
        log.error("the thread %s did not stop in time", thread.name)
