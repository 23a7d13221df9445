import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from listener.actions.base import ActionContext, Recording
from listener.actions.clip import ClipAction, ClipOptions
from listener.actions.command.action import CommandAction, CommandOptions
from listener.actions.names import safe_name
from listener.actions.runner import ActionRunner
from listener.actions.runner.account import ActionStats
from listener.config_file import validate
from listener.errors import ActionError, ConfigError
from listener.levels import to_int16
from listener.types import Event
from tests.actions.fakes import LIMIT_S, OFFSET, ONSET, FakeTap, settings

RATE = 16_000

NASTY = [
    "../x",
    "a/b",
    "..",
    ".",
    "",
    "two\nlines",
    "🐕 bark",
    "/etc/passwd",
    "c\\d",
    "-",
    "x" * 999,
    "é" * 999,
    "a\0b",
    "~",
]


def capture(seconds: float) -> NDArray[np.int16]:
    """Sound as a microphone gives it, with both ends of its range."""
    pcm = np.random.default_rng(7).integers(-32_768, 32_768, round(seconds * RATE), dtype=np.int16)
    pcm[::1000], pcm[1::1000] = -32_768, 32_767
    return pcm


def as_float(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    return pcm.astype(np.float32) / np.float32(32_768)


def clip_action(folder: Path, **options: object) -> ClipAction:
    action = ClipAction("clip", ClipOptions.model_validate({"directory": folder} | options))
    action.open()
    return action


def run(action: ClipAction, event: Event = ONSET, tap: FakeTap | None = None) -> Path:
    """Run it on a second of silence, or the sound of ``tap``; give what it published."""
    silence = Recording(np.zeros(RATE, np.float32), 0.0, RATE)
    published: list[Path] = []

    def fetch(start_s: float, end_s: float) -> Recording:
        return silence if tap is None else tap.hold(event.source, 0).fetch(start_s, end_s, LIMIT_S)

    action.run(event, ActionContext(fetch, publish_clip=published.append))
    (path,) = published
    return path


@contextmanager
def running(action: ClipAction, tap: FakeTap, **chosen: object) -> Iterator[ActionRunner]:
    runner = ActionRunner([(action, settings(**chosen))], tap)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop(LIMIT_S)


# --- the sound ---------------------------------------------------------------------------------


def test_the_samples_are_those_that_were_captured(tmp_path: Path) -> None:
    pcm = capture(20)
    path = run(clip_action(tmp_path), ONSET, FakeTap(as_float(pcm)))
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == RATE
    assert soundfile.info(path).subtype == "PCM_16"
    assert soundfile.info(path).format == "FLAC"
    first, last = round((12.5 - 3) * RATE), round((12.5 + 2) * RATE)
    np.testing.assert_array_equal(samples, pcm[first:last])


def test_an_offset_brings_the_whole_event(tmp_path: Path) -> None:
    pcm = capture(20)
    path = run(clip_action(tmp_path, before_s=1, after_s=0.5), OFFSET, FakeTap(as_float(pcm)))
    samples, _ = soundfile.read(path, dtype="int16")
    np.testing.assert_array_equal(samples, pcm[round(11.5 * RATE) : round(15.5 * RATE)])


def test_an_event_at_the_very_beginning(tmp_path: Path) -> None:
    pcm = capture(3)
    path = run(clip_action(tmp_path), replace(ONSET, onset_s=0.25), FakeTap(as_float(pcm)))
    samples, _ = soundfile.read(path, dtype="int16")
    np.testing.assert_array_equal(samples, pcm[: round(2.25 * RATE)])


def test_every_16_bit_value_comes_back() -> None:
    every = np.arange(-32_768, 32_768).astype(np.int16)
    np.testing.assert_array_equal(to_int16(as_float(every)), every)


def test_what_is_past_full_scale_is_clipped() -> None:
    np.testing.assert_array_equal(
        to_int16(np.array([-2.0, -1.0, 1.0, 2.0], np.float32)), [-32_768, -32_768, 32_767, 32_767]
    )


def test_it_waits_until_the_sound_has_been_heard(tmp_path: Path) -> None:
    pcm = capture(16)
    tap = FakeTap()
    action = clip_action(tmp_path)
    with running(action, tap) as runner:
        runner.submit(ONSET)
        assert tap.fetching.wait(LIMIT_S)
        tap.hear(as_float(pcm[: 14 * RATE]))
        assert not list(tmp_path.iterdir())
        tap.hear(as_float(pcm[14 * RATE :]))
    assert runner.stats()["clip"] == ActionStats(fired=1)
    (path,) = tmp_path.iterdir()
    assert soundfile.info(path).frames == 5 * RATE
    assert tap.kept == 0


def test_the_stop_ends_the_wait(tmp_path: Path) -> None:
    tap = FakeTap()
    with running(clip_action(tmp_path), tap) as runner:
        runner.submit(ONSET)
        assert tap.fetching.wait(LIMIT_S)
        runner.stop(0.05)
        assert runner.stats()["clip"] == ActionStats(timed_out=1)
    assert tap.kept == 0
    assert not list(tmp_path.iterdir())


def test_overlapping_events_share_the_wait(tmp_path: Path) -> None:
    tap = FakeTap()
    with running(clip_action(tmp_path, filename="{id}"), tap) as runner:
        for number in range(20):
            runner.submit(replace(ONSET, id=str(number), onset_s=4 + number / 10))
        assert tap.kept == 20
        assert tap.holds[0].from_s == 1.0
        tap.hear(as_float(capture(10)))  # all of it was heard: nobody waits any more
    assert runner.stats()["clip"] == ActionStats(fired=20)
    assert len(list(tmp_path.iterdir())) == 20


# --- the file ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (ONSET, "20260131T061203.250Z_mic_dog.flac"),
        (replace(ONSET, started_at=None), "000012.500s_mic_dog.flac"),
    ],
)
def test_the_name_says_when_where_and_what(tmp_path: Path, event: Event, name: str) -> None:
    assert run(clip_action(tmp_path), event) == tmp_path / name


