"""Holds what the engine said of a simulated microphone against what really happened to it."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from listener.config import HealthSettings
from listener.lab.faults import Clipping, Drift, Fault, Loss, OddChunks, Silence, Stall, Unplug
from listener.lab.microphone import JITTER_S, FaultyMicrophone
from listener.lab.sounds import Burst, Bursts
from listener.types import STATUS, Event, Phase, SourceState, SourceStats, source_label

LOST, STALLED = source_label(SourceState.LOST), source_label(SourceState.STALLED)
SILENT, CLIPPING = source_label(SourceState.SILENT), source_label(SourceState.CLIPPING)
LAGGING = source_label(SourceState.LAGGING)

LONGEST_CHUNK_S = 2.1
"""Odd chunks at half the rate."""

NOTICED_WITHIN_S = 25.0
"""Lag is seen within two looks of ten seconds."""

LOOK_S = 0.3
"""A microphone that gives nothing is looked at this often, and a little."""

TOLD_S = 0.03
"""What is lost is known to so much where its length is told by the clock."""


def of_pairs(events: Sequence[Event]) -> Iterator[str]:
    """Each onset has its offset, in turn, for each label and source."""
    going: dict[tuple[str, str], Event] = {}
    for event in events:
        place = (event.source, event.label)
        if event.phase is Phase.ONSET:
            if place in going:
                yield f"{place} began twice: {going[place]} and {event}"
            going[place] = event
            continue
        began = going.pop(place, None)
        if began is None or (began.id, began.onset_s) != (event.id, event.onset_s):
            yield f"{place} ended, but it was {began} that began: {event}"
        elif event.offset_s is None or event.offset_s < event.onset_s:
            yield f"ended before it began: {event}"
    yield from (f"has no offset: {event}" for event in going.values())


def of_sound(microphone: FaultyMicrophone, stats: SourceStats) -> Iterator[str]:
    """All was heard, and what is missing was told."""
    truth = microphone.truth
    finest_s = 1 / max(stretch.rate_hz for stretch in truth.stretches)
    if abs(stats.heard_s - truth.fed_s) > finest_s / 2:
        yield f"heard {stats.heard_s} s of {truth.fed_s} s"
    if stats.skipped or stats.thinned or stats.overruns:
        yield f"something was not looked at: {stats}"
    whys = [stretch.why for stretch in truth.stretches]
    n_told = whys.count("count") + whys.count("flag")
    if stats.overflows < n_told:
        yield f"{n_told} losses were told, {stats.overflows} were counted"
    missing_s = truth.missing_s()
    allowed_s = resolution_s(microphone)
    if abs(stats.lost_s - missing_s) > allowed_s:
        yield f"{missing_s:.3f} s are missing, {stats.lost_s:.3f} s were told (within {allowed_s:.3f} s)"


def resolution_s(microphone: FaultyMicrophone) -> float:
    """To how much the missing time can be known: an uncertainty for each break, which go both ways."""
    whys = [stretch.why for stretch in microphone.truth.stretches]
    n_measured = whys.count("opened") + whys.count("flag") + whys.count("no")
    return TOLD_S + 3 * JITTER_S * math.sqrt(n_measured) + 1 / 1000 * math.sqrt(len(whys))


def of_bursts(
    microphone: FaultyMicrophone, bursts: Bursts, events: Sequence[Event], hop_s: float
) -> Iterator[str]:
    """Every burst that came whole was an event at its place."""
    heard = [
        event
        for event in events
        if event.source == microphone.name and event.phase is Phase.OFFSET and event.label[0] != STATUS
    ]
    starts_s = {label: [event.onset_s for event in heard if event.label == label] for label in bursts.labels}
    ends_s = {label: [event.offset_s or 0.0 for event in heard if event.label == label] for label in starts_s}
    tolerance_s = resolution_s(microphone) + 0.01
    n_whole = 0
    for burst, onset_s, offset_s in _whole(microphone, bursts, 3 * hop_s):
        n_whole += 1
        # An event begins where a window ends that did not show it, and ends where one begins.
        at = bisect_left(starts_s[burst.label], onset_s - hop_s - tolerance_s)
        starts = starts_s[burst.label][at : at + 1]
        ends = ends_s[burst.label][at : at + 1]
        if not starts or starts[0] > onset_s + tolerance_s:
            yield f"{microphone.name}: {burst.label} was not heard from {onset_s:.2f} s on: {starts}"
        elif not -tolerance_s <= ends[0] - offset_s <= hop_s + tolerance_s:
            yield f"{microphone.name}: {burst.label} did not end at {offset_s:.2f} s: {ends}"
    if not n_whole:
        yield "no burst came whole"


def _whole(
    microphone: FaultyMicrophone, bursts: Bursts, margin_s: float
) -> Iterator[tuple[Burst, float, float]]:
    """Give the bursts that came whole, at a time when the place of all was known, and their places."""
    spoilt = [fault for fault in microphone.faults if isinstance(fault, Silence | Clipping)]
    unsure_until_s = 0.0
    for stretch in microphone.truth.stretches:
        if stretch.why in ("flag", "no"):
            unsure_until_s = stretch.world_s + NOTICED_WITHIN_S
        begin_s = stretch.first / stretch.rate_hz
        end_s = begin_s + stretch.n_samples / stretch.rate_hz
        for burst in bursts.between(begin_s + margin_s, end_s - margin_s):
            world_s = stretch.world_s + burst.start_s - begin_s
            until_s = world_s + burst.end_s - burst.start_s
            is_spoilt = any(
                fault.at_s < until_s + margin_s and fault.end_s > world_s - margin_s for fault in spoilt
            )
            if not is_spoilt and world_s >= unsure_until_s:
                first_s = stretch.stream_s - begin_s
                yield burst, first_s + burst.start_s, first_s + burst.end_s


@dataclass
class Cluster:
    """Faults that are too close to each other to be told apart."""

    faults: list[Fault]
    told: set[str] = field(default_factory=set)

    @property
    def end_s(self) -> float:
        return max(fault.end_s for fault in self.faults)


def of_troubles(
    microphone: FaultyMicrophone, events: Sequence[Event], duration_s: float, health: HealthSettings
) -> Iterator[str]:
    """Every fault that is to be noticed was told, and nothing was told without a fault."""
    truth = microphone.truth
    clusters = _clusters(microphone.faults)
    for event in events:
        if event.source != microphone.name or event.label[0] != STATUS or event.phase is not Phase.ONSET:
            continue
        causes = [
            cluster
            for cluster in clusters
            if truth.stream_s(cluster.faults[0].at_s) - 5 <= event.onset_s
            and event.onset_s <= truth.stream_s(cluster.end_s) + NOTICED_WITHIN_S + 5
            and any(event.label in _possible(fault, health) for fault in cluster.faults)
        ]
        if not causes:
            yield f"nothing was the cause of {event}"
        for cluster in causes:
            cluster.told.add(event.label)
    for cluster in clusters:
        if cluster.end_s > duration_s - 2 * NOTICED_WITHIN_S or len(cluster.faults) > 1:
            continue
        missing = _certain(cluster.faults[0], health) - cluster.told
        if missing:
            yield f"{', '.join(missing)} was not told of {cluster.faults} ({cluster.told})"


def _clusters(faults: Sequence[Fault]) -> list[Cluster]:
    clusters: list[Cluster] = []
    for fault in faults:
        if isinstance(fault, Drift):
            continue
        if clusters and fault.at_s < clusters[-1].end_s + NOTICED_WITHIN_S + LONGEST_CHUNK_S:
            clusters[-1].faults.append(fault)
        else:
            clusters.append(Cluster([fault]))
    return clusters


def _certain(fault: Fault, health: HealthSettings) -> set[str]:
    """What must be told of a fault that is alone."""
    if isinstance(fault, Unplug):
        return {LOST} if fault.says_so else {LOST, STALLED}
    if isinstance(fault, Silence):
        return {SILENT} if fault.for_s >= health.silent_s + 2 * LONGEST_CHUNK_S else set()
    if isinstance(fault, Clipping):
        return {CLIPPING}
    if not isinstance(fault, Stall | Loss):
        return set()
    certain = {STALLED} if fault.for_s >= health.stalled_s + LOOK_S else set()
    if fault.for_s >= health.lost_s + LOOK_S:
        return certain | {LOST}
    untold = fault.told != "count" if isinstance(fault, Loss) else not fault.kept
    may_be_lost = fault.for_s + LONGEST_CHUNK_S + LOOK_S >= health.lost_s
    if untold and not may_be_lost and fault.for_s >= health.lag_s + TOLD_S:
        certain.add(LAGGING)
    return certain


def _possible(fault: Fault, health: HealthSettings) -> set[str]:
    """What may be told of a fault, whatever is beside it."""
    if isinstance(fault, Unplug):
        return {LOST, STALLED}
    if isinstance(fault, Silence):
        return {SILENT}
    if isinstance(fault, Clipping):
        return {CLIPPING}
    if isinstance(fault, OddChunks):
        return {STALLED}
    if isinstance(fault, Drift):
        return set()
    untold = fault.told != "count" if isinstance(fault, Loss) else not fault.kept
    possible = {LAGGING} if untold else set()
    at_most_s = fault.end_s - fault.at_s + LONGEST_CHUNK_S + LOOK_S
    if at_most_s >= health.stalled_s:
        possible.add(STALLED)
    if at_most_s >= health.lost_s:
        possible.add(LOST)
    return possible
