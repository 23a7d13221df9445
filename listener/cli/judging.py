"""What ``listener evaluate`` and ``listener tune`` share."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from listener.config import Config, ModelSettings
from listener.config_file import ConfigFile

if TYPE_CHECKING:
    from listener.classifiers.base import Classifier
    from listener.events import LabelRule


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


def typed() -> str:
    """Give the command as it was typed."""
    return shlex.join(["listener", *sys.argv[1:]])


def warn(text: str) -> None:
    """Say what makes a result worth less, on standard error."""
    print(f"warning: {text}", file=sys.stderr)
