"""Plans drawn from a seed: the same seed always gives the same faults."""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from listener.lab.faults import TOLD, Clipping, Drift, Fault, Loss, OddChunks, Silence, Stall, Told, Unplug

Kind = Literal["unplug", "rate", "stall", "loss", "leak", "silence", "clipping", "drift", "odd_chunks"]
"""What a drawn plan may hold; ``rate`` is an unplug after which the rate is another, ``leak`` many losses."""

KINDS: tuple[Kind, ...] = (
    "unplug",
    "rate",
    "stall",
    "loss",
    "leak",
    "silence",
    "clipping",
    "drift",
    "odd_chunks",
)

APART_S = 35.0
"""Faults lie at least so far apart, so that each is noticed for itself: lag takes 20 s to be seen."""

CLOSE = 0.1
"""This share of them follows on another within seconds all the same."""

CLOSE_S = 5.0

RARE = 0.02
"""This share of unplugs lasts for hours."""

UNTOLD_S = 0.3
"""A loss that is not told lasts this long at the least: of shorter ones nobody can know."""

_Draw = Callable[[random.Random, float, int], list[Fault]]


def drawn(
    seed: int | str, every_s: float = 120.0, kinds: Sequence[Kind] = KINDS, rate_hz: int = 16_000
) -> Iterator[Fault]:
    """Draw faults, without end.

    Parameters
    ----------
    seed
        The same faults for the same seed.
    every_s
        Mean time from the end of one to the beginning of the next, in seconds; `APART_S` at the least.
    kinds
        What may happen.
    rate_hz
        The microphone's usual rate.

    Yields
    ------
    Fault
        In the order of their beginning.
    """
    rng = random.Random(seed)
    at_s = 0.0
    while True:
        pause_s = APART_S + rng.expovariate(1 / max(1.0, every_s - APART_S))
        at_s += rng.uniform(0, CLOSE_S) if at_s and rng.random() < CLOSE else pause_s
        faults = _DRAW[rng.choice(kinds)](rng, at_s, rate_hz)
        yield from faults
        at_s = max(fault.end_s for fault in faults)


def rates(rate_hz: int) -> tuple[int, ...]:
    """Give the rates that a microphone may come back at, in Hz; of 16 kHz, the usual ones."""
    return rate_hz, rate_hz * 3, rate_hz * 441 // 160, rate_hz // 2


def _about(rng: random.Random, least: float, most: float) -> float:
    """Any order of magnitude is as likely as another."""
    return math.exp(rng.uniform(math.log(least), math.log(most)))


def _unplug(rng: random.Random, at_s: float, rate_hz: int) -> list[Fault]:
    for_s = rng.uniform(3600, 3 * 3600) if rng.random() < RARE else _about(rng, 0.05, 300)
    return [Unplug(at_s=at_s, for_s=for_s, says_so=rng.random() < 0.5)]


def _rate(rng: random.Random, at_s: float, rate_hz: int) -> list[Fault]:
    other_hz = rng.choice([rate_hz, *rates(rate_hz)])
    return [Unplug(at_s=at_s, for_s=_about(rng, 0.5, 60), rate_hz=other_hz)]


def _stall(rng: random.Random, at_s: float, rate_hz: int) -> list[Fault]:
    kept = rng.random() < 0.5
    return [Stall(at_s=at_s, for_s=_about(rng, 0.05 if kept else UNTOLD_S, 30), kept=kept)]


def _loss(rng: random.Random, at_s: float, rate_hz: int) -> list[Fault]:
    told: Told = rng.choice(TOLD)
    return [Loss(at_s=at_s, for_s=_about(rng, UNTOLD_S if told == "no" else 0.002, 2.5), told=told)]


def _leak(rng: random.Random, at_s: float, rate_hz: int) -> list[Fault]:
    told: Told = rng.choice(TOLD)
    least_s, most_s = (UNTOLD_S, 0.6) if told == "no" else (0.1, 0.5)
    losses: list[Fault] = []
    for _ in range(rng.randint(5, 40)):
        losses.append(Loss(at_s=at_s, for_s=_about(rng, least_s, most_s), told=told))
        at_s = losses[-1].end_s + rng.uniform(0.1, 2.5)
    return losses


def _silence(rng: random.Random, at_s: float, rate_hz: int) -> list[Fault]:
    return [Silence(at_s=at_s, for_s=_about(rng, 1, 120), value=rng.choice((0.0, 0.0, -1 / 32768, 0.004)))]


def _clipping(rng: random.Random, at_s: float, rate_hz: int) -> list[Fault]:
    return [Clipping(at_s=at_s, for_s=_about(rng, 0.5, 60))]


def _drift(rng: random.Random, at_s: float, rate_hz: int) -> list[Fault]:
    return [Drift(at_s=at_s, ppm=rng.uniform(-200, 200))]


def _odd_chunks(rng: random.Random, at_s: float, rate_hz: int) -> list[Fault]:
    sizes = [rng.choice((0, 1, 2, 17, 255)) for _ in range(4)]
    sizes += [rng.randint(1, rate_hz), rng.randint(1, rate_hz)]
    rng.shuffle(sizes)
    return [OddChunks(at_s=at_s, for_s=_about(rng, 5, 60), sizes=tuple(sizes))]


_DRAW: dict[Kind, _Draw] = {
    "unplug": _unplug,
    "rate": _rate,
    "stall": _stall,
    "loss": _loss,
    "leak": _leak,
    "silence": _silence,
    "clipping": _clipping,
    "drift": _drift,
    "odd_chunks": _odd_chunks,
}
