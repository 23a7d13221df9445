"""From one bundle to another of the same model, which is compared with the first before it is written."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from listener.classifiers.base import Classifier
from listener.classifiers.bundle import card_json, read_card, write_bundle
from listener.classifiers.onnx import OnnxClassifier
from listener.classifiers.onnx_file import is_onnx, write_onnx_bundle
from listener.classifiers.reference import REFERENCE_SIGNAL
from listener.classifiers.self_check import reference_window
from listener.classifiers.torchscript import TorchScriptClassifier
from listener.errors import DatasetError, ModelError, printable
from listener.training.attribution import copy_attribution, refer_to_copy
from listener.training.export import forms, int8
from listener.training.export.comparison import Comparison, compare, problem_of_exact, problem_of_int8
from listener.training.export.recordings import (
    CutRecording,
    as_features,
    find_samples,
    hear,
    hear_demo,
    split,
)
from listener.types import ModelCard, Reference, Samples

Form = Literal["torchscript", "onnx", "int8"]
"""What an export is."""

CALIBRATION_SHARE = 0.25
"""Share of the recordings that int8 is calibrated with, as near as groups allow; the others judge it."""

LEAST_RECORDINGS = 8
"""An int8 model that has heard fewer knows no range."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be exported, and how."""

    bundle: Path
    """A TorchScript bundle."""
    to: Form
    out: Path
    """File to write."""
    inside: bool
    """Whether the front end goes inside."""
    folders: tuple[Path, ...] = ()
    """Of the recordings on which it is compared; none: made-up sounds serve, but not for int8."""
    n_most: int = 400
    """How many of them."""


def convert(order: Order) -> Comparison:
    """Export a bundle.

    Returns
    -------
    Comparison
        How far the export is from its original.

    Raises
    ------
    ModelError
        The bundle is broken, or cannot be had in that form, or the export is not the same model:
        nothing is written then.
    DatasetError
        The recordings are missing or unreadable, or too few.
    """
    card = read_card(order.bundle)
    _refuse_nonsense(order, card)
    calibration, heard = _recordings(order, card)
    original = TorchScriptClassifier(order.bundle, card)
    with tempfile.TemporaryDirectory(prefix="listener-export-") as folder:
        exported = _Exported(order, Path(folder), original, calibration)
        candidate = exported.load()
        found = compare(original, candidate, heard)
        problem = (problem_of_int8 if order.to == "int8" else problem_of_exact)(found)
        if problem is not None:
            raise ModelError(f"{printable(order.out)}: not written, for it is not the same model: {problem}")
        exported.write(order.out, _finished(candidate, order, found))
        copy_attribution(order.bundle, order.out)
    return found


class _Exported:
    """The network in its new form, not yet where it is to be."""

    def __init__(
        self, order: Order, folder: Path, original: TorchScriptClassifier, calibration: Sequence[CutRecording]
    ) -> None:
        card, axis = original.card, original.has_channel_axis
        self._card = replace(forms.waveform_card(card) if order.inside else card, reference=None)
        self._file = folder / order.out.name
        self._network = forms.load_network(order.bundle)
        self._model = b""
        if order.inside:
            self._network = forms.with_front_end(self._network, card, axis, order.to != "torchscript")
            axis = False
        if order.to != "torchscript":
            example = forms.example_windows(self._card, axis)
            self._model = forms.onnx_model(self._network, example, order.bundle)
        if order.to == "int8":
            windows = [_eaten(self._card, window, axis) for one in calibration for window in one.windows]
            self._model = int8.quantise(self._model, windows)
            self._card = replace(self._card, version=f"{card.version}+int8")

    def load(self) -> Classifier:
        """Load it as it will be loaded."""
        self.write(self._file, self._card)
        if self._model:
            return OnnxClassifier(self._file, self._card)
        return TorchScriptClassifier(self._file, self._card)

    def write(self, path: Path, card: ModelCard) -> None:
        if self._model:
            write_onnx_bundle(path, self._model, card_json(card))
        else:
            with forms.quiet_torch():
                write_bundle(path, self._network, card)


