"""A whole evaluation: which clips and streams, and what came of them."""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import listener
from listener.classifiers.base import Classifier
from listener.errors import DatasetError
from listener.events import LabelRule
from listener.training.data.choose import is_in
from listener.training.data.clip import CLIP_COLUMNS, Manifest
from listener.training.data.manifest import refuse
from listener.training.evaluate.clips import ClipFigures, clip_figures
from listener.training.evaluate.judge import Judged, Progress, judge
from listener.training.evaluate.listening import JudgedStream, listen
from listener.training.evaluate.provenance import warnings_for_clips, warnings_for_streams
from listener.training.evaluate.psds import psds
from listener.training.evaluate.references import Stream
from listener.training.evaluate.streams import StreamFigures, stream_figures
from listener.types import ModelCard

Where = Mapping[str, Sequence[str]]
"""Column of the manifest: texts of which a clip must have one there."""


@dataclass(frozen=True, slots=True)
class OnClips:
    """What a bundle made of clips."""

    folder: Path
    manifest_sha256: str
    folds: tuple[str, ...]
    """Those that were judged; empty: all there is."""
    figures: ClipFigures
    subsets: Mapping[str, ClipFigures]
    left_out: Mapping[str, int]
    """Labels that the model does not have, and how many clips have them."""
    judged: tuple[Judged, ...]


