"""When a microphone counts as unwell."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.config import HealthSettings
from listener.health import Health
from listener.types import AudioChunk, Samples, SourceState

RATE = 16_000
CHUNK_S = 0.064
SETTINGS = HealthSettings()


def noise(seconds: float, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).uniform(-0.1, 0.1, round(seconds * RATE)).astype(np.float32)


class Microphone:
    """A microphone with a clock of its own, looked at by `Health`."""

    def __init__(self, settings: HealthSettings = SETTINGS, drift: float = 0.0) -> None:
        self.now = 100.0
        self.health = Health(settings, self.now)
        self.missing_s = 0.0
        self._drift = drift
        self._position = 0

    def give(self, samples: Samples, late_s: Iterator[float] | None = None) -> list[SourceState]:
        """Hand over sound in chunks, as time goes by; give the state after each."""
        states = []
        step = round(CHUNK_S * RATE)
        for first in range(0, len(samples), step):
            chunk = AudioChunk(samples[first : first + step], self._position, RATE)
            self._position = chunk.end_sample
            self.now += len(chunk.samples) / RATE * (1 + self._drift)
            delay_s = 0.0 if late_s is None else next(late_s)
            self.missing_s += self.health.hear(chunk, self.now + delay_s)
            states.append(self.health.judge()[0])
        return states

    def be_still(self, seconds: float) -> SourceState:
        self.now += seconds
        self.health.miss(self.now)
        return self.health.judge()[0]


def test_a_room_is_live() -> None:
    assert set(Microphone().give(noise(60.0))) == {SourceState.LIVE}


def test_a_pause_is_a_stall_and_a_long_one_the_end() -> None:
    microphone = Microphone()
    microphone.give(noise(1.0))
    assert microphone.be_still(0.9) is SourceState.LIVE
    assert microphone.be_still(0.1) is SourceState.STALLED
    assert not microphone.health.is_gone
    assert microphone.give(noise(0.1))[0] is SourceState.LIVE
    microphone.be_still(3.0)
    assert microphone.health.is_gone


@pytest.mark.parametrize("value", [0.0, 0.25, -1.0])
def test_the_same_value_for_long_is_silence(value: float) -> None:
    microphone = Microphone(HealthSettings(clipping_share=0))
    microphone.give(noise(1.0))
    states = microphone.give(np.full(20 * RATE, value, np.float32))
    first = states.index(SourceState.SILENT)
    assert (first + 1) * CHUNK_S == pytest.approx(SETTINGS.silent_s, abs=2 * CHUNK_S)
    assert set(states[first:]) == {SourceState.SILENT}
    assert f"{value:g}" in microphone.health.judge()[1]
    assert microphone.give(noise(0.1))[0] is SourceState.LIVE


def test_two_values_in_turn_are_no_silence() -> None:
    hum = np.tile(np.array([0.0, 1 / 32768], np.float32), 20 * RATE)
    assert SourceState.SILENT not in Microphone().give(hum)


def test_many_samples_at_full_scale_are_clipping_and_a_few_are_not() -> None:
    microphone = Microphone()
    sound = noise(6.0)
    sound[:: RATE // 50] = 1.0  # 50 of 16,000 a second
    assert set(microphone.give(sound)) == {SourceState.LIVE}
    sound[::50] = -1.0  # two of a hundred
    assert microphone.give(sound)[-1] is SourceState.CLIPPING
    assert microphone.give(noise(6.0))[-1] is SourceState.LIVE


@settings(max_examples=25)
@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=20), st.floats(-300e-6, 300e-6), st.integers(0, 3))
def test_a_busy_machine_and_a_wrong_clock_are_no_lag(delays: list[float], drift: float, seed: int) -> None:
    """Chunks come late, all at once, and the sound card's clock is wrong: nothing is missing."""
    random = np.random.default_rng(seed)
    late = iter(lambda: float(random.choice([0.0, *delays])), -1.0)
    microphone = Microphone(drift=drift)
    assert SourceState.LAGGING not in microphone.give(noise(100.0), late)
    assert microphone.missing_s == 0.0


@settings(max_examples=25)
@given(st.floats(0.3, 5.0), st.floats(-300e-6, 300e-6))
def test_what_goes_missing_is_found_to_its_length(lost_s: float, drift: float) -> None:
    microphone = Microphone(drift=drift)
    microphone.give(noise(35.0))
    microphone.now += lost_s  # time without samples, and nobody says so
    states = microphone.give(noise(35.0))
    assert microphone.missing_s == pytest.approx(lost_s, abs=0.02)
    assert SourceState.LAGGING in states
    assert states[-1] is SourceState.LIVE


def test_a_little_that_goes_missing_all_the_time_is_found_in_the_end() -> None:
    microphone = Microphone()
    for _ in range(200):
        microphone.give(noise(1.0))
        microphone.now += 0.01
    assert microphone.missing_s == pytest.approx(2.0, abs=0.4)


def test_what_is_zero_is_not_looked_for() -> None:
    microphone = Microphone(HealthSettings(silent_s=0, clipping_share=0, lag_s=0))
    microphone.give(np.ones(30 * RATE, np.float32))
    microphone.now += 2.0
    assert set(microphone.give(np.ones(30 * RATE, np.float32))) == {SourceState.LIVE}
    assert microphone.missing_s == 0.0
