"""What several commands need."""

import logging
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from listener.config import Config, ModelSettings
from listener.config_file import ConfigFile, read_config
from listener.types import Decision, Reason

CONFIG_NAME = "config.yaml"
WORTH_TELLING = 0.1
"""Score from which ``-v`` tells a decision that changed nothing."""

log = logging.getLogger(__name__)


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``-c``."""
    return click.option(
        "-c",
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        help="Configuration; without it ./config.yaml, then the user's, then the defaults.",
    )(command)


def model_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--model``."""
    return click.option(
        "--model",
        "model_path",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Bundle to use in place of the configured one.",
    )(command)


def seconds_option(
    name: str, what: str, default: float | None = None, may_be_0: bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add an option in seconds, 0 or more.

    Parameters
    ----------
    name
        With its dashes.
    what
        It is, for the help.
    default
        Is told there; None: there is none, or what it is depends.
    may_be_0
        Else it must be more.
    """
    return click.option(
        name,
        type=click.FloatRange(min=0, min_open=not may_be_0),
        callback=finite,
        metavar="S",
        default=default,
        show_default=default is not None,
        help=what,
    )


def with_model(file: ConfigFile, path: Path | None) -> ConfigFile:
    """Give a configuration with another bundle; with its own where none is named."""
    return file if path is None else with_settings(file, model=ModelSettings(path=path))


def load_config(path: Path | None) -> ConfigFile:
    """Read the configuration that was asked for, or the first that there is.

    Raises
    ------
    ConfigError
        It cannot be read, or something in it is wrong.
    """
    if path is not None:
        return read_config(path)
    # Without a home, "~" stays as it is, and is no folder.
    user_folder = Path(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"))  # noqa: PTH111
    for candidate in (Path(CONFIG_NAME), user_folder / "listener" / CONFIG_NAME):
        if candidate.is_file():
            return read_config(candidate)
    return ConfigFile(Config())


def with_settings(file: ConfigFile, **changes: object) -> ConfigFile:
    """Give a configuration in which the command line has the last word."""
    # What does not stand in the file is not blamed on its lines.
    lines = {
        location: line for location, line in file.lines.items() if location[:1] not in {(c,) for c in changes}
    }
    return ConfigFile(file.config.model_copy(update=changes), file.path, lines, file.secrets)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out text in columns."""
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (headings, *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)


def finite(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Refuse ``inf`` and ``nan``."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"'{value}' is no number of seconds")
    return value


def tell_decisions(decisions: Sequence[Decision]) -> None:
    """Say under ``-v`` what was made of a window, and why."""
    if not log.isEnabledFor(logging.DEBUG):
        return
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