@dataclass(frozen=True, slots=True)
class OnStreams:
    """What a bundle made of streams."""

    folder: Path
    figures: StreamFigures
    psds: Mapping[str, float]
    heard: tuple[JudgedStream, ...]
    rules: tuple[LabelRule | None, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that is known of a bundle by now."""

    bundle: Path
    card: ModelCard
    command: str
    """What was typed."""
    measured_at: datetime
    warnings: tuple[str, ...] = ()
    clips: OnClips | None = None
    streams: OnStreams | None = None

    def as_json(self) -> dict[str, Any]:
        """Give every figure, in a form that JSON has; what could not be measured is None."""
        told: dict[str, Any] = {
            "bundle": str(self.bundle),
            "model": self.card.identity,
            "listener": listener.__version__,
            "command": self.command,
            "measured_at": self.measured_at.isoformat(timespec="seconds"),
            "warnings": list(self.warnings),
        }
        if self.clips is not None:
            told["clips"] = {
                "folder": str(self.clips.folder),
                "manifest_sha256": self.clips.manifest_sha256,
                "folds": list(self.clips.folds),
                "left_out": dict(self.clips.left_out),
                **asdict(self.clips.figures),
                "subsets": {name: asdict(figures) for name, figures in self.clips.subsets.items()},
            }
        if self.streams is not None:
            told["streams"] = {
                "folder": str(self.streams.folder),
                **asdict(self.streams.figures),
                **self.streams.psds,
            }
        cleaned: dict[str, Any] = _without_nan(told)
        return cleaned


def begin(bundle: Path, card: ModelCard, command: str) -> Evaluation:
    """Begin an evaluation, of which nothing is known yet."""
    return Evaluation(bundle, card, command, datetime.now(UTC))


def with_clips(
    evaluation: Evaluation,
    classifier: Classifier,
    manifest: Manifest,
    folds: Collection[str] = (),
    subsets: Mapping[str, Where] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a bundle by clips.

    Parameters
    ----------
    evaluation
        What is known already.
    classifier
        The bundle, loaded.
    manifest
        The clips, among them those that it may have been trained on.
    folds
        Only these; empty: all.
    subsets
        Name and choice of clips of which figures are told for themselves.
    progress
        Is told how it goes.

    Raises
    ------
    DatasetError
        No clip is left, a fold or a column is not there, or clips cannot be read.
    """
    labels = classifier.card.labels
    asked = _asked(manifest, folds)
    left_out = Counter(clip.label for clip in asked if clip.label not in labels and clip.judged)
    known = Manifest(manifest.folder, tuple(clip for clip in asked if clip.label in labels and clip.judged))
    if not known.clips:
        raise DatasetError(
            f"{manifest.folder}: no clip has a label of {classifier.card.identity}: there are "
            f"{', '.join(sorted(left_out)) or 'none to judge by'}"
        )
    _refuse_unknown_columns(manifest, (subsets or {}).values())
    judged = tuple(judge(classifier, known, progress))
    result = on_clips(manifest, folds, judged, labels, subsets or {}, dict(left_out.most_common()))
    told = warnings_for_clips(evaluation.card, evaluation.bundle, manifest, known)
    return replace(evaluation, clips=result, warnings=(*evaluation.warnings, *told))


def on_clips(
    manifest: Manifest,
    folds: Collection[str],
    judged: Sequence[Judged],
    labels: Sequence[str],
    subsets: Mapping[str, Where],
    left_out: Mapping[str, int],
) -> OnClips:
    """Measure what was said to clips, and to those of each subset that has any.

    Parameters
    ----------
    manifest
        That the clips are from.
    folds
        Those that were judged; empty: all there is.
    judged
        The clips that count.
    labels
        The model's, in the order of the scores.
    subsets
        Name and choice of clips of which figures are told for themselves.
    left_out
        Labels that the model does not have, and how many clips have them.
    """
    parts = {name: [one for one in judged if is_in(one.clip, where)] for name, where in subsets.items()}
    return OnClips(
        folder=manifest.folder,
        manifest_sha256=manifest.sha256,
        folds=tuple(folds),
        figures=clip_figures(judged, labels),
        subsets={name: clip_figures(part, labels) for name, part in parts.items() if part},
        left_out=left_out,
        judged=tuple(judged),
    )


def with_streams(
    evaluation: Evaluation,
    classifier: Classifier,
    folder: Path,
    streams: Sequence[Stream],
    rules: Sequence[LabelRule | None],
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a bundle by streams.

    Parameters
    ----------
    evaluation
        What is known already.
    classifier
        The bundle, loaded.
    folder
        Where the streams lie.
    streams
        One or more.
    rules
        Of the event logic, one for each label.
    progress
        Is told how it goes.

    Raises
    ------
    DatasetError
        Recordings cannot be read, or none of the events is of a label that the model has.
    """
    refuse_foreign(streams, classifier.card, folder)
    heard = tuple(listen(classifier, streams, progress))
    result = OnStreams(folder, stream_figures(heard, rules), psds(heard, rules), heard, tuple(rules))
    told = warnings_for_streams(evaluation.card, evaluation.bundle, streams)
    return replace(evaluation, streams=result, warnings=(*evaluation.warnings, *told))


def refuse_foreign(streams: Sequence[Stream], card: ModelCard, folder: Path) -> None:
    """Refuse streams whose events the model has no label for.

    Raises
    ------
    DatasetError
        There are events, and not one could be found.
    """
    named = {target.label for stream in streams for target in stream.targets}
    if named and not named & set(card.labels):
        raise DatasetError(
            f"{folder}: no event has a label of {card.identity}: there are {', '.join(sorted(named))}"
        )


def chosen(manifest: Manifest, where: Where) -> Manifest:
    """Choose clips by columns.

    Raises
    ------
    DatasetError
        A column is not there, or nothing is left.
    """
    _refuse_unknown_columns(manifest, [where])
    clips = tuple(clip for clip in manifest if is_in(clip, where))
    if not clips:
        told = ", ".join(f"{name} = {' or '.join(texts)}" for name, texts in where.items())
        raise DatasetError(f"{manifest.folder}: no clip has {told}")
    return Manifest(manifest.folder, clips)


def _asked(manifest: Manifest, folds: Collection[str]) -> Manifest:
    known = manifest.folds
    refuse(
        [
            f"{manifest.folder}: there is no fold {fold}: there are {', '.join(known) or 'none'}"
            for fold in folds
            if fold not in known
        ]
    )
    return manifest.only(folds) if folds else manifest


def _refuse_unknown_columns(manifest: Manifest, choices: Collection[Where]) -> None:
    known = {*CLIP_COLUMNS, *(name for clip in manifest for name in clip.tags)}
    asked = {name for where in choices for name in where}
    refuse(
        [
            f"{manifest.folder}: the manifest has no column '{name}'"
            for name in sorted(asked)
            if name not in known
        ]
    )


def _without_nan(told: Any) -> Any:
    if isinstance(told, Mapping):
        return {key: _without_nan(value) for key, value in told.items()}
    if isinstance(told, list | tuple):
        return [_without_nan(value) for value in told]
    return None if isinstance(told, float) and not math.isfinite(told) else told
