from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from listener.features import PRESETS
from listener.training.augment import AUDIBLE_S, WindowMaker
from listener.training.manifest import read_manifest
from listener.training.recipe import Recipe
from listener.training.sounds import Sound, alarms, beeps, load_sounds

HOUSEHOLD = PRESETS["household"]
RATE = HOUSEHOLD.sample_rate


@pytest.fixture
def maker(tiny_data: Path, make_recipe: Callable[..., Recipe]) -> WindowMaker:
    recipe = make_recipe()
    sounds = load_sounds(read_manifest(tiny_data, recipe), RATE)
    made = alarms(recipe.synthetic, RATE, seed=0, n_sounds=2) + beeps(RATE, seed=0, n_sounds=4)
    return WindowMaker(recipe, HOUSEHOLD, sounds + made)


def test_a_batch_has_the_form_of_the_front_end_and_is_finite(maker: WindowMaker) -> None:
    log_mel, presence = maker.batch(step=0, size=32)
    assert log_mel.shape == (32, HOUSEHOLD.n_mels, HOUSEHOLD.n_frames)
    assert log_mel.dtype == np.float32
    assert presence.shape == (32, 3)
    assert np.isfinite(log_mel).all()
    assert {0.0, 1.0} == set(np.unique(presence[~np.isnan(presence)]))


def test_a_step_gives_the_same_windows_whenever_it_is_asked_for(maker: WindowMaker) -> None:
    first = maker.batch(step=3, size=4)
    maker.batch(step=4, size=4)
    again = maker.batch(step=3, size=4)
    other = maker.batch(step=4, size=4)
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1], equal_nan=True)
    assert not np.array_equal(first[0], other[0])


@given(seed=st.integers(0, 10_000))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_samples_fit_a_converter(maker: WindowMaker, seed: int) -> None:
    samples, _ = maker.window(np.random.default_rng(seed))
    assert samples.shape == (HOUSEHOLD.window_samples,)
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1


@given(seed=st.integers(0, 10_000))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_label_is_present_only_if_it_can_be_heard(maker: WindowMaker, seed: int) -> None:
    n_on = RATE
    tone = np.round(8_000 * np.sin(np.arange(n_on))).astype(np.int16)
    sound = Sound("low", tone, np.arange(n_on // 256 + 1, dtype=np.int32))
    part = maker.place(np.random.default_rng(seed), sound)
    heard_s = np.count_nonzero(np.abs(part.samples) > 0.05) / RATE
    if part.presence == 1:
        assert heard_s > 0.8 * AUDIBLE_S
    elif np.isnan(part.presence):
        assert 0 < heard_s < 1.3 * AUDIBLE_S
    else:
        assert heard_s == 0


def test_what_may_be_in_a_background_is_not_judged(
    tiny_data: Path, make_recipe: Callable[..., Recipe]
) -> None:
    recipe = make_recipe(augmentation={"event_chance": 0.0})
    sounds = load_sounds(read_manifest(tiny_data, recipe), RATE)
    maker = WindowMaker(recipe, HOUSEHOLD, sounds)
    presence = np.stack([maker.window(np.random.default_rng(seed))[1] for seed in range(40)])
    assert np.isnan(presence[:, 0]).any()  # low, where the hiss is heard
    assert (presence[:, 1:] == 0).all()
