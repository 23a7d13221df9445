import io
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from listener.console import PlainConsole, open_console
from listener.console.plain import MAX_WAITING
from listener.types import PipelineStats, SourceState
from tests.console.scenes import CARD, offset, onset, source, stats, step


class Out(io.StringIO):
    """Remembers what could be read after each flush."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed: list[str] = []

    def flush(self) -> None:
        self.flushed.append(self.getvalue())
        super().flush()


def run_once(view: PlainConsole, *pictures: PipelineStats) -> None:
    """Look as often as there are counts, and end."""
    given = list(pictures or [stats()])
    done = threading.Event()

    def counted() -> PipelineStats:
        if len(given) == 1:
            done.set()
        return given.pop(0) if len(given) > 1 else given[0]

    view.run(counted, dict, threading.Event(), done.is_set)


def test_one_line_per_event() -> None:
    out = Out()
    view = PlainConsole(CARD, "1.2.3", out)
    shown = step({"dog": 0.91})
    view.on_step(shown.prediction, shown.decisions)
    view.on_event(onset("dog"))
    view.on_event(offset("dog"))
    run_once(view)
    assert out.getvalue().splitlines() == [
        "listener 1.2.3, household/1.0.0, 7 labels",
        "mic is live",
        "dog began at 12.5 s (0.91) in mic",
        "dog ended at 15.0 s after 2.5 s (0.97) in mic",
    ]


def test_each_line_can_be_read_at_once() -> None:
    out = Out()
    view = PlainConsole(CARD, "1.2.3", out)
    view.on_event(onset("dog"))
    run_once(view)
    lines = out.getvalue().splitlines(keepends=True)
    assert out.flushed[: len(lines)] == ["".join(lines[: count + 1]) for count in range(len(lines))]


def test_a_source_that_comes_goes_and_ends() -> None:
    out = Out()
    lost = source(state=SourceState.LOST, problem="it is unplugged")
    run_once(
        PlainConsole(CARD, "1.2.3", out),
        stats(source(), source("kitchen", state=SourceState.OPENING)),
        stats(lost, source("kitchen")),
        stats(lost, source("kitchen")),
        stats(source(), source("kitchen")),
        stats(source(), source("kitchen", state=SourceState.ENDED)),
    )
    assert out.getvalue().splitlines()[1:] == [
        "mic is live",
        "kitchen is opening",
        "mic is lost: it is unplugged",
        "kitchen is live",
        "mic is live",
        "kitchen is ended",
    ]


def test_another_model_is_told_and_another_hop_is_not() -> None:
    out = Out()
    view = PlainConsole(CARD, "1.2.3", out)
    run_once(view)
    view.on_model(CARD, 0.25)
    run_once(view)
    assert "now" not in out.getvalue()
    view.on_model(replace(CARD, version="1.1.0", labels=("dog",)), 0.25)
    run_once(view)
    assert out.getvalue().splitlines()[-1] == "now household/1.1.0, 1 labels"


def test_no_escape_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = Out()
    view = PlainConsole(CARD, "1.2.3", out)
    view.on_event(onset("[red]\x1b[31mx\n"))
    run_once(view, stats(source("a\x1b[2Jb", state=SourceState.LOST, problem="\x07")))
    assert "\x1b" not in out.getvalue()
    assert "a?[2Jb is lost: ?" in out.getvalue()
    assert "[red]?[31mx? began" in out.getvalue()


def test_events_after_the_end_are_told_by_close() -> None:
    out = Out()
    view = PlainConsole(CARD, "1.2.3", out)
    run_once(view)
    view.on_event(offset("dog"))
    assert "dog" not in out.getvalue()
    view.close()
    view.close()
    assert out.getvalue().count("dog ended") == 1


def test_more_events_than_a_reader_takes_are_counted() -> None:
    out = Out()
    view = PlainConsole(CARD, "1.2.3", out)
    for number in range(MAX_WAITING + 5):
        view.on_event(onset(onset_s=float(number)))
    run_once(view)
    assert "\n5 older events are not shown" in out.getvalue()
    assert " at 4.0 s" not in out.getvalue()
    assert " at 5.0 s" in out.getvalue()


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as out:
        os.close(reading)
        view = PlainConsole(CARD, "1.2.3", out)
        view.on_event(onset())
        view.run(
            stats, dict, threading.Event(), threading.Event().is_set
        )  # returns, though nobody told it to
        view.close()


def test_a_name_that_the_encoding_lacks(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with path.open("w", encoding="ascii") as out:
        run_once(PlainConsole(CARD, "1.2.3", out), stats(source("Küche")))
    assert "K?che is live" in path.read_text()


def test_plain_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert isinstance(open_console(CARD, "1.2.3"), PlainConsole)
