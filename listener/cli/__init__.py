"""The command line: parse, call, print.

Commands are imported when they are called, so that ``listener --help`` is there at once.
"""

import importlib
import logging
import os
import signal
import sys
from types import FrameType
from typing import Any

import click

from listener import __version__
from listener.errors import ListenerError

COMMANDS = {
    "run": "listener.cli.run",
    "devices": "listener.cli.devices",
    "check": "listener.cli.check",
    "predict": "listener.cli.predict",
    "analyze": "listener.cli.analyze",
    "record": "listener.cli.record",
    "models": "listener.cli.models",
    "plugins": "listener.cli.plugins",
    "train": "listener.cli.train",
}
"""Module of each command; the command object in it has the command's name."""

EXIT_PROBLEM, EXIT_INTERRUPTED = 1, 130


class LazyGroup(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of use, not of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name]), cmd_name)
        return command


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.option("-v", "--verbose", count=True, help="Say more: every decision, and why.")
@click.option("-q", "--quiet", count=True, help="Say less; twice: errors only.")
def cli(verbose: int, quiet: int) -> None:
    """Hear a sound and do something about it."""
    logging.basicConfig(
        format="%(asctime)s %(levelname)s: %(message)s", datefmt="%H:%M:%S", stream=sys.stderr
    )
    level = logging.INFO + 10 * (quiet - verbose)
    logging.getLogger("listener").setLevel(max(logging.DEBUG, min(level, logging.ERROR)))


def main() -> None:
    """Run the command line and exit with its code."""
    # Read by the OpenMP run-time when torch is loaded: its threads would spin while they wait.
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    signal.signal(signal.SIGINT, _interrupt)
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ListenerError as error:
        for line in str(error).splitlines():
            print(f"listener: {line}", file=sys.stderr)
        _leave(EXIT_PROBLEM)
    except (KeyboardInterrupt, click.Abort):
        _leave(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # Who read our output has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _leave(EXIT_PROBLEM)
    except Exception:
        # An interrupt within an import may surface as any exception.
        if _interrupted:
            _leave(EXIT_INTERRUPTED)
        raise


_interrupted: list[Any] = []


def _interrupt(number: int, frame: FrameType | None) -> None:
    _interrupted.append(number)
    raise KeyboardInterrupt


def _leave(code: int) -> None:
    """Exit without tearing down libraries that may be half loaded, or threads that hang in a driver."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(code)
