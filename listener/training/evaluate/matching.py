"""Which of the events found are which of those that happened.

Definitions of Mesaros, Heittola and Virtanen, "Metrics for polyphonic sound event detection"
(Applied Sciences 6, 2016), as `sed_eval` has them: a found event stands for at most one that
happened and the other way round, and as many pairs are formed as can be.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from listener.training.evaluate.listening import Found
from listener.training.evaluate.references import Happening

Belongs = Callable[[Happening, Found], bool]
"""Whether a found event of the same label may stand for one that happened."""

OFFSET_SHARE = 0.5
"""Of an event's length, by which its offset may be wrong where that is more than the collar."""


@dataclass(frozen=True, slots=True)
class Matches:
    """What became of the events of a stream."""

    pairs: tuple[tuple[Happening, Found], ...]
    missed: tuple[Happening, ...]
    surplus: tuple[Found, ...]
    """Found, and standing for nothing."""


def overlaps(happening: Happening, found: Found) -> bool:
    """Tell whether two events share any time at all."""
    return found.onset_s < happening.offset_s and found.offset_s > happening.onset_s


def onset_within(collar_s: float) -> Belongs:
    """Ask for the onset alone, within ``collar_s`` seconds of the true one."""
    return lambda happening, found: abs(found.onset_s - happening.onset_s) <= collar_s + 1e-9


def onset_and_offset_within(collar_s: float) -> Belongs:
    """Ask for the onset, and for the offset within the collar or half of the event's length."""
    onset = onset_within(collar_s)

    def belongs(happening: Happening, found: Found) -> bool:
        leeway_s = max(collar_s, OFFSET_SHARE * (happening.offset_s - happening.onset_s))
        return onset(happening, found) and abs(found.offset_s - happening.offset_s) <= leeway_s + 1e-9

    return belongs


def match(targets: Sequence[Happening], found: Sequence[Found], belongs: Belongs) -> Matches:
    """Pair what happened in a stream with what was found in it, as often as can be."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    fits = np.array(
        [[one.label == other.label and belongs(one, other) for other in found] for one in targets], bool
    ).reshape(len(targets), len(found))
    partner = [-1] * len(targets)
    if fits.any():
        partner = maximum_bipartite_matching(csr_array(fits.astype(np.int8)), perm_type="column").tolist()
    return Matches(
        tuple((one, found[n]) for one, n in zip(targets, partner, strict=True) if n >= 0),
        tuple(one for one, n in zip(targets, partner, strict=True) if n < 0),
        tuple(other for n, other in enumerate(found) if n not in partner),
    )


def false_events(targets: Sequence[Happening], found: Sequence[Found]) -> list[Found]:
    """Give the events found where their label is not heard at all: what somebody was called for in vain."""
    return [
        event
        for event in found
        if not any(event.label == target.label and overlaps(target, event) for target in targets)
    ]


def segments(
    events: Iterable[Happening | Found], labels: Sequence[str], n_segments: int, segment_s: float
) -> NDArray[np.bool_]:
    """Tell in which segments of a stream each label is heard, shape (n_labels, n_segments)."""
    active = np.zeros((len(labels), n_segments), bool)
    for event in events:
        first, last = int(event.onset_s // segment_s), int(np.ceil(event.offset_s / segment_s))
        active[labels.index(event.label), first:last] = True
    return active
