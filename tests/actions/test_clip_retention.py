"""Which clips go: only what the action has written, the oldest first, and never the best."""

import json
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from listener.actions.clip import ClipAction, ClipOptions, retention
from listener.actions.clip.action import ClipPauseError
from listener.actions.clip.files import Entry
from listener.actions.clip.index import INDEX, Index
from listener.actions.clip.retention import DAY_S, Retention
from listener.actions.runner import ActionRunner
from listener.actions.runner.account import ActionStats
from listener.actions.runner.lane import open_action
from tests.actions.fakes import LIMIT_S, ONSET, FakeTap, onset, settings
from tests.actions.test_clip import run
from tests.disk import PAGE, SmallDisk

RATE = 16_000
NOISE = np.random.default_rng(1).uniform(-0.5, 0.5, 40 * RATE).astype(np.float32)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine has its time at the end; the clock of this one is right."""
    monkeypatch.setattr(retention, "CLOSE_S", LIMIT_S)
    monkeypatch.setattr(retention, "ROOM_S", LIMIT_S)
    monkeypatch.setattr(retention, "STEADY_S", 0.0)


@contextmanager
def opened(folder: Path, name: str = "clip", **options: object) -> Iterator[ClipAction]:
    """At the end of the block, what goes is gone."""
    chosen = {"directory": folder, "filename": "{id}", "before_s": 0.5, "after_s": 0.5} | options
    action = ClipAction(name, ClipOptions.model_validate(chosen))
    action.open()
    try:
        yield action
    finally:
        action.close()


def write(action: ClipAction, *numbers: int, label: str = "dog", score: float = 0.5) -> list[Path]:
    events = [replace(onset(n, label), onset_s=n % 30 + 1.0, peak_score=score) for n in numbers]
    return [run(action, event, FakeTap(NOISE)) for event in events]


def clips(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name[0] != "."
    )


# --- the limits --------------------------------------------------------------------------------


def test_of_too_many_the_oldest_go(tmp_path: Path) -> None:
    with opened(tmp_path, keep_count=3) as action:
        write(action, *range(7))
    assert clips(tmp_path) == ["e4.flac", "e5.flac", "e6.flac"]
    with opened(tmp_path, keep_count=2) as action:
        write(action, 7)
    assert clips(tmp_path) == ["e6.flac", "e7.flac"]


def test_what_belongs_to_a_clip_goes_with_it_and_so_do_empty_folders(tmp_path: Path) -> None:
    with opened(tmp_path, keep_count=1, spectrogram=True, sidecar=True, filename="{label}/{id}") as action:
        write(action, 1, label="dog")
        write(action, 2, label="cat")
        write(action, 3, label="cat")
    assert clips(tmp_path) == ["cat/e3.flac", "cat/e3.json", "cat/e3.png"]
    assert not (tmp_path / "dog").exists()


def test_of_too_many_megabytes_the_oldest_go(tmp_path: Path) -> None:
    with opened(tmp_path / "one") as action:
        (one,) = write(action, 1)
    with opened(tmp_path, keep_mb=3.5 * one.stat().st_size / 1e6) as action:
        write(action, *range(8))
    assert clips(tmp_path) == ["e5.flac", "e6.flac", "e7.flac", "one/e1.flac"]


def test_what_is_too_old_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead_s = -10 * DAY_S
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + ahead_s)
    with opened(tmp_path, keep_days=7) as action:
        write(action, 1, 2)
        ahead_s = -5 * DAY_S
        write(action, 3)
        ahead_s = 0.0
    assert clips(tmp_path) == ["e3.flac"]


def test_a_clock_that_was_just_set_makes_nothing_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "STEADY_S", LIMIT_S)
    ahead_s = 0.0
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + ahead_s)
    with opened(tmp_path, keep_days=7) as action:
        write(action, 1, 2)
        ahead_s = 3650 * DAY_S
        write(action, 3)
    assert clips(tmp_path) == ["e1.flac", "e2.flac", "e3.flac"]


def test_one_from_the_future_does_not_keep_the_others(tmp_path: Path) -> None:
    index = Index(tmp_path, "clip")
    for n, written_at in enumerate((time.time() + 1e8, 1.0, 2.0, time.time())):
        (tmp_path / f"{n}.flac").write_bytes(b"x")
        index.add(Entry("dog", 0.5, written_at, ((f"{n}.flac", 1),)))
    Retention("clip", tmp_path, ClipOptions(keep_days=1)).tidy()
    assert clips(tmp_path) == ["0.flac", "3.flac"]


@pytest.mark.parametrize("limit", [{"keep_count": 1}, {"keep_mb": 0.0001}, {"keep_days": 1e-9}])
def test_the_best_of_each_label_stay(tmp_path: Path, limit: dict[str, Any]) -> None:
    with opened(tmp_path, keep_best=2, **limit) as action:
        for n, score in enumerate((0.9, 0.3, 0.8, 0.4, 0.8)):
            write(action, n, label="dog", score=score)
        for n, score in enumerate((0.1, 0.2, 0.1), start=10):
            write(action, n, label="cat", score=score)
        write(action, 20, label="owl", score=0.01)
    # Of the dogs with 0.8, the newer one.
    assert clips(tmp_path) == ["e0.flac", "e11.flac", "e12.flac", "e20.flac", "e4.flac"]


# --- whose files -------------------------------------------------------------------------------


def test_nothing_else_is_ever_deleted(tmp_path: Path) -> None:
    mine = {"a.flac": b"mine", "e0.json": b"{}", "sub/e1.flac": b"mine"}
    for name, content in mine.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    with opened(tmp_path, "other") as action:
        write(action, 100, 101)
    with opened(tmp_path, "third", keep_count=5) as action:
        write(action, 200, 201)
    with opened(tmp_path, keep_count=1) as action:
        write(action, 1, 2, 3, 4)
    left = {*mine, "e100.flac", "e101.flac", "e200.flac", "e201.flac", "e4.flac"}
    assert clips(tmp_path) == sorted(left)
    for name, content in mine.items():
        assert (tmp_path / name).read_bytes() == content


def test_a_clip_that_was_worked_on_is_the_users(tmp_path: Path) -> None:
    with opened(tmp_path, keep_count=9) as action:
        first, second, third = write(action, 1, 2, 3)
    first.write_bytes(first.read_bytes() + b"a comment")
    second.rename(tmp_path / "favourite.flac")
    third.unlink()
    third.symlink_to(tmp_path / "favourite.flac")
    with opened(tmp_path, keep_count=1) as action:
        write(action, 4)
    assert clips(tmp_path) == ["e1.flac", "e3.flac", "e4.flac", "favourite.flac"]


def test_an_index_that_somebody_else_wrote_leads_nowhere(tmp_path: Path) -> None:
    folder, outside = tmp_path / "clips", tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_bytes(b"x")
    with opened(folder, keep_count=1) as action:
        (folder / "link").symlink_to(outside)
        for name in ("../outside/a", "link/a", str(outside / "a")):
            Index(folder, "clip").add(Entry("dog", 0.5, 1.0, ((name, 1),)))
        write(action, 1, 2)
    assert (outside / "a").exists()
    assert clips(folder) == ["e2.flac"]


def test_clips_from_before_are_known_by_the_json_beside_them(tmp_path: Path) -> None:
    with opened(tmp_path, filename="{label}/{id}", sidecar=True) as action:
        write(action, 1, 2, 3)
    with opened(tmp_path, "other", filename="{label}/{id}", sidecar=True) as action:
        write(action, 4)
    (tmp_path / "favourites").mkdir()
    for suffix in (".flac", ".json"):
        shutil.copy(tmp_path / f"dog/e1{suffix}", tmp_path / f"favourites/e1{suffix}")
    (tmp_path / "deep.json").write_text("[" * 60_000)
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "dog" / "e1.flac").touch()  # the newest
    with opened(tmp_path, filename="{label}/{id}", sidecar=True, keep_count=2) as action:
        write(action, 9)
    flacs = [name for name in clips(tmp_path) if name.endswith(".flac")]
    assert len(flacs) == 4
    assert {"dog/e4.flac", "dog/e9.flac", "favourites/e1.flac"} <= set(flacs)
    assert {"deep.json", "list.json", "favourites/e1.json", "dog/e4.json"} <= set(clips(tmp_path))


def test_a_damaged_index_is_begun_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(tmp_path, sidecar=True, keep_count=5) as action:
        write(action, 1, 2)
    (tmp_path / INDEX).write_bytes(b"no database" * 1000)
    with opened(tmp_path, sidecar=True, keep_count=2) as action:
        write(action, 3)
        write(action, 4)
    assert caplog.text.count("the index of its clips is damaged and begun anew") == 1
    assert [name for name in clips(tmp_path) if name.endswith("flac")] == ["e3.flac", "e4.flac"]


def test_what_was_taken_away_by_hand_does_not_count(tmp_path: Path) -> None:
    with opened(tmp_path, keep_count=4) as action:
        paths = write(action, 1, 2, 3, 4)
    for path in paths[2:]:
        path.unlink()
    with opened(tmp_path, keep_count=4) as action:
        write(action, 5, 6)
    assert clips(tmp_path) == ["e1.flac", "e2.flac", "e5.flac", "e6.flac"]


def test_a_look_at_the_configuration_deletes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, keep_count=5) as action:
        write(action, *range(5))
    action = ClipAction("clip", ClipOptions(directory=tmp_path, keep_count=1))
    open_action(action)
    action.close()
    assert len(clips(tmp_path)) == 5


def test_a_program_that_runs_looks_after_the_folder_before_the_first_clip(tmp_path: Path) -> None:
    with opened(tmp_path, keep_count=5) as action:
        write(action, *range(5))
    action = ClipAction("clip", ClipOptions(directory=tmp_path, keep_count=1))
    open_action(action, FakeProgram())
    action.close()
    assert clips(tmp_path) == ["e4.flac"]


class FakeProgram:
    labels = sources = actions = ()

    def stats(self) -> None:
        return None

    def pause(self, action: str, paused: bool) -> None:
        pass

    def is_paused(self, action: str) -> bool:
        return False


def test_after_a_reload_two_of_the_same_name_work_at_once(tmp_path: Path) -> None:
    with opened(tmp_path, keep_count=3) as old, opened(tmp_path, keep_count=3) as new:
        for n in range(0, 20, 2):
            write(old, n)
            write(new, n + 1)
    assert clips(tmp_path) == ["e17.flac", "e18.flac", "e19.flac"]


def test_no_clip_looks_through_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retention, "_reconcile", lambda self: None)
    with opened(tmp_path, keep_count=100_000, keep_mb=1e6, keep_best=5) as action:
        write(action, 1)
        index = Index(tmp_path, "clip")
        index.add_older(
            [Entry(f"label {n % 50}", n % 97 / 97, time.time(), ((f"{n}.flac", 9),)) for n in range(100_000)]
        )

        def scan(*arguments: object) -> None:
            raise AssertionError("the folder is looked through")

        for name in ("iterdir", "glob", "rglob"):
            monkeypatch.setattr(Path, name, scan)
        monkeypatch.setattr("os.scandir", scan)
        monkeypatch.setattr("os.listdir", scan)
        write(action, 2, 3)
    monkeypatch.undo()
    assert index.totals()[0] == 100_000
    assert clips(tmp_path) == ["e1.flac", "e2.flac", "e3.flac"]


# --- the disk ----------------------------------------------------------------------------------


def test_a_disk_that_gets_full_keeps_the_newest_clips(small_disk: SmallDisk) -> None:
    (small_disk.folder / "mine").write_bytes(bytes(300_000))
    folder = small_disk.folder / "clips"
    with opened(folder, least_free_mb=0.5, keep_best=1) as action:
        write(action, 0, score=0.9)
        write(action, *range(1, 200))
    assert small_disk.free >= 500_000
    kept = clips(folder)
    assert "e0.flac" in kept
    assert len(kept) > 10
    assert sorted(kept)[1:] == sorted(f"e{n}.flac" for n in range(200 - len(kept) + 1, 200))
    assert (small_disk.folder / "mine").stat().st_size == 300_000


@pytest.mark.parametrize("least_free_mb", [None, 0.2])
def test_a_full_disk_pauses_clips(
    small_disk: SmallDisk, caplog: pytest.LogCaptureFixture, least_free_mb: float | None
) -> None:
    """Told once, counted, over by itself; no half of a file is seen, and nobody else's is deleted."""
    folder = small_disk.folder / "clips"
    action = ClipAction(
        "clip",
        ClipOptions(
            directory=folder,
            before_s=1,
            after_s=1,
            least_free_mb=least_free_mb,
            keep_best=99 if least_free_mb else 0,
        ),
    )
    runner = ActionRunner([(action, settings(inbox=100))], FakeTap(NOISE))
    caplog.set_level(logging.WARNING)
    runner.start()
    try:
        for first in (0, 10, 20):
            if first == 10:
                small_disk.fill(leave=3 * PAGE)
            for n in range(10):
                runner.submit(replace(onset(first + n), onset_s=first + n + 2.0))
            while (stats := runner.stats()["clip"]).fired + stats.failed < first + 10:
                time.sleep(0.01)
            if first == 10:
                assert len(clips(folder)) == 10
                small_disk.make_room()
    finally:
        runner.stop(LIMIT_S)
    assert runner.stats()["clip"] == ActionStats(fired=20, failed=10)
    assert len(clips(folder)) == 20
    assert {path.name for path in folder.iterdir() if path.name[0] == "."} <= {INDEX}
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2, said
    why = (
        "has less than 0.2 MB free, and no clip may go: make room"
        if least_free_mb
        else "is full: make room, or"
    )
    assert why in said[0]
    assert said[1] == "action 'clip' writes clips again; 10 were not written"


