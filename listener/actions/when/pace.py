"""How often an action answers: ``cooldown_s``, ``limit`` and ``count``, in the stream time of one source.

Events may be told a little out of their order, as a longer sound is announced later. Then a cooldown or
limit rather holds one too many: two answers are never nearer than the cooldown, and no stretch of
``within_s`` seconds has more of them than the limit, in whatever order they were asked for.
"""

from bisect import insort

from listener.config import ActionSettings


class Pace:
    """The answers of one action to one source.

    Parameters
    ----------
    settings
        The action's.
    """

    def __init__(self, settings: ActionSettings) -> None:
        self._cooldown_s = settings.cooldown_s
        self._limit = settings.limit
        self._count, self._within_s = settings.count, settings.within_s or 0.0
        self._answered_s: list[float] = []
        """The latest answers, in order: as many as the limit allows, and one at least."""
        self._counted_s: list[float] = []
        """What was counted since the last answer, in order: one less than the count at most."""

    def refuses(self, moment_s: float) -> str:
        """Say why it is too early for an answer at a stream time, in seconds; empty if it is not."""
        answered_s = self._answered_s
        if not answered_s:
            return ""
        left_s = self._cooldown_s - (moment_s - answered_s[-1])
        if self._cooldown_s and left_s > 0:
            return f"cooldown: {left_s:.1f} s left"
        limit = self._limit
        if limit is not None and len(answered_s) >= limit.count:
            wait_s = limit.within_s - (moment_s - answered_s[-limit.count])
            if wait_s > 0:
                return f"limit: {limit.count} within {limit.within_s:g} s, the next in {wait_s:.1f} s"
        return ""

    def count(self, moment_s: float) -> tuple[bool, str]:
        """Count an event; tell whether it is the so-maniest, and which one it is."""
        if self._count == 1:
            return True, ""
        counted_s = [*self._counted_s]
        insort(counted_s, moment_s)
        counted_s = [one_s for one_s in counted_s if counted_s[-1] - one_s <= self._within_s]
        told = f"{_ordinal(len(counted_s))} of {self._count} within {self._within_s:g} s"
        is_last = len(counted_s) >= self._count
        self._counted_s = [] if is_last else counted_s
        return is_last, told

    def answer(self, moment_s: float) -> None:
        """Take note of an answer."""
        insort(self._answered_s, moment_s)
        if len(self._answered_s) > (1 if self._limit is None else self._limit.count):
            del self._answered_s[0]


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number % 100 not in (11, 12, 13) else 0, "th")
    return f"{number}{ending}"
