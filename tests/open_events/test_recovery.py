"""Events that were open when the program was killed end on its next start."""

import logging
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from listener.open_events import OpenEvents, journal_key
from listener.open_events.ledger import still_on_line, told_line
from listener.types import Event, Reason
from tests.open_events.lives import CAT, DOG, START, Life, ended, going_on


def test_what_was_open_at_a_kill_ends_on_the_next_start(tmp_path: Path) -> None:
    life = Life(tmp_path)
    assert life.journal.recovered() == []
    life.journal.note(DOG)
    life.journal.note(CAT)
    life.journal.note(ended(DOG, 15.0))
    life.journal.told(ended(DOG, 15.0))
    life.wait_for_text(told_line(DOG.id))
    life.kill()
    after = Life(tmp_path)
    assert after.journal.recovered() == [ended(CAT, 14.0)]
    after.journal.close()


def test_an_event_ends_where_it_was_last_heard(tmp_path: Path, quick: None) -> None:
    life = Life(tmp_path)
    life.journal.note(DOG)
    life.journal.watch(going_on(DOG, 17.25))
    life.journal.watch(going_on(DOG, 19.0, Reason.RELEASING))
    life.journal.watch(going_on(replace(DOG, source="other"), 20.0))
    life.wait_for_text(still_on_line({DOG.id: 17.25}))
    life.kill()
    after = Life(tmp_path)
    assert after.journal.recovered() == [ended(DOG, 17.25)]
    after.journal.close()


def test_an_end_that_nobody_was_told_of_is_told_as_it_was(tmp_path: Path) -> None:
    life = Life(tmp_path)
    end = replace(ended(DOG, 15.0), peak_score=0.99)
    life.journal.note(DOG)
    life.journal.note(end)
    life.kill()
    after = Life(tmp_path)
    assert after.journal.recovered() == [end]
    after.journal.close()


def test_what_was_recovered_and_told_is_not_told_again(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.journal.note(DOG)
    life.kill()
    second = Life(tmp_path)
    (end,) = second.journal.recovered()
    second.journal.note(end)
    second.kill()
    third = Life(tmp_path)
    assert third.journal.recovered() == [end]  # nobody is known to have been told
    third.journal.note(end)
    third.journal.told(end)
    third.wait_for_text(told_line(end.id))
    third.kill()
    fourth = Life(tmp_path)
    assert fourth.journal.recovered() == []
    fourth.journal.close()


def test_troubles_last_as_long_as_time_goes_by(tmp_path: Path, quick: None) -> None:
    life = Life(tmp_path)
    lost = replace(DOG, label="@source.lost")
    life.journal.note(lost)
    life.wait_for_text("still_on")
    life.kill()
    after = Life(tmp_path)
    (end,) = after.journal.recovered()
    after.journal.close()
    assert end.offset_s is not None
    assert end.ended_at is not None
    assert end.offset_s > lost.onset_s
    assert end.ended_at - START == timedelta(seconds=end.offset_s - lost.onset_s)


def test_a_clean_end_leaves_nothing_behind(tmp_path: Path) -> None:
    life = Life(tmp_path / "made" / "here")
    life.journal.note(DOG)
    life.journal.note(ended(DOG, 15.0))
    life.journal.told(ended(DOG, 15.0))
    life.journal.close()
    assert list((tmp_path / "made" / "here").iterdir()) == []


def test_an_event_without_a_clock_ends_without_one(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.journal.note(replace(DOG, started_at=None))
    life.kill()
    after = Life(tmp_path)
    assert after.journal.recovered() == [replace(ended(DOG, 12.5), started_at=None, ended_at=None)]
    after.journal.close()


def test_many_threads_may_note_at_once(tmp_path: Path) -> None:
    life = Life(tmp_path)
    events = [replace(DOG, id=f"e{number}") for number in range(200)]

    def note(part: list[Event]) -> None:
        for event in part:
            life.journal.note(event)

    threads = [threading.Thread(target=note, args=(events[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    life.kill()
    after = Life(tmp_path)
    assert {event.id for event in after.journal.recovered()} == {event.id for event in events}
    after.journal.close()


@pytest.mark.parametrize(("is_service", "level"), [(False, logging.DEBUG), (True, logging.WARNING)])
def test_a_second_daemon_goes_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, is_service: bool, level: int
) -> None:
    caplog.set_level(logging.DEBUG)
    first = Life(tmp_path)
    first.journal.note(DOG)
    second = Life(tmp_path, is_service=is_service)
    (record,) = [record for record in caplog.records if "another process" in record.message]
    assert record.levelno == level
    assert second.journal.recovered() == []
    second.journal.note(CAT)
    second.journal.told(ended(CAT, 15.0))
    second.journal.close()
    first.kill()
    third = Life(tmp_path)
    assert [event.id for event in third.journal.recovered()] == [DOG.id]
    third.journal.close()


def test_another_key_is_another_file(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.journal.note(DOG)
    other = Life(tmp_path, key="other")
    assert other.journal.recovered() == []
    other.journal.close()
    life.kill()


def test_a_daemon_is_known_by_its_configuration_and_its_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    keys = [
        journal_key(None, ()),
        journal_key(tmp_path / "config.yaml", ()),
        journal_key(tmp_path / "config.yaml", ("mic",)),
        journal_key(tmp_path / "config.yaml", ("mic", "demo")),
        journal_key(tmp_path / "other.yaml", ("mic",)),
    ]
    assert len(set(keys)) == len(keys)
    assert journal_key(Path("config.yaml"), ()) == keys[1]
    assert all(key.isalnum() for key in keys)


def test_without_a_folder_nothing_is_noted(caplog: pytest.LogCaptureFixture) -> None:
    journal = OpenEvents(None, "key")
    journal.start()
    journal.note(DOG)
    journal.watch(going_on(DOG, 17.0))
    journal.told(ended(DOG, 17.0))
    journal.close()
    assert journal.recovered() == []
    assert journal.missed == 0
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
