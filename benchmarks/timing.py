"""Processor time, measured so that variants can be compared on a machine that does other things too."""

import os
import random
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

Measured = TypeVar("Measured")


def pin() -> int:
    """Stay on one processor core from now on, child processes too; give its number."""
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def cpu_s(work: Callable[[], object], repeats: int = 1) -> float:
    """Processor time of the whole process for one run of ``work``, in seconds: the mean of ``repeats``."""
    started = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - started) / repeats


def interleaved(
    variants: Mapping[str, Callable[[], Measured]], rounds: int, seed: int = 0
) -> dict[str, list[Measured]]:
    """Measure variants side by side.

    Parameters
    ----------
    variants
        Each measures itself and gives what it found.
    rounds
        How often each is measured; in every round they follow each other in another order, so that
        a machine that grows warm or busy favours none.
    seed
        Of the order.

    Returns
    -------
    dict
        What each variant gave, round by round.
    """
    order = random.Random(seed)
    names = list(variants)
    measured: dict[str, list[Measured]] = {name: [] for name in names}
    for _ in range(rounds):
        order.shuffle(names)
        for name in names:
            measured[name].append(variants[name]())
    return measured
