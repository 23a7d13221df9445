"""Which clips of a manifest a recipe learns from, and in which fold each is.

Clips of one fold must share their sources with no other fold: then a split by folds is a
split by sources. Where the data come with folds, those are taken; else groups are dealt to folds whole.
"""

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from listener.errors import DatasetError
from listener.training.data.check import split_groups
from listener.training.data.clip import Clip, Manifest
from listener.training.data.deal import deal, group_of
from listener.training.data.manifest import in_order, refuse
from listener.training.data.problems import shown
from listener.training.recipe import Recipe

MOST_NAMED = 10
"""Labels of the data that are named where the recipe's is not among them."""


def choose(manifest: Manifest, recipe: Recipe) -> Manifest:
    """Choose the clips of a recipe, and give each a fold.

    Raises
    ------
    DatasetError
        A clip is missing, a label has no clip in some fold or is the only one to choose, a fold or a column
        that the recipe names is not there, or a group has clips in several folds; all are named.
    """
    data = recipe.data
    refuse(_unknown_columns(manifest, data.where))
    clips = [clip for clip in manifest if is_in(clip, data.where) and clip.label not in data.leave_out]
    clips = [clip for clip in clips if _length_s(clip) >= data.min_s]
    clips = [replace(clip, label=data.rename.get(clip.label, clip.label)) for clip in clips]
    refuse(_unknown_folds(Manifest(manifest.folder, tuple(clips)), recipe))
    chosen = Manifest(manifest.folder, tuple(_with_folds(manifest.folder, clips, recipe)))
    _refuse_split(chosen)
    missing = [clip.path for clip in chosen if not (manifest.folder / clip.path).is_file()]
    refuse(
        [f"{manifest.folder / path}: is missing" for path in missing]
        + (_empty_labels(chosen, recipe) or _no_choice(chosen, recipe))
        + _unknown_labels(chosen, recipe)
        + _unheard_streams(chosen, recipe)
    )
    return chosen


def _length_s(clip: Clip) -> float:
    """Of its sound; one that nobody has looked at may be of any length."""
    if clip.active_s is not None:
        return clip.active_s
    return float("inf") if clip.duration_s is None else clip.duration_s - clip.first_s


def is_in(clip: Clip, where: Mapping[str, Sequence[str]]) -> bool:
    """Say whether each named column of a clip holds one of the texts that are given for it."""
    return all(clip.column(name) in texts for name, texts in where.items())


def _with_folds(folder: Path, clips: Sequence[Clip], recipe: Recipe) -> list[Clip]:
    if isinstance(recipe.folds, int):
        return deal(clips, recipe.folds, recipe.seed)
    known = Manifest(Path(), tuple(clips)).folds
    if not known:
        return deal(clips, 5, recipe.seed) if recipe.folds == "auto" else list(clips)
    folds = known if recipe.folds == "auto" else recipe.folds
    fixed = [clip for clip in clips if clip.fold in {*folds, *recipe.train_folds}]
    dealt = _dealt_beside([clip for clip in clips if not clip.fold], fixed, folds)
    if recipe.streams:
        streamed = _backgrounds(folder / recipe.streams.folder / recipe.streams.negative)
        fold = recipe.streams.folds[recipe.streams.negative]
        dealt = [replace(clip, fold=fold) if clip.path in streamed else clip for clip in dealt]
    return list(in_order([*fixed, *dealt]))


def _dealt_beside(loose: Sequence[Clip], fixed: Sequence[Clip], folds: Sequence[str]) -> list[Clip]:
    """Give clips without a fold one of those that there are, group by group.

    They are backgrounds, or what somebody collected beside: dealt in turn, so that each is heard by some
    network of a cross-validation for the first time, but nobody is judged by it.
    """
    fold_of = {group_of(clip): clip.fold for clip in fixed}
    for number, clip in enumerate(sorted(loose, key=lambda clip: (clip.label, clip.path))):
        fold_of.setdefault(group_of(clip), folds[number % len(folds)])
    return [replace(clip, fold=fold_of[group_of(clip)], judged=False) for clip in loose]


