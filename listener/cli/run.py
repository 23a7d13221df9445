"""``listener run``."""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

import click

from listener import __version__
from listener.cli.common import config_option, load_config, with_settings
from listener.config import SourceSettings
from listener.config_file import ConfigFile
from listener.errors import DeviceError
from listener.event_format import event_json
from listener.types import Decision, Event, ModelCard, PipelineStats, Prediction, Reason

if TYPE_CHECKING:
    from listener.actions.lane import ActionStats
    from listener.classifiers.base import Classifier
    from listener.console import LiveConsole
    from listener.pipeline import Pipeline

log = logging.getLogger(__name__)

WORTH_TELLING = 0.1
"""Score from which ``-v`` tells a decision that changed nothing."""
EXIT_INTERRUPTED = 130
LOOK_EVERY_S = 0.1


class View(Protocol):
    """Whatever shows what is going on: the live console, plain lines, JSON lines, or nothing."""

    def on_event(self, event: Event) -> None:
        """Take an event; called in the engine's thread, and so must not block."""

    def on_step(self, prediction: Prediction, decisions: Sequence[Decision]) -> None:
        """Take a window's scores and decisions; must not block either."""

    def run(
        self,
        pipeline_stats: Callable[[], PipelineStats],
        action_stats: Callable[[], Mapping[str, "ActionStats"]],
        stop: threading.Event,
        done: threading.Event,
    ) -> None:
        """Show, until one of the two is set."""

    def close(self) -> None:
        """Show what came after that."""


@click.command()
@config_option
@click.option(
    "--source", "sources", multiple=True, metavar="S", help="mic, mic:NAME, a file, a folder, -, demo."
)
@click.option("--device", help="Microphone: a name, part of it, a pattern or an index.")
@click.option("--speed", metavar="X|max", help="How fast recordings and the demo go; 1 is real time.")
@click.option(
    "--duration", "duration_s", type=click.FloatRange(min=0, min_open=True), help="Seconds of sound."
)
@click.option("--rate", type=click.IntRange(min=1), help="Of raw PCM on standard input, in Hz.")
@click.option("--channels", type=click.IntRange(min=1), help="Of raw PCM on standard input.")
@click.option("--sample-format", help="Of raw PCM on standard input: s16le, s32le, f32le, ...")
@click.option(
    "--json", "as_json", is_flag=True, help="One event a line on standard output, nothing else there."
)
@click.option("--no-console", is_flag=True, help="Only the log.")
def run(
    config_path: Path | None,
    sources: tuple[str, ...],
    device: str | None,
    speed: str | None,
    duration_s: float | None,
    as_json: bool,
    no_console: bool,
    **pcm: Any,
) -> None:
    """Listen in the foreground, until the sources end or Ctrl-C."""
    file = load_config(config_path)
    if sources or device is not None:
        texts = sources or ("mic",)
        file = _with_sources(file, texts, speed, device, {key: value for key, value in pcm.items() if value})
    log.info("listener %s: loading %s", __version__, file.config.model.path)

    from listener.assembly import build_classifier, idle_settings

    for warning in idle_settings(file):
        log.warning("%s", warning)
    classifier = build_classifier(file)
    view = _view(classifier.card, file.config.windows.hop_s, as_json, no_console)
    stop, signals = _stop_on_signals()
    pipeline = _pipeline(file, classifier, view, duration_s)
    try:
        pipeline.start()
    except DeviceError as error:
        if sources or device is not None or config_path is not None:
            raise
        click.echo(f"listener: {error}\nlistener: playing the demo scene instead", err=True)
        file = _with_sources(file, ("demo",), speed, None, {})
        pipeline = _pipeline(file, classifier, view, duration_s)
        pipeline.start()
    _listen(pipeline, view, stop)
    if signal.SIGINT in signals:
        sys.exit(EXIT_INTERRUPTED)


def _with_sources(
    file: ConfigFile, texts: Sequence[str], speed: str | None, device: str | None, pcm: Mapping[str, Any]
) -> ConfigFile:
    from listener.sources.spec import parse_sources

    how_fast = None if speed is None else _speed(speed)
    specs = parse_sources(texts, speed=how_fast, device=device, pcm=pcm)
    settings = tuple(SourceSettings.model_validate(spec.as_settings()) for spec in specs)
    return with_settings(file, sources=settings)


