"""The group of all commands. They are imported when they are called, so that help is there at once."""

import importlib
import logging
from collections.abc import Callable, Mapping

import click

from listener import __version__, logs

COMMANDS = {
    "run": "listener.cli.run",
    "devices": "listener.cli.devices",
    "check": "listener.cli.check",
    "predict": "listener.cli.predict",
    "analyze": "listener.cli.analyze",
    "record": "listener.cli.record",
    "models": "listener.cli.models",
    "plugins": "listener.cli.plugins",
    "actions": "listener.cli.actions",
    "service": "listener.cli.service",
    "dataset": "listener.cli.dataset",
    "train": "listener.cli.train",
    "evaluate": "listener.cli.evaluate",
    "tune": "listener.cli.tune",
    "export": "listener.cli.export",
}
"""Module of each command; the command object in it has the command's name."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are needed."""

    modules: Mapping[str, str] = COMMANDS
    """Module of each command; the command object in it has the command's name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of use, not of the alphabet."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self.modules:
            return None
        command: click.Command = getattr(importlib.import_module(self.modules[cmd_name]), cmd_name)
        if not any(option.name == "verbose" for option in command.params):
            # -v and -q are understood on either side of the command's name.
            command.params = [*command.params, *_verbosity_options()]
        return command


def _verbosity_options() -> list[click.Option]:
    return [
        click.Option([short, long], is_flag=True, expose_value=False, help=text, callback=_callback(step))
        for short, long, text, step in (
            ("-v", "--verbose", "Say more: what was decided, and why.", -10),
            ("-q", "--quiet", "Say less: warnings and errors.", 10),
        )
    ]


def _callback(step: int) -> Callable[[click.Context, click.Parameter, bool], None]:
    def change(context: click.Context, parameter: click.Parameter, given: bool) -> None:
        if given:
            logger = logging.getLogger("listener")
            logger.setLevel(max(logging.DEBUG, min(logger.level + step, logging.ERROR)))

    return change


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.option("-v", "--verbose", count=True, help="Say more: what was decided, and why.")
@click.option("-q", "--quiet", count=True, help="Say less; twice: errors only.")
def cli(verbose: int, quiet: int) -> None:
    """Hear a sound and do something about it."""
    logs.setup()
    level = logging.INFO + 10 * (quiet - verbose)
    logging.getLogger("listener").setLevel(max(logging.DEBUG, min(level, logging.ERROR)))
