"""``use: faulty``: the simulated microphone for a configuration. It stands in no list."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from listener.config import Options, PositiveSeconds
from listener.lab.clocks import PacedClock, SimulatedClock
from listener.lab.faults import Fault, Rate
from listener.lab.microphone import FaultyMicrophone
from listener.lab.plans import APART_S, KINDS, Kind, drawn
from listener.lab.sounds import Bursts, Loop, Sound, loop_of
from listener.sources.demo import SAMPLE_RATE, render_scene
from listener.sources.file import FileOptions, FileSource
from listener.sources.pacing import Speed


class FaultyOptions(Options):
    """Settings of the simulated microphone; docs/reliability.md explains them."""

    sound: str = "demo"
    """What it hears over and over: ``demo``, ``bursts`` (of noise), or a recording or folder."""

    plan: tuple[Fault, ...] = ()
    """What happens to it; if nothing stands here, it is drawn."""

    seed: int = 0
    """Of what is drawn, and of ``bursts``."""

    kinds: tuple[Kind, ...] = KINDS
    """What may be drawn; nothing: all goes well."""

    every_s: Annotated[float, Field(ge=APART_S, le=1e6)] = 120.0
    """Mean time between what is drawn."""

    sample_rate: Rate = 16_000
    """Hz."""

    chunk_s: Annotated[float, Field(ge=0.001, le=1)] = 0.064
    """Length of its chunks."""

    duration_s: PositiveSeconds | None = None
    """It ends after so many seconds of its time; never, unless told."""

    speed: Speed = 1.0
    """How many seconds of its time pass in one; ``max``: as many as the model can take."""


class FaultySource(FaultyMicrophone):
    """A simulated microphone as a configuration describes it.

    Raises
    ------
    SourceError
        What it is to hear cannot be read.
    """

    Options: ClassVar[type[Options]] = FaultyOptions

    def __init__(self, name: str, options: FaultyOptions) -> None:
        rate_hz = options.sample_rate
        plan: Iterable[Fault] = sorted(options.plan, key=lambda fault: fault.at_s)
        if options.kinds and not options.plan:
            plan = drawn(options.seed, options.every_s, options.kinds, rate_hz)
        super().__init__(
            name,
            _sound(options),
            plan,
            rate_hz,
            options.chunk_s,
            options.duration_s,
            SimulatedClock() if options.speed == "max" else PacedClock(options.speed),
            options,
        )


def _sound(options: FaultyOptions) -> Sound:
    if options.sound == "bursts":
        return Bursts(options.seed)
    if options.sound == "demo":
        return Loop(render_scene(), SAMPLE_RATE)
    return loop_of(FileSource("sound", FileOptions(path=Path(options.sound), speed="max")))
