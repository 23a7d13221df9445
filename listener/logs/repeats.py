"""What is said again and again is said a few times, counted, and summed up.

Pure: the caller brings the time. The log's own rules (what counts as the same line) are in
`listener.logs.limit`.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Said = TypeVar("Said")


@dataclass(frozen=True, slots=True)
class Repeated(Generic[Said]):
    """Something that was held back."""

    last: Said
    """How it was said the last time."""

    times: int
    """How often it was held back."""

    over_s: float
    """Within how long, in seconds, counted from the first one that was said."""


@dataclass(slots=True)
class _Period(Generic[Said]):
    began_s: float
    said: int = 0
    held_back: int = 0
    last: Said | None = None


class Repeats(Generic[Said]):
    """Decides what is said, and keeps account of the rest.

    A period begins with the first of a kind. So many are said in it, the others are held back;
    when it is over they are due as one `Repeated`.

    Parameters
    ----------
    most
        How many of a kind are said in a period.
    period_s
        Length of a period, in seconds.
    kinds
        How many kinds are remembered at once. With one more, the period of the oldest ends early.
    """

    def __init__(self, most: int = 5, period_s: float = 60.0, kinds: int = 1024) -> None:
        self._most = most
        self._period_s = period_s
        self._kinds = kinds
        self._periods: OrderedDict[Hashable, _Period[Said]] = OrderedDict()  # in the order of their begin
        self._due: list[Repeated[Said]] = []

    def admit(self, kind: Hashable, what: Callable[[], Said], now_s: float) -> bool:
        """Tell whether one more of a kind is to be said.

        Parameters
        ----------
        kind
            What it counts as.
        what
            Gives what a summary repeats; called only for what is held back.
        now_s
            The time, in seconds; never less than before.
        """
        self._end(now_s)
        period = self._periods.get(kind)
        if period is None:
            if len(self._periods) >= self._kinds:
                self._end_oldest(now_s)
            period = self._periods[kind] = _Period(now_s)
        if period.said < self._most:
            period.said += 1
            return True
        period.held_back += 1
        period.last = what()
        return False

    def due(self, now_s: float) -> list[Repeated[Said]]:
        """Give what was held back in periods that are over; each is given once."""
        self._end(now_s)
        due, self._due = self._due, []
        return due

    def rest(self, now_s: float) -> list[Repeated[Said]]:
        """Give all that was held back, whether its period is over or not: nothing more will come."""
        while self._periods:
            self._end_oldest(now_s)
        return self.due(now_s)

    def next_due_s(self) -> float | None:
        """Give the time at which something will be due; None while nothing is held back."""
        ends = (period.began_s for period in self._periods.values() if period.held_back)
        first = next(ends, None)
        return None if first is None else first + self._period_s

    def _end(self, now_s: float) -> None:
        while self._periods and now_s - next(iter(self._periods.values())).began_s >= self._period_s:
            self._end_oldest(now_s)

    def _end_oldest(self, now_s: float) -> None:
        _, period = self._periods.popitem(last=False)
        if period.last is not None:
            over_s = min(now_s - period.began_s, self._period_s)
            self._due.append(Repeated(period.last, period.held_back, over_s))
