"""What ``listener evaluate`` and ``listener tune`` share."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, TaskID

from listener.config import Config, ModelSettings
from listener.config_file import ConfigFile

if TYPE_CHECKING:
    from listener.classifiers.base import Classifier
    from listener.events import LabelRule
    from listener.training.evaluate.judge import Progress as Tell


def load(bundle: Path) -> "tuple[Classifier, list[LabelRule | None]]":
    """Load a bundle, and the event logic's rules as they are without a configuration.

    Raises
    ------
    ModelError
        It is missing, broken or untrue to its card.
    """
    from listener.assembly import build_classifier, build_rules

    file = ConfigFile(Config(model=ModelSettings(path=bundle)))
    classifier = build_classifier(file)
    return classifier, build_rules(file, classifier.card)


@contextmanager
def progress() -> "Iterator[Tell]":
    """Show bars on a terminal, and nothing elsewhere."""
    console = Console(stderr=True)
    tasks: dict[str, TaskID] = {}
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bars:

        def tell(what: str, done: float) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=1.0)
            bars.update(tasks[what], completed=done)

        yield tell


def typed() -> str:
    """Give the command as it was typed."""
    return shlex.join(["listener", *sys.argv[1:]])


def warn(text: str) -> None:
    """Say what makes a result worth less, on standard error."""
    print(f"warning: {text}", file=sys.stderr)
