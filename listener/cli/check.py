"""``listener check``."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from listener.cli.common import config_option, load_config
from listener.errors import ConfigError, ListenerError

Result = TypeVar("Result")


@click.command()
@config_option
def check(config_path: Path | None) -> None:
    """Check configuration, model, actions and sources, and name every problem at once."""
    from listener.actions.runner.lane import try_action
    from listener.assembly import build_actions, build_classifier, build_rules, build_sources, idle_settings

    problems: list[str] = []

    def attempt(what: str, work: Callable[[], Result]) -> Result | None:
        try:
            result = work()
        except ListenerError as error:
            problems.extend(str(error).splitlines())
            click.echo(f"{what}: not good")
            return None
        click.echo(f"{what}: good")
        return result

    file = load_config(config_path)
    click.echo(f"configuration: {file.path or 'the defaults'}")
    for warning in idle_settings(file):
        click.echo(f"note: {warning}")
    classifier = attempt(f"model {file.config.model.path}", lambda: build_classifier(file))
    if classifier is not None:
        card = classifier.card
        attempt("events", lambda: build_rules(file, card))
        for action, _ in attempt("actions", lambda: build_actions(file, card)) or []:
            attempt(f"action {action.name}", lambda action=action: try_action(action))  # type: ignore[misc]
    for source in attempt("sources", lambda: build_sources(file)) or []:
        attempt(f"source {source.name}", source.open)
        source.close()
    if problems:
        raise ConfigError(*dict.fromkeys(problems))
