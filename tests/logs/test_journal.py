import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.logs import fields
from listener.logs.journal import JournalHandler, entry, field_name, fields_of, stderr_is_journal
from tests.logs.journald import Journald, parsed
from tests.logs.loggers import NAME, logger_of


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[Journald]:
    with Journald(tmp_path / "socket") as journald:
        yield journald


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logging.Logger]:
    """A logger that sends to the test's socket."""
    with logger_of(JournalHandler(tmp_path / "socket")) as log:
        yield log


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no")


def fail() -> None:
    raise ValueError("first line\nsecond line")


def test_an_entry_has_level_origin_and_fields(log: logging.Logger, journald: Journald) -> None:
    log.warning("%s is lost", "mic", extra=fields(source="mic", lost_s=1.5, tries=2, again=False, until=None))
    assert (told := journald.entry()) == {
        "MESSAGE": "mic is lost",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "listener",
        "CODE_FILE": __file__,
        "CODE_LINE": told["CODE_LINE"],
        "CODE_FUNC": "test_an_entry_has_level_origin_and_fields",
        "LISTENER_LOGGER": NAME,
        "LISTENER_THREAD": "MainThread",
        "LISTENER_SOURCE": "mic",
        "LISTENER_LOST_S": "1.5",
        "LISTENER_TRIES": "2",
        "LISTENER_AGAIN": "false",
    }


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.DEBUG, "7"),
        (logging.INFO, "6"),
        (25, "6"),
        (logging.WARNING, "4"),
        (logging.ERROR, "3"),
        (logging.CRITICAL, "2"),
        (5, "7"),
        (99, "2"),
    ],
)
def test_levels(log: logging.Logger, journald: Journald, level: int, priority: str) -> None:
    log.log(level, "told")
    assert journald.entry()["PRIORITY"] == priority


def test_a_traceback_is_part_of_the_message(log: logging.Logger, journald: Journald) -> None:
    try:
        fail()
    except ValueError:
        log.exception("action failed", extra=fields(action="photo", output="one\ntwo"))
    told = journald.entry()
    lines = told["MESSAGE"].split("\n")
    assert lines[:2] == ["action failed", "Traceback (most recent call last):"]
    assert lines[-2:] == ["ValueError: first line", "second line"]
    assert told["LISTENER_OUTPUT"] == "one\ntwo"
    assert told["LISTENER_ACTION"] == "photo"


def test_what_would_break_a_terminal_is_taken_out(log: logging.Logger, journald: Journald) -> None:
    log.info("\tthe\x1b[2Jb\0c\udcff", extra=fields(label="\x1b]0;x\x07\r\nPRIORITY=0"))
    told = journald.entry()
    assert told["MESSAGE"] == "        the?[2Jb?c?"
    assert told["LISTENER_LABEL"] == "?]0;x?\nPRIORITY=0"
    assert told["PRIORITY"] == "6"


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,20}", fullmatch=True), st.text(), max_size=5))
def test_what_is_encoded_can_be_read_again(values: dict[str, str]) -> None:
    expected = {name: value.encode(errors="replace").decode() for name, value in values.items()}
    assert parsed(entry(values)) == expected


@given(st.text(min_size=1))
def test_every_name_is_one_that_journald_takes(name: str) -> None:
    assert re.fullmatch(r"LISTENER_[A-Z0-9_]{1,55}", field_name(name))


def test_a_long_message_comes_whole(log: logging.Logger, journald: Journald) -> None:
    long = "0123456789" * 500_000
    log.info(long)
    assert journald.entry()["MESSAGE"] == long
    assert journald.files == 1
    log.info("short")
    assert journald.entry()["MESSAGE"] == "short"


def test_a_busy_journal_stops_nobody_and_what_it_misses_is_counted(
    log: logging.Logger, journald: Journald
) -> None:
    for number in range(1000):  # nobody reads; this would never end if it waited
        log.info("line %d", number)
    kept = journald.entries()
    assert 0 < len(kept) < 1000
    log.info("afterwards")
    gap, after = journald.entries()
    assert gap["MESSAGE"] == f"{1000 - len(kept)} lines of the log are missing here: journald was too busy"
    assert gap["PRIORITY"] == "4"
    assert after["MESSAGE"] == "afterwards"


def test_what_a_busy_journal_missed_is_told_at_the_end(tmp_path: Path, journald: Journald) -> None:
    handler = JournalHandler(tmp_path / "socket")
    for number in range(100):
        handler.handle(logging.makeLogRecord({"msg": f"line {number}", "levelno": logging.INFO}))
    missed = 100 - len(journald.entries())
    handler.close()
    (gap,) = journald.entries()
    assert gap["MESSAGE"].startswith(f"{missed} lines")


def test_another_journald_is_found(log: logging.Logger, tmp_path: Path) -> None:
    for number in range(2):
        with Journald(tmp_path / "socket") as journald:
            log.info("line %d", number)
            assert journald.entry()["MESSAGE"] == f"line {number}"


def test_without_a_journal_lines_have_their_level_and_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    with logger_of(JournalHandler(Path("/nowhere/socket"))) as log:
        log.warning("mic is lost")
        try:
            fail()
        except ValueError:
            log.exception("failed")
        log.handlers[0].close()
        log.error("after the end")
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == ["<4>mic is lost", "<3>failed", "<3>Traceback (most recent call last):"]
    assert lines[-3:] == ["<3>ValueError: first line", "<3>second line", "<3>after the end"]


def test_nothing_that_is_logged_raises(
    log: logging.Logger, journald: Journald, capsys: pytest.CaptureFixture[str]
) -> None:
    log.info("%d", "no number")
    assert journald.entry()["MESSAGE"] == "%d (the values of this line cannot be told)"
    log.info("%s", Unspeakable())
    assert journald.entry()["MESSAGE"] == "%s (the values of this line cannot be told)"
    log.info("told all the same", extra={"fields": {"bad": Unspeakable()}})
    assert capsys.readouterr().err == "<6>told all the same\n"
    log.info("no mapping", extra={"fields": "x"})
    assert journald.entry()["MESSAGE"] == "no mapping"


def test_fields_of_ones_own_never_replace_the_journals() -> None:
    given = fields(message="x", priority="0", code_file="y")
    told = fields_of(logging.makeLogRecord({"msg": "told", "levelno": logging.INFO, **given}))
    assert (told["MESSAGE"], told["PRIORITY"]) == ("told", "6")
    assert (told["LISTENER_MESSAGE"], told["LISTENER_PRIORITY"]) == ("x", "0")


def test_the_journal_is_known_by_the_device_and_inode_of_standard_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "stderr").open("w") as stderr, (tmp_path / "other").open("w") as other:
        monkeypatch.setattr(sys, "stderr", stderr)
        monkeypatch.delenv("JOURNAL_STREAM", raising=False)
        assert not stderr_is_journal()
        for file, expected in ((stderr, True), (other, False)):
            stat = os.fstat(file.fileno())
            monkeypatch.setenv("JOURNAL_STREAM", f"{stat.st_dev}:{stat.st_ino}")
            assert stderr_is_journal() is expected
        for nonsense in ("", "8:", "1:2:3", "x:y"):
            monkeypatch.setenv("JOURNAL_STREAM", nonsense)
            assert not stderr_is_journal()
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    assert not stderr_is_journal()
