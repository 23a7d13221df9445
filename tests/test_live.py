"""From a sound played into the microphone to what is done about it."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.bundles import loudness_bundle
from tests.program import Program
from tests.virtual_microphone import VirtualMicrophone

RATE = 16_000


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a model that hears loudness, and a program and a clip as actions."""
    loudness_bundle(tmp_path / "loudness.pt")
    (tmp_path / "act.sh").write_text(
        '#!/bin/sh\n(env | grep ^LISTENER_; cat) > "$1.tmp" && mv "$1.tmp" "$1"\n'
    )
    (tmp_path / "act.sh").chmod(0o755)
    path = tmp_path / "config.yaml"
    path.write_text(
        f"""
model: {{path: {tmp_path}/loudness.pt}}
events: {{only: [loud]}}
actions:
  - {{use: log}}
  - {{use: command, labels: [loud], run: [{tmp_path}/act.sh, "{tmp_path}/acted"]}}
  - {{use: clip, directory: {tmp_path}/clips, before_s: 2, after_s: 2}}
"""
    )
    return path


@pytest.mark.parametrize("backend", ["pyaudio", "sounddevice"])
def test_sound_in_event_out_action_fired(
    config: Path, tmp_path: Path, virtual_microphone: VirtualMicrophone, backend: str
) -> None:
    config.write_text(f"sources: [{{use: microphone, name: mic, backend: {backend}}}]\n" + config.read_text())
    with Program("run", "-c", config, "--json") as program:
        program.wait_for_log("listening to mic")
        played = _burst()
        virtual_microphone.play_array(played).wait()
        onset = program.wait_for_event("loud", "onset")
        offset = program.wait_for_event("loud", "offset")
        program.interrupt()
        assert program.wait() == 130
        assert "Traceback" not in "".join(program.told)
    assert offset["id"] == onset["id"]
    assert onset["started_at"].endswith("Z")
    assert offset["offset_s"] - onset["onset_s"] == pytest.approx(1.0, abs=1.0)  # each end exact to a hop
    _assert_acted(tmp_path / "acted", onset)
    _assert_clip_equals(next((tmp_path / "clips").glob("*.flac")), played)


def test_the_devices_own_rate_is_brought_to_the_models(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VirtualMicrophone(rate=48_000, channels=2) as microphone:
        for name, value in microphone.environment.items():
            monkeypatch.setenv(name, value)
        settings = "{use: microphone, name: mic, sample_rate: 48000, channel: 2}"
        config.write_text(f"sources: [{settings}]\n" + config.read_text())
        with Program("run", "-c", config, "--json") as program:
            program.wait_for_log("listening to mic (48000 Hz)")
            tone = np.sin(2 * np.pi * 1_000 * np.arange(48_000) / 48_000)
            stereo = np.stack([np.zeros(48_000), tone], axis=1)
            microphone.play_array(np.round(stereo * 16_000).astype(np.int16)).wait()
            assert program.wait_for_event("loud", "onset")["source"] == "mic"


@pytest.mark.parametrize("label", ["crying_baby", "rooster", "siren"])
def test_a_real_recording_is_named_live(
    data: Path, household: Path, virtual_microphone: VirtualMicrophone, tmp_path: Path, label: str
) -> None:
    """A training recording: what is tested is the way from the microphone to the event, not the model."""
    (tmp_path / "config.yaml").write_text(f"model: {{path: {household}}}\n")
    clip = sorted((data / "esc50" / "audio" / "fold1").glob(f"*-{_TARGETS[label]}.flac"))[0]
    with Program("run", "-c", tmp_path / "config.yaml", "--json") as program:
        program.wait_for_log("listening to mic")
        virtual_microphone.play(clip).wait()
        assert program.wait_for_event(label, "offset")["peak_score"] > 0.5


_TARGETS = {"crying_baby": 20, "rooster": 1, "siren": 42}
"""Numbers of the labels in the names of ESC-50's files."""


def _burst() -> NDArray[np.int16]:
    """Three seconds of next to nothing, a second of noise, and next to nothing again.

    The first window, of a second, is over before the noise begins: so its onset is exact.
    """
    rng = np.random.default_rng(1)
    gain = np.repeat([10, 8_000, 10], [3 * RATE, RATE, RATE])
    return np.asarray(np.round(rng.uniform(-1, 1, 5 * RATE) * gain), np.int16)


def _assert_acted(path: Path, onset: dict[str, object]) -> None:
    told = path.read_text().splitlines()
    environment = dict(line.split("=", 1) for line in told if line.startswith("LISTENER_"))
    assert environment["LISTENER_EVENT_ID"] == onset["id"]
    assert environment["LISTENER_LABEL"] == "loud"
    assert environment["LISTENER_PHASE"] == "onset"
    assert environment["LISTENER_SOURCE"] == "mic"
    assert float(environment["LISTENER_SCORE"]) == onset["score"]
    assert float(environment["LISTENER_ONSET_S"]) == onset["onset_s"]
    assert environment["LISTENER_OFFSET_S"] == ""
    assert environment["LISTENER_STARTED_AT"] == onset["started_at"]
    assert json.loads(told[-1]) == onset


def _assert_clip_equals(path: Path, played: NDArray[np.int16]) -> None:
    """What is in the clip is what was played, to the sample, at some place."""
    recorded, rate = soundfile.read(path, dtype="int16")
    assert rate == RATE
    loud = np.abs(recorded.astype(np.float32)) > 100
    first = int(np.argmax(loud)) - int(np.argmax(np.abs(played) > 100))
    begin, end = max(first, 0), min(first + len(played), len(recorded))
    assert end - begin > RATE  # the loud second is in it as a whole
    np.testing.assert_array_equal(recorded[begin:end], played[begin - first : end - first])
