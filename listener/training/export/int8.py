"""A network in 8-bit integers, by static calibration: several times as fast on one core.

Activations are unsigned, weights signed with one scale for each channel: ONNX Runtime has fast
kernels for that pair on every processor. Weights take 7 bits only: without VNNI, a processor adds
two products in 16 bits, which 8 bits would overflow. So the scores are the same with it and without.
"""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from listener.classifiers.self_check import last_line
from listener.errors import ModelError
from listener.training.export.forms import FRONT_END

QUANTISED = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Relu", "Clip", "MaxPool")
"""What is computed in integers. The rest costs next to nothing, and gains nothing by being inexact."""

TOLERANCE = 0.05
"""Of the reference: a feature that another machine rounds to the next step of 255 moves a score by 0.02."""


def need_onnx(what: str) -> None:
    """See that what writes ONNX is installed.

    Raises
    ------
    ModelError
        It is not.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ModelError(
            f"{what} needs the packages onnx and onnxruntime: pip install 'listener[onnx]'"
        ) from error
    del onnx, onnxruntime


def quantise(model: bytes, windows: Sequence[NDArray[np.float32]]) -> bytes:
    """Turn an ONNX network into one of integers; a front end inside of it stays as it is.

    Parameters
    ----------
    model
        The network.
    windows
        What it will hear, each in the form that it eats: the ranges of all activations are theirs.

    Returns
    -------
    bytes
        The same network with the same input and output.

    Raises
    ------
    ModelError
        It cannot be done to this network.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    whole = onnx.load_model_from_string(model)
    _name_constants(whole.graph)
    outside = [node.name for node in whole.graph.node if node.name.startswith(FRONT_END)]
    with tempfile.TemporaryDirectory(prefix="listener-int8-") as folder, _without_advice():
        before, after = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        before.write_bytes(whole.SerializeToString())
        try:
            quantize_static(
                before,
                after,
                _reader(whole.graph.input[0].name, windows),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(QUANTISED),
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=outside,
            )
        except Exception as error:  # ONNX Runtime has a tree of errors of its own, below Exception
            raise ModelError(f"this network cannot be calibrated: {last_line(error)}") from error
        return after.read_bytes()


def _name_constants(graph: Any) -> None:
    """Let nodes name constants themselves: torch writes equal ones once, and for the rest "the same as".

    A convolution whose bias is such a reference would be left out.
    """
    constants = {constant.name for constant in graph.initializer}
    aliases = [node for node in graph.node if node.op_type == "Identity" and node.input[0] in constants]
    meant = {node.output[0]: node.input[0] for node in aliases}
    for node in aliases:
        graph.node.remove(node)
    for node in graph.node:
        node.input[:] = [meant.get(name, name) for name in node.input]


def _reader(name: str, windows: Sequence[NDArray[np.float32]]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Gives one window after the other."""

        def __init__(self) -> None:
            self._rest = iter(windows)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            window = next(self._rest, None)
            return None if window is None else {name: window[np.newaxis]}

    return Reader()


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep ONNX Runtime from recommending steps that this network has behind it."""

    def is_none(record: logging.LogRecord) -> bool:
        return "pre-processing before quantization" not in record.getMessage()

    root = logging.getLogger()
    root.addFilter(is_none)
    try:
        yield
    finally:
        root.removeFilter(is_none)
