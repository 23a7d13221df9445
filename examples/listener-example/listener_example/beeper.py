"""``use: beeper``: silence and a tone, in turn."""

from typing import Annotated

import numpy as np
from pydantic import Field

from listener.config import Options
from listener.sources.base import EndOfSource, Source
from listener.types import AudioChunk

RATE = 16_000  # Hz


class BeeperOptions(Options):
    """Settings of the source, beside those that all sources have."""

    times: Annotated[int, Field(ge=1, le=1000)] = 3
    """How many tones there are."""


class Beeper(Source):
    """Gives three seconds of silence and one of a tone, so many times."""

    Options = BeeperOptions
    options: BeeperOptions
    live = has_clock = False  # like a recording: it can be made to wait, and knows no time of day

    def open(self) -> int:
        """Begin, and give the sample rate."""
        self._position = 0
        return RATE

    def read(self, timeout_s: float) -> AudioChunk:
        """Give the next tenth of a second."""
        at_s = (self._position + np.arange(RATE // 10)) / RATE
        if at_s[0] >= 4 * self.options.times:
            raise EndOfSource
        samples = np.where(at_s % 4 >= 3, 0.5 * np.sin(2 * np.pi * 1000 * at_s), 0)
        chunk = AudioChunk(samples.astype(np.float32), self._position, RATE)
        self._position = chunk.end_sample
        return chunk

    def close(self) -> None:
        """Nothing is held."""
