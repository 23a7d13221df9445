"""``listener dataset scan``: what is measured."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.training.data.measure import measure
from tests.training.data import trees
from tests.training.data.trees import RATE, clip_of, look, noise, write

STEP = 1 / 32_768


@given(
    lead=st.integers(0, 3_000),
    tail=st.integers(0, 3_000),
    step=st.sampled_from([0, STEP, -STEP]),
    at_once=st.integers(500, 5_000),
)
def test_digital_silence_at_the_edges_is_found_to_the_sample(
    tmp_path_factory: pytest.TempPathFactory, lead: int, tail: int, step: float, at_once: int
) -> None:
    folder = tmp_path_factory.mktemp("edges")
    sound = noise(1, 0.2)
    sound[[0, -1]] = 0.5
    sound[700:900] = 0
    samples = np.concatenate((np.full(lead, step), sound, np.full(tail, step)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("listener.training.data.measure._READ_SAMPLES", at_once)
        padded = measure(write(folder / "padded.wav", samples))
        plain = measure(write(folder / "plain.flac", sound))
    assert (padded.first_sample, padded.end_sample) == (lead, lead + len(sound))
    assert padded.n_samples == len(samples)
    assert padded.sound_sha256 == plain.sound_sha256
    assert padded.sha256 != plain.sha256
    assert padded.rms_db == pytest.approx(plain.rms_db, abs=0.01)


@pytest.mark.parametrize(
    ("subtype", "ending", "step"),
    [("PCM_U8", "wav", 2**-7), ("PCM_16", "wav", STEP), ("PCM_24", "wav", 2**-23), ("PCM_32", "wav", 2**-31),
     ("FLOAT", "wav", 0), ("DOUBLE", "wav", 0), ("PCM_16", "flac", STEP), ("PCM_24", "aiff", 2**-23),
     ("ULAW", "wav", 2**-5), ("VORBIS", "ogg", 2**-5)],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_levels_of_every_kind_of_file(
    tmp_path: Path, subtype: str, ending: str, step: float, channels: int
) -> None:
    time_s = np.arange(RATE) / RATE
    tone = 0.5 * np.sin(2 * np.pi * 440 * time_s)
    path = write(tmp_path / f"tone.{ending}", np.tile(tone[:, None], channels), subtype)
    found = measure(path, spectrum=True)
    assert (found.sample_rate, found.channels, found.n_samples) == (RATE, channels, RATE)
    assert found.rms_db == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.15 + 100 * step)
    assert found.peak_db == pytest.approx(20 * np.log10(0.5), abs=0.15 + 100 * step)
    assert (found.silent_share, found.quiet_share) == (0, 0)


def test_the_mean_of_the_channels_is_what_is_heard(tmp_path: Path) -> None:
    sound = noise(1)
    apart = measure(write(tmp_path / "apart.wav", np.stack([sound, np.zeros_like(sound)], axis=1)))
    alone = measure(write(tmp_path / "alone.wav", sound))
    assert apart.rms_db == pytest.approx(alone.rms_db - 6.02, abs=0.01)
    assert apart.peak_db == alone.peak_db
    against = measure(write(tmp_path / "against.wav", np.stack([sound, -sound], axis=1)))
    assert against.is_silent


def test_digital_silence_has_no_level(tmp_path: Path) -> None:
    found = measure(write(tmp_path / "none.wav", np.zeros(RATE)), spectrum=True)
    assert found.is_silent
    assert (found.rms_db, found.peak_db) == (float("-inf"), float("-inf"))
    assert (found.silent_share, found.quiet_share, found.bandwidth_hz) == (1, 1, 0)


def test_shares_of_silence_and_of_quiet(tmp_path: Path) -> None:
    loud = 0.5 * np.ones(RATE // 2) * np.tile([1, -1], RATE // 4)
    parts = [loud, 0.003 * loud, np.zeros(RATE)]
    found = measure(write(tmp_path / "parts.wav", np.concatenate(parts)))
    assert found.silent_share == pytest.approx(0.5, abs=0.01)
    assert found.quiet_share == pytest.approx(0.75, abs=0.01)


def test_bandwidth_is_where_sound_ends(tmp_path: Path) -> None:
    rate, cutoff_hz = 32_000, 5_000
    spectrum = np.fft.rfft(noise(1, 2.0, rate))
    spectrum[round(cutoff_hz * 2.0) :] = 0
    found = measure(write(tmp_path / "dull.wav", np.fft.irfft(spectrum), "PCM_24", rate), spectrum=True)
    assert found.bandwidth_hz == pytest.approx(cutoff_hz, rel=0.05)
    full = measure(write(tmp_path / "full.wav", noise(1, 2.0, rate), "PCM_24", rate), spectrum=True)
    assert full.bandwidth_hz == pytest.approx(rate / 2, rel=0.01)


def test_edges_stand_in_the_manifest(tmp_path: Path) -> None:
    trees.folders(tmp_path, ("dog",), 2)
    padded = np.concatenate((np.zeros(1_000), noise(7), np.zeros(6_001)))
    write(tmp_path / "dog" / "padded.wav", padded)
    write(tmp_path / "dog" / "nearly.wav", np.concatenate((np.zeros(40), noise(8), np.zeros(40))))
    found = look(tmp_path)
    clip = clip_of(found, "dog/padded.wav")
    assert (clip.first_s, clip.active_s, clip.duration_s) == (0.125, 0.6, round(len(padded) / RATE, 6))
    nearly = clip_of(found, "dog/nearly.wav")
    assert (nearly.first_s, nearly.active_s) == (0, nearly.duration_s)


def test_real_clips_end_in_digital_silence(data: Path) -> None:
    """Known from where they come from: 33 of the 40 of glass breaking in all of ESC-50."""
    names = sorted((data / "esc50" / "audio").glob("fold*/*-39.flac"))
    ends = [found.n_samples - found.end_sample for found in map(measure, names)]
    assert len(ends) == 32
    assert sum(end > 8_000 for end in ends) > 20
