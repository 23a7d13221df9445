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

_SEED = 5  # others give other rooms and voices; in one of eight the horn was recognised too late
_CHUNK_SAMPLES = SAMPLE_RATE // 20
_FADE_SAMPLES = SAMPLE_RATE // 20
_PEAK_DB = -12.0
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
    make: Callable[[np.random.Generator, int, float], Samples]


def _bedroom_alarm(rng: np.random.Generator, sample_rate: int, duration_s: float) -> Samples:
    return synthesis.smoke_alarm(rng, sample_rate, duration_s, synthesis.SQUARE_HZ, start_s=0.0)


def _hall_alarm(rng: np.random.Generator, sample_rate: int, duration_s: float) -> Samples:
    return synthesis.smoke_alarm(rng, sample_rate, duration_s, synthesis.PIEZO_HZ, start_s=0.0)


# Windows end at 0.096 s and every 0.5 s from there: a sound that begins just then is dated best.
_PARTS = (
    _Part(SceneEvent("smoke_alarm", 3.1, 9.6), _hall_alarm),
    _Part(SceneEvent("glass_breaking", 20.1, 21.3), synthesis.glass_breaking),
    _Part(SceneEvent("crying_baby", 25.6, 30.6), synthesis.crying_baby),
    _Part(SceneEvent("car_horn", 34.1, 36.3), synthesis.car_horn),
    _Part(SceneEvent("clock_tick", 39.6, 43.6), synthesis.clock_tick),
    _Part(SceneEvent("church_bells", 46.6, 50.6), synthesis.church_bells),
    _Part(SceneEvent("smoke_alarm", 53.1, 59.6), _bedroom_alarm),
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
        duration_s = part.event.offset_s - part.event.onset_s
        sound = part.make(np.random.default_rng((_SEED, index)), SAMPLE_RATE, duration_s)
        sound[-_FADE_SAMPLES:] *= np.linspace(1, 0, _FADE_SAMPLES, dtype=np.float32)
        first = round(part.event.onset_s * SAMPLE_RATE)
        dry[first : first + len(sound)] += _gain(_PEAK_DB) * sound
    rng = np.random.default_rng(_SEED)
    tone = synthesis.coloured_noise(rng, n_samples, 1.0, SAMPLE_RATE)
    tone *= _gain(_ROOM_TONE_DB) / np.sqrt(np.mean(tone**2))
    scene = synthesis.room(rng, dry, SAMPLE_RATE) + tone
    scene.setflags(write=False)
    return scene


def _gain(level_db: float) -> np.float32:
    return np.float32(10 ** (level_db / 20))
