"""From what a recipe says under ``network`` to the network."""

from collections.abc import Mapping
from contextlib import nullcontext
from difflib import get_close_matches
from pathlib import Path

import torch
from torch import nn

from listener.config import Options
from listener.config_file import validate
from listener.errors import ConfigError, printable
from listener.plugins import python_file
from listener.training.networks import own
from listener.training.networks.parts import Network
from listener.training.networks.resnet import ResNet18, ResNet34
from listener.training.networks.separable import DepthwiseSeparable
from listener.training.recipe import NetworkSettings

NETWORKS: Mapping[str, type[Network]] = {
    "resnet18": ResNet18,
    "resnet34": ResNet34,
    "dscnn": DepthwiseSeparable,
}
"""The networks that the program brings, by the name that stands behind ``use``."""


def build_network(
    settings: NetworkSettings,
    n_mels: int,
    n_frames: int,
    n_labels: int,
    folder: Path | None = None,
    seed: int | None = None,
) -> nn.Module:
    """Make a network as it is before training.

    Parameters
    ----------
    settings
        What the recipe says.
    n_mels, n_frames
        Shape of a window's spectrogram.
    n_labels
        Length of the output.
    folder
        That of the recipe, from which the FILE of a ``python:FILE:CLASS`` counts.
    seed
        Decides the first weights, and leaves torch's own chance alone; None: that decides them.

    Returns
    -------
    nn.Module
        (n, n_mels, n_frames) to logits (n, n_labels).

    Raises
    ------
    ConfigError
        There is no such network, or its options are wrong; every problem is named.
    PluginError
        A user's own file cannot be used; the message names it, and the line.
    """
    with nullcontext() if seed is None else torch.random.fork_rng():
        if seed is not None:
            torch.manual_seed(seed)
        if python_file.is_reference(settings.use):
            return own.build(settings, n_mels, n_frames, n_labels, folder)
        kind = _kind(settings.use)
        return kind(n_mels, n_frames, n_labels, _options(kind, settings))  # type: ignore[arg-type]


def check_network(settings: NetworkSettings, folder: Path | None = None) -> None:
    """Find out whether a recipe names a network that there is, with options that it has; make none.

    Raises
    ------
    ConfigError, PluginError
        As `build_network` does.
    """
    if python_file.is_reference(settings.use):
        own.check(settings, folder)
    else:
        _options(_kind(settings.use), settings)


def _kind(use: str) -> type[Network]:
    if use in NETWORKS:
        return NETWORKS[use]
    near = get_close_matches(use, NETWORKS, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(NETWORKS)}, python:FILE:CLASS"
    raise ConfigError(f"network.use: no network is called '{printable(use)}': {hint}")


def _options(kind: type[Network], settings: NetworkSettings) -> Options:
    return validate(kind.Options, settings.own, prefix=("network",), beside=NetworkSettings)
