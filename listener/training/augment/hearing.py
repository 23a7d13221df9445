"""What of a sound an ear notices: how loud it is, and how low it reaches."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

_HEARD_SAMPLES = 1 << 17
_LOW_PART = 0.1


def loudness_offset_db(samples: NDArray[np.int16], sample_rate: int) -> float:
    """How much louder a sound is to the ear than its power says: A-weighted level less plain level, in dB.

    A-weighting after IEC 61672-1, of the first eight seconds or so; 0 where there is no sound.
    """
    power, frequency_hz = _power(samples, sample_rate)
    squared = np.square(frequency_hz)
    weight = 12_194**2 * squared**2 / ((squared + 20.6**2) * (squared + 12_194**2))
    weight /= np.sqrt((squared + 107.7**2) * (squared + 737.9**2))
    weighted, plain = float(np.dot(power, weight**2)), float(power.sum())
    return 10 * float(np.log10(weighted / plain)) + 2.0 if weighted > 0 else 0.0


def lowest_hz(samples: NDArray[np.int16], sample_rate: int) -> float:
    """Frequency in Hz below which a tenth of a sound's power lies: what ends below leaves nothing of it."""
    power, frequency_hz = _power(samples, sample_rate)
    below = np.cumsum(power)
    return float(frequency_hz[np.searchsorted(below, _LOW_PART * below[-1])])


def _power(samples: NDArray[np.int16], sample_rate: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Power of each bin, and its frequency in Hz."""
    heard = samples[:_HEARD_SAMPLES].astype(np.float32)
    n_fft = scipy.fft.next_fast_len(len(heard), real=True)
    power = np.square(np.abs(scipy.fft.rfft(heard, n_fft)), dtype=np.float64)
    return power, scipy.fft.rfftfreq(n_fft, 1 / sample_rate)