@pytest.mark.parametrize("text", NASTY)
def test_no_label_or_source_leaves_the_folder(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "clips"
    for filename in ("{time}_{source}_{label}", "{label}"):
        path = run(clip_action(folder, filename=filename), replace(ONSET, label=text, source=text))
        assert path.parent == folder
        assert not path.name.startswith(".")
        assert path.is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["clips"]


@given(st.text())
def test_a_safe_name_is_a_name(text: str) -> None:
    name = safe_name(text)
    assert all(character.isalnum() or character in "-._" for character in name)
    assert len(name.encode()) <= 60


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    action = clip_action(tmp_path, filename="{label}")
    assert [run(action).name for _ in range(3)] == ["dog.flac", "dog_2.flac", "dog_3.flac"]


def test_several_actions_may_share_a_folder(tmp_path: Path) -> None:
    actions = [clip_action(tmp_path, filename="{label}") for _ in range(4)]

    def write(action: ClipAction) -> None:
        for _ in range(5):
            run(action)

    threads = [threading.Thread(target=write, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    assert len(list(tmp_path.glob("dog*.flac"))) == 20


def test_a_file_is_never_seen_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    action = clip_action(tmp_path)
    seen: list[list[str]] = []
    monkeypatch.setattr("os.fsync", lambda file: seen.append([path.suffix for path in tmp_path.iterdir()]))
    path = run(action)
    assert seen == [[".part"]]  # all of it was written, and still nobody could take it for a clip
    assert [path] == list(tmp_path.iterdir())


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_broken(file: int) -> None:
        raise OSError(5, "Input/output error")

    action = clip_action(tmp_path)
    monkeypatch.setattr("os.fsync", disk_broken)
    with pytest.raises(ActionError, match=r"no clip can be written to '.*': Input/output error"):
        run(action)
    assert not list(tmp_path.iterdir())


def test_the_folder_is_made(tmp_path: Path) -> None:
    clip_action(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert not list((tmp_path / "a" / "b").iterdir())


@pytest.mark.parametrize("folder", ["file", "file/below", "/proc/clips"])
def test_a_folder_that_cannot_be_written_is_found_at_once(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ActionError, match="directory: nothing can be written to"):
        clip_action(tmp_path / folder)


def test_a_folder_that_went_away_is_an_error_of_this_run(tmp_path: Path) -> None:
    action = clip_action(tmp_path / "clips")
    (tmp_path / "clips").rmdir()
    with pytest.raises(ActionError, match="no clip can be written"):
        run(action)


def test_settings_as_they_stand_in_a_file() -> None:
    options = validate(ClipOptions, {"directory": "clips", "before_s": 3, "after_s": 2})
    assert options == ClipOptions()


@pytest.mark.parametrize(
    "options",
    [
        {"filename": "/{label}"},
        {"filename": "{label}/"},
        {"filename": "a//b"},
        {"filename": "a/../b"},
        {"filename": "../b"},
        {"filename": "./b"},
        {"filename": "a\0b"},
        {"filename": "a\nb"},
        {"filename": "/".join("abcdefghij")},
        {"format": "mp3"},
        {"keep_days": 0},
        {"keep_count": 0},
        {"keep_best": 3},
        {"filename": "{lable}"},
        {"filename": ".."},
        {"filename": ""},
        {"before_s": -1},
        {"before_s": 15, "after_s": 10},
    ],
)
def test_impossible_settings_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        validate(ClipOptions, options)


def test_a_command_gets_the_clip_of_its_event(tmp_path: Path) -> None:
    folder, copy = tmp_path / "clips", tmp_path / "copy.flac"
    clip = ClipAction("clip", ClipOptions(directory=folder))
    command = CommandAction("copy", CommandOptions(run=("cp", "{clip}", str(copy))))
    tap = FakeTap()
    runner = ActionRunner([(command, settings()), (clip, settings())], tap)
    runner.start()
    runner.submit(ONSET)
    tap.hear(as_float(capture(16)))
    runner.stop(LIMIT_S)
    assert runner.stats() == {"copy": ActionStats(fired=1), "clip": ActionStats(fired=1)}
    (written,) = folder.iterdir()
    assert copy.read_bytes() == written.read_bytes()


def test_there_is_no_clip_of_an_update(tmp_path: Path) -> None:
    action = clip_action(tmp_path)
    for when in ("update", "all"):
        with pytest.raises(ActionError, match="when: a clip is of the sound around"):
            action.adapt(settings(when=when))
    assert action.adapt(settings(when="both")) == settings(when="both")
    action.close()
