"""Who may be connected under which id: after a change of the configuration, one after the other."""

import threading
import time
from collections.abc import Callable

LOOK_EVERY_S = 0.1
"""How often it is asked whether there is still a use in waiting."""


class Seats:
    """Ids that are taken within this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken: dict[str, object] = {}

    def take(self, name: str, who: object, patience_s: float, is_over: Callable[[], bool]) -> bool:
        """Wait until nobody else has it, and take it; tell whether nobody had."""
        until = time.monotonic() + patience_s
        with self._changed:
            while name in self._taken:
                if is_over():
                    return False
                if time.monotonic() > until:
                    break
                self._changed.wait(LOOK_EVERY_S)
            is_free = name not in self._taken
            self._taken[name] = who
            return is_free

    def leave(self, name: str, who: object) -> None:
        """Let the next one have it; nothing happens where somebody else has it."""
        with self._changed:
            if self._taken.get(name) is who:
                del self._taken[name]
                self._changed.notify_all()


SEATS = Seats()
"""Those of the process."""
