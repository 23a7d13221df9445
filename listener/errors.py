"""Everything that can go wrong in a way that a user can mend.

::

    ListenerError
    ├── ConfigError          a setting is unknown, of the wrong type or impossible
    ├── SourceError          no sound can be had from there
    │   ├── DeviceError      a microphone: unknown, busy, refused, gone
    │   └── AudioFileError   a file: missing, empty, truncated, not audio
    ├── ModelError           a bundle is missing, broken, foreign or untrue to its card
    ├── ActionError          an action cannot be set up or has failed
    │   └── TransientError   it has failed for a reason that may pass: it is tried again
    ├── PluginError          an extension cannot be found
    │   └── BrokenPluginError  its own code fails: the program goes on without it
    ├── DatasetError         clips or manifests that cannot be trained on
    └── ServiceError         systemd is not there, or cannot run the program from where it is

The message is one line, names the setting or the file and says what to do. The
command line prints it after ``listener: `` and exits with 1; a traceback is for
defects of the program only.
"""

LONGEST_NAME = 1_000
"""Characters of a path that are told; of a longer one its beginning and its end."""

MOST_PROBLEMS = 50
"""Who has more will look for one reason behind them all."""


def printable(told: object) -> str:
    """Give a name or a path, which may hold anything, so that it can be printed within a line."""
    text = str(told)
    if len(text) > LONGEST_NAME:
        text = f"{text[: LONGEST_NAME // 2]}…{text[-LONGEST_NAME // 2 :]}"
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def one_line(told: object) -> str:
    """Give what a library says as one line that can be printed."""
    return printable(" ".join(str(told).split()))


class ListenerError(Exception):
    """Base class of all errors that a user can mend."""


class ConfigError(ListenerError):
    """The configuration is wrong.

    Parameters
    ----------
    problems
        One line for each problem, in the order of the file; of very many, the first are told.
    """

    def __init__(self, *problems: str) -> None:
        if (n_more := len(problems) - MOST_PROBLEMS) > 0:
            problems = (*problems[:MOST_PROBLEMS], f"and {n_more} more problems")
        self.problems = problems
        super().__init__("\n".join(problems))


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


class TransientError(ActionError):
    """An action has failed for a reason that may pass, such as a server that is away: it is tried again.

    Parameters
    ----------
    message
        What went wrong.
    after_s
        Seconds for which the other side asks to be left alone.
    """

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s


class PluginError(ListenerError):
    """An extension cannot be found."""


class BrokenPluginError(PluginError):
    """An extension's own code fails where it is imported or made: the program goes on without it."""


class DatasetError(ListenerError):
    """Clips or a manifest cannot be trained on."""


class ServiceError(ListenerError):
    """systemd is not there, refuses, or cannot run the program from where it is."""
