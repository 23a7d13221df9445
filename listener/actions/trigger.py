"""When an action answers: pure, and in stream time.

Each source is judged by itself, as its stream time is its own. What is decided on an
event's first phase that an action answers to holds for the others: who switches a light
on switches it off.
"""

from collections import OrderedDict
from dataclasses import dataclass
from fnmatch import fnmatchcase

from listener.config import ActionSettings
from listener.types import STATUS, Event, Phase

KEPT_ANSWERS = 1024
"""Events that go on for which it is remembered whether they were answered."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an action answers to an event, and why."""

    fires: bool
    """It answers."""

    why: str
    """In words."""

    is_meant: bool = True
    """The event is of a kind that the action answers to, though it may not this time."""


def label_matches(label: str, pattern: str) -> bool:
    """Say whether a pattern means a label; ``*`` means what was heard, ``@*`` what was not."""
    if label.startswith(STATUS) is not pattern.startswith(STATUS):
        return False
    return fnmatchcase(label, pattern)


class Trigger:
    """When one action answers.

    Parameters
    ----------
    settings
        The action's.
    """

    def __init__(self, settings: ActionSettings) -> None:
        self._settings = settings
        self._answers: OrderedDict[str, Verdict] = OrderedDict()

    def judge(self, event: Event, at_s: float, muted_by: str = "") -> Verdict:
        """Decide on an event. To be asked about every event of every source, in their order.

        Parameters
        ----------
        event
            What was heard.
        at_s
            Stream time at which that was known, in seconds.
        muted_by
            The action whose noise it may be.
        """
        chosen = self._settings
        if not any(label_matches(event.label, pattern) for pattern in chosen.labels):
            return Verdict(False, "another label", is_meant=False)
        if not any(fnmatchcase(event.source, pattern) for pattern in chosen.sources):
            return Verdict(False, "another source", is_meant=False)
        if event.phase not in chosen.phases:
            return Verdict(False, "another phase", is_meant=False)
        # The score that ends an event is low by nature: its peak is what a user means.
        if event.peak_score < chosen.min_score:
            return Verdict(False, f"score {event.peak_score:.2f} is less than {chosen.min_score:g}")
        if event.phase is Phase.UPDATE:
            return Verdict(False, "updates are not there yet")
        return Verdict(True, "label, source and score")
