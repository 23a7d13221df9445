"""The clips of a manifest in memory, cut to what is heard in them.

Many clips are padded with digital zeros at the source, some labels more often than
others: a model that sees the padding learns it instead of the sound. So only the part
in between is kept, and it is known at every point of it whether the sound is going on.
"""

import os
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from listener import synthesis
from listener.errors import AudioFileError, printable
from listener.training.data.clip import Clip, Manifest
from listener.training.data.manifest import refuse
from listener.training.data.reading import read_clip
from listener.types import Samples

BLOCK_SAMPLES = 256
"""Activity is known for blocks of this length."""

ACTIVE_BELOW_PEAK_DB = 40.0
"""A block sounds if it is at most this far below the loudest one: a bark's echo, not the hiss after it."""

FULL_SCALE = 32_768
"""What an int16 sample is divided by."""

ALARM = "smoke_alarm"
"""The one label that is synthesised."""

BEEP = "beep"
"""Label of a tone that is no alarm."""

_SYNTHETIC_S = 12.0
_QUIET_S = 15.0
_ALARM_VOICES_HZ = (3_100.0, 520.0)


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording, or part of one, as it is drawn for a window."""

    label: str
    samples: NDArray[np.int16]
    """Mono; int16, since it is what most files hold and takes half of the room."""
    sounding: NDArray[np.int32]
    """Blocks in which it sounds, counted from its beginning: shape (n_blocks + 1,)."""
    clip: Clip | None = None
    """Where it comes from; None if it was synthesised."""

    def sounding_samples(self, first: float, last: float) -> int:
        """Length of what sounds between two positions in the recording."""
        begin, end = (
            min(max(round(position / BLOCK_SAMPLES), 0), len(self.sounding) - 1) for position in (first, last)
        )
        return int(self.sounding[end] - self.sounding[begin]) * BLOCK_SAMPLES


def load_sounds(manifest: Manifest, sample_rate: int) -> list[Sound]:
    """Read every clip: any format, rate and number of channels.

    Parameters
    ----------
    manifest
        The clips; of each, what lies from ``first_s`` on is kept, ``active_s`` long.
    sample_rate
        What they are brought to, in Hz.

    Returns
    -------
    list of Sound
        In the order of the manifest.

    Raises
    ------
    DatasetError
        Clips that cannot be read, whose files end before they begin, that hold values which are no
        numbers, or are silent; all are named.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        loaded = list(pool.map(lambda clip: _load(manifest.folder, clip, sample_rate), manifest))
    refuse([problem for problem in loaded if isinstance(problem, str)])
    return [sound for sound in loaded if isinstance(sound, Sound)]


def doubles_across_folds(sounds: Sequence[Sound]) -> list[str]:
    """Find clips that hold the same sound, sample by sample, and are in different folds."""
    first_of: dict[bytes, Clip] = {}
    found = []
    for sound in sounds:
        if (clip := sound.clip) is None:
            continue
        first = first_of.setdefault(sha256(sound.samples.tobytes()).digest(), clip)
        if first.fold != clip.fold:
            both = f"the folds {printable(clip.fold)} and {printable(first.fold)}"
            found.append(
                f"{printable(clip.path)}: holds the same sound as {printable(first.path)}, and they are in "
                f"{both}: what is learnt would be asked again"
            )
    return found


def alarms(labels: Collection[str], sample_rate: int, seed: int, n_sounds: int) -> list[Sound]:
    """Make smoke alarms, if they are among the labels: the same ones for the same seed."""
    sounds = []
    for number in range(n_sounds if ALARM in labels else 0):
        rng = np.random.default_rng((seed, number))
        voice_hz = _ALARM_VOICES_HZ[number % len(_ALARM_VOICES_HZ)]
        sounds.append(_sound(ALARM, synthesis.smoke_alarm(rng, sample_rate, _SYNTHETIC_S, voice_hz)))
    return sounds


def beeps(sample_rate: int, seed: int, n_sounds: int) -> list[Sound]:
    """Make tones that are no alarm, for a model to tell from one: the same ones for the same seed."""
    sounds = []
    for number in range(n_sounds):
        rng = np.random.default_rng((seed, number, 1))
        make = synthesis.hum if number % 4 == 0 else synthesis.beep
        sounds.append(_sound(BEEP, make(rng, sample_rate, _SYNTHETIC_S)))
    return sounds


def quiet(sample_rate: int, seed: int, n_sounds: int) -> list[Sound]:
    """Make rooms in which nothing happens: noise of several colours, -90 to -45 dB, and digital silence."""
    sounds = [_sound("silence", np.zeros(round(_QUIET_S * sample_rate), np.float32))]
    for number in range(1, n_sounds):
        rng = np.random.default_rng((seed, number, 2))
        noise = synthesis.coloured_noise(rng, round(_QUIET_S * sample_rate), rng.uniform(0, 2), sample_rate)
        level = 10 ** (rng.uniform(-90, -45) / 20)
        sounds.append(_sound("noise", noise * np.float32(level / np.sqrt(np.mean(np.square(noise))))))
    return sounds


def as_float(samples: NDArray[np.int16]) -> Samples:
    """Bring 16-bit samples to [-1, 1]."""
    return samples.astype(np.float32) / np.float32(FULL_SCALE)


def as_int16(samples: Samples) -> NDArray[np.int16]:
    """Round samples in [-1, 1] to 16 bits; what is louder is cut off."""
    return np.clip(np.round(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def make_sound(label: str, samples: NDArray[np.int16], clip: Clip | None = None) -> Sound:
    """Make a sound of samples: find out where in them it sounds."""
    n_blocks = -(-len(samples) // BLOCK_SAMPLES)
    padded = np.zeros(n_blocks * BLOCK_SAMPLES, np.float32)
    padded[: len(samples)] = samples
    power = np.mean(np.square(padded.reshape(n_blocks, BLOCK_SAMPLES)), axis=1)
    sounds = power > power.max(initial=0.0) * 10 ** (-ACTIVE_BELOW_PEAK_DB / 10)
    return Sound(label, samples, np.concatenate(([0], np.cumsum(sounds))).astype(np.int32), clip)


def by_label(sounds: Sequence[Sound]) -> dict[str, list[Sound]]:
    """Sort sounds into their labels."""
    groups: dict[str, list[Sound]] = {}
    for sound in sounds:
        groups.setdefault(sound.label, []).append(sound)
    return groups


def _sound(label: str, samples: Samples) -> Sound:
    return make_sound(label, np.round(samples * (FULL_SCALE - 1)).astype(np.int16))


def _load(folder: Path, clip: Clip, sample_rate: int) -> Sound | str:
    """Read one clip; where that cannot be done, say why."""
    path = folder / clip.path
    try:
        decoded = read_clip(path, clip, sample_rate)
    except AudioFileError as error:
        return str(error)
    if decoded.n_not_finite:
        return f"{printable(path)}: {decoded.n_not_finite} of its values are no numbers: make the file anew"
    samples = as_int16(decoded.samples)
    if not samples.any():
        return f"{printable(path)}: holds nothing but silence where the manifest says that it sounds"
    return make_sound(clip.label, samples, clip)
