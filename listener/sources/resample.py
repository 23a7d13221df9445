"""From the rate of a source to the rate of the model, as the sound comes in."""

import numpy as np
import soxr

from listener.types import Samples


class StreamResampler:
    """Changes the sample rate of a stream that comes in pieces.

    The samples depend on the stream alone, not on how it was cut: they are, to the bit,
    those of one call with the whole. The filter's delay is taken off, so that output
    sample ``n`` lies at the time of input sample ``n * from_rate_hz / to_rate_hz``; what
    comes in is held back for some 40 ms until the filter has seen what follows.

    Parameters
    ----------
    from_rate_hz
        Rate of what is pushed, in Hz.
    to_rate_hz
        Rate of what comes out, in Hz. Equal rates: what is pushed comes out untouched, at once.
    """

    def __init__(self, from_rate_hz: int, to_rate_hz: int) -> None:
        self._stream = None
        if from_rate_hz != to_rate_hz:
            self._stream = soxr.ResampleStream(from_rate_hz, to_rate_hz, 1, dtype="float32", quality="HQ")

    def push(self, samples: Samples, last: bool = False) -> Samples:
        """Take the next samples and give those that are ready.

        Parameters
        ----------
        samples
            Mono, float32; any number, none included.
        last
            Nothing follows: give also what was held back. The resampler is spent then.

        Returns
        -------
        Samples
            Mono, float32; may be empty. In all, ``round(n * to_rate_hz / from_rate_hz)`` samples.
        """
        if self._stream is None:
            return samples
        ready: Samples = self._stream.resample_chunk(np.ascontiguousarray(samples), last=last)
        return ready
