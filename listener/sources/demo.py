"""A minute of a room in which things happen, for who has no microphone.

Every sound is synthesised, at times that are known: `SCENE`. The minute is the same each
time, to the sample.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from listener import synthesis
from listener.config import Options
from listener.sources.base import EndOfSource, Source
from listener.sources.pacing import Pacer, Speed
from listener.types import AudioChunk, Samples

SAMPLE_RATE = 16_000
"""Hz."""

DURATION_S = 60.0
"""Length of the scene, in seconds."""

_SEED = 1
_CHUNK_SAMPLES = SAMPLE_RATE // 20
_ROOM_TONE_DB = -62.0


@dataclass(frozen=True, slots=True)
class SceneEvent:
    """Something that happens in the scene."""

    label: str
    """What it is, by the name that the household model gives it."""

    onset_s: float
    """When it begins, in seconds from the scene's first sample."""

    offset_s: float
    """When it ends, in seconds; the room may ring on a little."""


@dataclass(frozen=True, slots=True)
class _Part:
    event: SceneEvent
    peak_db: float
    make: Callable[[np.random.Generator, int, float], Samples]


def _bedroom_alarm(rng: np.random.Generator, sample_rate: int, duration_s: float) -> Samples:
    return synthesis.smoke_alarm(rng, sample_rate, duration_s, synthesis.SQUARE_HZ, start_s=0.0)


def _hall_alarm(rng: np.random.Generator, sample_rate: int, duration_s: float) -> Samples:
    return synthesis.smoke_alarm(rng, sample_rate, duration_s, synthesis.PIEZO_HZ, start_s=0.0)


_PARTS = (
    _Part(SceneEvent("smoke_alarm", 3.0, 9.5), -12, _hall_alarm),
    _Part(SceneEvent("dog", 13.0, 16.0), -12, synthesis.dog),
    _Part(SceneEvent("glass_breaking", 19.0, 20.6), -12, synthesis.glass_breaking),
    _Part(SceneEvent("crying_baby", 24.0, 29.0), -12, synthesis.crying_baby),
    _Part(SceneEvent("siren", 32.0, 38.0), -12, synthesis.siren),
    _Part(SceneEvent("car_horn", 41.0, 43.2), -12, synthesis.car_horn),
    _Part(SceneEvent("church_bells", 46.0, 50.0), -12, synthesis.church_bells),
    _Part(SceneEvent("smoke_alarm", 53.0, 59.5), -12, _bedroom_alarm),
)

SCENE: tuple[SceneEvent, ...] = tuple(part.event for part in _PARTS)
"""What happens in the scene, in order."""


class DemoOptions(Options):
    """Settings of the demo scene."""

    speed: Speed = 1.0
    """Seconds of sound in a second; ``max`` for as fast as it is taken."""

    loop: bool = False
    """Begin again at the end, for ever."""


class DemoSource(Source):
    """Plays the scene."""

    Options: ClassVar[type[Options]] = DemoOptions
    live = False

    options: DemoOptions
    _pacer: Pacer | None = None
    _position = 0

    def __init__(self, name: str, options: DemoOptions) -> None:
        super().__init__(name, options)
        self.has_clock = options.speed == 1.0

    def open(self) -> int:
        """Render the scene and begin to play it from its first sample."""
        render_scene()
        self._position = 0
        self._pacer = Pacer(SAMPLE_RATE, self.options.speed)
        return SAMPLE_RATE

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Give the next 50 ms when they are due.

        Raises
        ------
        EndOfSource
            The scene is over and was not asked to begin again.
        """
        assert self._pacer is not None, "read before open"
        scene = render_scene()
        if self._position >= len(scene) and not self.options.loop:
            raise EndOfSource
        if not self._pacer.wait(self._position + _CHUNK_SAMPLES, timeout_s):
            return None
        first = self._position % len(scene)
        chunk = AudioChunk(scene[first : first + _CHUNK_SAMPLES], self._position, SAMPLE_RATE)
        self._position += len(chunk.samples)
        return chunk

    def close(self) -> None:
        """Stop playing."""
        self._pacer = None


@lru_cache(maxsize=1)
def render_scene() -> Samples:
    """Make the whole scene; it is kept, and nobody writes to it.

    Returns
    -------
    Samples
        `DURATION_S` at `SAMPLE_RATE`, peak below 1.
    """
    n_samples = round(DURATION_S * SAMPLE_RATE)
    dry = np.zeros(n_samples, np.float32)
    for index, part in enumerate(_PARTS):
        event = part.event
        sound = part.make(np.random.default_rng((_SEED, index)), SAMPLE_RATE, event.offset_s - event.onset_s)
        first = round(event.onset_s * SAMPLE_RATE)
        dry[first : first + len(sound)] += 10 ** (part.peak_db / 20) * sound
    rng = np.random.default_rng(_SEED)
    tone = synthesis.coloured_noise(rng, n_samples, 1.0, SAMPLE_RATE)
    tone *= 10 ** (_ROOM_TONE_DB / 20) / np.sqrt(np.mean(tone**2))
    scene = synthesis.room(rng, dry, SAMPLE_RATE) + tone
    scene.setflags(write=False)
    return scene
