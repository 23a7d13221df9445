import io
import logging
import re

import pytest

from listener.logs.lines import LineFormatter, wants_colour


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def record(level: int, message: str) -> logging.LogRecord:
    return logging.LogRecord("listener", level, __file__, 1, message, None, None)


def test_a_line_has_a_time_and_a_level() -> None:
    told = LineFormatter().format(record(logging.WARNING, "mic is \x1b[2Jlost"))
    assert re.fullmatch(r"\d\d:\d\d:\d\d WARNING: mic is \?\[2Jlost", told)


def test_troubles_are_coloured_on_a_terminal() -> None:
    formatter = LineFormatter(coloured=True)
    assert " \x1b[33mWARNING\x1b[0m: lost" in formatter.format(record(logging.WARNING, "lost"))
    assert " \x1b[31mERROR\x1b[0m: lost" in formatter.format(record(logging.ERROR, "lost"))
    assert " INFO: back" in formatter.format(record(logging.INFO, "back"))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colours_where_they_are_seen_and_wanted(
    environment: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wants_colour(Terminal()) is expected
    assert not wants_colour(io.StringIO())
    assert not wants_colour(None)
