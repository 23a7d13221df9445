"""What can go wrong with a microphone. A plan is any of these, in the order of their beginning."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from listener.config import Options, PositiveSeconds, Seconds

Rate = Annotated[int, Field(ge=100, le=768_000)]

Told = Literal["count", "flag", "no"]
"""How a loss is told: how many samples are missing, only that some are, or not at all."""

TOLD: tuple[Told, ...] = ("count", "flag", "no")


class _Fault(Options):
    at_s: Seconds
    """When it begins, in seconds since the microphone was first opened."""

    @property
    def end_s(self) -> float:
        """When it is over."""
        return self.at_s


class _Lasting(_Fault):
    for_s: PositiveSeconds
    """How long it lasts, in seconds."""

    @property
    def end_s(self) -> float:
        """When it is over."""
        return self.at_s + self.for_s


class Unplug(_Lasting):
    """It is gone, and cannot be opened until it is back."""

    fault: Literal["unplug"] = "unplug"
    """Its name in a plan."""

    says_so: bool = True
    """Reading fails at once; else nothing comes any more until it is opened again."""

    rate_hz: Rate | None = None
    """It comes back at this rate."""


class Stall(_Lasting):
    """Nothing comes, though it is open and can be opened."""

    fault: Literal["stall"] = "stall"
    """Its name in a plan."""

    kept: bool = True
    """What was taken meanwhile comes at once afterwards, unless it was opened again; else it is lost."""


class Loss(_Lasting):
    """Samples go missing on the way."""

    fault: Literal["loss"] = "loss"
    """Its name in a plan."""

    told: Told = "count"
    """What the next chunk says of it."""


class Silence(_Lasting):
    """Every sample is the same."""

    fault: Literal["silence"] = "silence"
    """Its name in a plan."""

    value: Annotated[float, Field(ge=-1, le=1)] = 0.0
    """That of every sample."""


class Clipping(_Lasting):
    """The recording level is far too high."""

    fault: Literal["clipping"] = "clipping"
    """Its name in a plan."""

    gain: Annotated[float, Field(ge=1)] = 1e6
    """By which samples are multiplied, before they are cut off at full scale."""


class Drift(_Fault):
    """Its clock goes wrong by so much from now on."""

    fault: Literal["drift"] = "drift"
    """Its name in a plan."""

    ppm: Annotated[float, Field(ge=-10_000, le=10_000)]
    """Millionths by which it is too fast."""


class OddChunks(_Lasting):
    """Chunks are of any size."""

    fault: Literal["odd_chunks"] = "odd_chunks"
    """Its name in a plan."""

    sizes: tuple[Annotated[int, Field(ge=0)], ...] = (1, 0, 4_001, 17, 997, 2)
    """Samples in each chunk, over and over; some may be empty."""

    @field_validator("sizes")
    @classmethod
    def _some_sound(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if not any(sizes):
            raise ValueError("one of the sizes must be more than 0")
        return sizes


Fault = Annotated[
    Unplug | Stall | Loss | Silence | Clipping | Drift | OddChunks, Field(discriminator="fault")
]
"""Any of them."""
