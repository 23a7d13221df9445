"""Into which fold each clip goes: as the data say, one for each group, or groups dealt evenly."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from listener.errors import DatasetError, printable
from listener.training.data.check import split_groups
from listener.training.data.clip import Clip
from listener.training.data.deal import deal, group_of
from listener.training.data.problems import shown

N_FOLDS = 5
"""Dealt where nobody says how many, and every label comes from as many groups."""


@dataclass(frozen=True, slots=True)
class FoldOptions:
    """How a data set is split."""

    n_folds: int | None = None
    """Deal groups to so many folds, whatever the data say."""

    by: Literal["fold", "group"] | None = None
    """``fold``: as the data say. ``group``: each group is a fold. None: as the data say; where they say
    nothing, groups are dealt."""

    seed: int = 0
    """Decides how they are dealt."""

    deal: bool = True
    """Deal where data have no folds; else they stay without."""


def keeps_folds(clips: Sequence[Clip], options: FoldOptions) -> bool:
    """Say whether the folds of the data are taken as they are."""
    return options.n_folds is None and options.by != "group" and any(clip.fold for clip in clips)


def put_into_folds(clips: Sequence[Clip], group_is: str, options: FoldOptions) -> tuple[list[Clip], str]:
    """Give each clip a fold.

    Parameters
    ----------
    clips
        Whose groups are joined where they share a sound.
    group_is
        What the clips of a group share; empty where no group is known.
    options
        How.

    Returns
    -------
    clips, told
        With their folds, and how these came about.

    Raises
    ------
    DatasetError
        It cannot be done, or a group would be on both sides of a split.
    """
    if keeps_folds(clips, options):
        _refuse_split_groups(clips, group_is)
        return list(clips), "as the data say" + (f", by {group_is}" if group_is else "")
    if options.n_folds is not None:
        return _dealt(clips, options.n_folds, group_is, options.seed)
    if options.by == "fold":
        raise DatasetError("--fold-by fold: the data have no folds: --folds 5 deals five")
    if options.by == "group":
        return _each_group(clips, group_is)
    if not options.deal or (n_folds := _fitting(clips)) < 2:
        return list(clips), "none"
    return _dealt(clips, n_folds, group_is, options.seed)


def _refuse_split_groups(clips: Sequence[Clip], group_is: str) -> None:
    if found := split_groups(clips, group_is):
        way_out = "what is learnt would be asked again: --folds 5 deals the groups anew"
        raise DatasetError("\n".join([*shown(found), way_out]))


def _fitting(clips: Sequence[Clip]) -> int:
    """How many folds, so that each may have a clip of each label; 0 where a single group is all there is."""
    groups: dict[str, set[tuple[bool, str]]] = defaultdict(set)
    for clip in clips:
        groups[clip.label].add(group_of(clip))
    if len(set().union(*groups.values())) < 2:
        return 0
    return min(N_FOLDS, max(2, min(map(len, groups.values()))))


def _dealt(clips: Sequence[Clip], n_folds: int, group_is: str, seed: int) -> tuple[list[Clip], str]:
    n_groups = len({group_of(clip) for clip in clips})
    if n_groups < n_folds:
        each = group_is or "clip"
        raise DatasetError(f"--folds {n_folds}: there are only {n_groups} to deal: each {each} stays whole")
    return deal(clips, n_folds, seed), f"dealt by {group_is or 'clip'}"


def _each_group(clips: Sequence[Clip], group_is: str) -> tuple[list[Clip], str]:
    groups = {clip.group for clip in clips if clip.group}
    if not groups:
        raise DatasetError(
            "--fold-by group: no group is known: --group PATTERN finds it in the names, or --folds 5"
        )
    if len(groups) == 1:
        raise DatasetError(f"--fold-by group: there is one group only: {printable(groups.pop())}")
    return [replace(clip, fold=clip.group) for clip in clips], f"each {group_is or 'group'} is one"
