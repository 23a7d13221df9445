"""What the command line of ``listener run`` says of sources, over the configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from listener.cli.common import with_model, with_settings
from listener.config import ActionSettings, SourceSettings
from listener.config_file import ConfigFile, read_config


@dataclass(frozen=True, slots=True)
class SourceChoice:
    """Options that have the last word, also over a configuration that is read again."""

    sources: Sequence[str] = ()
    """As typed: ``mic``, ``mic:NAME``, a file, a folder, ``-``, ``demo``."""

    device: str | None = None
    """Which microphone."""

    speed: float | str | None = None
    """How fast recordings and the demo go."""

    pcm: Mapping[str, Any] = field(default_factory=dict)
    """The form of raw PCM on standard input."""

    demo: bool = False
    """There is no microphone: play the demo scene."""

    @property
    def is_made(self) -> bool:
        """Sources were chosen; those of the configuration do not count."""
        return bool(self.sources) or self.device is not None

    def over(self, file: ConfigFile) -> ConfigFile:
        """Give a configuration with the sources that were chosen."""
        if self.demo:
            return self._with_demo(file)
        return self._with_sources(file) if self.is_made else file

    def _with_sources(self, file: ConfigFile) -> ConfigFile:
        """Take the sources from the command line; what it leaves out of a microphone is as configured."""
        from listener.sources.spec import parse_sources

        specs = parse_sources(self.sources or ("mic",), speed=self.speed, device=self.device, pcm=self.pcm)
        configured = [source for source in file.config.sources if source.use == "microphone"]
        base = configured[0].model_dump() if configured else {}
        settings = [{**(base if spec.use == "microphone" else {}), **spec.as_settings()} for spec in specs]
        return with_settings(file, sources=tuple(SourceSettings.model_validate(each) for each in settings))

    def _with_demo(self, file: ConfigFile) -> ConfigFile:
        """Play the demo scene. Nobody shall be called for a smoke alarm that is none: all it does is log."""
        extra = {} if self.speed is None else {"speed": self.speed}
        scene = SourceSettings.model_validate({"use": "demo", "name": "demo", **extra})
        return with_settings(file, sources=(scene,), actions=(ActionSettings(use="log"),))


def parse_speed(text: str | None) -> float | str | None:
    """Understand ``--speed``."""
    if text is None or text == "max":
        return text
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise click.BadParameter(f"'{text}' is neither 'max' nor a number above 0", param_hint="--speed")
    return speed


class Configuration:
    """The configuration of a run: a file, or the defaults, and over it what the command line says.

    Parameters
    ----------
    file
        As it was read first.
    choice
        What the command line says of sources.
    model
        Bundle in place of the configured one.
    """

    def __init__(self, file: ConfigFile, choice: SourceChoice, model: Path | None = None) -> None:
        self.choice = choice
        """What has the last word."""
        self._file = file
        self._model = model

    @property
    def path(self) -> Path | None:
        """The file; None for the defaults."""
        return self._file.path

    @property
    def file(self) -> ConfigFile:
        """What is to be run."""
        return self._over(self._file)

    @property
    def is_default(self) -> bool:
        """The sources are what somebody has who chose none: the system's microphone."""
        (source, *others) = self._file.config.sources
        asked_for = (source.model_extra or {}).get("device", "default")
        is_usual = not others and source.use == "microphone" and asked_for == "default"
        return is_usual and not self.choice.is_made

    def play_demo(self) -> None:
        """Play the demo scene from now on."""
        self.choice = replace(self.choice, demo=True)

    def read_again(self) -> ConfigFile:
        """Read the file once more.

        Raises
        ------
        ConfigError
            It cannot be read, or something in it is wrong.
        """
        return self._over(self._file if self.path is None else read_config(self.path))

    def _over(self, file: ConfigFile) -> ConfigFile:
        return self.choice.over(with_model(file, self._model))