def _unknown_folds(manifest: Manifest, recipe: Recipe) -> list[str]:
    if not isinstance(recipe.folds, tuple):
        return []
    known = manifest.folds
    told = f"there are {', '.join(known)}" if known else "it has none; 'folds: 5' deals five"
    return [
        f"{manifest.folder}: the recipe names fold {fold}, and there is no clip in it: {told}"
        for fold in (*recipe.folds, *recipe.train_folds)
        if fold not in known
    ]


def _refuse_split(manifest: Manifest) -> None:
    if found := split_groups(manifest, ""):
        way_out = "what is learnt would be asked again: 'folds: 5' in the recipe deals the groups anew"
        raise DatasetError("\n".join([*shown([f"{manifest.folder}: {one}" for one in found]), way_out]))


def _backgrounds(stream: Path) -> set[str]:
    """Paths of the recordings that a stream lies on, as its ``NAME_background.csv`` names them."""
    path = stream.with_name(f"{stream.name}_background.csv")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["recording"] for row in csv.DictReader(file)}
    except KeyError as error:
        raise DatasetError(f"{path}: there is no column 'recording'") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _unknown_columns(manifest: Manifest, where: Mapping[str, Sequence[str]]) -> list[str]:
    columns = {name for clip in manifest for name in clip.tags}
    return [
        f"{manifest.folder}: the recipe chooses by '{name}', a column that the manifest does not have"
        for name in where
        if name not in columns and name not in Clip.__dataclass_fields__
    ]


def _unheard_streams(manifest: Manifest, recipe: Recipe) -> list[str]:
    """Name streams that no network would be judged by."""
    held_out = recipe.folds if isinstance(recipe.folds, tuple) else manifest.folds
    return [
        f"{manifest.folder}: stream '{name}' is of fold {fold}, which is never held out"
        for name, fold in (recipe.streams.folds if recipe.streams else {}).items()
        if fold not in held_out or fold in recipe.train_folds
    ]


def _unknown_labels(manifest: Manifest, recipe: Recipe) -> list[str]:
    labels = recipe.labels_of(manifest.labels)
    named = {label for some in recipe.data.uncertain.values() for label in some}
    return [
        f"{manifest.folder}: data.uncertain names '{label}', which is no label of the model"
        for label in sorted(named - set(labels))
    ]


def _empty_labels(manifest: Manifest, recipe: Recipe) -> list[str]:
    found = {(clip.label, clip.fold) for clip in manifest}
    known = {label for label, _ in found}
    wanted = [label for label in recipe.labels_of(manifest.labels) if label not in recipe.synthetic]
    return [
        f"{manifest.folder}: label '{label}' has no clip{_instead(label, known)}"
        if label not in known
        else f"{manifest.folder}: label '{label}' has no clip in fold {fold}"
        for label in wanted
        for fold in (manifest.folds if label in known else ("",))
        if (label, fold) not in found
    ]


def _instead(label: str, known: Collection[str]) -> str:
    if close := get_close_matches(label, known, n=1):
        return f": did you mean '{close[0]}'?"
    return f"; there are {', '.join(sorted(known)[:MOST_NAMED])}{', ...' if len(known) > MOST_NAMED else ''}"


def _no_choice(manifest: Manifest, recipe: Recipe) -> list[str]:
    """What is always right is never learnt: softmax gives an only label 1, whatever is heard."""
    labels = recipe.labels_of(manifest.labels)
    if recipe.fit.loss != "softmax" or len(labels) != 1:
        return []
    told = f"{manifest.folder}: '{labels[0]}' is the only label, and fit.loss 'softmax' finds it in whatever "
    return [f"{told}is heard: take 'sigmoid', and recordings of other sounds in a folder of their own"]
