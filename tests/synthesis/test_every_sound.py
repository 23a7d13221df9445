"""What holds for every sound: its length, its level, its type, and that it comes again."""

from collections.abc import Callable

import numpy as np
import pytest

from listener import synthesis
from listener.types import Samples

SOUNDS: list[Callable[[np.random.Generator, int, float], Samples]] = [
    synthesis.beep,
    synthesis.car_horn,
    synthesis.church_bells,
    synthesis.clock_tick,
    synthesis.crying_baby,
    synthesis.glass_breaking,
    synthesis.hum,
    synthesis.smoke_alarm,
]


@pytest.mark.parametrize("sound", SOUNDS)
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_length_level_and_type(sound: Callable[..., Samples], rate: int) -> None:
    samples = sound(np.random.default_rng(1), rate, 3.0)
    assert samples.dtype == np.float32
    assert samples.shape == (3 * rate,)
    assert np.abs(samples).max() == 1.0


@pytest.mark.parametrize("sound", SOUNDS)
def test_the_same_generator_state_gives_the_same_sound_and_another_one_another(
    sound: Callable[..., Samples],
) -> None:
    first, again, other = (sound(np.random.default_rng(seed), 16_000, 2.5) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
