"""What was heard of other sounds, for ``unless`` and ``after``: each source has a memory of its own."""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import inf

from listener.config import LabelCondition
from listener.types import STATUS, Event, Phase

KEPT_SOUNDS = 64
"""Of each label of a source, by far more than can have ended by when an earlier one is told."""


def label_matches(label: str, pattern: str) -> bool:
    """Say whether a pattern means a label; ``*`` means what was heard, ``@*`` what was not."""
    if label.startswith(STATUS) is not pattern.startswith(STATUS):
        return False
    return fnmatchcase(label, pattern)


@dataclass(slots=True)
class _Sounds:
    """Of one label of one source."""

    going: OrderedDict[str, float] = field(default_factory=OrderedDict)
    """Onsets of the events that have not ended, by id."""

    ended: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=KEPT_SOUNDS))
    """Onsets and offsets of those that have."""


class Heard:
    """The sounds that an action's conditions speak of.

    Parameters
    ----------
    conditions
        All of them; what none of them means is not remembered.
    """

    def __init__(self, conditions: Sequence[LabelCondition]) -> None:
        self._patterns = {condition.label for condition in conditions}
        self._sounds: dict[str, dict[str, _Sounds]] = {}

    def note(self, event: Event) -> None:
        """An event has begun or ended."""
        if event.phase is Phase.UPDATE or not any(label_matches(event.label, one) for one in self._patterns):
            return
        sounds = self._sounds.setdefault(event.source, {}).setdefault(event.label, _Sounds())
        if event.phase is Phase.ONSET:
            sounds.going[event.id] = event.onset_s
            if len(sounds.going) > KEPT_SOUNDS:
                sounds.going.popitem(last=False)
        elif sounds.going.pop(event.id, None) is not None and event.offset_s is not None:
            sounds.ended.append((event.onset_s, event.offset_s))
        # Else it began in an earlier life of the program, whose stream times mean nothing here.

    def ago(
        self, condition: LabelCondition, event: Event, moment_s: float, before_s: float = inf
    ) -> tuple[float, str] | None:
        """Say when the sound of a condition was last heard, by the source of an event.

        Parameters
        ----------
        condition
            Names the sound, and how long ago that may be.
        event
            Does not count itself.
        moment_s
            Stream time at which the question is asked, in seconds.
        before_s
            Stream time before which the sound must have begun, in seconds.

        Returns
        -------
        tuple
            How long ago that was, in seconds, 0 for a sound that goes on, and its label; None if it was
            not, or too long ago.
        """
        found = [
            (max(0.0, moment_s - last_s), label)
            for label, first_s, last_s in self._spans(condition.label, event)
            if first_s <= moment_s and first_s < before_s and moment_s - last_s <= condition.within_s
        ]
        return min(found, default=None)

    def _spans(self, pattern: str, event: Event) -> Iterator[tuple[str, float, float]]:
        for label, sounds in self._sounds.get(event.source, {}).items():
            if label_matches(label, pattern):
                yield from ((label, *span) for span in sounds.ended)
                yield from ((label, onset_s, inf) for id_, onset_s in sounds.going.items() if id_ != event.id)
