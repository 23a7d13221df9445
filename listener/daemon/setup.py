"""A configuration with the model that it names."""

from dataclasses import dataclass

from listener.assembly import build_classifier
from listener.classifiers.base import Classifier
from listener.config_file import ConfigFile
from listener.daemon.difference import Stamps, stamps_of


@dataclass(frozen=True, slots=True)
class Setup:
    """A configuration, and the model that it names, loaded."""

    file: ConfigFile
    """The configuration."""

    classifier: Classifier
    """The model."""

    stamps: Stamps
    """The files of both as they were when they were loaded."""

    @property
    def hop_s(self) -> float:
        """Time between windows, in seconds."""
        return self.file.config.windows.hop_s


def load(file: ConfigFile) -> Setup:
    """Load the model that a configuration names; takes a second or two.

    Raises
    ------
    ListenerError
        It cannot be loaded.
    """
    stamps = stamps_of(file)  # before they are read: what is written meanwhile is seen as a change
    return Setup(file, build_classifier(file), stamps)
