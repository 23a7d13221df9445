"""A user's own network: ``use: python:my_network.py:MyNetwork``.

The class is a ``torch.nn.Module``; it is made with the mel bands, the frames, the number of labels and, by
their names, with the further keys that stand under ``network``. One that has an ``Options`` (of
`listener.config.Options`) gets its keys checked, and as one object.

It is tried before anything is trained with it: what cannot be exported in the end is refused at once.
"""

import inspect
import warnings
from difflib import get_close_matches
from pathlib import Path
from traceback import extract_tb
from typing import Any

import torch
from torch import nn

from listener.config import Options
from listener.config_file import validate
from listener.errors import BrokenPluginError, ConfigError, PluginError, one_line, printable
from listener.plugins import python_file
from listener.training.recipe import NetworkSettings

GIVEN = ("n_mels", "n_frames", "n_labels")
"""What every network is made with."""

LONGEST_REASON = 300
"""Characters of what a library says; TorchScript says whole pages."""


def build(
    settings: NetworkSettings, n_mels: int, n_frames: int, n_labels: int, folder: Path | None
) -> nn.Module:
    """Make it, and try it.

    Raises
    ------
    ConfigError
        Its options are wrong.
    PluginError
        There is no such file or class, it fails, or it is no network for these windows.
    """
    kind, arguments = _kind_and_arguments(settings, folder)
    path = python_file.parse(settings.use, folder).path
    try:
        network: nn.Module = kind(n_mels, n_frames, n_labels, **arguments)
    except Exception as error:  # a stranger's code may raise anything
        raise BrokenPluginError(_told(path, error)) from error
    _try(network, n_mels, n_frames, n_labels, path, kind.__name__)
    return network


def check(settings: NetworkSettings, folder: Path | None) -> None:
    """Find out whether there is such a class, and whether it takes these options.

    Raises
    ------
    ConfigError, PluginError
        As `build` does.
    """
    _kind_and_arguments(settings, folder)


def _kind_and_arguments(settings: NetworkSettings, folder: Path | None) -> tuple[Any, dict[str, Any]]:
    try:
        kind = python_file.load(settings.use, folder)
    except BrokenPluginError:
        raise
    except PluginError as error:
        raise ConfigError(f"network.use: {error}") from error
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise ConfigError(
            f"network.use: '{printable(settings.use)}' is no class derived from torch.nn.Module"
        )
    options = getattr(kind, "Options", None)
    if isinstance(options, type) and issubclass(options, Options):
        checked = validate(options, settings.own, prefix=("network",), beside=NetworkSettings)
        return kind, {"options": checked}
    _check_names(kind, settings.own)
    return kind, settings.own


def _check_names(kind: type[nn.Module], own: dict[str, Any]) -> None:
    """Compare the keys with the names of the constructor's parameters."""
    parameters = list(inspect.signature(kind).parameters.values())
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters):
        return
    named = {one.name: one for one in parameters[len(GIVEN) :]}
    problems = [
        f"network.{name}: unknown key: {_hint(name, list(named))}" for name in own if name not in named
    ]
    problems += [
        f"network.{name}: is missing"
        for name, one in named.items()
        if one.default is one.empty and one.kind is not one.VAR_POSITIONAL and name not in own
    ]
    if problems:
        raise ConfigError(*problems)


def _hint(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"there are {', '.join(['use', *known])}" if known else "the class takes none"


def _try(network: nn.Module, n_mels: int, n_frames: int, n_labels: int, path: Path, name: str) -> None:
    """Run two windows through it, as it is and as TorchScript."""
    was_training = network.training
    windows = torch.zeros(2, n_mels, n_frames)
    try:
        with torch.no_grad(), torch.random.fork_rng():
            given = network.eval()(windows)
    except Exception as error:
        raise BrokenPluginError(_told(path, error)) from error
    shape = tuple(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__
    if shape != (2, n_labels):
        raise PluginError(
            f"{printable(path)}: {name} gives {shape} for windows of shape {tuple(windows.shape)}: "
            f"it must give logits of shape (2, {n_labels})"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.script(network)
    except Exception as error:
        raise PluginError(
            f"{printable(path)}: {name} cannot be exported as TorchScript: {_reason(error)}"
        ) from error
    network.train(was_training)


def _told(path: Path, error: BaseException) -> str:
    """Name the line of the user's file at fault, and what went wrong."""
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == str(path)]
    place = f"{path}:{lines[-1]}" if lines else str(path)
    return f"{printable(place)}: {type(error).__name__}: {_reason(error)}"


def _reason(error: BaseException) -> str:
    told = one_line(error)
    return told if len(told) <= LONGEST_REASON else f"{told[: LONGEST_REASON - 1]}…"
