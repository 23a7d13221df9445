"""All that one command does: train without each fold, judge by that fold, then train on everything.

What is said of the bundle in the end comes from networks that had not met what they were asked
about, each judged as a bundle by the engine that runs live.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from listener.assembly import build_classifier
from listener.classifiers.base import Classifier
from listener.config import Config, ModelSettings
from listener.config_file import ConfigFile
from listener.events import LabelRule
from listener.training.data.clip import Clip
from listener.training.data.sounds import Sound, alarms, as_float, beeps, quiet
from listener.training.evaluate import Judged, judge, judge_samples
from listener.training.evaluate.evaluation import Evaluation, OnStreams, begin, on_clips
from listener.training.evaluate.listening import JudgedStream, listen
from listener.training.evaluate.psds import psds
from listener.training.evaluate.references import Stream, read_reference
from listener.training.evaluate.streams import stream_figures
from listener.training.figures import card_with
from listener.training.trainer import Trainer
from listener.training.tune import calibrate
from listener.types import Thresholds

UNHEARD = 32
"""Sounds of each kind that are synthesised for evaluation alone."""

STOPPED_EARLY = (
    "the clips that judge each network also chose its weights (fit.early_stop): the figures flatter"
)
"""Held out is only what decided nothing."""

NO_OTHER_FOLD = (
    "there are streams of every fold: their thresholds were chosen by clips of the very folds that they are "
    "made of, and the figures on streams flatter; a fold without streams mends that"
)
"""Streams are judged as a house would: by thresholds that were chosen elsewhere."""


class Reproduction:
    """Measures what a recipe is worth, and writes its bundle.

    Parameters
    ----------
    trainer
        Trains the networks.
    command
        What was typed, for the card.
    """

    def __init__(self, trainer: Trainer, command: str) -> None:
        self._trainer = trainer
        self._recipe = trainer.recipe
        self._command = command
        self.thresholds: dict[str, Thresholds] = {}
        """Of each label, once something was judged."""

    @property
    def folds(self) -> tuple[str, ...]:
        """Folds that are held out in turn."""
        return self._recipe.folds_of(self._trainer.manifest.folds)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Folds that the bundle is not trained on."""
        return self.folds if self._recipe.trained_on == "rest" else ()

    @property
    def report(self) -> Path:
        """Where the report is to lie."""
        return self._trainer.runs / "report.html"

    def cross_validate(self) -> Evaluation | None:
        """Hold out each fold in turn; a stream goes to the network that was trained without its fold.

        Returns
        -------
        Evaluation or None
            None in all processes but the first, where there are several: on other hosts there is no bundle.

        Raises
        ------
        DatasetError
            Clips, streams or checkpoints cannot be used.
        """
        judged: list[Judged] = []
        heard: list[JudgedStream] = []
        for fold in self.folds:
            bundle = self._trainer.bundle((fold,))
            if not self._trainer.is_first:
                continue
            with _loaded(bundle) as classifier:
                judged += self._judged(classifier, (fold,))
                heard += listen(classifier, self._streams(fold))
        if not self._trainer.is_first:
            return None
        evaluation = self._on_clips(judged, self.folds)
        return self._on_streams(evaluation, judged, heard) if heard else evaluation

    def hold_out(self, folds: Collection[str]) -> Evaluation | None:
        """Train one network without some folds, and judge it by them; None as in `cross_validate`.

        Raises
        ------
        DatasetError
            Clips or checkpoints cannot be used.
        """
        bundle = self._trainer.bundle(folds)
        if not self._trainer.is_first:
            return None
        with _loaded(bundle) as classifier:
            return self._on_clips(self._judged(classifier, folds), folds)

    def write(self, out: Path, evaluation: Evaluation | None, held_out: Collection[str] = ()) -> None:
        """Write the bundle of a network without some folds, or of one that knows everything.

        Parameters
        ----------
        out
            The bundle.
        evaluation
            What is said of it; None: nothing, and the event logic's default thresholds apply.
        held_out
            Folds that it is not trained on.

        Raises
        ------
        DatasetError
            The checkpoint cannot be used, or the list of those to thank cannot be written.
        ModelError
            The bundle cannot be written.
        """
        card = self._trainer.card(held_out)
        if evaluation is not None:
            judged_by = ", ".join(evaluation.clips.folds) if evaluation.clips else ""
            how = f"cross-validation, folds {judged_by}: each judged by a network trained without it"
            if held_out:
                how = f"fold {judged_by}, which it was not trained on"
            doubts = [one for one in evaluation.warnings if one in (STOPPED_EARLY, NO_OTHER_FOLD)]
            how = "; ".join((how, *doubts, self._command))
            card = replace(card_with(card, evaluation), thresholds=self.thresholds, evaluation=how)
        self._trainer.write(out, held_out, card)

    def _judged(self, classifier: Classifier, folds: Collection[str]) -> list[Judged]:
        """Ask about what was held out, and about sounds made for that alone."""
        asked = list(judge(classifier, self._trainer.manifest.only(folds)))
        rate = self._recipe.features.sample_rate
        for sound in self._unheard:
            clip = Clip("(synthesised)", sound.label, judged=False)
            asked.append(judge_samples(classifier, clip, as_float(sound.samples), rate))
        return asked

    @cached_property
    def _unheard(self) -> list[Sound]:
        """Sounds made for evaluation alone: other ones than those that are trained on."""
        if self._recipe.augmentation.event_chance == 1:
            return []
        rate, seed = self._recipe.features.sample_rate, self._recipe.seed + 1
        return [
            *alarms(self._recipe.synthetic, rate, seed, UNHEARD),
            *beeps(rate, seed, UNHEARD),
            *quiet(rate, seed, UNHEARD),
        ]

    def _on_clips(self, judged: Sequence[Judged], folds: Collection[str]) -> Evaluation:
        trainer, labels = self._trainer, self._trainer.labels
        self.thresholds = self._calibrated(judged)
        known = tuple(one for one in judged if one.clip.judged and one.clip.label in labels)
        clips = on_clips(trainer.manifest, folds, known, labels, self._recipe.subsets, left_out={})
        card = replace(trainer.card(), thresholds=self.thresholds)
        begun = begin(trainer.runs, card, self._command)
        doubts = (STOPPED_EARLY,) if self._recipe.fit.early_stop is not None else ()
        return replace(begun, clips=clips, warnings=(*doubts, *self._never_told(known)))

    def _never_told(self, judged: Sequence[Judged]) -> Iterator[str]:
        """Say which labels would make no event, whatever is heard."""
        best: dict[str, float] = {}
        for one in judged:
            score = float(one.pooled[self._trainer.labels.index(one.clip.label)])
            best[one.clip.label] = max(score, best.get(one.clip.label, 0.0))
        silent = [label for label, score in best.items() if score < self.thresholds[label].on]
        if silent:
            yield (
                f"no clip of {', '.join(sorted(silent))} reached the label's threshold: live it will hardly "
                "ever be told; more recordings or steps help, or a lower events.labels.LABEL.threshold_on"
            )

    def _on_streams(
        self, evaluation: Evaluation, judged: Sequence[Judged], heard: Sequence[JudgedStream]
    ) -> Evaluation:
        """Find the events of streams, with thresholds from folds that none is made of, if there are any."""
        assert self._recipe.streams is not None
        made_of = set(self._recipe.streams.folds.values())
        others = [one for one in judged if one.clip.fold not in made_of]
        # What was synthesised is of no fold: by itself it would raise no threshold but its own.
        is_split = any(one.clip.judged and one.clip.label in self._trainer.labels for one in others)
        thresholds = self._calibrated(others if is_split else judged)
        rules = [LabelRule(thresholds[label].on, thresholds[label].off) for label in self._trainer.labels]
        streams = OnStreams(
            self._trainer.manifest.folder / self._recipe.streams.folder,
            stream_figures(heard, rules),
            psds(heard, rules),
            tuple(heard),
            tuple(rules),
        )
        doubts = () if is_split else (NO_OTHER_FOLD,)
        return replace(evaluation, streams=streams, warnings=(*evaluation.warnings, *doubts))

    def _calibrated(self, judged: Sequence[Judged]) -> dict[str, Thresholds]:
        recipe = self._recipe
        return calibrate(judged, self._trainer.labels, recipe.hop_s, recipe.synthetic, recipe.data.uncertain)

    def _streams(self, fold: str) -> list[Stream]:
        """Those that are made of the clips of a fold."""
        options = self._recipe.streams
        if options is None:
            return []
        folder = self._trainer.manifest.folder / options.folder
        paths = [_recording(folder, name) for name, of_fold in options.folds.items() if of_fold == fold]
        return [Stream(path, read_reference(path)) for path in paths]


@contextmanager
def _loaded(bundle: Path) -> Iterator[Classifier]:
    classifier = build_classifier(ConfigFile(Config(model=ModelSettings(path=bundle.absolute()))))
    try:
        yield classifier
    finally:
        classifier.close()


def _recording(folder: Path, name: str) -> Path:
    found = [path for path in sorted(folder.glob(f"{name}.*")) if path.suffix not in (".csv", ".txt")]
    return found[0] if found else folder / f"{name}.flac"
