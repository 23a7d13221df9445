"""A plan as it is carried out: which of its faults matter now."""

from collections.abc import Iterable, Iterator

from listener.lab.faults import Clipping, Drift, Fault, Loss, OddChunks, Silence, Stall, Unplug

Hole = Stall | Loss
"""While it lasts, nothing comes, or what should come is missing."""

Effect = Silence | Clipping
"""What it does to samples."""

FOREVER = float("inf")


class Schedule:
    """The faults of a plan, taken from it as time goes by.

    Parameters
    ----------
    plan
        In the order of their beginning; may be endless.
    """

    def __init__(self, plan: Iterable[Fault]) -> None:
        self.begun: list[Fault] = []
        """All that were taken so far."""
        self._plan: Iterator[Fault] = iter(plan)
        self._next: Fault | None = next(self._plan, None)
        self._now: list[Fault] = []
        self._ppm = 0.0
        self._rate_hz: int | None = None

    def look_ahead(self, until_s: float) -> None:
        """Know of all faults that begin up to a moment."""
        while self._next is not None and self._next.at_s <= until_s:
            self._now.append(self._next)
            self.begun.append(self._next)
            self._next = next(self._plan, None)

    def forget(self, until_s: float) -> None:
        """Nobody asks any more for what was over at a moment."""
        if not self._now:
            return
        self.ppm_at(until_s)
        self.rate_at(until_s)
        self._now = [fault for fault in self._now if fault.end_s > until_s]

    def ppm_at(self, moment_s: float) -> float:
        """Say how much too fast the clock is."""
        for fault in self._now:
            if isinstance(fault, Drift) and fault.at_s <= moment_s:
                self._ppm = fault.ppm
        return self._ppm

    def rate_at(self, moment_s: float) -> int | None:
        """Give the rate that the last unplug left behind, in Hz; None if none did."""
        for fault in self._now:
            if isinstance(fault, Unplug) and fault.rate_hz and fault.end_s <= moment_s:
                self._rate_hz = fault.rate_hz
        return self._rate_hz

    def unplug(self, from_s: float, until_s: float) -> Unplug | None:
        """Give the first unplug that begins or lasts between two moments, both included."""
        for fault in self._now:
            if isinstance(fault, Unplug) and fault.at_s <= until_s and fault.end_s > from_s:
                return fault
        return None

    def stall_ends(self, moment_s: float) -> float:
        """Say when something comes again: at once, unless there is a stall."""
        for fault in self._now:
            if isinstance(fault, Stall) and fault.at_s <= moment_s < fault.end_s:
                moment_s = fault.end_s
        return moment_s

    def hole(self, from_s: float, until_s: float, kept_until_s: float) -> Hole | None:
        """Give the first hole between two moments, less the stalls whose sound is kept for later anyway."""
        for fault in self._now:
            if isinstance(fault, Hole) and fault.at_s < until_s and fault.end_s > from_s:
                is_known = isinstance(fault, Stall) and fault.kept and fault.end_s <= kept_until_s
                if not is_known:
                    return fault
        return None

    def odd_chunks(self, moment_s: float) -> OddChunks | None:
        """Say whether chunks are odd."""
        for fault in self._now:
            if isinstance(fault, OddChunks) and fault.at_s <= moment_s < fault.end_s:
                return fault
        return None

    def effects(self, from_s: float, until_s: float) -> list[Effect]:
        """Give what happens to samples between two moments."""
        return [
            fault
            for fault in self._now
            if isinstance(fault, Effect) and fault.at_s < until_s and fault.end_s > from_s
        ]
