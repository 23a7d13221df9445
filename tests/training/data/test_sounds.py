"""Clips in memory."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from listener.errors import DatasetError
from listener.training.data.clip import Clip, Manifest
from listener.training.data.manifest import read_manifest
from listener.training.data.sounds import BLOCK_SAMPLES, Sound, alarms, beeps, load_sounds, make_sound, quiet

RATE = 16_000


def sine(length_s: float = 1.0, rate: int = RATE, pitch_hz: float = 440.0) -> NDArray[np.float64]:
    return 0.5 * np.sin(2 * np.pi * pitch_hz * np.arange(round(length_s * rate)) / rate)


def load(folder: Path, *clips: Clip, rate: int = RATE) -> list[Sound]:
    return load_sounds(Manifest(folder, clips), rate)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_any_wav(tmp_path: Path, subtype: str, channels: int) -> None:
    frames = np.stack([sine() * (2 * (c + 1) / (channels + 1)) for c in range(channels)], axis=1)
    soundfile.write(tmp_path / "a.wav", frames, RATE, subtype=subtype)
    (sound,) = load(tmp_path, Clip("a.wav", "dog"))
    assert sound.samples.dtype == np.int16
    assert np.abs(sound.samples / 32_768 - sine()).max() < (0.02 if subtype in {"PCM_U8", "ULAW"} else 1e-3)
    assert sound.clip == Clip("a.wav", "dog")


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_any_rate(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.flac", sine(rate=rate), rate)
    (sound,) = load(tmp_path, Clip("a.flac", "dog"))
    assert len(sound.samples) == RATE
    assert np.abs(sound.samples / 32_768 - sine())[500:-500].max() < 5e-3


def test_16_bits_stay_as_they_are(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-32_768, 32_768, RATE).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="PCM_16")
    (sound,) = load(tmp_path, Clip("a.wav", "dog"))
    assert np.array_equal(sound.samples, samples)


def test_clips_are_cut_and_may_share_a_file(tmp_path: Path) -> None:
    samples = (np.arange(4 * RATE) // 4).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    clips = [Clip("a.wav", "dog", first_s=0.5, active_s=1.0), Clip("a.wav", "cat", first_s=3.0)]
    dog, cat = load(tmp_path, *clips)
    assert (dog.label, cat.label) == ("dog", "cat")
    assert np.array_equal(dog.samples, samples[RATE // 2 : RATE // 2 + RATE])
    assert np.array_equal(cat.samples, samples[3 * RATE :])


def test_very_short_clips(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", sine(0.1), RATE)
    soundfile.write(tmp_path / "b.wav", sine()[5:6], RATE)
    short, one_sample = load(tmp_path, Clip("a.wav", "dog"), Clip("b.wav", "dog"))
    assert len(short.samples) == 1_600
    assert len(one_sample.samples) == 1


def test_all_problems_are_listed(tmp_path: Path) -> None:
    (tmp_path / "text.flac").write_bytes(b"fLaC, or so it says")
    broken = sine()
    broken[7:9] = np.nan, np.inf
    soundfile.write(tmp_path / "nan.wav", broken, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    soundfile.write(tmp_path / "short.wav", sine(), RATE)
    soundfile.write(tmp_path / "good.wav", sine(), RATE)
    clips = [Clip(f"{name}.wav", "dog") for name in ("nan", "silent", "good", "absent")]
    clips += [Clip("text.flac", "dog"), Clip("short.wav", "dog", first_s=2.0)]
    with pytest.raises(DatasetError) as raised:
        load(tmp_path, *clips)
    lines = str(raised.value).splitlines()
    assert len(lines) == 5
    for line, words in zip(
        lines,
        (
            "nan.wav: 2 of its values are no numbers",
            "silent.wav: holds nothing but silence",
            "absent.wav",
            "text.flac",
            "short.wav",
        ),
        strict=True,
    ):
        assert words in line


def test_where_it_sounds_is_known(tmp_path: Path) -> None:
    samples = np.concatenate((sine(0.512), np.zeros(RATE), sine(0.256)))
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    (sound,) = load(tmp_path, Clip("a.wav", "dog"))
    assert sound.sounding_samples(0, len(samples)) == pytest.approx(0.768 * RATE, abs=2 * BLOCK_SAMPLES)
    assert sound.sounding_samples(10_000, 20_000) == 0
    assert sound.sounding_samples(0, 4_096) == 4_096


def test_what_is_40_db_below_the_loudest_does_not_count() -> None:
    loud, faint = np.full(RATE, 20_000, np.int16), np.full(RATE, 150, np.int16)
    sound = make_sound("dog", np.concatenate((loud, faint)))
    assert sound.sounding_samples(0, 2 * RATE) == pytest.approx(RATE, abs=BLOCK_SAMPLES)


def test_made_sounds_are_the_same_for_the_same_seed() -> None:
    for one, again, other in (
        [beeps(RATE, seed, 2) for seed in (1, 1, 2)],
        [alarms(["smoke_alarm"], RATE, seed, 1) for seed in (1, 1, 2)],
    ):
        assert all(np.array_equal(a.samples, b.samples) for a, b in zip(one, again, strict=True))
        assert not np.array_equal(one[0].samples, other[0].samples)
    assert alarms(["dog"], RATE, 1, 4) == []


def test_quiet_rooms_are_quiet() -> None:
    silence, noise = quiet(RATE, seed=0, n_sounds=2)
    assert not silence.samples.any()
    assert 0 < np.abs(noise.samples).max() < 1_000


def test_real_clips(data: Path) -> None:
    manifest = read_manifest(data)
    clips = manifest.clips[:: len(manifest.clips) // 25]
    sounds = load(manifest.folder, *clips)
    assert [sound.label for sound in sounds] == [clip.label for clip in clips]
    for sound in sounds:
        assert sound.clip is not None
        if sound.clip.active_s is not None:
            assert len(sound.samples) / RATE == pytest.approx(sound.clip.active_s, abs=0.01)
        assert sound.sounding[-1] > 0
