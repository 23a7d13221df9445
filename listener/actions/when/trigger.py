"""When an action answers: pure, and in stream time.

Each source is judged by itself, as its stream time is its own. What is decided on an
event's first phase that an action answers to holds for the others: who switches a light
on switches it off, and who did not does not.

Rules speak of the moment at which they are asked: the onset, or the offset for ``when: offset``,
or the first update for ``when: update``.
"""

from collections import OrderedDict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import inf

from listener.actions.when.heard import label_matches
from listener.actions.when.rules import SWITCHED_OFF, Rules, Verdict
from listener.config import ActionSettings
from listener.types import Event, Phase

__all__ = ["Trigger", "Verdict", "label_matches"]

KEPT_ANSWERS = 1024
"""Events that go on for which it is remembered whether they were answered: labels times sources."""

ANOTHER_LABEL = Verdict(False, "another label", is_meant=False)
ANOTHER_SOURCE = Verdict(False, "another source", is_meant=False)
ANOTHER_PHASE = Verdict(False, "another phase", is_meant=False)
NOT_DUE = Verdict(False, "no update is due", is_meant=False)


@dataclass(slots=True)
class _Going:
    """What is known of an event that has not ended."""

    due_s: float
    """Stream time of its next update, in seconds."""

    muted_by: str = ""
    """In whose noise it began."""

    is_seen: bool = True
    """Its onset was: else it began in an earlier life of the program, or under other settings."""

    answer: Verdict | None = None
    """What was decided."""

    decided_at: str = ""
    """When: "onset", or "first update"."""


class Trigger:
    """When one action answers.

    Parameters
    ----------
    settings
        The action's.

    Raises
    ------
    ConfigError
        Its schedule follows the sun, and nobody said where.
    """

    def __init__(self, settings: ActionSettings) -> None:
        self._settings = settings
        self._rules = Rules(settings)
        self._going: OrderedDict[str, _Going] = OrderedDict()

    def judge(self, event: Event, at_s: float, muted_by: str = "", is_paused: bool = False) -> Verdict:
        """Decide on an event. To be asked about every event of every source, in their order.

        Parameters
        ----------
        event
            What was heard.
        at_s
            Stream time at which that was known, in seconds: of an update, how far its source is.
        muted_by
            The action whose noise it may be.
        is_paused
            Somebody has switched the action off: it begins nothing, and ends what it began.
        """
        going = self._going.get(event.id)
        if event.phase is Phase.UPDATE and going is not None and at_s < going.due_s:
            return NOT_DUE  # that is so with nearly every window
        verdict = self._stranger(event)
        if verdict is None:
            going = self._follow(event, at_s, going, muted_by)
            verdict = self._judge(event, at_s, going, is_paused)
        if not muted_by:
            self._rules.note(event)
        return verdict

    def _stranger(self, event: Event) -> Verdict | None:
        if not any(label_matches(event.label, pattern) for pattern in self._settings.labels):
            return ANOTHER_LABEL
        if not any(fnmatchcase(event.source, pattern) for pattern in self._settings.sources):
            return ANOTHER_SOURCE
        return None

    def _follow(self, event: Event, at_s: float, going: _Going | None, muted_by: str) -> _Going:
        """Give what is known of an event, and keep it for as long as the event goes on."""
        if event.phase is Phase.OFFSET:
            self._going.pop(event.id, None)
            return going or _Going(inf, is_seen=False)
        is_onset = event.phase is Phase.ONSET
        if is_onset or going is None:
            due_s = self._next_due_s(event, event.onset_s if is_onset else at_s)
            going = self._going[event.id] = _Going(due_s, muted_by, is_seen=is_onset)
            if len(self._going) > KEPT_ANSWERS:
                self._going.popitem(last=False)
        return going

    def _next_due_s(self, event: Event, at_s: float) -> float:
        """Give the stream time of the first update after ``at_s``, in seconds."""
        if Phase.UPDATE not in self._settings.phases:
            return inf
        every_s = self._settings.update_s
        due_s = event.onset_s + every_s * ((at_s - event.onset_s) // every_s + 1)
        return due_s if due_s > at_s else due_s + every_s  # it was rounded

    def _judge(self, event: Event, at_s: float, going: _Going, is_paused: bool) -> Verdict:
        if event.phase not in self._settings.phases:
            return ANOTHER_PHASE
        if event.phase is Phase.UPDATE:
            if at_s < going.due_s:
                return NOT_DUE
            going.due_s = self._next_due_s(event, at_s)
        if going.answer is not None:
            return self._again(event, going, going.answer, is_paused)
        moment_s = at_s if event.phase is Phase.UPDATE else _moment_s(event)
        going.answer = self._rules.decide(event, moment_s, going.is_seen, going.muted_by, is_paused)
        going.decided_at = "first update" if event.phase is Phase.UPDATE else str(event.phase)
        return going.answer

    def _again(self, event: Event, going: _Going, answer: Verdict, is_paused: bool) -> Verdict:
        if not answer.fires:
            return Verdict(False, f"its {going.decided_at} was not answered: {answer.why}")
        if is_paused and event.phase is Phase.UPDATE:
            return Verdict(False, SWITCHED_OFF)
        return Verdict(True, f"its {going.decided_at} was answered")


def _moment_s(event: Event) -> float:
    return event.onset_s if event.offset_s is None else event.offset_s
