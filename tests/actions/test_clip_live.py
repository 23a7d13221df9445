"""From a sound that is played into a microphone to what lies in the folder."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.actions.test_clip_files import likeness, shown_pixels
from tests.bundles import loudness_bundle
from tests.program import Program
from tests.virtual_microphone import VirtualMicrophone

RATE = 16_000
N_BURSTS = 3
PERIOD_S = 2.5


def _bursts() -> NDArray[np.int16]:
    """Half a second of a tone in every two and a half, each higher than the one before, in a quiet room."""
    rng = np.random.default_rng(1)
    t = np.arange(RATE // 2) / RATE
    sound = rng.uniform(-10, 10, round(N_BURSTS * PERIOD_S * RATE))
    for n in range(N_BURSTS):
        first = round((n * PERIOD_S + 1.5) * RATE)
        sound[first : first + len(t)] += 12_000 * np.sin(2 * np.pi * (1000 + 500 * n) * t)
    return np.asarray(np.round(sound), np.int16)


def test_clips_of_what_was_played(virtual_microphone: VirtualMicrophone, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    common = f"use: clip, directory: {tmp_path}/clips, before_s: 1, after_s: 1, sidecar: true"
    config.write_text(
        f"""
sources: [{{use: microphone, name: mic}}]
model: {{path: {loudness_bundle(tmp_path / "loudness.pt")}}}
windows: {{hop_s: 0.1}}
events: {{only: [loud], default: {{release_s: 0.1, cooldown_s: 0}}}}
actions:
  - {{{common}, name: one, spectrogram: true}}
  - {{{common}, name: two, format: wav, filename: "wav/{{date}}/{{label}}/{{time}}"}}
  - {{{common}, name: three, format: opus, filename: "opus/{{id}}", keep_count: 2}}
"""
    )
    played = _bursts()
    with Program("run", "-c", config, "--json") as program:
        program.wait_for_log("listening to mic")
        player = virtual_microphone.play_array(played)
        events = [program.wait_for_event("loud", "onset") for _ in range(N_BURSTS)]
        player.wait()
        program.wait_for_event("loud", "offset")
        program.interrupt()
        assert program.wait() == 130
    folder = tmp_path / "clips"
    found = {
        suffix: sorted(folder.rglob(f"*{suffix}")) for suffix in (".flac", ".wav", ".opus", ".png", ".json")
    }
    # The oldest of the Opus files has gone, with all that belonged to it.
    assert {suffix: len(paths) for suffix, paths in found.items()} == {
        ".flac": 3,
        ".wav": 3,
        ".opus": 2,
        ".png": 3,
        ".json": 8,
    }
    assert {path.stem for path in found[".opus"]} == {event["id"] for event in events[-2:]}
    for path in found[".json"]:
        _assert_true(path, folder, {event["id"]: event for event in events}, played)


def _assert_true(
    sidecar: Path, folder: Path, events: dict[str, dict[str, object]], played: NDArray[np.int16]
) -> None:
    """The JSON tells of an event that was printed, and the files are what was played then."""
    told = json.loads(sidecar.read_text())
    clip = told.pop("clip")
    assert told == events[told["id"]]
    path = folder / clip["file"]
    assert path.with_suffix(".json") == sidecar
    assert not clip["has_gap"]
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == clip["sample_rate"] == RATE
    assert len(samples) / RATE == pytest.approx(clip["end_s"] - clip["start_s"], abs=0.001)
    first = _position(samples, played)
    expected = played[first : first + len(samples)]
    n = min(len(samples), len(expected))
    if path.suffix == ".opus":
        assert likeness(samples[:n].astype(np.float32), expected[:n].astype(np.float32)) > 0.95
    else:
        np.testing.assert_array_equal(samples[:n], expected[:n])
    loud_s = np.flatnonzero(np.abs(samples.astype(float)) > 6000) / RATE
    assert loud_s[0] == pytest.approx(told["onset_s"] - clip["start_s"], abs=0.25)
    if path.suffix == ".flac":
        _assert_shows(path.with_suffix(".png"), loud_s, len(samples) / RATE)


def _position(samples: NDArray[np.int16], played: NDArray[np.int16]) -> int:
    """Where a clip lies in what was played."""
    n = len(samples) + len(played)
    ours, theirs = np.fft.rfft(samples.astype(float), n), np.fft.rfft(played.astype(float), n)
    lag = int(np.argmax(np.fft.irfft(theirs * np.conj(ours), n)))
    assert lag + len(samples) // 2 <= len(played)
    return lag


def _assert_shows(picture: Path, loud_s: NDArray[np.float64], length_s: float) -> None:
    shown = shown_pixels(picture)
    tone = shown[np.argmax(shown.sum(axis=1))]
    columns = np.flatnonzero(tone > 0.75 * shown.max()) / len(tone) * length_s
    # The line at the onset is as bright, and lies before the sound by as much as the model is early.
    assert np.percentile(columns, [10, 90]) == pytest.approx(np.percentile(loud_s, [10, 90]), abs=0.05)
