"""TorchScript models, as fast as one processor core runs them.

oneDNN fusion and freezing make a convolutional network about 1.8 times as fast as a plain
``torch.jit.load``. Fusion is decided on while the model runs for the first times with a
given batch size, and the sums are rounded differently before and after, so a batch size
is run in before it is used. That takes time, and a copy of the weights: a few sizes must do.
"""

import ctypes
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray

from listener.classifiers.archive import check_archive
from listener.classifiers.base import Classifier
from listener.classifiers.bundle import broken
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

Precision = Literal["auto", "fp32", "bf16"]

RUNS_UNTIL_FUSED = 3
"""The profiling run, the compiling run, and one to see that it stays."""
FULL_BATCHES_UNTIL_WORTH_IT = 12
"""To run in a batch size costs what it saves in some hundred windows."""
BF16_TOLERANCE = 0.05
"""bfloat16 has 8 significant bits: scores agree with those of float32 to about two digits."""

_FAILURES = (RuntimeError, torch.jit.Error, LookupError, AttributeError, TypeError, ValueError, MemoryError)
"""What a TorchScript model raises; what it raised itself arrives as the second, the rest is libtorch's."""

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
        self._name = printable(path)
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._n_threads = threads
        torch.set_num_threads(threads)
        self._module = _load(path, self._dtype)
        self.has_channel_axis = False
        """The network wants (n, 1, n_mels, n_frames)."""
        self._is_fused = True
        self._run_in = {1}
        self._full_batches = 0
        self._reference = reference_window(card)
        self._alone = self._probe()

    def predict(self, batch: Sequence[Features]) -> NDArray[np.float32]:
        """Score windows: see `Classifier.predict`."""
        if torch.get_num_threads() != self._n_threads:
            torch.set_num_threads(self._n_threads)  # it is each thread's own, and this one may be new
        if len(batch) >= self.max_batch:
            self._full_batches += 1
            if self._full_batches == FULL_BATCHES_UNTIL_WORTH_IT:
                self._run_in_batches_of(self.max_batch)
        try:
            scores = np.concatenate([self._scores(self._stack(part)) for part in self._parts(batch)])
        except _FAILURES as error:
            raise ModelError(f"{self._name}: the model failed: {last_line(error)}") from error
        if not ((scores >= 0) & (scores <= 1)).all():
            raise ModelError(f"{self._name}: the model gave a score that is no number from 0 to 1")
        return scores

    def warm_up(self, n_sources: int) -> None:
        """Run in enough batch sizes for ``n_sources`` sources: 2, 4, 8."""
        size = 2
        while size <= min(n_sources, self.max_batch):
            self._run_in_batches_of(size)
            size *= 2

    def close(self) -> None:
        """Let go of the model, and give its memory back.

        The allocator would keep some 30 MB of it. What oneDNN's fusion keeps, some 7 MB, nobody can free.
        """
        self._module = None
        _return_free_memory()

    def _parts(self, batch: Sequence[Features]) -> Iterator[Sequence[Features]]:
        """Cut a batch into sizes that have been run in, the largest first."""
        while batch:
            size = max(size for size in self._run_in if size <= len(batch))
            yield batch[:size]
            batch = batch[size:]

    def _run_in_batches_of(self, size: int) -> None:
        """Use batches of a size from now on, if every window in them gets the scores that it gets alone."""
        if size in self._run_in:
            return
        batch = [self._reference, *other_windows(self.card, size - 1)]
        try:
            alone = np.concatenate([self._alone, *(self._scores(self._stack([one])) for one in batch[1:])])
            windows = self._stack(batch)
            for _ in range(RUNS_UNTIL_FUSED if self._is_fused else 1):
                scores = self._scores(windows)
        except _FAILURES:
            return  # as in _run_alone
        if scores.shape == alone.shape and (scores == alone).all():
            self._run_in.add(size)

    def _run_alone(self) -> NDArray[np.float32]:
        """Run the reference until it is fused; without fusion, where that fails.

        It fails at some operations, and at branches that are not taken, of networks that are in order.
        """
        windows = self._stack([self._reference])
        try:
            for _ in range(RUNS_UNTIL_FUSED):
                scores = self._scores(windows)
        except _FAILURES:
            self._is_fused = False
            scores = self._scores(windows)
        return scores

    def _probe(self) -> NDArray[np.float32]:
        """Find out the shape that the model wants, and whether it keeps its card's promises.

        Returns
        -------
        ndarray
            Its scores for the reference, shape (1, n_classes).
        """
        window = self._reference
        problems = []
        for self.has_channel_axis in (False, True):
            try:
                # Not fused: fusion would take the shapes of this run for granted, even if it fails.
                self._is_fused = False
                pair = self._scores(self._stack([window, window]))
                break
            except _FAILURES as error:
                problems.append(last_line(error))
        else:
            raise unlike_its_card(self._name, self.card, problems[0])
        check_shape(self._name, self.card, pair.shape, 2)
        self._is_fused = True
        alone = self._run_alone()
        tolerance = BF16_TOLERANCE if self._dtype is torch.bfloat16 else None
        check_scores(self._name, self.card, alone[0], tolerance)
        return alone

    def _stack(self, batch: Sequence[Features]) -> torch.Tensor:
        tensor = torch.from_numpy(stacked(self.card, batch))
        if self.card.input == "wav_bytes":
            return tensor
        tensor = tensor.unsqueeze(1) if self.has_channel_axis else tensor
        return tensor.to(self._dtype)

    def _scores(self, windows: torch.Tensor) -> NDArray[np.float32]:
        if self._module is None:
            raise RuntimeError("it is closed")
        # Optimised means fused: it is decided on while it runs.
        optimised = torch.jit.optimized_execution(self._is_fused)  # type: ignore[attr-defined]
        with torch.inference_mode(), optimised:
            output = self._module(windows)
            if not isinstance(output, torch.Tensor) or output.ndim == 0:
                raise RuntimeError(f"it gives a {type(output).__name__}, not a row of scores for each window")
            # Row by row: the last elements of an array are rounded differently from the rest of it.
            output = torch.stack([_ACTIVATIONS[self.card.activation](row) for row in output.float()])
        return cast(NDArray[np.float32], output.numpy())


def _load(path: Path, dtype: torch.dtype) -> Any:
    # Must be switched on before loading, and stays on: it is a setting of the process.
    torch.jit.enable_onednn_fusion(True)
    try:
        check_archive(path)
        with warnings.catch_warnings():
            # TorchScript is deprecated in favour of torch.export; it is this project's format by choice.
            warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
            module = torch.jit.load(path, map_location="cpu").eval().to(dtype)  # type: ignore[no-untyped-call]
            return torch.jit.freeze(module)
    except Exception as error:  # zipfile and libtorch raise almost anything at a damaged file
        raise broken(path, error) from error


def _return_free_memory() -> None:
    """Give what is free back to the system, where the C library is one that can be asked to."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
