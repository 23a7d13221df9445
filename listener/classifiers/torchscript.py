"""TorchScript models, as fast as one processor core runs them.

oneDNN fusion and freezing make a convolutional network about 1.8 times as fast as a plain
``torch.jit.load``. Fusion is decided on while the model runs for the first times with a
given batch size, and the sums are rounded differently before and after, so every batch
size is run in before it is used.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray

from listener.classifiers.base import Classifier
from listener.classifiers.reference import SIGNALS, reference_signal
from listener.errors import ModelError
from listener.features import LogMel, wav_bytes
from listener.types import Features, ModelCard

Precision = Literal["auto", "fp32", "bf16"]

RUNS_UNTIL_FUSED = 3
"""The profiling run, the compiling run, and one to see that it stays."""
BF16_TOLERANCE = 0.05
"""bfloat16 has 8 significant bits: scores agree with those of float32 to about two digits."""

_FAILURES = (RuntimeError, torch.jit.Error)
"""What a TorchScript model raises; whatever it raised itself arrives as the second."""

_ACTIVATIONS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "sigmoid": torch.sigmoid,
    "softmax": partial(torch.softmax, dim=-1),
    "none": lambda scores: scores,
}


class TorchScriptClassifier(Classifier):
    """A TorchScript model on the CPU.

    Parameters
    ----------
    path
        The bundle, or a plain TorchScript file.
    card
        Its card.
    precision
        Of the network's arithmetic; ``auto`` is ``fp32``.
    threads
        Threads of torch. One is right unless the machine idles.

    Raises
    ------
    ModelError
        The file is no TorchScript, or the model does not do what its card says.
    """

    def __init__(
        self,
        path: Path,
        card: ModelCard,
        precision: Precision = "auto",
        threads: int = 1,
    ) -> None:
        self.card = card
        self._path = path
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        torch.set_num_threads(threads)
        self._module = _load(path, self._dtype)
        self._has_channel_axis = False
        self._batchable = True
        self._run_in: set[int] = set()
        self._probe()

    def predict(self, batch: Sequence[Features]) -> NDArray[np.float32]:
        """Score windows: see `Classifier.predict`."""
        largest = self.max_batch if self._batchable else 1
        parts = [batch[first : first + largest] for first in range(0, len(batch), largest)]
        try:
            scores = np.concatenate([self._scores(self._stack(part)) for part in parts])
        except _FAILURES as error:
            raise ModelError(f"{self._path}: the model failed: {_last_line(error)}") from error
        if not ((scores >= 0) & (scores <= 1)).all():
            raise ModelError(f"{self._path}: the model gave a score that is no number from 0 to 1")
        return scores

    def warm_up(self, n_sources: int) -> None:
        """Run in the batch sizes that ``n_sources`` sources can make."""
        for size in range(1, min(n_sources, self.max_batch) + 1):
            self.predict([self._reference_window()] * size)

    def _probe(self) -> None:
        """Find out the shape that the model wants, and whether it keeps its card's promises."""
        window = self._reference_window()
        problems = []
        for self._has_channel_axis in (False, True):
            try:
                pair = self._scores(self._stack([window, window]))
                break
            except _FAILURES as error:
                problems.append(_last_line(error))
                # Fusion takes the shapes of the first run for granted, even if it failed: begin afresh.
                self._module = _load(self._path, self._dtype)
        else:
            raise ModelError(
                f"{self._path}: the model does not take what its card promises "
                f"(input '{self.card.input}', {self.card.window_samples} samples at "
                f"{self.card.sample_rate} Hz): {problems[0]}"
            )
        if pair.ndim != 2 or pair.shape != (2, len(self.card.labels)):
            raise ModelError(
                f"{self._path}: the model gives scores of shape {tuple(pair.shape)} for two windows, "
                f"but its card names {len(self.card.labels)} labels: is this the card of another model?"
            )
        alone = self._scores(self._stack([window]))
        self._batchable = np.array_equal(alone, pair[:1])
        if not (alone.min() >= 0 and alone.max() <= 1):
            raise ModelError(
                f"{self._path}: the model gives scores outside of [0, 1]; "
                "set the card's activation to sigmoid or softmax"
            )
        self._verify(alone[0])

    def _verify(self, scores: NDArray[np.float32]) -> None:
        reference = self.card.reference
        if reference is None:
            return
        if reference.signal not in SIGNALS:
            raise ModelError(f"{self._path}: its card names an unknown reference signal '{reference.signal}'")
        difference = np.abs(scores - np.array(reference.scores, np.float32))
        tolerance = BF16_TOLERANCE if self._dtype is torch.bfloat16 else reference.tolerance
        if not difference.max() <= tolerance:
            worst = int(difference.argmax())
            raise ModelError(
                f"{self._path}: the bundle does not reproduce its own reference: '{self.card.labels[worst]}' "
                f"scores {scores[worst]:.4f}, its card says {reference.scores[worst]:.4f}; "
                "the file is damaged or was changed: install it again"
            )

    def _reference_window(self) -> Features:
        card = self.card
        signal = card.reference.signal if card.reference and card.reference.signal in SIGNALS else "chirp"
        samples = reference_signal(signal, card.window_samples, card.sample_rate)
        data: NDArray[np.float32] | bytes = samples
        if card.input == "log_mel" and card.features is not None:
            data = LogMel(card.features)(samples)
        elif card.input == "wav_bytes":
            data = wav_bytes(samples, card.sample_rate)
        return Features("reference", data, 0, card.window_samples, card.sample_rate)

    def _stack(self, batch: Sequence[Features]) -> torch.Tensor:
        if self.card.input == "wav_bytes":
            files = [np.frombuffer(cast(bytes, window.data), np.uint8) for window in batch]
            return torch.from_numpy(np.stack(files))
        stacked = torch.from_numpy(np.stack([cast(NDArray[np.float32], window.data) for window in batch]))
        stacked = stacked.unsqueeze(1) if self._has_channel_axis else stacked
        return stacked.to(self._dtype)

    def _scores(self, stacked: torch.Tensor) -> NDArray[np.float32]:
        runs = 1 if len(stacked) in self._run_in else RUNS_UNTIL_FUSED
        with torch.inference_mode():
            for _ in range(runs):
                output = self._module(stacked)
            self._run_in.add(len(stacked))
            if not isinstance(output, torch.Tensor) or output.ndim == 0:
                raise RuntimeError(f"it gives a {type(output).__name__}, not a row of scores for each window")
            # Row by row: the last elements of an array are rounded differently from the rest of it.
            output = torch.stack([_ACTIVATIONS[self.card.activation](row) for row in output.float()])
        return cast(NDArray[np.float32], output.numpy())


def _load(path: Path, dtype: torch.dtype) -> Any:
    # Must be switched on before loading, and stays on: it is a setting of the process.
    torch.jit.enable_onednn_fusion(True)
    try:
        with warnings.catch_warnings():
            # TorchScript is deprecated in favour of torch.export; it is this project's format by choice.
            warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
            module = torch.jit.load(path, map_location="cpu").eval().to(dtype)  # type: ignore[no-untyped-call]
            return torch.jit.freeze(module)
    except (*_FAILURES, ValueError, OSError) as error:
        raise ModelError(f"{path}: no TorchScript model, or a broken one: {_last_line(error)}") from error


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
