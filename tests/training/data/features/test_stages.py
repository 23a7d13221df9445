"""``listener dataset features``: what the stages make of a clip, and stages of one's own."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from listener.errors import ConfigError, DatasetError
from listener.features import PRESETS, LogMel
from listener.training.data.clip import Clip, Manifest
from listener.training.data.features import FeatureStore, Pipeline, build_store, stages
from tests.training.data.features.small import N_CLIPS, RATE, SMALL, write_stage


@pytest.mark.parametrize("preset", PRESETS)
def test_features_are_those_of_the_front_end(preset: str, manifest: Manifest, tmp_path: Path) -> None:
    parameters = replace(PRESETS[preset], n_frames=20)
    store = build_store(manifest, Pipeline.of(parameters), tmp_path / "stores")
    assert len(store) == N_CLIPS
    if parameters.sample_rate == RATE:
        samples, _ = soundfile.read(manifest.folder / store.clips[3].path, dtype="float32")
        padded = stages.pad_zeros(samples, parameters.window_samples)
        assert np.array_equal(store[3], LogMel(parameters)(padded))
    assert store[3].shape == (parameters.n_mels, 20)


def test_rows_are_views_and_tensors_share_their_memory(manifest: Manifest, tmp_path: Path) -> None:
    store = build_store(manifest, Pipeline.of(SMALL), tmp_path / "stores")
    assert np.shares_memory(store[2], store.features)
    whole, row = store.to_torch(), store.to_torch(2)
    assert whole.data_ptr() == store.features.ctypes.data
    assert row.data_ptr() == store[2].ctypes.data
    assert torch.equal(whole[2], row)
    row[0, 0] = 99.0  # stays within this process
    assert store[2][0, 0] == 99.0
    FeatureStore.open(store.folder).verify()


@pytest.mark.parametrize("save", ["float32", "float16"])
@pytest.mark.parametrize("normalise", ["none", "clip", "band", "global"])
def test_normalising_can_be_undone(normalise: str, save: str, manifest: Manifest, tmp_path: Path) -> None:
    plain = build_store(manifest, Pipeline.of(SMALL), tmp_path / "plain")
    store = build_store(manifest, Pipeline.of(SMALL, normalise=normalise, save=save), tmp_path / "stores")
    span = plain.features.max() - plain.features.min()
    # float16 has 11 significant bits
    tolerance = (1e-6 if save == "float32" else 2**-11) * max(span, np.abs(plain.features).max())
    for index in range(len(store)):
        assert np.abs(store.undo(index) - plain[index]).max() <= tolerance
    assert store.features.dtype == save
    assert np.array_equal(store.lowest, plain.features.min(axis=(0, 2)))
    assert np.array_equal(store.highest, plain.features.max(axis=(0, 2)))


@pytest.mark.parametrize(("normalise", "axes"), [("clip", (1, 2)), ("band", (0, 2)), ("global", (0, 1, 2))])
def test_each_group_fills_0_to_1(
    normalise: str, axes: tuple[int, ...], manifest: Manifest, tmp_path: Path
) -> None:
    features = build_store(manifest, Pipeline.of(SMALL, normalise=normalise), tmp_path / "stores").features
    assert np.all(features.min(axis=axes) == 0)
    assert np.all(features.max(axis=axes) == 1)


def test_silence_is_normalised_without_a_fuss(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    soundfile.write(tmp_path / "data" / "a.wav", np.zeros(4_000), RATE)
    manifest = Manifest(tmp_path / "data", (Clip("a.wav", "silence"),))
    for normalise in ("clip", "band", "global"):
        store = build_store(manifest, Pipeline.of(SMALL, normalise=normalise), tmp_path / "stores")
        assert not store.features.any()
        assert np.all(store.undo(0) == np.log(np.float32(SMALL.floor)))


def test_stages_of_ones_own(manifest: Manifest, tmp_path: Path) -> None:
    text = (
        "import numpy as np\n"
        "def stage(parameters):\n"
        "    def energy(samples):\n"
        "        return np.square(samples.reshape(4, -1)).mean(axis=1, keepdims=True)\n"
        "    return energy\n"
    )
    extract = write_stage(tmp_path, text)
    first = build_store(manifest, Pipeline.of(SMALL, length_s=0.2, extract=extract), tmp_path / "stores")
    assert first.features.shape == (N_CLIPS, 4, 1)
    write_stage(tmp_path, text.replace("mean", "max"))  # the same name, another meaning
    second = build_store(manifest, Pipeline.of(SMALL, length_s=0.2, extract=extract), tmp_path / "stores")
    assert np.all(second.features > first.features)
    halves = write_stage(tmp_path, "def stage(ranges):\n    return ranges * 0 + [[[0], [2]]]\n", "half.py")
    third = build_store(
        manifest, Pipeline.of(SMALL, length_s=0.2, extract=extract, normalise=halves), tmp_path / "stores"
    )
    assert np.allclose(third.features, second.features / 2)
    assert np.allclose(third.undo(1), second[1])


@pytest.mark.parametrize(
    ("stage", "text", "message"),
    [
        ("pad", "def stage(samples, n):\n    return samples[: n - 1]\n", "gave \\(3199,\\) for 3200 samples"),
        ("pad", "def stage(samples, n):\n    return 1 / 0\n", "ZeroDivisionError: division by zero"),
        ("extract", "def stage(parameters):\n    return lambda s: s\n", "gave features of shape \\(3200,\\)"),
        ("extract", "def stage(parameters):\n    return lambda s: s[None] / 0\n", "gave what is no number"),
        ("extract", "stage = 3\n", "is no function"),
        ("extract", "def stage(:\n", "SyntaxError"),
        ("load", "x = 1\n", "has no 'stage'"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in divide")
def test_a_stage_that_does_not_fit_is_seen_before(
    stage: str, text: str, message: str, tmp_path: Path
) -> None:
    from listener.errors import ListenerError

    with pytest.raises(ListenerError, match=message) as error:
        Pipeline.of(SMALL, length_s=0.2, **{stage: write_stage(tmp_path, text)})
    assert "\n" not in str(error.value)


def test_a_stage_that_fails_on_a_clip_names_it(manifest: Manifest, tmp_path: Path) -> None:
    text = (
        "def stage(samples, n):\n"
        "    if samples.any() and len(samples) > 5000:\n"
        "        raise ValueError('too long for me')\n"
        "    return samples[:n]\n"
    )
    pipeline = Pipeline.of(SMALL, length_s=0.2, pad=write_stage(tmp_path, text))
    with pytest.raises(DatasetError, match=r"003\.wav: --pad .*: ValueError: too long for me"):
        build_store(manifest, pipeline, tmp_path / "stores")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pad": "mirror"}, "--pad mirror: is unknown: there are zeros, centre, repeat, or python:FILE:NAME"),
        ({"save": "int8"}, "--save int8: is unknown: there are float32, float16$"),
        ({"normalise": "hard"}, "--normalise hard: is unknown"),
        ({"length_s": 0.001}, "is --length too short"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Pipeline.of(SMALL, **changes)


def test_features_that_do_not_fit_float16(manifest: Manifest, tmp_path: Path) -> None:
    text = "def stage(parameters):\n    return lambda samples: samples[None] * 1e9 + 1e6\n"
    pipeline = Pipeline.of(SMALL, extract=write_stage(tmp_path, text), save="float16")
    with pytest.raises(DatasetError, match="do not fit into float16: --save float32"):
        build_store(manifest, pipeline, tmp_path / "stores")


samples = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=50).map(
    lambda numbers: np.array(numbers, np.float32)
)


@given(samples, st.integers(1, 80))
@pytest.mark.parametrize("name", stages.STAGES["pad"])
def test_padding_keeps_what_there_is_room_for(name: str, sound: Any, n_samples: int) -> None:
    padded = stages.STAGES["pad"][name](sound, n_samples)
    assert padded.shape == (n_samples,)
    assert padded.dtype == np.float32
    kept = min(n_samples, len(sound))
    pieces = [padded[first : first + kept] for first in range(n_samples - kept + 1)]
    originals = [sound[first : first + kept] for first in range(len(sound) - kept + 1)]
    assert any(np.array_equal(a, b) for a in pieces for b in originals)
