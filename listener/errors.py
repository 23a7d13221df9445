"""Everything that can go wrong in a way that a user can mend.

::

    ListenerError
    ├── ConfigError          a setting is unknown, of the wrong type or impossible
    ├── SourceError          no sound can be had from there
    │   ├── DeviceError      a microphone: unknown, busy, refused, gone
    │   └── AudioFileError   a file: missing, empty, truncated, not audio
    ├── ModelError           a bundle is missing, broken, foreign or untrue to its card
    ├── ActionError          an action cannot be set up or has failed
    ├── PluginError          an extension cannot be found, imported or used
    ├── DatasetError         clips or manifests that cannot be trained on
    └── ServiceError         systemd is not there, or cannot run the program from where it is

The message is one line, names the setting or the file and says what to do. The
command line prints it after ``listener: `` and exits with 1; a traceback is for
defects of the program only.
"""


class ListenerError(Exception):
    """Base class of all errors that a user can mend."""


class ConfigError(ListenerError):
    """The configuration is wrong.

    Parameters
    ----------
    problems
        One line for each problem, in the order of the file.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class SourceError(ListenerError):
    """No sound can be had from a source."""


class DeviceError(SourceError):
    """A microphone is unknown, refuses to open, or is gone."""


class AudioFileError(SourceError):
    """An audio file is missing, empty, truncated or no audio at all."""


class ModelError(ListenerError):
    """A model bundle is missing, broken, foreign, or untrue to its card."""


class ActionError(ListenerError):
    """An action cannot be set up, or has failed."""


class PluginError(ListenerError):
    """An extension cannot be found, imported or used."""


class DatasetError(ListenerError):
    """Clips or a manifest cannot be trained on."""


class ServiceError(ListenerError):
    """systemd is not there, refuses, or cannot run the program from where it is."""
