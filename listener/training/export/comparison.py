"""How far an exported model is from its original, on the same windows, and how far it may be."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from listener.classifiers.base import Classifier
from listener.training.export.recordings import CutRecording, as_features

EXACT = 1e-4
"""Largest difference of a score that two forms of the same arithmetic may show."""

MOST_MEAN = 0.02
"""Mean difference of an int8 model's scores: ten times what a sound calibration makes."""

LEAST_AGREEMENT = 0.95
"""Share of recordings that an int8 model must call by the same label."""

MOST_LOST = 0.02
"""Share of labelled recordings that it may call wrongly beyond those that its original does."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two models said to the same recordings."""

    n_clips: int
    n_windows: int
    largest: float
    """Largest difference of a score, in any window."""
    mean: float
    """Mean difference of all scores."""
    n_other_windows: int
    """Windows whose highest score is another label's; where two are as good as equal, either is right."""
    agreement: float
    """Share of recordings with the same verdict: the label whose score is the highest in any window."""
    n_labelled: int
    """Recordings whose label is known."""
    right_before: float
    """Share of these that the original calls by it; nan where there are none."""
    right_after: float
    """The same of the export."""

    def figures(self) -> dict[str, float]:
        """Give what goes into a card. No name holds "accuracy": it may be that of clips trained on."""
        figures = {
            "export_clips": float(self.n_clips),
            "export_largest_difference": round(self.largest, 8),
            "export_mean_difference": round(self.mean, 8),
            "export_agreement": round(self.agreement, 4),
        }
        if self.n_labelled:
            figures["export_right"] = round(self.right_after, 4)
            figures["export_right_original"] = round(self.right_before, 4)
        return figures


def compare(before: Classifier, after: Classifier, heard: Sequence[CutRecording]) -> Comparison:
    """Ask two models about the same recordings; each gets the windows in the form that it eats."""
    old, new = scores(before, heard), scores(after, heard)
    difference = np.abs(np.concatenate(new) - np.concatenate(old))
    labels = before.card.labels
    known = [index for index, one in enumerate(heard) if one.label is not None]
    right_before, right_after = (
        np.mean([labels[_verdict(said[index])] == heard[index].label for index in known])
        if known
        else np.float64("nan")
        for said in (old, new)
    )
    return Comparison(
        n_clips=len(heard),
        n_windows=len(difference),
        largest=float(difference.max()),
        mean=float(difference.mean()),
        n_other_windows=_n_other(np.concatenate(old), np.concatenate(new)),
        agreement=float(np.mean([_verdict(a) == _verdict(b) for a, b in zip(old, new, strict=True)])),
        n_labelled=len(known),
        right_before=float(right_before),
        right_after=float(right_after),
    )


def scores(classifier: Classifier, heard: Sequence[CutRecording]) -> list[NDArray[np.float32]]:
    """Scores of each recording's windows, (n_windows, n_labels)."""
    size = classifier.max_batch
    found = []
    for one in heard:
        windows = [as_features(classifier.card, window) for window in one.windows]
        parts = [classifier.predict(windows[first : first + size]) for first in range(0, len(windows), size)]
        found.append(np.concatenate(parts))
    return found


def problem_of_exact(found: Comparison) -> str | None:
    """Why another form of the same arithmetic is not the same model; None if it is."""
    if not found.largest <= EXACT:
        return f"a score differs by {found.largest:.2g} from the original's, and {EXACT:g} is allowed"
    if found.n_other_windows:
        return f"{found.n_other_windows} of {found.n_windows} windows are called by another label"
    return None


def problem_of_int8(found: Comparison) -> str | None:
    """Why an int8 model is no stand-in for its original; None if it is one."""
    if not found.mean <= MOST_MEAN:
        return f"scores differ by {found.mean:.2g} in the mean, and {MOST_MEAN:g} is allowed"
    if found.agreement < LEAST_AGREEMENT:
        return (
            f"only {found.agreement:.1%} of {found.n_clips} recordings get the same verdict, "
            f"and {LEAST_AGREEMENT:.0%} must"
        )
    if found.n_labelled and found.right_before - found.right_after > MOST_LOST:
        return (
            f"{found.right_after:.1%} of {found.n_labelled} recordings are named rightly, "
            f"by the original {found.right_before:.1%}"
        )
    return None


def _verdict(of_windows: NDArray[np.float32]) -> int:
    return int(of_windows.max(axis=0).argmax())


def _n_other(old: NDArray[np.float32], new: NDArray[np.float32]) -> int:
    """Windows in which the export's first choice is not the original's, nor one as good."""
    chosen = np.take_along_axis(old, new.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]
    return int((old.max(axis=1) - chosen > EXACT).sum())
