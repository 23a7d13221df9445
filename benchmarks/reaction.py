"""G6: from the first quarter of a second of a sound to a decision, as time goes by.

Sounds are placed at random over the time in which each side was watched; a sound is decided on
when the first window, or the recording, that holds its first 250 ms has been scored. What a
model makes of it does not come into it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.apart import Apart
from benchmarks.findings import Effort, Finding, Spread, at_least, ratio
from benchmarks.live import listen, load
from benchmarks.networks import noise, write_network
from benchmarks.timing import interleaved
from benchmarks.tutorial import RECORD_S, SAMPLE_RATE, Tutorial
from listener.classifiers.base import Classifier

GROUP = "reaction"
SOUND_S = 20
NEEDED_S = 0.25
N_SOUNDS = 10_000
WINDOWS_PER_RECORDING = 10


@dataclass(frozen=True, slots=True)
class Look:
    """A stretch of sound that was looked at."""

    start_s: float
    """When it began."""

    end_s: float
    """When it ended."""

    decided_s: float
    """When what is in it was known."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """To sounds at random times."""

    p50_s: float
    """Median of the time from a sound's beginning to its decision."""

    p99_s: float
    """What one of a hundred sounds takes at least."""

    deaf_share: float
    """Sounds whose first 250 ms no window and no recording holds."""

    skipped: int
    """Windows that were not scored because the machine was busy."""


def measure(effort: Effort, folder: Path, shipped: Path) -> list[Finding]:
    """Watch both sides with the tutorial's network."""
    path = write_network(effort.networks[-1], folder, effort.width)
    recording_samples = round(RECORD_S * SAMPLE_RATE)
    with Apart(Tutorial, path, folder) as tutorial:
        tutorial.run(Tutorial.run_in, recording_samples)
        variants: dict[str, Callable[[], Reaction]] = {
            "engine": partial(_engine, load(path), effort),
            "tutorial": partial(tutorial.run, _tutorial, effort),
        }
        reactions = interleaved(variants, max(1, effort.rounds // 2))
    return _findings(reactions["engine"], reactions["tutorial"])


def _engine(classifier: Classifier, effort: Effort) -> Reaction:
    n_windows = WINDOWS_PER_RECORDING * effort.recordings
    steps, stats = listen(classifier, noise(SOUND_S * SAMPLE_RATE), n_windows, effort.speed)
    skipped = sum(source.skipped for source in stats.sources)
    # The clock may run faster than sound does; what the machine needs is then stretched alike.
    looks = [Look(step.start_s, step.end_s, effort.speed * step.scored_after_s) for step in steps]
    return _reaction(looks, looks[0].end_s - NEEDED_S, looks[-1].end_s - NEEDED_S, skipped)


def _tutorial(tutorial: Tutorial, effort: Effort) -> Reaction:
    looks: list[Look] = []
    begun = time.monotonic()
    for _ in range(effort.recordings):
        start_s = time.monotonic() - begun
        recording = tutorial.record(RECORD_S, effort.speed)
        end_s = time.monotonic() - begun
        tutorial.label(recording)
        looks.append(Look(*(effort.speed * at_s for at_s in (start_s, end_s, time.monotonic() - begun))))
    return _reaction(looks, looks[0].start_s, looks[-1].start_s)


def _reaction(looks: Sequence[Look], from_s: float, until_s: float, skipped: int = 0) -> Reaction:
    """Place sounds that begin in a stretch of time which neither start nor end of the run disturbs."""
    starts, ends, decided = np.array([(look.start_s, look.end_s, look.decided_s) for look in looks]).T
    sounds = np.random.default_rng(0).uniform(from_s, until_s, N_SOUNDS)
    first = np.searchsorted(ends, sounds + NEEDED_S)
    heard = starts[first] <= sounds
    delays = decided[first][heard] - sounds[heard]
    p50_s, p99_s = np.percentile(delays, (50, 99)).tolist()
    return Reaction(p50_s, p99_s, 1 - float(heard.mean()), skipped)


def _findings(engine: list[Reaction], tutorial: list[Reaction]) -> list[Finding]:
    findings: list[Finding] = []
    for name, reactions in (("engine", engine), ("tutorial", tutorial)):
        deaf = [100 * reaction.deaf_share for reaction in reactions]
        findings += [
            Finding(GROUP, f"{name}: p50", Spread.of([reaction.p50_s for reaction in reactions]), "s"),
            Finding(GROUP, f"{name}: p99", Spread.of([reaction.p99_s for reaction in reactions]), "s"),
            Finding(GROUP, f"{name}: sounds that it was deaf to", Spread.of(deaf), "%"),
        ]
    skipped = Spread.of([reaction.skipped for reaction in engine])
    findings.append(Finding(GROUP, "engine: windows that it skipped", skipped, ""))
    p50 = ratio([reaction.p50_s for reaction in tutorial], [reaction.p50_s for reaction in engine])
    p99 = ratio([reaction.p99_s for reaction in tutorial], [reaction.p99_s for reaction in engine])
    findings.append(Finding(GROUP, "tutorial / engine, p50", p50, goal=at_least("G6", 5)))
    findings.append(Finding(GROUP, "tutorial / engine, p99", p99, goal=at_least("G6", 7)))
    return findings
