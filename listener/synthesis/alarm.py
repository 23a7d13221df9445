"""The smoke alarm: three pulses, a pause, over and over.

The pattern ("temporal-three", T3) is that of ISO 8201 and ANSI/ASA S3.41: 0.5 s on and
0.5 s off three times, the third pause being 1.5 s instead, each within 10 %. UL 217 and
NFPA 72 ask for it in the United States and Canada. Two voices are common: a piezo disc
near 3.1 kHz (2.8 to 3.5 kHz on the market), and, where sleepers have to be woken, the
square wave of 520 Hz +- 10 % that NFPA 72 demands for bedrooms.
"""

import numpy as np

from listener.synthesis.parts import Signal, between, full_scale, harmonics, smoothed
from listener.types import Samples

PULSE_S = 0.5
"""Length of each pulse and of the short pauses."""

PAUSE_S = 1.5
"""Length of the pause after the third pulse."""

TOLERANCE = 0.1
"""Relative deviation of any of these times that the standard allows."""

PIEZO_HZ = 3_100.0
"""What most alarms are tuned to."""

SQUARE_HZ = 520.0
"""What wakes people: the low-frequency alarm of NFPA 72."""

_PIEZO_SPREAD = (2_800 / PIEZO_HZ, 3_500 / PIEZO_HZ)
_SQUARE_SPREAD = (0.9, 1.1)
_SQUARE_BELOW_HZ = 1_000.0


def smoke_alarm(
    rng: np.random.Generator,
    sample_rate: int = 16_000,
    duration_s: float = 10.0,
    frequency_hz: float = PIEZO_HZ,
    start_s: float | None = None,
) -> Samples:
    """Make the sound of one smoke alarm, heard close by and without a room.

    Devices differ: pitch, timing, harmonics, how fast a pulse rises and dies, and a
    glide of the pitch while it does. All of that is drawn anew for each call.

    Parameters
    ----------
    rng
        Where all chance comes from.
    sample_rate
        Hz.
    duration_s
        Length, in seconds.
    frequency_hz
        What the device is tuned to: below 1 kHz it gives a square wave, above the tone
        of a piezo disc. The device drawn deviates by as much as those on the market.
    start_s
        Place in the pattern at which the sound begins, in seconds: 0 is the beginning of
        the first pulse. None draws one.

    Returns
    -------
    Samples
        Peak 1.
    """
    n_samples = round(duration_s * sample_rate)
    gate = _gate(rng, n_samples, sample_rate, start_s)
    low = frequency_hz < _SQUARE_BELOW_HZ
    tuned_hz = frequency_hz * rng.uniform(*(_SQUARE_SPREAD if low else _PIEZO_SPREAD))
    rise_s, glide_s = between(rng, 0.001, 0.02), between(rng, 0.005, 0.05)
    level = smoothed(gate, rise_s * sample_rate)
    glide = rng.uniform(-0.01, 0.004) * (1 - smoothed(gate, glide_s * sample_rate))
    amplitudes = _square_amplitudes(rng) if low else _piezo_amplitudes(rng)
    tone = harmonics(tuned_hz * (1 + glide), amplitudes, sample_rate, rng.uniform(0, 2 * np.pi))
    return full_scale(level * tone)


def _gate(rng: np.random.Generator, n_samples: int, sample_rate: int, start_s: float | None) -> Signal:
    """1 while the device sounds, 0 in its pauses: its own times, kept for as long as it lives."""
    pulse_s, gap_s = PULSE_S * rng.uniform(1 - TOLERANCE, 1 + TOLERANCE, 2)
    pause_s = PAUSE_S * rng.uniform(1 - TOLERANCE, 1 + TOLERANCE)
    period_s = 3 * pulse_s + 2 * gap_s + pause_s
    drawn_s = rng.uniform(0, period_s)
    time_s = (np.arange(n_samples) / sample_rate + (drawn_s if start_s is None else start_s)) % period_s
    sounding = (time_s % (pulse_s + gap_s) < pulse_s) & (time_s < 3 * pulse_s + 2 * gap_s)
    return np.where(sounding, 1.0, 0.0)


def _piezo_amplitudes(rng: np.random.Generator) -> list[float]:
    """A disc at its resonance: nearly a sine, the harmonics 10 to 40 dB below."""
    return [1.0] + [10 ** (rng.uniform(-40, -10) / 20) for _ in range(4)]


def _square_amplitudes(rng: np.random.Generator) -> list[float]:
    """The odd harmonics of a square wave, as a small loudspeaker leaves them.

    Its response is drawn: a weak fundamental, and a tilt of up to 6 dB per octave
    either way; an imperfect duty cycle adds weak even harmonics.
    """
    tilt, bass, even = rng.uniform(-1, 0.5), rng.uniform(0.3, 1.0), rng.uniform(0, 0.05)
    amplitudes = [(1.0 if k % 2 else even) * k ** (tilt - 1) for k in range(1, 32)]
    amplitudes[0] *= bass
    return amplitudes
