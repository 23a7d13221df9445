"""What a benchmark finds out, and how much of it there is to believe."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    rounds: int = 5
    """Rounds in which every variant runs once; each round gives one ratio."""

    repeats: int = 16
    """Runs of a short piece of work within a round."""

    windows: int = 16
    """Windows of a round in which the live engine is measured."""

    recordings: int = 5
    """Recordings of a round in which the time to a decision is measured."""

    networks: tuple[str, ...] = ("ResNet18", "ResNet34")
    """The networks; the last one is the tutorial's own."""

    width: int = 64
    """Channels of the first stage of the networks."""

    speed: float = 1.0
    """Seconds of sound in a second of a live run."""


FULL = Effort()
QUICK = Effort(rounds=1, repeats=2, windows=2, recordings=2, networks=("ResNet18",), width=8, speed=8.0)
"""Says only that everything runs."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of several measurements, and how far they lie apart."""

    median: float
    """The middle one."""

    low: float
    """Lower quartile."""

    high: float
    """Upper quartile."""

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Sum up measurements."""
        low, median, high = np.percentile(values, (25, 50, 75)).tolist()
        return cls(median, low, high)


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached."""

    name: str
    """As in the table of goals: ``G1``."""

    limit: float
    """The ratio."""

    at_most: bool
    """Whether less is better."""

    def met_by(self, value: float) -> bool:
        """Whether a measured value reaches it."""
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        return f"{self.name} {'<=' if self.at_most else '>='} {self.limit:g}"


def at_most(name: str, limit: float) -> Goal:
    """Make a goal that is met by small values."""
    return Goal(name, limit, at_most=True)


def at_least(name: str, limit: float) -> Goal:
    """Make a goal that is met by large values."""
    return Goal(name, limit, at_most=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the result."""

    group: str
    """The benchmark that found it."""

    what: str
    """What was measured."""

    value: Spread
    """The measurements."""

    unit: str = "x"
    """Of the value; ``x`` is a ratio."""

    goal: Goal | None = None
    """What was to be reached, if anything."""

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        return None if self.goal is None else self.goal.met_by(self.value.median)


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread:
    """Sum up the ratios of two variants, round by round: what slows down a round slows down both."""
    return Spread.of([a / b for a, b in zip(over, under, strict=True)])
