"""What came of a soak: each criterion, what was found, and whether it is met."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.soak.meter import Growth, Sample, growth
from benchmarks.soak.rig import Rig
from listener.lab.microphone import JITTER_S, FaultyMicrophone
from listener.types import Phase, SourceStats

MOST_GROWTH = 0.03
MOST_LATER_S = 0.02
"""A median latency that differs by less than this has not changed: the machine does other things too."""

UNTOLD_S = 0.25
"""Of a loss that nobody tells of, so much may stay unnoticed (`lag_s`)."""

TOLD_S = 0.03
"""To so much is the length known of what is told without its length, or lies between two openings."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table."""

    what: str
    """What was looked at."""

    found: str
    """What was found."""

    goal: str = ""
    """What was to be found; empty where anything goes."""

    met: bool = True
    """Whether it was."""


def findings(rig: Rig, samples: Sequence[Sample], left: Sequence[str]) -> list[Finding]:
    """Look at everything once it has stopped; ``left`` names the threads that are left."""
    found: list[Finding] = []
    for microphone, stats in zip((rig.unpaced, rig.paced), rig.pipeline.stats().sources, strict=True):
        found += _of_sound(microphone, stats)
    found += _of_events(rig)
    for what, attribute in (
        ("resident memory, MiB", "rss_mib"),
        ("file handles", "n_files"),
        ("threads", "n_threads"),
    ):
        found.append(_of_growth(what, growth(samples, attribute)))
    found.append(Finding("threads left after the stop", ", ".join(left) or "none", "none", not left))
    found.append(_of_latency(rig))
    in_force = f"{rig.reloads_in_force} of {rig.reloads}"
    goal = "all in force"
    found.append(
        Finding("reloads of rules, actions and model", in_force, goal, rig.reloads == rig.reloads_in_force)
    )
    return found


def _of_sound(microphone: FaultyMicrophone, stats: SourceStats) -> Iterator[Finding]:
    truth, name = microphone.truth, microphone.name
    rate_hz = max((stretch.rate_hz for stretch in truth.stretches), default=1)
    is_all = abs(stats.heard_s - truth.fed_s) * rate_hz < 0.5
    heard = f"{stats.heard_s:,.4f} s of {truth.fed_s:,.4f} s fed ({truth.n_fed:,} samples)"
    yield Finding(f"{name}: heard", heard, "the same, to the sample", is_all)
    whys = [stretch.why for stretch in truth.stretches]
    allowed_s = UNTOLD_S * whys.count("no") + (TOLD_S + JITTER_S) * (
        whys.count("flag") + whys.count("opened")
    )
    missing_s = truth.missing_s()
    breaks = f"{stats.lost_s:,.1f} s told of {missing_s:,.1f} s, in {len(whys) - 1:,} places"
    is_close = abs(stats.lost_s - missing_s) <= allowed_s
    yield Finding(f"{name}: missing", breaks, f"within {allowed_s:.1f} s", is_close)
    troubles = ", ".join(f"{n} {state.value}" for state, n in sorted(stats.troubles.items()))
    yield Finding(f"{name}: troubles told", troubles or "none")
    skipped = f"{stats.skipped} skipped, {stats.thinned} thinned, {stats.overruns} overruns"
    is_unskipped = not (stats.skipped or stats.thinned or stats.overruns)
    yield Finding(
        f"{name}: windows", skipped, "none" if microphone.waits else "", is_unskipped or not microphone.waits
    )


def _of_events(rig: Rig) -> Iterator[Finding]:
    told, acted = rig.told, rig.acted
    pairs = f"{told.counts[Phase.ONSET]:,} onsets, {told.counts[Phase.OFFSET]:,} offsets"
    is_paired = not told.problems and not told.open
    yield Finding("events", pairs, "each onset its offset, in turn", is_paired)
    n_told, n_acted = told.counts.total(), acted.counts.total()
    yield Finding(
        "events that reached an action", f"{n_acted:,} of {n_told:,}", "all, once", n_told == n_acted
    )
    dropped = ", ".join(f"{n} of {name}" for name, n in sorted(rig.dropped.items()))
    yield Finding("runs of actions that failed or were dropped", dropped or "none")


def _of_growth(what: str, found: Growth) -> Finding:
    text = f"{found.before:,.1f} after a tenth, {found.after:,.1f} at the end ({found.share:+.1%})"
    return Finding(what, text, f"at most {MOST_GROWTH:+.0%}", not found.share > MOST_GROWTH)


def _of_latency(rig: Rig) -> Finding:
    latencies_s = np.array(rig.latencies_s)
    third = len(latencies_s) // 3
    if not third:
        return Finding("latency of the paced microphone", "no window", "some", met=False)
    first, last = latencies_s[:third], latencies_s[-third:]
    (p50, p95), (later50, later95) = np.percentile(first, (50, 95)), np.percentile(last, (50, 95))
    text = f"p50 {1e3 * p50:.0f} then {1e3 * later50:.0f} ms, p95 {1e3 * p95:.0f} then {1e3 * later95:.0f} ms"
    text += f", {len(latencies_s):,} windows"
    goal = f"p50 of the last third within {1e3 * MOST_LATER_S:.0f} ms of the first"
    return Finding("latency of the paced microphone", text, goal, bool(abs(later50 - p50) <= MOST_LATER_S))
