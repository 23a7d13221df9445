"""How things are, as the broker is told: retained, the newest only. Safe to use from any thread.

Nothing of it waits for a broker that is away: whoever connects tells all of it afresh.
"""

import threading
from collections import deque
from dataclasses import dataclass

MOST_WAITING = 5_000
"""Changes that wait on a slow connection; of more, only how things are now is told."""


@dataclass(frozen=True, slots=True)
class State:
    """What a topic is to say."""

    topic: str
    """Where."""

    payload: str
    """What; empty: nothing any more."""

    is_retained: bool = True
    """It is told to those who come later too."""


class States:
    """What each topic says, and which of it the broker has not been told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: dict[str, str] = {}
        self._waiting: deque[State] = deque()
        self._is_connected = False

    def set(self, topic: str, payload: str) -> None:
        """Let a topic say something from now on; nothing is told twice."""
        with self._lock:
            if self._now.get(topic) != payload:
                self._now[topic] = payload
                self._tell(State(topic, payload))

    def say(self, topic: str, payload: str, is_retained: bool = False) -> None:
        """Tell something in passing: who is not there does not hear it."""
        with self._lock:
            self._tell(State(topic, payload, is_retained))

    def remove(self, topic: str) -> None:
        """Let a topic say nothing any more."""
        with self._lock:
            self._now.pop(topic, None)
            self._tell(State(topic, ""))

    def knows(self, topic: str) -> bool:
        """Tell whether a topic says something."""
        with self._lock:
            return topic in self._now

    def tell_all(self) -> None:
        """The broker, or somebody behind it, is to be told of everything."""
        with self._lock:
            self._is_connected = True
            self._waiting = deque(State(topic, payload) for topic, payload in self._now.items())

    def disconnected(self) -> None:
        """Nobody is there to be told."""
        with self._lock:
            self._is_connected = False
            self._waiting.clear()

    def next(self) -> State | None:
        """Take what is to be told next."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def __len__(self) -> int:
        with self._lock:
            return len(self._waiting)

    def _tell(self, state: State) -> None:
        if not self._is_connected:
            return
        self._waiting.append(state)
        if len(self._waiting) > MOST_WAITING:
            self._waiting = deque(State(topic, payload) for topic, payload in self._now.items())
