"""What a new configuration changes of the one in force."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from listener.assembly import find_model, plugin_folder
from listener.config import PluginSettings
from listener.config_file import ConfigFile
from listener.errors import PluginError
from listener.plugins import python_file

Stamp = tuple[python_file.Stamp, ...]
"""Of files that belong together."""


@dataclass(frozen=True, slots=True)
class Stamps:
    """The files that a configuration names, as they were at a moment."""

    model: Stamp
    """The model's, and that of a classifier in a Python file."""

    sources: Stamp
    """Of sources in Python files."""

    actions: Stamp
    """Of actions in Python files."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Which parts are others than before."""

    model: bool
    """The model's settings, or what is in its files."""

    analysis: bool
    """What makes events of its scores: hop, thresholds, labels."""

    actions: bool
    """What is done about events."""

    sources: bool
    """Where sound comes from."""

    def __str__(self) -> str:
        parts = {
            "model": self.model,
            "hop and events": self.analysis,
            "actions": self.actions,
            "sources": self.sources,
        }
        return ", ".join(name for name, changed in parts.items() if changed)

    def __bool__(self) -> bool:
        return self.model or self.analysis or self.actions or self.sources


def difference(before: ConfigFile, stamps: Stamps, after: ConfigFile) -> Difference:
    """Compare two configurations.

    Parameters
    ----------
    before
        The one in force.
    stamps
        Its files as they were when they were loaded.
    after
        The new one.
    """
    old, new = before.config, after.config
    now = stamps_of(after)
    return Difference(
        model=old.model != new.model or stamps.model != now.model,
        analysis=(old.events, old.windows) != (new.events, new.windows),
        actions=(old.actions, old.place, stamps.actions) != (new.actions, new.place, now.actions),
        sources=(old.sources, stamps.sources) != (new.sources, now.sources),
    )


def stamps_of(file: ConfigFile) -> Stamps:
    """Give what tells whether the files of a configuration were changed."""
    config = file.config
    model = [find_model(config.model, file)]
    if (card := config.model.card) is not None:
        model += [card] if file.path is None else [card, file.path.parent / card]
    return Stamps(
        model=_stamp([*model, *_python_files([config.model.use], file)]),
        sources=_stamp(_python_files(_uses(config.sources), file)),
        actions=_stamp(_python_files(_uses(config.actions), file)),
    )


def _uses(settings: Sequence[PluginSettings]) -> list[str]:
    return [each.use for each in settings]


def _python_files(uses: Iterable[str], file: ConfigFile) -> Iterable[Path]:
    for use in filter(python_file.is_reference, uses):
        try:
            yield python_file.parse(use, plugin_folder(file)).path
        except PluginError:  # whoever loads it says so
            continue


def _stamp(paths: Iterable[Path]) -> Stamp:
    found = [python_file.stamp_of(path) for path in paths]
    return tuple(stamp for stamp in found if stamp is not None)  # one is missing: whoever loads it says so
