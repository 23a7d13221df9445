"""``listener run``."""

import logging
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from listener import __version__, logs
from listener.cli import EXIT_INTERRUPTED
from listener.cli.common import config_option, finite, load_config, tell_decisions, with_settings
from listener.cli.views import JsonLines, NoView, StopFlag, View
from listener.config import ActionSettings, SourceSettings
from listener.config_file import ConfigFile
from listener.errors import DeviceError
from listener.types import Decision, ModelCard, Prediction

if TYPE_CHECKING:
    from listener.classifiers.base import Classifier
    from listener.console import LiveConsole
    from listener.pipeline import Pipeline

log = logging.getLogger(__name__)

SIGNALS_FOR_AT_ONCE = 2


@click.command()
@config_option
@click.option(
    "--source", "sources", multiple=True, metavar="S", help="mic, mic:NAME, a file, a folder, -, demo."
)
@click.option("--device", help="Microphone: a name, part of it, a pattern or an index.")
@click.option("--speed", metavar="X|max", help="How fast recordings and the demo go; 1 is real time.")
@click.option(
    "--duration",
    "duration_s",
    type=click.FloatRange(min=0, min_open=True),
    callback=finite,
    help="Seconds of sound.",
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
    given = {key: value for key, value in pcm.items() if value is not None}
    if given and "-" not in sources:
        raise click.UsageError(f"--{next(iter(given)).replace('_', '-')} goes with --source -")
    if device is not None and sources and "mic" not in sources:
        raise click.UsageError("--device goes with --source mic")
    how_fast = None if speed is None else _speed(speed)
    file = load_config(config_path)
    if sources or device is not None:
        file = _with_sources(file, sources, how_fast, device, given)
    log.info("listener %s: loading %s", __version__, file.config.model.path)

    from listener.assembly import build_classifier, idle_settings

    for warning in idle_settings(file):
        log.warning("%s", warning)
    classifier = build_classifier(file)
    view = _view(classifier.card, file.config.windows.hop_s, as_json, no_console)
    stop, signals = _stop_on_signals()
    pipeline = _pipeline(file, classifier, view, duration_s)
    try:
        pipeline.start(stop)
    except DeviceError as error:
        if sources or device is not None or config_path is not None or not _is_default(file):
            raise
        click.echo(f"listener: {error}\nlistener: playing the demo scene instead", err=True)
        pipeline = _pipeline(_demo(file, how_fast), classifier, view, duration_s)
        pipeline.start(stop)
    _listen(pipeline, view, stop, signals)
    classifier.close()
    if signal.SIGINT in signals:
        sys.exit(EXIT_INTERRUPTED)


def _with_sources(
    file: ConfigFile,
    sources: Sequence[str],
    speed: float | str | None,
    device: str | None,
    pcm: Mapping[str, Any],
) -> ConfigFile:
    """Take the sources from the command line; what it leaves out of a microphone is as configured."""
    from listener.sources.spec import parse_sources

    specs = parse_sources(sources or ("mic",), speed=speed, device=device, pcm=pcm)
    configured = [source for source in file.config.sources if source.use == "microphone"]
    base = configured[0].model_dump() if configured else {}
    settings = [{**(base if spec.use == "microphone" else {}), **spec.as_settings()} for spec in specs]
    return with_settings(file, sources=tuple(SourceSettings.model_validate(each) for each in settings))


def _is_default(file: ConfigFile) -> bool:
    """Whether the sources are what somebody has who configured none: the system's microphone."""
    (source, *others) = file.config.sources
    asked_for = (source.model_extra or {}).get("device", "default")
    return not others and source.use == "microphone" and asked_for == "default"


def _demo(file: ConfigFile, speed: float | str | None) -> ConfigFile:
    """Play the demo scene. Nobody shall be called for a smoke alarm that is none: all it does is log."""
    extra = {} if speed is None else {"speed": speed}
    scene = SourceSettings.model_validate({"use": "demo", "name": "demo", **extra})
    return with_settings(file, sources=(scene,), actions=(ActionSettings(use="log"),))


def _speed(text: str) -> float | str:
    """Understand ``--speed``."""
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
        tell_decisions(decisions)

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


def _listen(pipeline: "Pipeline", view: View, stop: threading.Event, signals: Sequence[int]) -> None:
    from listener.pipeline import ACTIONS_FINISH_S, ACTIONS_STOP_S

    try:
        view.run(pipeline.stats, pipeline.action_stats, stop, pipeline.done)
    finally:
        if signals:
            log.info("stopping: actions have %.0f s to end; again, and it is over at once", ACTIONS_STOP_S)
        if len(signals) < SIGNALS_FOR_AT_ONCE:
            pipeline.stop(ACTIONS_FINISH_S if pipeline.done.is_set() and not signals else ACTIONS_STOP_S)
            view.close()
    stats = pipeline.stats()
    for source in stats.sources:
        log.info("%s: heard %.1f s, lost %.1f s", source.name, source.heard_s, source.lost_s)
    log.info("%d windows, %d events", stats.windows, stats.events)
    pipeline.raise_failure()


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
    logs.send_to(view.log_handler())


def _stop_on_signals() -> tuple[threading.Event, list[int]]:
    """Let the first signal end the program in good order, and the second at once."""
    stop, signals = StopFlag(), list[int]()

    def handle(number: int, frame: FrameType | None) -> None:
        if signals:
            raise KeyboardInterrupt
        signals.append(number)
        stop.set()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
    return stop, signals
