"""The events that go on, for actions that want to be told so again and again."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from listener.types import Event, Phase


class Lasting:
    """What has begun and not ended."""

    def __init__(self) -> None:
        self._events: dict[str, Event] = {}

    def note(self, event: Event) -> None:
        """An event has begun or ended."""
        if event.phase is Phase.ONSET:
            self._events[event.id] = event
        else:
            self._events.pop(event.id, None)

    def updates(self, source: str, scores: Mapping[str, float]) -> list[Event]:
        """Give an update on each event of a source that goes on, with the score of its label now."""
        return list(self._updates(source, scores))

    def _updates(self, source: str, scores: Mapping[str, float]) -> Iterator[Event]:
        for event in self._events.values():
            score = scores.get(event.label)
            if event.source == source and score is not None:
                peak = max(event.peak_score, score)
                self._events[event.id] = replace(event, peak_score=peak)
                yield replace(event, phase=Phase.UPDATE, score=score, peak_score=peak)
