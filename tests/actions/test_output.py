import logging
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.actions.command import output
from listener.actions.command.output import OutputLog


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@pytest.fixture(scope="module")
def lines() -> Iterator[Lines]:
    handler = Lines()
    output.log.addHandler(handler)
    level = output.log.level
    output.log.setLevel(logging.INFO)
    yield handler
    output.log.setLevel(level)
    output.log.removeHandler(handler)


def logged(lines: Lines, *pieces: bytes) -> tuple[list[str], OutputLog]:
    lines.texts.clear()
    log = OutputLog("photo")
    for piece in pieces:
        log.feed(piece)
    log.close()
    return list(lines.texts), log


def test_line_by_line_as_it_comes(lines: Lines) -> None:
    lines.texts.clear()
    log = OutputLog("photo")
    log.feed(b"one\ntw")
    assert lines.texts == ["photo: one"]
    log.feed(b"o\n\nthree")
    assert lines.texts == ["photo: one", "photo: two"]
    log.close()
    assert lines.texts == ["photo: one", "photo: two", "photo: three"]
    assert log.last_line == "three"


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_the_same_lines_however_the_output_was_cut(lines: Lines, data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(data)]
    pieces = [data[first:last] for first, last in pairwise(edges)]
    whole, log_of_whole = logged(lines, data)
    cut, log_of_cut = logged(lines, *pieces)
    assert cut == whole
    assert log_of_cut.last_line == log_of_whole.last_line


def test_a_flood_is_cut_counted_and_its_last_line_known(lines: Lines) -> None:
    flood = b"y\n" * 1_000_000
    texts, log = logged(lines, flood, b"the end\n")
    assert len(texts) == output.MAX_LINES + 1
    assert log.thrown_away == 2_000_000 + 8 - 2 * output.MAX_LINES
    assert texts[-1] == f"photo: {log.thrown_away} bytes more of output are not shown"
    assert log.last_line == "the end"


def test_few_long_lines_are_bounded_too(lines: Lines) -> None:
    texts, log = logged(lines, *[b"x" * 9_999 + b"\n"] * 100)
    assert len(texts) < 10
    assert all(len(text) < output.MAX_LINE_BYTES + 20 for text in texts)
    assert set(log.last_line) == {"x"}  # what was kept of it


def test_a_line_without_end_takes_no_memory(lines: Lines) -> None:
    _, log = logged(lines, *[b"x" * 65_536] * 100)
    assert len(log._rest) + len(log._tail) <= 2 * output.MAX_LINE_BYTES + 1


def test_what_is_no_text_is_made_harmless(lines: Lines) -> None:
    texts, _ = logged(lines, b"\xff\x00\x1b[2J \xc3\xa9\tz\r\n")
    assert texts == ["photo: \ufffd??[2J é        z"]