def _speed(text: str) -> float | str:
    if text == "max":
        return text
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise click.BadParameter(f"'{text}' is neither 'max' nor a number above 0", param_hint="--speed")
    return speed


def _pipeline(file: ConfigFile, classifier: "Classifier", view: View, duration_s: float | None) -> "Pipeline":
    from listener.assembly import build_actions, build_rules, build_sources
    from listener.pipeline import Pipeline

    def on_step(prediction: Prediction, decisions: list[Decision]) -> None:
        view.on_step(prediction, decisions)
        if log.isEnabledFor(logging.DEBUG):
            _tell(decisions)

    return Pipeline(
        build_sources(file),
        classifier,
        build_rules(file, classifier.card),
        file.config.windows.hop_s,
        build_actions(file, classifier.card),
        view.on_event,
        on_step,
        duration_s,
    )


def _listen(pipeline: "Pipeline", view: View, stop: threading.Event) -> None:
    from listener.pipeline import ACTIONS_FINISH_S, ACTIONS_STOP_S

    try:
        view.run(pipeline.stats, pipeline.action_stats, stop, pipeline.done)
    finally:
        pipeline.stop(ACTIONS_STOP_S if stop.is_set() else ACTIONS_FINISH_S)
        view.close()
    stats = pipeline.stats()
    for source in stats.sources:
        log.info("%s: heard %.1f s, lost %.1f s", source.name, source.heard_s, source.lost_s)
    log.info("%d windows, %d events", stats.windows, stats.events)
    pipeline.raise_failure()


def _tell(decisions: Sequence[Decision]) -> None:
    for decision in decisions:
        if decision.reason is Reason.QUIET and decision.smoothed_score < WORTH_TELLING:
            continue
        log.debug(
            "%s %.2f s: %s %.3f (threshold %.2f): %s",
            decision.source,
            decision.end_s,
            decision.label,
            decision.smoothed_score,
            decision.threshold,
            decision.reason,
        )


def _view(card: ModelCard, hop_s: float, as_json: bool, no_console: bool) -> View:
    if as_json:
        return JsonLines()
    if no_console:
        return NoView()
    from listener.console import LiveConsole, open_console

    view = open_console(card, __version__, hop_s)
    if isinstance(view, LiveConsole) and sys.stderr.isatty():
        _log_above(view)
    return view


def _log_above(view: "LiveConsole") -> None:
    """Let log lines scroll by above the picture."""
    root = logging.getLogger()
    handler = view.log_handler()
    handler.setFormatter(root.handlers[0].formatter)
    root.handlers = [handler]


def _stop_on_signals() -> tuple[threading.Event, list[int]]:
    """Let the first signal end the program in good order, and the second at once."""
    stop, signals = threading.Event(), list[int]()

    def handle(number: int, frame: FrameType | None) -> None:
        if signals:
            raise KeyboardInterrupt
        signals.append(number)
        stop.set()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
    return stop, signals


class NoView:
    """Shows nothing; the log says it all."""

    def on_event(self, event: Event) -> None:
        """Take an event."""

    def on_step(self, prediction: Prediction, decisions: Sequence[Decision]) -> None:
        """Take a window's scores and decisions."""

    def run(
        self,
        pipeline_stats: Callable[[], PipelineStats],
        action_stats: Callable[[], Mapping[str, "ActionStats"]],
        stop: threading.Event,
        done: threading.Event,
    ) -> None:
        """Wait until one of the two is set."""
        while not (stop.wait(LOOK_EVERY_S) or done.is_set()):
            self.close()

    def close(self) -> None:
        """Show what there is."""


class JsonLines(NoView):
    """One event a line on standard output. A reader that is slow holds up nobody but itself."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Event] = SimpleQueue()

    def on_event(self, event: Event) -> None:
        """Take an event."""
        self._waiting.put(event)

    def close(self) -> None:
        """Print what there is."""
        try:
            while True:
                print(event_json(self._waiting.get_nowait()), flush=True)
        except Empty:
            pass
