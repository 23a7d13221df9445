"""What lies beside a clip, in which format it is, and what it is called."""

import io
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from PIL import Image

from listener.actions.base import Recording
from listener.actions.clip import ClipAction
from listener.actions.clip.naming import _first_free
from listener.actions.clip.picture import HEIGHT, LEFT, TOP, WIDTH, Caption, levels_db, spectrogram_png
from listener.actions.clip.sound import OPUS_RATES, file_rate, sound_file
from listener.errors import ActionError
from listener.event_format import event_dict
from listener.types import Samples
from tests.actions.fakes import OFFSET, ONSET, FakeTap
from tests.actions.test_clip import NASTY, clip_action, run

RATE = 16_000


def tone(seconds: float, rate: int = RATE, hertz: float = 1000.0) -> Samples:
    t = np.arange(round(seconds * rate)) / rate
    return np.asarray(0.3 * np.sin(2 * np.pi * hertz * t), np.float32)


def likeness(heard: NDArray[np.float32], played: NDArray[np.float32]) -> float:
    """Correlation of two sounds of about the same length, 1 if they are equal."""
    n = min(len(heard), len(played))
    return float(np.corrcoef(heard[:n], played[:n])[0, 1])


# --- formats -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["flac", "wav"])
def test_flac_and_wav_hold_the_sound_to_the_bit(tmp_path: Path, form: str) -> None:
    pcm = np.random.default_rng(1).integers(-32_768, 32_768, 15 * RATE).astype(np.int16)
    path = run(
        clip_action(tmp_path, format=form), ONSET, FakeTap(pcm.astype(np.float32) / np.float32(32_768))
    )
    assert path.suffix == f".{form}"
    assert soundfile.info(path).format == form.upper()
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == RATE
    np.testing.assert_array_equal(samples, pcm[round(9.5 * RATE) : round(14.5 * RATE)])


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000])
def test_opus_holds_the_same_sound_at_any_rate(rate: int) -> None:
    played = tone(3.0, rate) + 0.1 * tone(3.0, rate, 330.0)
    memory = io.BytesIO(sound_file("opus", Recording(played, 0.0, rate)))
    assert memory.getvalue()[:4] == b"OggS"
    samples, file_hz = soundfile.read(memory, dtype="float32")
    assert file_hz == file_rate("opus", rate)
    assert file_hz in OPUS_RATES
    assert len(samples) / file_hz == pytest.approx(3.0, abs=1 / rate)
    expected = tone(3.0, file_hz) + 0.1 * tone(3.0, file_hz, 330.0)
    assert likeness(samples, expected) > 0.98


