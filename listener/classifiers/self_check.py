"""Whether a model keeps its card's promises: what every back end asks it when it is loaded."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from listener.classifiers.card import LONGEST_PROBLEM
from listener.classifiers.reference import REFERENCE_SIGNAL, SIGNALS, reference_signal
from listener.errors import ModelError, one_line, printable
from listener.features import LogMel, wav_bytes
from listener.types import Features, ModelCard
from listener.yaml_file import shortened


def reference_window(card: ModelCard) -> Features:
    """Give the reference signal in the form that a model eats, the usual one where its card names none."""
    named = card.reference.signal if card.reference else ""
    signal = named if named in SIGNALS else REFERENCE_SIGNAL
    samples = reference_signal(signal, card.window_samples, card.sample_rate)
    data: NDArray[np.float32] | bytes = samples
    if card.input == "log_mel" and card.features is not None:
        data = LogMel(card.features)(samples)
    elif card.input == "wav_bytes":
        data = wav_bytes(samples, card.sample_rate)
    return Features("reference", data, 0, card.window_samples, card.sample_rate)


def other_windows(card: ModelCard, n_windows: int) -> list[Features]:
    """Give windows to fill a batch with: the same sound, begun elsewhere and at another level."""
    window = reference_window(card)
    others = []
    for number in range(1, n_windows + 1):
        data = window.data
        if not isinstance(data, bytes):
            moved = np.roll(data, number * data.shape[-1] // (n_windows + 1), axis=-1)
            data = moved * np.float32(1 - number / (2 * (n_windows + 1)))
        others.append(Features("reference", data, 0, window.end_sample, window.sample_rate))
    return others


def check_shape(name: str, card: ModelCard, shape: Sequence[int], n_windows: int) -> None:
    """See that there is a row of scores for each window, and a score for each label.

    Raises
    ------
    ModelError
        There is not.
    """
    if tuple(shape) == (n_windows, len(card.labels)):
        return
    told = "two windows" if n_windows == 2 else "one window"
    raise ModelError(
        f"{name}: the model gives scores of shape {tuple(shape)} for {told}, "
        f"but its card names {len(card.labels)} labels: is this the card of another model?"
    )


def unlike_its_card(name: str, card: ModelCard, problem: str) -> ModelError:
    """Form the error for a model that does not take what its card promises."""
    return ModelError(
        f"{name}: the model does not take what its card promises "
        f"(input '{card.input}', {card.window_samples} samples at "
        f"{card.sample_rate} Hz): {problem}"
    )


def check_scores(
    name: str, card: ModelCard, scores: NDArray[np.float32], tolerance: float | None = None
) -> None:
    """Compare the scores for the reference with those of the card.

    Parameters
    ----------
    name
        Of the file, for messages.
    card
        The model's card.
    scores
        Shape (n_labels,).
    tolerance
        Largest difference; None: that of the card.

    Raises
    ------
    ModelError
        They are no scores, or others than the card's.
    """
    if not (scores.min() >= 0 and scores.max() <= 1):
        raise ModelError(
            f"{name}: the model gives scores outside of [0, 1]; "
            "set the card's activation to sigmoid or softmax"
        )
    reference = card.reference
    if reference is None:
        return
    if reference.signal not in SIGNALS:
        signal = printable(reference.signal[:LONGEST_PROBLEM])
        raise ModelError(f"{name}: its card names an unknown reference signal '{signal}'")
    difference = np.abs(scores - np.array(reference.scores, np.float32))
    if not difference.max() <= (reference.tolerance if tolerance is None else tolerance):
        worst = int(difference.argmax())
        raise ModelError(
            f"{name}: the bundle does not reproduce its own reference: '{card.labels[worst]}' "
            f"scores {scores[worst]:.4f}, its card says {reference.scores[worst]:.4f}; "
            "the file is damaged or was changed: install it again"
        )


def stacked(card: ModelCard, batch: Sequence[Features]) -> NDArray[np.float32] | NDArray[np.uint8]:
    """Join windows to one array, shape (n_windows, ...); WAV files as their bytes."""
    if card.input == "wav_bytes":
        return np.stack([np.frombuffer(_bytes(window), np.uint8) for window in batch])
    return np.stack([np.asarray(window.data, np.float32) for window in batch])


def last_line(error: BaseException) -> str:
    """What an error says in the end; libraries say a page before about where in their code it was."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return shortened(one_line(lines[-1]), LONGEST_PROBLEM) if lines else type(error).__name__


def _bytes(window: Features) -> bytes:
    assert isinstance(window.data, bytes)
    return window.data
