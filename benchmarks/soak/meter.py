"""What a process takes of its machine, and whether that grows."""

import gc
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MIB = 1 << 20

SETTLED = 0.1
"""Up to this share of a run, everything may still grow: caches fill, code is compiled."""

AT_THE_END = 0.8
"""What the last samples are, as a share of the run."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one moment."""

    progress: float
    """Share of the run that is done, in [0, 1]."""

    rss_mib: float
    """Resident memory."""

    n_files: int
    """Open file handles."""

    n_threads: int
    """Threads, those of libraries included."""


def look(progress: float) -> Sample:
    """Look at this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    rss_mib = pages * os.sysconf("SC_PAGE_SIZE") / MIB
    n_files = len(list(Path("/proc/self/fd").iterdir()))
    n_threads = len(list(Path("/proc/self/task").iterdir()))
    return Sample(progress, rss_mib, n_files, n_threads)


@dataclass(frozen=True, slots=True)
class Growth:
    """How something went from the first tenth of a run to its end."""

    before: float
    """Median after the first tenth: of the samples up to twice as far."""

    after: float
    """Median of the last fifth."""

    @property
    def share(self) -> float:
        """Growth: 0.01 is one per cent."""
        return self.after / self.before - 1 if self.before else float("nan")


def growth(samples: Sequence[Sample], what: str) -> Growth:
    """Compare what a run took after its first tenth with what it took at the end."""
    early = [getattr(sample, what) for sample in samples if SETTLED <= sample.progress <= 2 * SETTLED]
    late = [getattr(sample, what) for sample in samples if sample.progress >= AT_THE_END]
    if not early or not late:
        return Growth(float("nan"), float("nan"))
    return Growth(float(np.median(early)), float(np.median(late)))
