"""What must not be learnt from: sounds that are called two names, and those on both sides of a split."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from listener.errors import printable
from listener.training.data.clip import Clip, by_value
from listener.training.data.deal import group_of
from listener.training.data.doubles import find_doubles, told
from listener.training.data.measure import Measured
from listener.training.data.problems import Problem

Piece = tuple[str, float]
"""Path and ``first_s`` of a clip, which no other has."""


def piece(clip: Clip) -> Piece:
    """What tells a clip from all others."""
    return clip.path, clip.first_s


def broken_doubles(
    clips: Sequence[Clip], measured: Mapping[str, Measured], folds_stay: bool
) -> list[tuple[Problem, set[Piece]]]:
    """Find the same sound under two labels, or in two parts of a split.

    Parameters
    ----------
    clips, measured
        All that there are.
    folds_stay
        The folds are taken as they are; else doubles will share one.

    Returns
    -------
    list of (problem, pieces)
        With the clips to leave out. Who is right about a label is not known, so none is kept; of doubles
        in two parts the first stays.
    """
    found = []
    for doubles in find_doubles(clips, measured):
        labels = sorted({clip.label for clip in doubles})
        parts = _parts(doubles, folds_stay)
        if len(labels) > 1:
            names = " and ".join(f"'{label}'" for label in labels)
            found.append((Problem(told(doubles), f"hold the same sound, and are called {names}"), doubles))
        elif parts:
            found.append((Problem(told(doubles), f"hold the same sound, and are in {parts}"), doubles[1:]))
    return [(problem, {piece(clip) for clip in out}) for problem, out in found]


def _parts(doubles: Sequence[Clip], folds_stay: bool) -> str:
    """Name the folds or splits that doubles lie in, if there are several."""
    for kind in ("fold", "split") if folds_stay else ("split",):
        names = sorted({name for clip in doubles if (name := clip.column(kind))}, key=by_value)
        if len(names) > 1:
            return " and ".join(f"{kind} {printable(name)}" for name in names)
    return ""


def split_groups(clips: Iterable[Clip], group_is: str) -> list[str]:
    """Find groups, or files of which no group is known, with clips in several folds."""
    folds: dict[tuple[bool, str], set[str]] = defaultdict(set)
    for clip in clips:
        if clip.fold:
            folds[group_of(clip)].add(clip.fold)
    return [
        f"{(group_is or 'group') if is_group else 'file'} '{printable(name)}' has clips in the folds "
        f"{printable(', '.join(sorted(found, key=by_value)))}"
        for (is_group, name), found in sorted(folds.items())
        if len(found) > 1
    ]


def missing_in_folds(clips: Sequence[Clip], folds: Sequence[str]) -> list[str]:
    """Say which labels have no clip in some fold: there nobody can tell whether they are recognised.

    One whose clips are all in one fold is judged by a network that has never met it.
    """
    of_label: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        of_label[clip.label].add(clip.fold)
    some, single = [], []
    for label in sorted({clip.label for clip in clips if clip.judged}):
        without = [fold for fold in folds if fold not in of_label[label]]
        if len(folds) > 1 and len(of_label[label]) == 1 and len(without) == len(folds) - 1:
            single.append(f"'{printable(label)}' ({printable(*of_label[label])})")
        elif without and len(without) < len(folds):
            some.append(f"'{printable(label)}' ({printable(', '.join(without))})")
    told = []
    if single:
        told.append(
            "labels whose clips are all in one fold, so that no cross-validation can judge them: "
            f"{', '.join(single)}; they need recordings from a second source"
        )
    if some:
        told.append(f"labels without a clip in some folds, where they cannot be judged: {', '.join(some)}")
    return told


def only_label(labels: Sequence[str]) -> list[str]:
    """Mind data of one label: there is nothing that it could be told from."""
    if len(labels) != 1:
        return []
    only = f"there is one label only, '{printable(labels[0])}'"
    return [f"{only}: a model learns what it is by what it is not: add recordings of other sounds"]


def lookalikes(labels: Collection[str]) -> list[str]:
    """Find labels that differ in spelling alone."""
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in sorted(labels):
        spellings["".join(letter for letter in label.casefold() if letter.isalnum())].append(label)
    return [
        f"the labels {' and '.join(repr(label) for label in alike)} may be one: they differ in spelling alone"
        for plain, alike in spellings.items()
        if plain and len(alike) > 1
    ]
