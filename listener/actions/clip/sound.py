"""The file of the sound.

What came as 16-bit integers is written as 16-bit integers, to the bit, but for Opus.
"""

import io

import numpy as np

from listener.actions.base import Recording
from listener.actions.clip.options import ClipFormat
from listener.levels import to_int16
from listener.types import Samples

OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
"""Hz: what an encoder of Opus takes (RFC 6716, 2.1.3)."""


def file_rate(form: ClipFormat, rate_hz: int) -> int:
    """Give the sample rate of the file for sound of a rate, in Hz: the next one up that the format knows."""
    if form != "opus":
        return rate_hz
    return next((rate for rate in OPUS_RATES if rate >= rate_hz), OPUS_RATES[-1])


def sound_file(form: ClipFormat, recording: Recording) -> bytes:
    """Give a recording as the bytes of a file.

    Raises
    ------
    soundfile.LibsndfileError
        The library on this machine does not know the format.
    """
    import soundfile

    memory = io.BytesIO()
    rate = file_rate(form, recording.sample_rate)
    if form == "opus":
        samples = _resampled(recording.samples, recording.sample_rate, rate)
        soundfile.write(memory, samples, rate, format="OGG", subtype="OPUS")
    else:
        pcm = to_int16(recording.samples)
        soundfile.write(memory, pcm, rate, format=form.upper(), subtype="PCM_16")
    return memory.getvalue()


def _resampled(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    if from_hz == to_hz:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, from_hz, to_hz, quality="HQ"), np.float32)
