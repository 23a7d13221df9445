"""``listener run``."""

import logging
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from listener import __version__, logs
from listener.cli import EXIT_INTERRUPTED
from listener.cli.common import config_option, finite, load_config, model_option, tell_decisions
from listener.cli.run_sources import Configuration, SourceChoice, parse_speed
from listener.cli.views import JsonLines, NoView, View
from listener.config_file import ConfigFile
from listener.errors import DeviceError
from listener.types import Decision, Event, ModelCard, Prediction

if TYPE_CHECKING:
    from listener.daemon.engine import Engine
    from listener.daemon.notify import Notifier
    from listener.daemon.setup import Setup
    from listener.daemon.signals import Signals
    from listener.daemon.supervisor import Supervisor
    from listener.open_events import OpenEvents

log = logging.getLogger(__name__)

FOR_THE_DAEMON = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""What an action runs is another program, and no service."""

SAY_AFTER_S = 2.0
"""What takes no longer at the end needs no explanation."""

LOOK_EVERY_S = 0.1

PATIENCE_ENDS_S = 5.0


@click.command()
@config_option
@model_option
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
    "--wait/--no-wait",
    "wait",
    default=None,
    help="Whether a microphone that is not there is waited for. So it is with -c and as a service.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="One event a line on standard output, nothing else there."
)
@click.option("--no-console", is_flag=True, help="Only the log.")
@click.option("--dry-run", is_flag=True, help="Do nothing about events: log what would be done, and why.")
def run(
    config_path: Path | None,
    model_path: Path | None,
    sources: tuple[str, ...],
    device: str | None,
    speed: str | None,
    duration_s: float | None,
    wait: bool | None,
    as_json: bool,
    no_console: bool,
    dry_run: bool,
    **pcm: Any,
) -> int:
    """Listen in the foreground, until the sources end or Ctrl-C; SIGHUP reads the configuration again."""
    from listener.daemon.signals import Signals

    signals = Signals()
    signals.await_reload()  # first of all: SIGHUP would end the program

    from listener.daemon.engine import Engine
    from listener.daemon.notify import Notifier
    from listener.daemon.reload import Reloader
    from listener.daemon.supervisor import Supervisor

    lines = JsonLines() if as_json else None  # before anybody else can print something
    choice = _choice(sources, device, speed, pcm)
    configuration = Configuration(load_config(config_path), choice, model_path)
    notifier = Notifier.from_environment()
    for variable in FOR_THE_DAEMON:
        os.environ.pop(variable, None)
    if wait is None:
        # Who types a wrong name wants to know at once; a machine that starts finds its microphones later.
        wait = not configuration.choice.is_made and (config_path is not None or notifier.active)
    setup = _load(configuration.file, notifier)
    view = lines or _view(setup.classifier.card, setup.hop_s, no_console)
    audience = _Audience(view, _journal(configuration, notifier.active, dry_run))
    signals.await_stop()
    engine = Engine(setup, audience, duration_s, wait, dry_run)
    reloader = Reloader(engine, configuration.read_again if configuration.path else None, notifier)
    supervisor = Supervisor(engine, audience.notes, reloader, signals.take_reload, notifier)
    has_demo = not wait and config_path is None and configuration.is_default
    _listen(engine, supervisor, audience, signals, configuration if has_demo else None)
    return EXIT_INTERRUPTED if signal.SIGINT in signals.ended_by else 0


class _Audience:
    """All who are told what the engine does, in their order.

    Parameters
    ----------
    view
        Whoever looks on.
    journal
        For the next start, should this life of the program end in a crash.
    """

    def __init__(self, view: View, journal: "OpenEvents") -> None:
        from listener.daemon.supervisor import EventNotes

        self.view = view
        self.journal = journal
        self.notes = EventNotes()
        """For the status."""

    def on_event(self, event: Event) -> None:
        """Tell of an event, before any action is told; one at a time."""
        self.journal.note(event)
        self.notes.take(event)
        self.view.on_event(event)

    def on_told(self, event: Event) -> None:
        """Tell that the actions are through with an event."""
        self.journal.told(event)

    def on_step(self, prediction: Prediction, decisions: list[Decision]) -> None:
        """Tell of a window's scores, and of what was made of them."""
        self.journal.watch(decisions)
        self.view.on_step(prediction, decisions)
        tell_decisions(decisions)

    def on_model(self, card: ModelCard, hop_s: float) -> None:
        """Tell of another model or hop."""
        self.view.on_model(card, hop_s)


