"""The live picture: drawn in the main thread from what the engine has put down."""

import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.control import Control
from rich.live import Live
from rich.style import Style
from rich.text import Text

from listener.actions.runner.account import ActionStats
from listener.console import parts
from listener.console.parts import ASCII, BOX, Glyphs
from listener.console.picture import RECENT_EVENTS, Picture
from listener.console.scene import Scene, Step
from listener.event_format import event_line, printable
from listener.types import Decision, Event, ModelCard, PipelineStats, Prediction

PERIOD_S = 0.125
"""Time between two pictures, in seconds."""

RATE_PICTURES = 40
"""Pictures over which windows per second are counted: 5 s."""

MAX_WAITING = 256
"""Events and log lines that wait for the next picture; of more, the oldest are not shown."""


class LiveConsole:
    """Draws what is heard, a few times a second.

    Its last picture stays on the terminal.

    Parameters
    ----------
    card
        The model's card.
    version
        The program's version.
    rich_console
        Where to draw; standard output if left out.
    hop_s
        Time between windows, in seconds; None: the card's.
    """

    def __init__(
        self,
        card: ModelCard,
        version: str,
        rich_console: Console | None = None,
        hop_s: float | None = None,
    ) -> None:
        self._card = card
        self._version = version
        self._console = Console() if rich_console is None else rich_console
        self._glyphs = _glyphs(self._console)
        self._hop_s = card.hop_s if hop_s is None else hop_s
        self._lock = threading.Lock()
        self._drawing = False
        self._new_events: deque[Event] = deque(maxlen=MAX_WAITING)
        self._log_lines: deque[Text] = deque(maxlen=MAX_WAITING)
        self._log_lines_lost = 0
        self._steps: dict[str, Step] = {}
        self._events: dict[str, Event] = {}
        self._progress: deque[tuple[float, int]] = deque(maxlen=RATE_PICTURES)

    def on_event(self, event: Event) -> None:
        """Put down an event for the next picture; never waits for the terminal."""
        with self._lock:
            self._new_events.append(event)

    def on_step(self, prediction: Prediction, decisions: Sequence[Decision]) -> None:
        """Put down a window's scores for the next picture; never waits for the terminal."""
        with self._lock:
            self._steps[prediction.source] = Step(prediction, decisions)

    def on_model(self, card: ModelCard, hop_s: float) -> None:
        """Draw for another model, or with another hop, from the next window on."""
        with self._lock:
            if card.labels != self._card.labels:
                self._steps.clear()
            self._card, self._hop_s = card, hop_s

    def run(
        self,
        pipeline_stats: Callable[[], PipelineStats],
        action_stats: Callable[[], Mapping[str, ActionStats]],
        stop: threading.Event,
        is_done: Callable[[], bool],
    ) -> None:
        """Draw until the engine is to stop or is done. Call in the main thread.

        The terminal is as it was when this returns or raises.

        Parameters
        ----------
        pipeline_stats, action_stats
            Give the newest counts.
        stop, is_done
            Either ends the drawing, after one last picture.
        """
        self._set_drawing(True)
        try:
            with Live(console=self._console, auto_refresh=False, vertical_overflow="crop") as live:
                size = self._console.size
                ended = False
                while not ended:
                    ended = stop.is_set() or is_done()
                    if self._console.size != size:  # the terminal has wrapped the lines of the old picture
                        size = self._console.size
                        self._console.control(Control.home(), Control.clear())
                    live.update(Picture(self._scene(pipeline_stats(), action_stats()), self._glyphs))
                    self._print_log_lines()
                    live.refresh()
                    if not ended:
                        stop.wait(PERIOD_S)
        finally:
            self._set_drawing(False)
            self._print_log_lines()

    def close(self) -> None:
        """Tell, as lines, the events that came after the last picture; the engine has stopped."""
        with self._lock:
            late = list(self._new_events)
            self._new_events.clear()
        for event in late:
            self._console.print(Text(event_line(event)))

    def log_handler(self) -> logging.Handler:
        """Make a log handler whose lines stand above the picture instead of tearing it.

        Install it in place of the handler that writes to standard error, where that is the
        same terminal; a log that goes to a file or a pipe needs no such care. Lines wait for
        the next picture, so that logging never waits for the terminal; while nothing is drawn
        they go straight to standard error.
        """
        return _AbovePicture(self._log)

    def _log(self, line: str, style: Style) -> None:
        with self._lock:
            if self._drawing:
                self._log_lines_lost += len(self._log_lines) == MAX_WAITING
                self._log_lines.append(Text(line, style))
                return
        print(line, file=sys.stderr)  # noqa: T201

    def _set_drawing(self, drawing: bool) -> None:
        with self._lock:
            self._drawing = drawing

    def _print_log_lines(self) -> None:
        with self._lock:
            lines, lost = list(self._log_lines), self._log_lines_lost
            self._log_lines.clear()
            self._log_lines_lost = 0
        if lost:
            lines.insert(0, Text(f"{lost} older lines of the log are not shown", parts.FAIR))
        if lines:
            self._console.print(Text("\n").join(lines))

    def _scene(self, stats: PipelineStats, actions: Mapping[str, ActionStats]) -> Scene:
        with self._lock:
            card, hop_s, steps = self._card, self._hop_s, dict(self._steps)
            new_events = list(self._new_events)
            self._new_events.clear()
        for event in new_events:
            self._events[event.id] = event  # its end takes the place of its beginning
        newest = list(self._events.values())[: -RECENT_EVENTS - 1 : -1]
        self._events = {event.id: event for event in reversed(newest)}
        return Scene(
            self._version,
            card,
            hop_s,
            stats,
            self._windows_per_s(stats),
            steps,
            newest,
            actions,
        )

    def _windows_per_s(self, stats: PipelineStats) -> float:
        if self._progress and stats.elapsed_s < self._progress[-1][0]:
            self._progress.clear()  # another engine has taken its place
        self._progress.append((stats.elapsed_s, stats.windows))
        (began_s, before), (now_s, windows) = self._progress[0], self._progress[-1]
        return (windows - before) / (now_s - began_s) if now_s > began_s else 0.0


class _AbovePicture(logging.Handler):
    """Hands each line of the log to the console."""

    def __init__(self, tell: Callable[[str, Style], None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over the lines of a record."""
        style = (
            parts.BAD
            if record.levelno >= logging.ERROR
            else parts.FAIR
            if record.levelno >= logging.WARNING
            else parts.FAINT
        )
        try:
            for line in self.format(record).expandtabs().splitlines():
                self._tell(printable(line), style)
        except Exception:  # noqa: BLE001 - as every handler of the standard library does
            self.handleError(record)


def _glyphs(console: Console) -> Glyphs:
    # The kernel's own console has the characters, but hardly any of its fonts does.
    return ASCII if console.options.ascii_only or os.environ.get("TERM") == "linux" else BOX
