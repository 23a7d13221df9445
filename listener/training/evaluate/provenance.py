"""Whether a bundle was trained on the very recordings that it is judged by."""

import csv
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from listener.training.attribution import attribution_of
from listener.training.data.clip import Manifest
from listener.training.evaluate.references import Stream
from listener.types import ModelCard

_MOST_FOLDS = 10


def warnings_for_clips(card: ModelCard, bundle: Path, whole: Manifest, judged: Manifest) -> list[str]:
    """Say what makes the figures on some clips too good to be true.

    Parameters
    ----------
    card
        Of the bundle.
    bundle
        Its file; the attribution beside it names what was trained on.
    whole
        Every clip that might have been trained on.
    judged
        Those of them that it is judged by.
    """
    folds = _trained_folds(card, whole)
    if folds is not None:
        met = sum(clip.fold in folds for clip in judged)
    else:
        known = _trained_paths(bundle)
        met = sum(clip.path in known for clip in judged)
    if not met:
        return []
    return [
        (
            f"{card.identity} was trained on {met} of the {len(judged.clips)} clips that it is judged by: "
            "the figures say that it remembers, not how good it is on sounds that it has not met"
        )
    ]


def warnings_for_streams(card: ModelCard, bundle: Path, streams: Sequence[Stream]) -> list[str]:
    """Say whether streams were made of clips that the bundle was trained on, or have nothing to be found."""
    if all(stream.is_negative for stream in streams):
        return ["no stream has an event to be found: NAME.csv or NAME.txt beside it says what is heard when"]
    known = {Path(path).stem for path in _trained_paths(bundle)}
    made_of = {one.clip_id for stream in streams for one in stream.happenings if one.clip_id}
    met = len(made_of & known)
    if not met:
        return []
    return [
        (
            f"{card.identity} was trained on {met} of the {len(made_of)} clips that the streams are made of: "
            "the figures on streams are those of a rehearsal"
        )
    ]


def _trained_folds(card: ModelCard, whole: Manifest) -> set[str] | None:
    """Folds that a card's manifest hash covers; None where it is the hash of something else."""
    folds = whole.folds
    if not card.manifest_sha256:
        return None
    if card.manifest_sha256 == whole.sha256:
        return {*folds, ""}
    for n_left_out in range(1, len(folds) if len(folds) <= _MOST_FOLDS else 2):
        for left_out in combinations(folds, n_left_out):
            if card.manifest_sha256 == whole.without(left_out).sha256:
                return {*folds, ""} - set(left_out)
    return None


def _trained_paths(bundle: Path) -> set[str]:
    """Paths of the clips that a bundle was trained on, as its attribution lists them."""
    path = attribution_of(bundle)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["clip"] for row in csv.DictReader(file) if row.get("clip")}
    except (OSError, UnicodeDecodeError, csv.Error):
        return set()  # it need not be there
