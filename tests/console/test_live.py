import io
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console, ConsoleDimensions

from listener.console import LiveConsole
from listener.console.live import MAX_WAITING
from listener.types import PipelineStats
from tests.console.scenes import CARD, offset, onset, source, stats, step

LIMIT_S = 20.0
SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


class Terminal(io.StringIO):
    """A terminal 80 by 24 that can be told to take nothing for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.takes = threading.Event()
        self.takes.set()
        self.asked = threading.Event()

    def write(self, text: str) -> int:
        self.asked.set()
        assert self.takes.wait(LIMIT_S)
        return super().write(text)


def live(terminal: Terminal, **console: Any) -> LiveConsole:
    options = {"width": 80, "height": 24, "force_terminal": True, "color_system": None, **console}
    return LiveConsole(CARD, "1.2.3", Console(file=terminal, **options))


def run_once(view: LiveConsole, pipeline_stats: Callable[[], PipelineStats] = stats) -> None:
    """Draw the last picture only."""
    done = threading.Event()
    done.set()
    view.run(pipeline_stats, dict, threading.Event(), done.is_set)


def test_shows_what_it_was_told() -> None:
    terminal = Terminal()
    view = live(terminal)
    shown = step({"dog": 0.91}, active="dog")
    view.on_step(shown.prediction, shown.decisions)
    view.on_event(onset("dog"))
    view.on_event(onset("siren", "2"))
    view.on_event(offset("siren", "2"))
    run_once(view)
    picture = last_picture(terminal)
    assert picture.count("● dog") == 2  # its score, and its event
    assert picture.count("siren  ") == 2
    assert "2.5 s" in picture
    assert "none yet" not in picture


def test_the_newest_events_are_kept() -> None:
    terminal = Terminal()
    view = live(terminal)
    for number in range(1000):
        view.on_event(onset(identity=str(number), onset_s=float(number)))
    run_once(view)
    assert " 999.0 s" in terminal.getvalue()
    assert " 992.0 s" in terminal.getvalue()
    assert " 991.0 s" not in terminal.getvalue()


@pytest.mark.parametrize("which", ["stop", "done"])
def test_draws_until_told_to_end_and_gives_the_terminal_back(which: str) -> None:
    terminal = Terminal()
    events = {"stop": threading.Event(), "done": threading.Event()}
    drawn = 0

    def counted() -> PipelineStats:
        nonlocal drawn
        drawn += 1
        if drawn == 3:
            events[which].set()
        return stats(source(name=f"mic{drawn}"))

    live(terminal).run(counted, dict, events["stop"], events["done"].is_set)
    assert "mic2" in terminal.getvalue()
    assert terminal.getvalue().index("mic4") > terminal.getvalue().index("mic3")  # what was true at the end
    assert drawn == 4
    assert terminal.getvalue().startswith(HIDE_CURSOR)
    assert terminal.getvalue().endswith(SHOW_CURSOR)


def test_gives_the_terminal_back_when_something_breaks() -> None:
    terminal = Terminal()

    def broken() -> PipelineStats:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_once(live(terminal), broken)
    assert terminal.getvalue().endswith(SHOW_CURSOR)


def test_windows_per_second() -> None:
    terminal = Terminal()
    stop = threading.Event()
    given = iter([stats(elapsed_s=60.0, windows=100), stats(elapsed_s=62.0, windows=105)])

    def counted() -> PipelineStats:
        now = next(given)
        if now.windows == 105:
            stop.set()
        return now

    with pytest.raises(StopIteration):  # one more picture is drawn at the end
        live(terminal).run(counted, dict, stop, threading.Event().is_set)
    assert "windows/s 2.5" in terminal.getvalue()


def test_another_model_with_other_labels_while_it_draws() -> None:
    """Scores are shown by the labels of the model that gave them, and none of the model before are left."""
    terminal = Terminal()
    view = live(terminal)
    before = step({"dog": 0.91})
    view.on_step(before.prediction, before.decisions)
    run_once(view)
    assert "dog" in terminal.getvalue()
    view.on_model(replace(CARD, version="1.1.0", labels=("owl", "fox")), 0.25)
    run_once(view)
    assert "household/1.1.0" in last_picture(terminal)
    assert "dog" not in last_picture(terminal)
    after = step({"fox": 0.77}, labels=("owl", "fox"))
    view.on_step(after.prediction, after.decisions)
    run_once(view)
    assert "fox" in last_picture(terminal)


def test_another_hop_keeps_the_scores() -> None:
    terminal = Terminal()
    view = live(terminal)
    shown = step({"dog": 0.91})
    view.on_step(shown.prediction, shown.decisions)
    view.on_model(CARD, 0.25)
    run_once(view)
    assert "dog" in last_picture(terminal)


def test_another_engine_begins_to_count_anew() -> None:
    terminal = Terminal()
    view = live(terminal)
    run_once(view, lambda: stats(elapsed_s=600.0, windows=1200))
    run_once(view, lambda: stats(elapsed_s=1.0, windows=2))
    assert "windows/s 0.0" in last_picture(terminal)


def test_a_terminal_that_hangs_holds_up_nobody_else() -> None:
    terminal = Terminal()
    view = live(terminal)
    terminal.takes.clear()
    done = threading.Event()
    drawing = threading.Thread(target=view.run, args=(stats, dict, threading.Event(), done.is_set))
    drawing.start()
    try:
        assert terminal.asked.wait(LIMIT_S)
        logger = logger_of(view)
        shown = step({"dog": 0.91})
        for number in range(2000):
            view.on_step(shown.prediction, shown.decisions)
            view.on_event(onset(identity=str(number)))
            logger.warning("line %d", number)
        assert not terminal.takes.is_set()
    finally:
        done.set()
        terminal.takes.set()
        drawing.join(LIMIT_S)
    assert "line 1999" in terminal.getvalue()
    assert f"{2000 - MAX_WAITING} older lines of the log are not shown" in terminal.getvalue()


def test_log_lines_stand_above_the_picture() -> None:
    terminal = Terminal()
    view = live(terminal)
    logger = logger_of(view)
    done = threading.Event()

    def logging_stats() -> PipelineStats:
        if not done.is_set():
            logger.error("[red]first\x1b[2J\nsecond")
            done.set()
        return stats()

    view.run(logging_stats, dict, threading.Event(), done.is_set)
    told = terminal.getvalue()
    assert "ERROR [red]first?[2J" in told
    assert told.index("first") < told.index("second") < told.index("listener 1.2.3")


def test_log_lines_go_to_standard_error_while_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    view = live(terminal)
    logger = logger_of(view)
    logger.info("before")
    run_once(view)
    logger.info("after")
    assert capsys.readouterr().err == "INFO before\nINFO after\n"
    assert "before" not in terminal.getvalue()


def test_close_tells_the_events_that_came_after_the_last_picture() -> None:
    terminal = Terminal()
    view = live(terminal)
    view.on_event(onset("dog"))
    run_once(view)
    view.on_event(offset("dog"))
    view.close()
    view.close()
    last = terminal.getvalue().split(SHOW_CURSOR)[1]
    assert last == "dog ended at 15.0 s after 2.5 s (0.97) in mic\n"


def test_a_terminal_of_another_size_is_cleared_and_drawn_anew() -> None:
    terminal = Terminal()
    console = Console(file=terminal, width=80, height=24, force_terminal=True, color_system=None)
    done = threading.Event()
    sizes = iter([(80, 24), (40, 10)])

    def shrinking() -> PipelineStats:
        width, height = next(sizes, (0, 0))
        if width:
            console.size = ConsoleDimensions(width, height)
        else:
            done.set()
        return stats()

    LiveConsole(CARD, "1.2.3", console).run(shrinking, dict, threading.Event(), done.is_set)
    _, after = terminal.getvalue().split("\x1b[H\x1b[2J")
    lines = [re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", line) for line in after.splitlines()]
    assert any(line.startswith("mic") for line in lines)
    assert max(map(len, lines)) <= 40


def last_picture(terminal: Terminal) -> str:
    return "listener 1.2.3" + terminal.getvalue().split("listener 1.2.3")[-1]


def logger_of(view: LiveConsole) -> logging.Logger:
    handler = view.log_handler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.Logger("made for the test")  # noqa: LOG001 - nobody else shall have it
    logger.addHandler(handler)
    return logger
