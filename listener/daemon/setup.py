"""A configuration with the model that it names."""

from dataclasses import dataclass

from listener.assembly import build_classifier
from listener.classifiers.base import Classifier
from listener.config_file import ConfigFile
from listener.daemon.difference import Stamp, model_stamp


@dataclass(frozen=True, slots=True)
class Setup:
    """A configuration, and the model that it names, loaded."""

    file: ConfigFile
    """The configuration."""

    classifier: Classifier
    """The model."""

    stamp: Stamp
    """Its files as they were when it was loaded."""

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
    stamp = model_stamp(file)  # before it is read: what is written meanwhile is seen as a change
    return Setup(file, build_classifier(file), stamp)