def _eaten(card: ModelCard, window: Samples, channel_axis: bool) -> NDArray[np.float32]:
    data = np.asarray(as_features(card, window).data, np.float32)
    return data[np.newaxis] if channel_axis else data


def _refuse_nonsense(order: Order, card: ModelCard) -> None:
    name = printable(order.bundle)
    if is_onnx(order.bundle):
        raise ModelError(f"{name}: is ONNX already: export the TorchScript bundle that it was made of")
    if is_onnx(order.out) != (order.to != "torchscript"):
        ending = "NAME.pt" if order.to == "torchscript" else "NAME.onnx"
        raise ModelError(f"--out {printable(order.out)}: --to {order.to} makes {ending}")
    if order.out.exists() and order.out.samefile(order.bundle):
        raise ModelError(f"--out {printable(order.out)}: is the bundle itself")
    if order.inside and card.input != "log_mel":
        raise ModelError(
            f"--front-end inside: {name} eats '{card.input}': there is no front end outside of it"
        )
    if order.to == "torchscript" and not order.inside:
        raise ModelError(f"{name}: is TorchScript already; --front-end inside puts the front end into it")
    if order.to == "int8" and card.input == "wav_bytes":
        raise ModelError(f"{name}: eats WAV files, and int8 wants numbers")
    if order.to != "torchscript":
        int8.need_onnx(f"--to {order.to}")


def _recordings(order: Order, card: ModelCard) -> tuple[list[CutRecording], list[CutRecording]]:
    """What int8 is calibrated with, and what the export is judged by: never of the same group."""
    if not order.folders:
        if order.to == "int8":
            raise DatasetError(
                "--to int8: is calibrated with real recordings: --data DIR names a folder of them"
            )
        return [], hear_demo(card)
    samples = find_samples(order.folders, card, order.n_most)
    if order.to != "int8":
        return [], hear(samples, card)
    if len(samples) < LEAST_RECORDINGS:
        raise DatasetError(
            f"--data: holds {len(samples)} recordings, and --to int8 wants {LEAST_RECORDINGS} or more: "
            "some to calibrate with, and others to judge it by"
        )
    least = LEAST_RECORDINGS // 2
    calibration, others = split(samples, max(least, round(CALIBRATION_SHARE * len(samples))))
    if min(len(calibration), len(others)) < least:
        raise DatasetError(
            f"--data: groups of recordings stay whole, and so {len(calibration)} could calibrate and "
            f"{len(others)} judge, where --to int8 wants {least} or more of each: "
            "add recordings from other sources"
        )
    return hear(calibration, card), hear(others, card)


def _finished(candidate: Classifier, order: Order, found: Comparison) -> ModelCard:
    """Give the card with its reference, and with what was measured."""
    card = refer_to_copy(candidate.card, order.bundle, order.out)
    scores = candidate.predict([reference_window(card)])[0]
    reference = Reference(REFERENCE_SIGNAL, tuple(round(score, 6) for score in scores.tolist()))
    how = f"export to {order.to} compared with the original on {found.n_clips} clips"
    notes = card.notes
    if order.to == "int8":
        reference = replace(reference, tolerance=int8.TOLERANCE)
        notes = _joined(
            notes,
            "Weights and activations are 8-bit integers: scores differ from those of the original by "
            f"{found.mean:.4f} in the mean and {found.largest:.3f} at most.",
        )
    if not order.folders:
        how = f"export to {order.to} compared with the original on made-up sounds"
    return replace(
        card,
        reference=reference,
        figures={**card.figures, **found.figures()},
        evaluation=_joined(card.evaluation, how, "; "),
        notes=notes,
    )


def _joined(text: str, more: str, between: str = " ") -> str:
    return f"{text}{between}{more}" if text else more
