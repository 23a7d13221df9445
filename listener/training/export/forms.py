"""The forms that a network is exported in: TorchScript and ONNX, the front end inside or outside."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning

from listener.classifiers.self_check import last_line
from listener.errors import ModelError, printable
from listener.features.layers import LogMelLayer, WithFrontEnd
from listener.types import ModelCard

OPSET = 17
"""Of ONNX: known to every ONNX Runtime since 1.12 (2022)."""

INPUT, OUTPUT = "windows", "scores"
"""Names of an exported network's input and output."""

FRONT_END = "/front_end/"
"""What the names of its front end's nodes begin with."""

_TRACED_WINDOWS = 2
"""One would be taken for an axis that is always one long."""


def load_network(bundle: Path) -> torch.jit.ScriptModule:
    """Load a TorchScript bundle as it is, neither frozen nor fused."""
    with quiet_torch():
        module = torch.jit.load(bundle, map_location="cpu")  # type: ignore[no-untyped-call]
    network: torch.jit.ScriptModule = module.eval()
    return network


def with_front_end(
    network: nn.Module, card: ModelCard, channel_axis: bool, for_onnx: bool
) -> torch.jit.ScriptModule:
    """Put a front end before a network, so that it eats waveforms.

    Parameters
    ----------
    network
        Log-mel to scores.
    card
        Of the network; it says which front end.
    channel_axis
        The network wants (n, 1, n_mels, n_frames).
    for_onnx
        Whether it is to be written as ONNX, which has no fast Fourier transform worth its name.
    """
    assert card.features is not None
    with quiet_torch():
        front_end = LogMelLayer(card.features, "matrices" if for_onnx else "fft").eval()
        # Traced, so that no branch is left in it: oneDNN's fusion fails at one that is never taken.
        layer: nn.Module = front_end
        if not for_onnx:
            layer = torch.jit.trace(front_end, torch.zeros(1, card.window_samples))  # type: ignore[no-untyped-call]
        script: torch.jit.ScriptModule = torch.jit.script(WithFrontEnd(layer, network, channel_axis).eval())
    return script


def waveform_card(card: ModelCard) -> ModelCard:
    """Give the card of a model that has its front end inside."""
    return replace(card, input="waveform", features=None, window_s=card.window_samples / card.sample_rate)


def onnx_model(network: torch.jit.ScriptModule, example: Tensor, name: Path) -> bytes:
    """Write a network as ONNX, for batches of any size.

    Parameters
    ----------
    network
        The network.
    example
        Some windows, as the network wants them.
    name
        Of the file that it came from, for messages.

    Raises
    ------
    ModelError
        The package is missing, or something in the network cannot be said in ONNX.
    """
    # Not optimised: oneDNN's fusion may be switched on in this process, and wants a frozen network.
    unfused = torch.jit.optimized_execution(False)  # type: ignore[attr-defined]
    with quiet_torch(), unfused, tempfile.TemporaryDirectory(prefix="listener-onnx-") as folder:
        written = Path(folder) / "network.onnx"
        try:
            torch.onnx.export(
                network,
                (example,),
                written,
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "n"}, OUTPUT: {0: "n"}},
            )
        except Exception as error:  # torch raises almost anything at what it cannot say
            raise ModelError(
                f"{printable(name)}: this network cannot be exported to ONNX: {last_line(error)}"
            ) from error
        return written.read_bytes()


def example_windows(card: ModelCard, channel_axis: bool) -> Tensor:
    """Make windows of zeros in the shape that a network wants."""
    if card.input == "wav_bytes":
        return torch.zeros(_TRACED_WINDOWS, 44 + 2 * card.window_samples, dtype=torch.uint8)
    shape = [card.window_samples]
    if card.features is not None:
        shape = [card.features.n_mels, card.features.n_frames]
    return torch.zeros(_TRACED_WINDOWS, *([1] if channel_axis else []), *shape)


@contextmanager
def quiet_torch() -> Iterator[None]:
    """Keep torch from saying what is so by choice: TorchScript, and ONNX by way of it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=".*legacy TorchScript-based ONNX export")
        # torch's own exporter calls parts of torch that are to go.
        warnings.filterwarnings("ignore", message="The feature will be removed", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="no signature found for .*ScriptMethod")
        warnings.filterwarnings("ignore", message="Constant folding - Only steps=1")
        warnings.filterwarnings("ignore", category=TracerWarning)
        yield
