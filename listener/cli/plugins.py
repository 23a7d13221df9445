"""``listener plugins``."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from listener.cli.common import config_option, load_config, table
from listener.config_file import ConfigFile
from listener.errors import ConfigError
from listener.logs import complain

if TYPE_CHECKING:
    from listener.plugins import Kind


@click.command()
@config_option
def plugins(config_path: Path | None) -> None:
    """Show every source, classifier and action, where it comes from and how it stands.

    Beside what is installed, those in Python files that the configuration names (use: python:...).
    """
    from listener.assembly import plugin_folder, usable
    from listener.plugins import statuses

    file = _configuration(config_path)
    rows = [
        (status.kind.removesuffix("s"), status.name, status.origin, status.problem or "ok")
        for status in statuses(_in_files(file), plugin_folder(file), usable)
    ]
    click.echo(table(("KIND", "NAME", "ORIGIN", "STATUS"), rows))


def _configuration(path: Path | None) -> ConfigFile:
    from listener.config import Config

    try:
        return load_config(path)
    except ConfigError as error:
        if path is not None:
            raise
        complain(str(error))  # what is installed can be told all the same
        return ConfigFile(Config())


def _in_files(file: ConfigFile) -> "Iterator[tuple[Kind, str]]":
    from listener.plugins.python_file import is_reference

    uses: list[tuple[Kind, str]] = [
        *(("sources", source.use) for source in file.config.sources),
        ("classifiers", file.config.model.use),
        *(("actions", action.use) for action in file.config.actions),
    ]
    return (each for each in uses if is_reference(each[1]))
