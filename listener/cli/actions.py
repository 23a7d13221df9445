"""``listener actions``."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import numpy as np

from listener import __version__
from listener.actions.base import Recording
from listener.actions.runner import ActionRunner
from listener.assembly import build_actions, find_model
from listener.classifiers.bundle import read_card
from listener.cli.common import config_option, load_config, table
from listener.config import ActionSettings
from listener.config_file import ConfigFile
from listener.errors import ConfigError
from listener.events import new_id
from listener.types import Event, ModelCard, Phase, PipelineStats

RATE = 16_000
LASTS_S = 2.0
"""Length of the made-up event."""
UPDATE_S = 1.0
"""When it is told that it goes on, after its beginning."""
LOOK_EVERY_S = 0.02
STOP_S = 5.0
"""What an action has to end after its run."""
RULES = ("min_score", "schedule", "unless", "after", "cooldown_s", "limit", "count")
"""Settings that may hold it back; what they are set to stands in the configuration."""


@click.group()
def actions() -> None:
    """What is done about events: list the configured actions, or fire one."""


@actions.command("list")
@config_option
def list_actions(config_path: Path | None) -> None:
    """Show the configured actions, and when each answers."""
    rows = [
        (
            one.name or one.use,
            one.use,
            one.when,
            ", ".join(one.labels),
            ", ".join(one.sources),
            ", ".join(rule for rule in RULES if rule in one.model_fields_set) or "-",
        )
        for one in load_config(config_path).config.actions
    ]
    click.echo(table(("NAME", "USE", "WHEN", "LABELS", "SOURCES", "RULES"), rows))


@actions.command("test")
@config_option
@click.argument("name")
@click.option("--label", help="Label of the made-up event; the first that the action answers to unless told.")
@click.option(
    "--phase",
    type=click.Choice(["onset", "update", "offset", "both"]),
    help="Part of the event; what the action answers to unless told.",
)
def test_action(config_path: Path | None, name: str, label: str | None, phase: str | None) -> int:
    """Fire the configured action NAME for real, with a made-up event."""
    file = load_config(config_path)
    settings = _settings_of(file, name)
    card = _card(file)
    label = label or _label_for(settings, card)
    alone = _only(file, settings)
    pairs = build_actions(alone, card)
    if not pairs:
        raise ConfigError(f"action '{name}' cannot be used: the line above says why")
    action, suited = pairs[0]
    # It is fired whatever its rules say, once, and what goes wrong is told at once.
    always = ActionSettings(
        use=settings.use, labels=("*", "@*"), timeout_s=settings.timeout_s, retry="never"
    ).model_copy(update={"when": phase or suited.when, "update_s": UPDATE_S})
    runner = ActionRunner([(action, always)], _MadeUpSound())
    runner.start(_Alone(file, card))
    began_at = time.monotonic()
    try:
        # What it does not answer to is told as well: no update is due of what has not begun.
        for event in _made_up(label, _source_of(file)):
            runner.submit(event, at_s=event.onset_s + UPDATE_S if event.phase is Phase.UPDATE else None)
            while runner.is_busy:
                time.sleep(LOOK_EVERY_S)
    finally:
        took_s = time.monotonic() - began_at
        runner.stop(STOP_S)
    stats = runner.stats().get(action.name)  # it is not there if its own code failed: the log has said so
    if stats is None or stats.fired < len(always.phases):
        return 1
    click.echo(f"{name}: done, in {took_s:.2f} s")
    return 0


def _only(file: ConfigFile, settings: ActionSettings) -> ConfigFile:
    """Give a configuration in which one action is the only one; its lines are those of the file."""
    index = file.config.actions.index(settings)
    lines = {
        (("actions", 0, *place[2:]) if place[:2] == ("actions", index) else place): line
        for place, line in file.lines.items()
        if place[:1] != ("actions",) or place[:2] == ("actions", index)
    }
    return replace(file, config=file.config.model_copy(update={"actions": (settings,)}), lines=lines)


def _settings_of(file: ConfigFile, name: str) -> ActionSettings:
    named = {one.name or one.use: one for one in file.config.actions}
    if name not in named:
        there_are = ", ".join(named) or "none"
        raise ConfigError(file.problem(("actions",), f"no action is called '{name}': there are {there_are}"))
    return named[name]


def _card(file: ConfigFile) -> ModelCard:
    """Give the card of the configured model, which need not be loaded for this."""
    card = file.config.model.card
    if card is not None and file.path is not None and not card.is_file():
        card = file.path.parent / card
    return read_card(find_model(file.config.model, file), card)


def _label_for(settings: ActionSettings, card: ModelCard) -> str:
    from listener.actions.when.trigger import label_matches
    from listener.types import STATUS_LABELS

    for label in (*card.labels, *STATUS_LABELS):
        if any(label_matches(label, pattern) for pattern in settings.labels):
            return label
    return card.labels[0]


def _source_of(file: ConfigFile) -> str:
    return next((one.name or one.use for one in file.config.sources), "mic")


def _made_up(label: str, source: str) -> list[Event]:
    started_at = datetime.now(UTC)
    onset = Event(
        id=new_id(),
        phase=Phase.ONSET,
        source=source,
        label=label,
        onset_s=1.0,
        offset_s=None,
        score=1.0,
        peak_score=1.0,
        model=f"listener/{__version__}",
        started_at=started_at,
    )
    ended_at = started_at + timedelta(seconds=LASTS_S)
    offset = replace(onset, phase=Phase.OFFSET, offset_s=onset.onset_s + LASTS_S, ended_at=ended_at)
    return [onset, replace(onset, phase=Phase.UPDATE), offset]


class _MadeUpSound:
    """Fills `listener.actions.base.AudioTap`, and its `Hold`: a quiet tone for as long as anybody wants."""

    def hold(self, source: str, from_s: float) -> "_MadeUpSound":
        """Keep nothing, as it can be made again."""
        return self

    def fetch(self, start_s: float, end_s: float, timeout_s: float) -> Recording:
        """Make the sound between two stream times."""
        t = np.arange(round(start_s * RATE), round(end_s * RATE)) / RATE
        return Recording((0.1 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), start_s, RATE)

    def release(self) -> None:
        """Let go of nothing."""


class _Alone:
    """Fills `listener.actions.base.Program` where nothing listens."""

    def __init__(self, file: ConfigFile, card: ModelCard) -> None:
        self.labels = card.labels
        self.sources = [one.name or one.use for one in file.config.sources]
        self.actions = [one.name or one.use for one in file.config.actions]

    def stats(self) -> PipelineStats | None:
        """Nothing is heard."""
        return None

    def pause(self, action: str, paused: bool) -> None:
        """There is nothing to pause."""

    def is_paused(self, action: str) -> bool:
        """Nothing is."""
        return False
