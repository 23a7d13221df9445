"""A window as a WAV file in memory, for models that want to read one."""

import struct

from listener.levels import to_int16
from listener.types import Samples

PCM, MONO, BYTES_PER_SAMPLE = 1, 1, 2


def wav_bytes(samples: Samples, sample_rate: int) -> bytes:
    """Make a canonical RIFF/WAVE file: 16-bit PCM, mono.

    Parameters
    ----------
    samples
        Shape (n_samples,), in [-1, 1]; what lies outside is clipped.
    sample_rate
        Hz.

    Returns
    -------
    bytes
        Header of 44 bytes and the samples.
    """
    data = to_int16(samples).astype("<i2").tobytes()
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(data),
        b"WAVE",
        b"fmt ",
        16,
        PCM,
        MONO,
        sample_rate,
        sample_rate * BYTES_PER_SAMPLE,
        BYTES_PER_SAMPLE,
        8 * BYTES_PER_SAMPLE,
        b"data",
        len(data),
    )
    return header + data
