"""ONNX models, run by ONNX Runtime: no torch is loaded, and int8 is several times as fast.

One thread, one operator after the other. Convolutions give a window the same scores in any
batch, matrix products need not: a batch size is used only if the loaded model has shown
with it that it does, and else windows are given one by one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from listener.classifiers.base import Classifier
from listener.classifiers.onnx_file import broken_onnx, read_model
from listener.classifiers.self_check import (
    check_scores,
    check_shape,
    last_line,
    other_windows,
    reference_window,
    stacked,
    unlike_its_card,
)
from listener.errors import ModelError, printable
from listener.types import Features, ModelCard

if TYPE_CHECKING:
    import onnxruntime

SIZES = (8, 4, 2)
"""Batch sizes that are tried; one window alone always goes."""

SILENT = 4
"""ONNX Runtime's level of logging that says nothing: what fails is raised as well."""


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    # exp of a negative number only: that of a large one is none.
    small = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits >= 0, 1.0, small) / (1.0 + small))


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


_ACTIVATIONS: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "sigmoid": _sigmoid,
    "softmax": _softmax,
    "none": lambda scores: scores,
}


class OnnxClassifier(Classifier):
    """An ONNX model on the CPU.

    Parameters
    ----------
    path
        The bundle, or a plain ONNX file: one input of windows, one output of scores.
    card
        Its card.
    precision
        ``auto`` or ``fp32``: that of the file.
    threads
        Threads of ONNX Runtime. One is right unless the machine idles.

    Raises
    ------
    ModelError
        The file is no ONNX, or the model does not do what its card says, or ONNX Runtime is not installed.
    """

    max_batch = SIZES[0]

    def __init__(
        self,
        path: Path,
        card: ModelCard,
        precision: Literal["auto", "fp32", "bf16"] = "auto",
        threads: int = 1,
    ) -> None:
        self.card = card
        self._name = printable(path)
        if precision == "bf16":
            raise ModelError(
                f"{self._name}: model.precision: bf16 is for TorchScript; an ONNX file has the precision "
                "that it was exported with: `listener export --to int8` makes a fast one"
            )
        self._session: onnxruntime.InferenceSession | None = _load(path, threads)
        self._input, self._has_channel_axis = self._find_input(self._session)
        self._sizes = self._probe()

    def predict(self, batch: Sequence[Features]) -> NDArray[np.float32]:
        """Score windows: see `Classifier.predict`."""
        try:
            scores = np.concatenate([self._scores(part) for part in self._parts(batch)])
        except Exception as error:  # ONNX Runtime has a tree of errors of its own, below Exception
            raise ModelError(f"{self._name}: the model failed: {last_line(error)}") from error
        if not ((scores >= 0) & (scores <= 1)).all():
            raise ModelError(f"{self._name}: the model gave a score that is no number from 0 to 1")
        return scores

    def close(self) -> None:
        """Let go of the model."""
        self._session = None

    def _parts(self, batch: Sequence[Features]) -> Iterator[Sequence[Features]]:
        """Cut a batch into sizes that the model can be trusted with, the largest first."""
        while batch:
            size = next((size for size in self._sizes if size <= len(batch)), 1)
            yield batch[:size]
            batch = batch[size:]

    def _find_input(self, session: "onnxruntime.InferenceSession") -> tuple[str, bool]:
        """Name of the input, and whether it has an axis for channels behind that of the windows."""
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if (len(inputs), len(outputs)) != (1, 1):
            raise ModelError(
                f"{self._name}: the model has {len(inputs)} inputs and {len(outputs)} outputs: "
                "one is wanted that takes windows, and one that gives a row of scores for each"
            )
        n_axes = 3 if self.card.input == "log_mel" else 2
        return inputs[0].name, len(inputs[0].shape) == n_axes + 1

    def _probe(self) -> tuple[int, ...]:
        """See that the model keeps its card's promises; find the batch sizes that change no score."""
        window = reference_window(self.card)
        try:
            alone = self._scores([window])
        except Exception as error:
            raise unlike_its_card(self._name, self.card, last_line(error)) from error
        check_shape(self._name, self.card, alone.shape, 1)
        check_scores(self._name, self.card, alone[0])
        others = [window, *other_windows(self.card, self.max_batch - 1)]
        expected = np.concatenate([alone, *(self._scores([other]) for other in others[1:])])
        return tuple(size for size in SIZES if self._is_same(others[:size], expected[:size]))

    def _is_same(self, batch: Sequence[Features], expected: NDArray[np.float32]) -> bool:
        try:
            scores = self._scores(batch)
        except Exception:  # noqa: BLE001 - the model was made for one window at a time
            return False
        return scores.shape == expected.shape and bool((scores == expected).all())

    def _scores(self, batch: Sequence[Features]) -> NDArray[np.float32]:
        if self._session is None:
            raise RuntimeError("it is closed")
        windows = stacked(self.card, batch)
        if self._has_channel_axis:
            windows = windows[:, np.newaxis]
        output: Any = self._session.run(None, {self._input: windows})[0]
        if not isinstance(output, np.ndarray) or output.ndim == 0 or output.dtype.kind != "f":
            raise RuntimeError(f"it gives a {type(output).__name__}, not a row of scores for each window")
        # Row by row, and in double precision: the rounding then depends on no other row.
        activation = _ACTIVATIONS[self.card.activation]
        return np.stack([activation(row.astype(np.float64)) for row in output]).astype(np.float32)


def _load(path: Path, threads: int) -> "onnxruntime.InferenceSession":
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(
            f"{printable(path)}: ONNX models need the package onnxruntime: pip install 'listener[onnx]'"
        ) from error
    try:
        model = read_model(path)
        onnxruntime.set_default_logger_severity(SILENT)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = SILENT
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        # Threads that wait for the next window must not spin.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # It would print, and try the same again.
        return onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # ONNX Runtime has a tree of errors of its own, below Exception
        raise broken_onnx(path, error) from error
