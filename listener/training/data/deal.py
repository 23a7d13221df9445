"""Dealing clips to folds so that nothing is on both sides of a split."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from listener.training.data.clip import Clip
from listener.training.data.manifest import in_order


def deal(clips: Sequence[Clip], n_folds: int, seed: int = 0) -> list[Clip]:
    """Deal clips to folds ``1`` to ``n_folds``: groups stay whole, labels are spread evenly.

    Where no group is known, the pieces of one file are a group.

    Parameters
    ----------
    clips
        In any order; the result does not depend on it. No two of the same piece of a file.
    n_folds
        How many folds, 2 or more.
    seed
        Decides which of the groups that are equally large is dealt first.

    Returns
    -------
    list of Clip
        All of them, in the order of a manifest. Where every group is one clip, no fold has two clips of a
        label more than another.
    """
    groups: dict[tuple[bool, str], list[Clip]] = defaultdict(list)
    for clip in in_order(clips):
        groups[group_of(clip)].append(clip)
    labels = {label: column for column, label in enumerate(sorted({clip.label for clip in clips}))}
    filled = np.zeros((n_folds, len(labels)))
    rng = np.random.default_rng(seed)
    # The largest first: what is small fills the gaps that they leave.
    order = sorted(groups.values(), key=lambda group: (-len(group), rng.random()))
    dealt = []
    for group in order:
        counts = np.bincount([labels[clip.label] for clip in group], minlength=len(labels))
        crowded = (filled * counts).sum(axis=1) + 1e-3 * filled.sum(axis=1)
        fold = int(crowded.argmin())
        filled[fold] += counts
        dealt += [replace(clip, fold=str(fold + 1)) for clip in group]
    return list(in_order(dealt))


def group_of(clip: Clip) -> tuple[bool, str]:
    """What a clip must stay together with: its group or, where none is known, its file."""
    return (True, clip.group) if clip.group else (False, clip.path)
