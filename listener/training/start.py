"""Weights to begin with: those of a bundle, so that a few recordings are enough."""

import hashlib
from pathlib import Path

from torch import Tensor, nn

from listener.classifiers.archive import check_archive
from listener.classifiers.bundle import broken, read_card
from listener.errors import ModelError
from listener.files import is_file
from listener.resources import bundled_models
from listener.training.export.forms import load_network
from listener.types import FeatureParameters

LEAST_SHARE = 0.9
"""Of the network's arrays of numbers, so many must fit: all but the last layer's, as a rule."""

Weights = dict[str, Tensor]


def find_start(path: Path, folder: Path) -> Path:
    """Find the bundle to begin with: beside the recipe, in the working folder, among the shipped ones.

    Raises
    ------
    ModelError
        There is no such file.
    """
    candidates = [folder / path, path, bundled_models() / path.name]
    found = next((candidate for candidate in candidates if is_file(candidate)), None)
    if found is None:
        raise ModelError(
            f"{path}: no such bundle (setting start_from); `listener models list` shows what there is"
        )
    return found


def fingerprint(path: Path) -> str:
    """SHA-256 of the file, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def begin_with(network: nn.Module, bundle: Path, features: FeatureParameters) -> int:
    """Give a network the weights of a bundle, wherever they fit: the last layer's seldom do.

    Parameters
    ----------
    network
        It is changed.
    bundle
        With the same front end.
    features
        What the network reads.

    Returns
    -------
    int
        How many arrays of numbers were taken over.

    Raises
    ------
    ModelError
        The bundle is broken, has another front end, or nothing in it fits.
    """
    if read_card(bundle).features != features:
        raise ModelError(
            f"{bundle}: has another front end than the recipe: with start_from, 'features' must be the same"
        )
    try:
        check_archive(bundle)
        given = load_network(bundle).state_dict()
    except Exception as error:  # libtorch raises almost anything at a damaged file
        raise broken(bundle, error) from error
    own = network.state_dict()
    # Layers have had other names; what does not change is their order.
    taken = max(_by_name(own, given), _by_order(own, given), key=len)
    if len(taken) < LEAST_SHARE * len(own):
        raise ModelError(
            f"{bundle}: is of another network than the recipe's: with start_from, it must be the same"
        )
    network.load_state_dict(own | taken)
    return len(taken)


def _by_name(own: Weights, given: Weights) -> Weights:
    return {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}


def _by_order(own: Weights, given: Weights) -> Weights:
    pairs = zip(own.items(), given.values(), strict=False)
    return {name: theirs for (name, ours), theirs in pairs if ours.shape == theirs.shape}
