"""Open events are noted whatever the disk does, or at least nobody waits for it."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from listener.open_events import writer
from listener.open_events.file import JournalFile
from tests.open_events.lives import CAT, DOG, Life, ended, wait_until
from tests.program import PATIENCE_S


class Disk:
    """Makes the journal's writes fail or hang."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error: OSError | None = None
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.reached = threading.Event()
        for name in ("lock", "append", "rewrite"):
            self._stand_before(monkeypatch, name)

    def _stand_before(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        real = getattr(JournalFile, name)

        def guarded(file: JournalFile, *arguments: str) -> None:
            self.reached.set()
            self.may_go_on.wait(PATIENCE_S)
            if self.error is not None:
                raise self.error
            real(file, *arguments)

        monkeypatch.setattr(JournalFile, name, guarded)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk(monkeypatch)
    yield disk
    disk.may_go_on.set()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_full_disk_is_told_once_counted_and_mended(
    tmp_path: Path, disk: Disk, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    life = Life(tmp_path)
    life.journal.note(DOG)
    disk.error = OSError(28, "No space left on device")
    life.journal.note(CAT)
    life.journal.note(ended(DOG, 15.0))
    life.journal.told(ended(DOG, 15.0))
    wait_until(lambda: bool(warnings(caplog)), "somebody complains")
    (complaint,) = warnings(caplog)
    assert "No space left on device" in complaint
    assert str(life.path) in complaint
    assert life.journal.missed == 2
    disk.error = None
    wait_until(lambda: len(warnings(caplog)) > 1, "it is said that all is well")
    assert warnings(caplog)[1:] == ["open events are noted again; 2 were not"]
    life.kill()
    after = Life(tmp_path)
    assert after.journal.recovered() == [ended(CAT, 14.0)]
    after.journal.close()


def test_a_disk_that_comes_late_still_has_what_was_open(tmp_path: Path, disk: Disk, quick: None) -> None:
    before = Life(tmp_path)
    before.journal.note(DOG)
    before.kill()
    disk.error = OSError(30, "Read-only file system")
    life = Life(tmp_path)
    assert life.journal.recovered() == []
    life.journal.note(CAT)
    disk.error = None
    life.wait_for_text(CAT.id)
    life.kill()
    after = Life(tmp_path)
    assert {event.id for event in after.journal.recovered()} == {DOG.id, CAT.id}
    after.journal.close()


def test_a_disk_that_comes_late_may_be_another_ones(
    tmp_path: Path, disk: Disk, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    disk.error = OSError(30, "Read-only file system")
    life = Life(tmp_path, is_service=True)
    disk.error = BlockingIOError(11, "Resource temporarily unavailable")
    wait_until(lambda: len(warnings(caplog)) > 1, "it is said whose file it is")
    life.journal.note(DOG)
    life.journal.close()
    assert ["another process" in text for text in warnings(caplog)] == [False, True]


def test_a_disk_that_hangs_holds_up_nobody(tmp_path: Path, disk: Disk, quick: None, impatient: None) -> None:
    life = Life(tmp_path)
    life.wait_for_text("")
    disk.reached.clear()
    disk.may_go_on.clear()
    for number in range(2 * writer.MOST_WAITING):
        life.journal.note(replace(DOG, id=f"e{number}"))
    assert disk.reached.wait(PATIENCE_S)
    assert not disk.may_go_on.is_set()  # all of them came through while it hung
    assert life.journal.missed == 2 * writer.MOST_WAITING
    disk.may_go_on.set()
    life.wait_for_text(f"e{2 * writer.MOST_WAITING - 1}")
    life.kill()
    after = Life(tmp_path)
    assert len(after.journal.recovered()) == 2 * writer.MOST_WAITING
    after.journal.close()


def test_a_disk_that_hangs_for_long_is_spoken_of_once(
    tmp_path: Path,
    disk: Disk,
    quick: None,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(writer, "HANGS_S", 0.0)
    life = Life(tmp_path)
    disk.may_go_on.clear()
    for event in (DOG, CAT):
        life.journal.note(event)
    assert [text for text in warnings(caplog) if "hangs" in text] == warnings(caplog)
    assert len(warnings(caplog)) == 1
    disk.may_go_on.set()
    life.wait_for_text(CAT.id)
    life.journal.close()


def test_a_disk_that_hangs_does_not_keep_the_program_from_ending(
    tmp_path: Path, disk: Disk, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "CLOSE_WAITS_S", 0.1)
    life = Life(tmp_path)
    disk.may_go_on.clear()
    life.journal.note(DOG)
    life.journal.close()
    assert not disk.may_go_on.is_set()


@pytest.mark.parametrize("what", ["the file", "the folder"])
def test_what_somebody_removed_is_made_anew(tmp_path: Path, quick: None, what: str) -> None:
    folder = tmp_path / "state"
    life = Life(folder)
    life.journal.note(DOG)
    life.path.unlink()
    if what == "the folder":
        for left in folder.iterdir():
            left.unlink()
        folder.rmdir()
    life.journal.note(CAT)
    life.wait_for_text(CAT.id)
    assert DOG.id in life.path.read_text()
    life.journal.close()


def test_the_file_stays_small(tmp_path: Path, quick: None) -> None:
    life = Life(tmp_path)
    life.journal.note(DOG)
    largest = 0
    for number in range(2_000):
        event = replace(CAT, id=f"e{number}")
        life.journal.note(event)
        life.journal.note(ended(event, 15.0))
        life.journal.told(ended(event, 15.0))
        largest = max(largest, life.path.stat().st_size)
    life.kill()
    assert largest < 2 * writer.COMPACT_BYTES
    after = Life(tmp_path)
    assert DOG.id in [event.id for event in after.journal.recovered()]
    after.journal.close()


def test_what_a_killed_rewrite_left_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / ".open-events-key.jsonl.4711"
    left.write_text("half of a fi")
    other = tmp_path / ".open-events-other.jsonl.4711"
    other.write_text("somebody else's")
    life = Life(tmp_path)
    assert not left.exists()
    assert other.exists()
    life.journal.close()


def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.journal.note(DOG)
    assert life.path.stat().st_mode & 0o077 == 0
    life.kill()
    after = Life(tmp_path)
    after.journal.note(CAT)
    assert after.path.stat().st_mode & 0o077 == 0
    after.journal.close()
