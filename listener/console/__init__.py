"""What a person sees while the engine listens: a live picture, or plain lines.

Both consoles are driven in the same way. The engine calls `on_event` and `on_step`, which
only put down what they are given; the main thread is inside of `run`, draws, and returns
when the engine is to stop or is done; `close` tells what came after that. `on_model` tells of
another model in between.
"""

import sys

from rich.console import Console

from listener.console.live import LiveConsole
from listener.console.plain import PlainConsole
from listener.types import ModelCard

__all__ = ["LiveConsole", "PlainConsole", "open_console"]


def open_console(card: ModelCard, version: str, hop_s: float | None = None) -> LiveConsole | PlainConsole:
    """Give the live picture where standard output can show one, plain lines elsewhere.

    Parameters
    ----------
    card
        The model's card.
    version
        The program's version.
    hop_s
        Time between windows, in seconds; None: the card's.
    """
    # rich takes a pipe for a terminal where FORCE_COLOR is set; a pipe has no place for a picture.
    if sys.stdout.isatty() and Console().is_interactive:
        return LiveConsole(card, version, hop_s=hop_s)
    return PlainConsole(card, version)
