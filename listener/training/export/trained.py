"""From a trained network to the bundle, and the list of those to thank."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from listener.classifiers.bundle import write_bundle
from listener.classifiers.reference import REFERENCE_SIGNAL, reference_signal
from listener.features import LogMel
from listener.training.attribution import attribution_of, write_attribution
from listener.training.data.clip import Manifest
from listener.types import ModelCard, Reference


def export(path: Path, network: nn.Module, card: ModelCard, manifest: Manifest) -> None:
    """Write the bundle, and ``NAME.ATTRIBUTION.csv`` beside it.

    Parameters
    ----------
    path
        Of the bundle.
    network
        In evaluation mode; log-mel to logits.
    card
        Complete but for the reference, which is computed here.
    manifest
        The clips that the network was trained on.

    Raises
    ------
    DatasetError
        The attribution file cannot be written.
    ModelError
        The bundle cannot be written.
    """
    module = _script(network)
    write_attribution(attribution_of(path), manifest)
    write_bundle(path, module, replace(card, reference=_reference(network, card)))


def _script(network: nn.Module) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        # TorchScript is deprecated in favour of torch.export; it is this project's format by choice.
        warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
        plain = network.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        return torch.jit.script(plain)  # type: ignore[no-any-return]


def _reference(network: nn.Module, card: ModelCard) -> Reference:
    # The network itself, not its script: where a bundle was loaded before, torch would try to fuse the
    # script, which has to be frozen for that.
    assert card.features is not None
    signal = reference_signal(REFERENCE_SIGNAL, card.window_samples, card.sample_rate)
    log_mel = LogMel(card.features)(signal)[np.newaxis]
    with torch.inference_mode():
        logits = network(torch.from_numpy(log_mel))[0]
    scores = logits.softmax(dim=0) if card.activation == "softmax" else logits.sigmoid()
    return Reference(REFERENCE_SIGNAL, tuple(round(score, 6) for score in scores.tolist()))
