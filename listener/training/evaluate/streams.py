"""Figures on streams: what was found, what was told in vain, and how long it took to know.

Each criterion says when a found event stands for one that happened. ``overlap``: they share
time. ``onset_T``: the onset lies within T seconds of the true one. ``onset_offset_T``: the
offset as well, within T or half of the event's length. Totals are over all events of all
labels (micro); intervals come from a bootstrap of pieces of the streams, `BLOCK_S` long.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from listener.events import LabelRule
from listener.training.evaluate.intervals import Figure, figure, rate, resampled, share
from listener.training.evaluate.listening import Found, JudgedStream
from listener.training.evaluate.matching import (
    Belongs,
    false_events,
    match,
    onset_and_offset_within,
    onset_within,
    overlaps,
    segments,
)
from listener.training.evaluate.references import Happening

COLLARS_S = (0.2, 0.5, 1.0)
"""Where an onset lies is known to about a hop, so the second and third are what can be asked for."""

BLOCK_S = 60.0
SEGMENT_S = 1.0
SNR_STEP_DB = 5.0

CRITERIA: Mapping[str, Belongs] = {
    "overlap": overlaps,
    **{f"onset_{collar_s:g}s": onset_within(collar_s) for collar_s in COLLARS_S},
    **{f"onset_offset_{collar_s:g}s": onset_and_offset_within(collar_s) for collar_s in COLLARS_S},
}
"""When a found event counts, by name."""


@dataclass(frozen=True, slots=True)
class EventFigures:
    """How well events are found by one criterion."""

    found: int
    """Pairs of an event that happened and one that was found."""
    missed: int
    surplus: int
    f1: Figure
    precision: Figure
    recall: Figure


@dataclass(frozen=True, slots=True)
class Latency:
    """Time from an event's true onset to the end of the window with which it was told, in seconds.

    An event that was told before counts as 0.
    """

    events: int
    median_s: Figure
    p95_s: float
    """19 of 20 are told within this time."""


@dataclass(frozen=True, slots=True)
class StreamLabelFigures:
    """How one label fares."""

    targets: int
    found: int
    """By overlap."""
    surplus: int
    recall: Figure
    precision: Figure
    false_events: int
    """Where the label is not heard at all."""
    false_per_hour: Figure
    median_latency_s: float


@dataclass(frozen=True, slots=True)
class SnrFigures:
    """Targets of about the same distance to what else is heard."""

    low_db: float
    high_db: float
    targets: int
    found: Figure
    """Share, by overlap."""
    median_latency_s: float


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """How a set of streams went."""

    streams: int
    hours: float
    targets: int
    unknown_targets: Mapping[str, int]
    """Events of labels that the model does not have; they count nowhere."""
    events: Mapping[str, EventFigures]
    """By criterion."""
    segments: EventFigures
    """Seconds in which a label is heard."""
    false_events: int
    """Found where their label is not heard at all."""
    false_per_hour: Figure
    negative_hours: float
    negative_false_events: int
    """Of those, in streams in which nothing is to be found."""
    negative_false_per_hour: Figure
    latency: Latency
    by_snr: tuple[SnrFigures, ...]
    per_label: Mapping[str, StreamLabelFigures]
    misled_by: Mapping[str, int]
    """``LABEL by SOUND``: how often a false event lay upon that sound."""


@dataclass(frozen=True, slots=True)
class _Told:
    """A stream with the events found in it."""

    heard: JudgedStream
    targets: tuple[Happening, ...]
    """Those of labels that the model knows."""
    found: tuple[Found, ...]


def stream_figures(
    heard: Sequence[JudgedStream], rules: Sequence[LabelRule | None], seed: int = 0
) -> StreamFigures:
    """Measure how the events of streams are found.

    Parameters
    ----------
    heard
        One or more streams, through one model.
    rules
        Of the event logic, one for each label.
    seed
        Decides what the bootstrap draws.
    """
    labels = heard[0].labels
    told = [_told(one, rules) for one in heard]
    hours = sum(one.duration_s for one in heard) / 3600
    negative = [one for one in told if one.heard.stream.is_negative]
    negative_hours = sum(one.heard.duration_s for one in negative) / 3600
    n_false = [len(false_events(one.targets, one.found)) for one in told]
    n_negative = sum(len(one.found) for one in negative)
    unknown = [target.label for one in heard for target in one.stream.targets if target.label not in labels]
    weights = _weights(told, seed)
    return StreamFigures(
        streams=len(heard),
        hours=hours,
        targets=sum(len(one.targets) for one in told),
        unknown_targets=dict(Counter(unknown)),
        events={name: _events(told, belongs, weights) for name, belongs in CRITERIA.items()},
        segments=_segments(told, labels, weights),
        false_events=sum(n_false),
        false_per_hour=rate(sum(n_false), hours),
        negative_hours=negative_hours,
        negative_false_events=n_negative,
        negative_false_per_hour=rate(n_negative, negative_hours),
        latency=_latency([one for each in told for _, one in _delays(each)], seed),
        by_snr=_by_snr(told),
        per_label=_per_label(told, labels, hours),
        misled_by=_misled_by(told),
    )


def known_targets(heard: JudgedStream) -> tuple[Happening, ...]:
    """Give what is to be found in a stream by a model that has its label."""
    return tuple(target for target in heard.stream.targets if target.label in heard.labels)


def delays(targets: Sequence[Happening], found: Sequence[Found]) -> list[tuple[Happening, float]]:
    """Give the targets that were found, by overlap, and how long it took until they were told, in seconds."""
    result = []
    for target, _ in match(targets, found, overlaps).pairs:
        first = min(one.told_s for one in found if one.label == target.label and overlaps(target, one))
        result.append((target, max(0.0, first - target.onset_s)))
    return result


def _told(heard: JudgedStream, rules: Sequence[LabelRule | None]) -> _Told:
    return _Told(heard, known_targets(heard), tuple(heard.events(rules)))


def _delays(told: _Told) -> list[tuple[Happening, float]]:
    return delays(told.targets, told.found)


def _n_blocks(told: _Told) -> int:
    return max(1, int(np.ceil(told.heard.duration_s / BLOCK_S)))


def _weights(told: Sequence[_Told], seed: int) -> NDArray[np.float64]:
    n_blocks = sum(_n_blocks(one) for one in told)
    return resampled([str(n) for n in range(n_blocks)], seed)


def _events(told: Sequence[_Told], belongs: Belongs, weights: NDArray[np.float64]) -> EventFigures:
    counts = []
    for one in told:
        matches = match(one.targets, one.found, belongs)
        onsets = (
            [target.onset_s for target, _ in matches.pairs],
            [target.onset_s for target in matches.missed],
            [event.onset_s for event in matches.surplus],
        )
        n_blocks = _n_blocks(one)
        edges = np.arange(n_blocks + 1) * BLOCK_S
        edges[-1] = np.inf
        counts.append(np.stack([np.histogram(times, edges)[0] for times in onsets], axis=1))
    return _figures(np.concatenate(counts), weights)


def _segments(told: Sequence[_Told], labels: Sequence[str], weights: NDArray[np.float64]) -> EventFigures:
    counts = []
    for one in told:
        n_blocks, in_block = _n_blocks(one), round(BLOCK_S / SEGMENT_S)
        true = segments(one.targets, labels, n_blocks * in_block, SEGMENT_S)
        said = segments(one.found, labels, n_blocks * in_block, SEGMENT_S)
        kinds = np.stack([true & said, true & ~said, ~true & said])
        counts.append(kinds.reshape(3, len(labels), n_blocks, in_block).sum(axis=(1, 3)).T)
    return _figures(np.concatenate(counts), weights)


def _figures(counts: NDArray[np.int64], weights: NDArray[np.float64]) -> EventFigures:
    """Make figures of counts (found, missed, surplus) in each block, shape (n_blocks, 3)."""
    found, missed, surplus = (weights @ counts).T
    with np.errstate(invalid="ignore", divide="ignore"):
        return EventFigures(
            found=int(counts[:, 0].sum()),
            missed=int(counts[:, 1].sum()),
            surplus=int(counts[:, 2].sum()),
            f1=figure(2 * found / (2 * found + missed + surplus)),
            precision=figure(found / (found + surplus)),
            recall=figure(found / (found + missed)),
        )


def _latency(times_s: Sequence[float], seed: int) -> Latency:
    nothing = float("nan")
    if not times_s:
        return Latency(0, Figure(nothing, nothing, nothing), nothing)
    draws = np.random.default_rng(seed).choice(np.array(times_s), (1_000, len(times_s)))
    medians = np.concatenate([[np.median(times_s)], np.median(draws, axis=1)])
    return Latency(len(times_s), figure(medians), float(np.quantile(times_s, 0.95)))


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else float("nan")


def _by_snr(told: Sequence[_Told]) -> tuple[SnrFigures, ...]:
    targets: dict[int, int] = Counter(
        int(target.snr_db // SNR_STEP_DB)
        for one in told
        for target in one.targets
        if target.snr_db is not None
    )
    times: dict[int, list[float]] = {}
    for one in told:
        for target, time_s in _delays(one):
            if target.snr_db is not None:
                times.setdefault(int(target.snr_db // SNR_STEP_DB), []).append(time_s)
    return tuple(
        SnrFigures(
            step * SNR_STEP_DB,
            (step + 1) * SNR_STEP_DB,
            count,
            share(len(times.get(step, ())), count),
            _median(times.get(step, ())),
        )
        for step, count in sorted(targets.items())
    )


def _per_label(told: Sequence[_Told], labels: Sequence[str], hours: float) -> dict[str, StreamLabelFigures]:
    figures = {}
    for label in labels:
        n_found = n_targets = n_surplus = n_false = 0
        times: list[float] = []
        for one in told:
            targets = [target for target in one.targets if target.label == label]
            found = [event for event in one.found if event.label == label]
            matches = match(targets, found, overlaps)
            n_targets += len(targets)
            n_found += len(matches.pairs)
            n_surplus += len(matches.surplus)
            n_false += len(false_events(targets, found))
            times += [time_s for _, time_s in delays(targets, found)]
        if n_targets or n_surplus:
            figures[label] = StreamLabelFigures(
                n_targets,
                n_found,
                n_surplus,
                share(n_found, n_targets),
                share(n_found, n_found + n_surplus),
                n_false,
                rate(n_false, hours),
                _median(times),
            )
    return figures


def _misled_by(told: Sequence[_Told]) -> dict[str, int]:
    pairs = Counter(
        f"{event.label} by {other.label}"
        for one in told
        for event in false_events(one.targets, one.found)
        for other in one.heard.stream.happenings
        if other.label != event.label and overlaps(other, event)
    )
    return dict(pairs.most_common())
