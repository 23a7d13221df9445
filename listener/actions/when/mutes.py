"""What microphones hear of the noise that an action makes itself."""

from collections import deque

from listener.types import STATUS, Event

KEPT_MUTES = 256
"""Of each source: an event is told far sooner after its onset than so many actions can make noise."""


class Mutes:
    """For how long what is heard does not count, in the stream time of each source."""

    def __init__(self) -> None:
        self._now_s: dict[str, float] = {}
        self._muted: dict[str, deque[tuple[float, float, str]]] = {}

    def follow(self, source: str, at_s: float) -> None:
        """A source is at a stream time, in seconds."""
        self._now_s[source] = at_s

    def begin(self, action: str, mute_s: float) -> None:
        """An action makes noise for ``mute_s`` seconds from now on."""
        for source, now_s in self._now_s.items():
            muted = self._muted.setdefault(source, deque(maxlen=KEPT_MUTES))
            muted.append((now_s, now_s + mute_s, action))

    def by(self, event: Event) -> str:
        """Name the action in whose noise an event began; empty if none. Nobody hears what is no sound."""
        if event.label.startswith(STATUS):
            return ""
        for from_s, until_s, action in self._muted.get(event.source, ()):
            if from_s <= event.onset_s < until_s:
                return action
        return ""
