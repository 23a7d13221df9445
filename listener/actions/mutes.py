"""What microphones hear of the noise that an action makes itself."""

from listener.types import Event


class Mutes:
    """For how long what is heard does not count, in the stream time of each source."""

    def __init__(self) -> None:
        self._now_s: dict[str, float] = {}
        self._muted: dict[str, tuple[float, float, str]] = {}

    def follow(self, source: str, at_s: float) -> None:
        """A source is at a stream time, in seconds."""
        self._now_s[source] = at_s

    def begin(self, action: str, mute_s: float) -> None:
        """An action makes noise for ``mute_s`` seconds from now on."""
        for source, now_s in self._now_s.items():
            _, until_s, _ = self._muted.get(source, (0.0, 0.0, ""))
            if now_s + mute_s > until_s:
                self._muted[source] = now_s, now_s + mute_s, action

    def by(self, event: Event) -> str:
        """Name the action in whose noise an event began; empty if none."""
        from_s, until_s, action = self._muted.get(event.source, (0.0, 0.0, ""))
        return action if from_s <= event.onset_s < until_s else ""