def test_a_player_takes_the_opus_file(tmp_path: Path) -> None:
    path = run(clip_action(tmp_path, format="opus"), ONSET, FakeTap(tone(15)))
    done = subprocess.run(
        [
            "ffprobe",
            "-v",
            "error",
            "-show_entries",
            "stream=codec_name,duration",
            "-of",
            "csv=p=0",
            str(path),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    name, duration = done.stdout.strip().split(",")
    assert name == "opus"
    assert float(duration) == pytest.approx(5.0, abs=0.1)


# --- the picture -------------------------------------------------------------------------------


def shown_pixels(png: bytes | Path) -> NDArray[np.float64]:
    """Brightness of the sound's pixels, shape (HEIGHT, WIDTH)."""
    with Image.open(io.BytesIO(png) if isinstance(png, bytes) else png) as picture:
        picture.load()
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"), float)
    return np.asarray(pixels[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH].sum(axis=2))


@pytest.mark.parametrize(
    ("rate", "hertz", "begin_s"), [(16_000, 3000.0, 1.0), (8_000, 500.0, 3.5), (44_100, 12_000.0, 2.0)]
)
def test_a_burst_is_where_it_was(rate: int, hertz: float, begin_s: float) -> None:
    sound = np.random.default_rng(1).normal(0, 1e-4, 5 * rate).astype(np.float32)
    first = round(begin_s * rate)
    sound[first : first + rate // 2] += tone(0.5, rate, hertz)
    shown = shown_pixels(spectrogram_png(Recording(sound, 0.0, rate), Caption("burst", ())))
    x = WIDTH * (begin_s + 0.25) / 5
    y = HEIGHT * (1 - hertz / (rate / 2))
    bright = shown > 0.7 * shown.max()
    rows, columns = np.nonzero(bright)
    assert np.median(columns) == pytest.approx(x, abs=4)
    assert np.median(rows) == pytest.approx(y, abs=3)
    assert np.ptp(columns) == pytest.approx(WIDTH / 10, abs=10)


@pytest.mark.parametrize(
    "sound", [np.zeros(0), np.zeros(1), np.zeros(100), np.zeros(RATE), np.ones(20 * RATE)]
)
def test_any_sound_has_a_picture(sound: NDArray[np.float64]) -> None:
    shown_pixels(
        spectrogram_png(Recording(sound.astype(np.float32), 0.0, RATE), Caption("🐕 'x\\", (0.0, 99.0)))
    )


def test_silence_is_dark_and_a_full_scale_tone_is_at_0_db() -> None:
    assert (
        shown_pixels(spectrogram_png(Recording(np.zeros(RATE, np.float32), 0.0, RATE), Caption("", ()))).max()
        < 30
    )
    noise = np.random.default_rng(1).normal(0, 1e-5, RATE).astype(np.float32)
    assert levels_db(noise, RATE).max() < -90
    loud = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    assert levels_db(loud, RATE).max() == pytest.approx(0, abs=0.5)


# --- the JSON ----------------------------------------------------------------------------------


def test_the_json_says_what_the_clip_is(tmp_path: Path) -> None:
    action = clip_action(tmp_path, sidecar=True, spectrogram=True, filename="{date}/{label}/{time}")
    path = run(action, OFFSET, FakeTap(tone(20)))
    assert path == tmp_path / "2026-01-31" / "dog" / "20260131T061203.250Z.flac"
    told = json.loads(path.with_name("20260131T061203.250Z.json").read_text())
    clip = told.pop("clip")
    assert told == event_dict(OFFSET)
    below = "2026-01-31/dog/20260131T061203.250Z"
    assert clip == {
        "file": f"{below}.flac",
        "files": [f"{below}.png", f"{below}.json", f"{below}.flac"],
        "action": "clip",
        "start_s": 9.5,
        "end_s": 17.0,
        "started_at": "2026-01-31T06:12:00.250Z",
        "sample_rate": RATE,
        "has_gap": False,
    }
    assert all((tmp_path / name).is_file() for name in clip["files"])


def test_the_json_tells_of_a_gap_and_of_another_rate(tmp_path: Path) -> None:
    action = clip_action(tmp_path, sidecar=True, format="opus")
    silence = Recording(np.zeros(44_100, np.float32), 12.0, 44_100, has_gap=True)
    path = action._write(replace(ONSET, started_at=None), silence)
    clip = json.loads(path.with_suffix(".json").read_text())["clip"]
    assert clip["has_gap"] is True
    assert clip["started_at"] is None
    assert clip["sample_rate"] == 48_000 == soundfile.info(path).samplerate
    assert (clip["start_s"], clip["end_s"]) == (12.0, 13.0)


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*NASTY, "$(reboot)", "`id`", "'\";", "...hidden"])
@pytest.mark.parametrize(
    "filename", ["{label}/{source}", "{source}/{label}/{time}", "a/{label}", "{date}{label}/x"]
)
def test_no_label_leaves_the_folder_by_way_of_another(tmp_path: Path, filename: str, text: str) -> None:
    folder = tmp_path / "clips"
    action = clip_action(folder, filename=filename, sidecar=True)
    for _ in range(2):
        path = run(action, replace(ONSET, label=text, source=text))
        assert path.is_file()
        assert path.resolve().is_relative_to(folder)
        assert not any(part.startswith(".") for part in path.relative_to(folder).parts)
    assert [path.name for path in tmp_path.iterdir()] == ["clips"]
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 4


def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    folder, outside = tmp_path / "clips", tmp_path / "outside"
    action = clip_action(folder, filename="{label}/{time}")
    outside.mkdir()
    (folder / "dog").symlink_to(outside)
    with pytest.raises(ActionError, match="a link leads out of"):
        run(action)
    assert not list(outside.iterdir())


def test_a_folder_that_is_a_link_itself_is_fine(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "clips").symlink_to(tmp_path / "disk")
    run(clip_action(tmp_path / "clips", filename="{label}/{time}"))
    assert len(list((tmp_path / "disk" / "dog").iterdir())) == 1


def test_a_name_is_taken_if_any_of_its_files_is(tmp_path: Path) -> None:
    (tmp_path / "dog.json").write_text("mine")
    path = run(clip_action(tmp_path, filename="{label}", sidecar=True))
    assert path.name == "dog_2.flac"
    assert (tmp_path / "dog.json").read_text() == "mine"
    assert run(clip_action(tmp_path, filename="{label}")).name == "dog.flac"


def test_of_very_many_names_few_are_looked_at() -> None:
    looked: list[str] = []

    def is_taken(path: Path) -> bool:
        looked.append(path.name)
        number = int(path.name.partition("_")[2] or 1)
        return number <= 100_000

    assert _first_free(is_taken, Path("dog")) == Path("dog_100001")
    assert len(looked) < 50


def test_other_actions_see_the_clip_when_all_of_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = clip_action(tmp_path, sidecar=True, spectrogram=True)
    order: list[str] = []
    rename = Path.rename

    def noting(path: Path, target: Path) -> Path:
        order.append(target.suffix)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", noting)
    run(action)
    assert order == [".png", ".json", ".flac"]


def test_what_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    action = clip_action(tmp_path, sidecar=True, keep_count=9)
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if target.suffix == ".flac":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(ActionError, match="Input/output error"):
        run(action)
    action.close()
    assert [path.name for path in tmp_path.iterdir()] == [".clips.sqlite3"]
    assert isinstance(action, ClipAction)
    assert action._retention is not None
    assert action._retention._index.totals() == (0, 0)


def test_what_a_killed_program_left_is_cleared_away(tmp_path: Path) -> None:
    clip_action(tmp_path)
    old = [tmp_path / f".clip-1-1{suffix}.part" for suffix in (".flac", ".png", ".json", ".opus")]
    mine = [tmp_path / ".download.part", tmp_path / "a.flac.part"]
    for path in (*old, *mine):
        path.touch()
        os.utime(path, (0, 0))
    clip_action(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(mine)