def _choice(
    sources: tuple[str, ...], device: str | None, speed: str | None, pcm: dict[str, Any]
) -> SourceChoice:
    given = {key: value for key, value in pcm.items() if value is not None}
    if given and "-" not in sources:
        raise click.UsageError(f"--{next(iter(given)).replace('_', '-')} goes with --source -")
    if device is not None and sources and "mic" not in sources:
        raise click.UsageError("--device goes with --source mic")
    return SourceChoice(sources, device, parse_speed(speed), given)


def _load(file: ConfigFile, notifier: "Notifier") -> "Setup":
    log.info("listener %s: loading %s", __version__, file.config.model.path)
    notifier.status(f"loading {file.config.model.path}")

    from listener.assembly import idle_settings
    from listener.daemon.setup import load

    for warning in idle_settings(file):
        log.warning("%s", warning)
    return load(file)


def _journal(configuration: Configuration, is_service: bool, is_dry: bool) -> "OpenEvents":
    from listener.open_events import OpenEvents, journal_key
    from listener.state_folder import state_folder

    choice = configuration.choice
    overrides = [*choice.sources, *([] if choice.device is None else [choice.device])]
    # What a dry run would take for told, nobody was told of.
    folder = None if is_dry else state_folder()
    return OpenEvents(folder, journal_key(configuration.path, overrides), is_service)


def _listen(
    engine: "Engine",
    supervisor: "Supervisor",
    audience: _Audience,
    signals: "Signals",
    demo: Configuration | None,
) -> None:
    """Listen until there is nothing more to hear, or somebody wants an end."""
    from listener.pipeline import StageFailure

    def is_done() -> bool:
        supervisor.beat()
        return engine.is_done or supervisor.failure is not None

    supervisor.start()
    try:
        try:
            audience.journal.start()
            _start(engine, signals, demo)
            recovered = audience.journal.recovered()
            if recovered:
                log.warning("the last run was cut short: %d events end only now", len(recovered))
            for event in recovered:
                engine.announce(event)
            audience.view.run(engine.stats, engine.action_stats, signals.stop, is_done)
        finally:
            if not signals.is_hurried:
                _stop(engine, supervisor, signals)
                audience.view.close()
        _tell_totals(engine)
    except KeyboardInterrupt:
        engine.hurry()
        raise
    finally:
        supervisor.close()
        audience.journal.close()
    if supervisor.failure is not None:
        raise StageFailure("supervisor", supervisor.failure)
    engine.raise_failure()


def _start(engine: "Engine", signals: "Signals", demo: Configuration | None) -> None:
    """Begin to listen; to the demo scene where there is no microphone, and nobody asked for one."""
    try:
        engine.start(signals.stop)
    except DeviceError as error:
        if demo is None:
            raise
        click.echo(f"listener: {error}\nlistener: playing the demo scene instead", err=True)
        demo.play_demo()
        engine.take(replace(engine.setup, file=demo.file))
        engine.start(signals.stop)


def _stop(engine: "Engine", supervisor: "Supervisor", signals: "Signals") -> None:
    supervisor.stopping()
    if signals.ended_by:
        log.info("stopping: actions have a few seconds to end; again, and it is over at once")
    if signals.ended_by or supervisor.has_manager:
        engine.stop(in_a_hurry=True)
        return
    over = threading.Event()
    patience = threading.Thread(target=_wait_on, args=(engine, signals, over), name="patience", daemon=True)
    patience.start()
    try:
        engine.stop(in_a_hurry=False)
    finally:
        over.set()
        patience.join(PATIENCE_ENDS_S)


def _wait_on(engine: "Engine", signals: "Signals", over: threading.Event) -> None:
    """While actions do what is left after the sources have ended: say so, and let Ctrl-C end it at once."""
    say_at = time.monotonic() + SAY_AFTER_S
    while not over.wait(LOOK_EVERY_S):
        if signals.stop.is_set():
            engine.hurry()
            return
        if time.monotonic() >= say_at:
            say_at = float("inf")
            log.info("the sources have ended: actions have a minute for what is left; Ctrl-C ends it at once")


def _tell_totals(engine: "Engine") -> None:
    stats = engine.stats()
    for source in stats.sources:
        log.info("%s: heard %.1f s, lost %.1f s", source.name, source.heard_s, source.lost_s)
    log.info("%d windows, %d events", stats.windows, stats.events)
    for name, action in engine.action_stats().items():
        if sentence := action.in_words():
            log.info("action '%s': %s", name, sentence)


def _view(card: ModelCard, hop_s: float, no_console: bool) -> View:
    if no_console:
        return NoView()
    from listener.console import LiveConsole, open_console

    view = open_console(card, __version__, hop_s)
    if isinstance(view, LiveConsole) and sys.stderr.isatty():
        logs.send_to(view.log_handler())  # lines scroll by above the picture
    return view