def test_the_index_has_no_room_either(small_disk: SmallDisk, caplog: pytest.LogCaptureFixture) -> None:
    folder = small_disk.folder / "clips"
    with opened(folder, keep_count=1000) as action:
        write(action, 1)
        for leave in range(0, 40 * PAGE, PAGE):
            small_disk.fill(leave=leave)
            with suppress(ClipPauseError):
                write(action, 100 + leave // PAGE)
            small_disk.make_room()
        noted = {entry.files[-1][0] for entry in Index(folder, "clip").all()}
    assert noted >= set(clips(folder))
    assert 1 < len(clips(folder)) < 41
    assert "cannot be noted" not in caplog.text


def test_a_disk_that_is_full_at_the_start(small_disk: SmallDisk) -> None:
    small_disk.fill()
    with opened(small_disk.folder / "clips", keep_count=2) as action:
        with pytest.raises(ClipPauseError, match="is full"):
            write(action, 1)
        small_disk.make_room()
        write(action, 2, 3, 4)
    assert clips(small_disk.folder) == ["clips/e3.flac", "clips/e4.flac"]


def test_many_at_once(tmp_path: Path) -> None:
    """Parallel runs of two actions in one folder: each has its clips, and its limit."""
    tap = FakeTap(NOISE)
    options = ClipOptions(
        directory=tmp_path, filename="{label}", keep_count=5, sidecar=True, before_s=0.5, after_s=0.5
    )
    runner = ActionRunner(
        [
            (ClipAction(name, options), settings(concurrency={"parallel": 4}, inbox=100))
            for name in ("a", "b")
        ],
        tap,
    )
    runner.start()
    for n in range(40):
        runner.submit(replace(ONSET, id=f"e{n}", onset_s=1.0 + n / 4))
    runner.stop(LIMIT_S)
    assert {name: stats.fired for name, stats in runner.stats().items()} == {"a": 40, "b": 40}
    names = clips(tmp_path)
    assert len(names) == 20
    told = [json.loads((tmp_path / name).read_text())["clip"] for name in names if name.endswith(".json")]
    assert sorted(clip["action"] for clip in told) == ["a"] * 5 + ["b"] * 5
    assert all((tmp_path / clip["file"]).is_file() for clip in told)
