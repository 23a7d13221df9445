"""All that one command does: cross-validate, listen to streams, train on everything, export.

Each network has a folder of its own under ``runs``; one that is finished is not trained
again, one that was interrupted goes on.
"""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from listener.features import PRESETS
from listener.training.augment import WindowMaker
from listener.training.evaluate import (
    Judged,
    Scorer,
    StreamResult,
    accuracies,
    check_stream,
    per_label,
    stream_figures,
)
from listener.training.export import export
from listener.training.fit import fit, identity
from listener.training.data.clip import Manifest
from listener.training.networks import ResNet18
from listener.training.recipe import Recipe
from listener.training.data.sounds import alarms, beeps, load_sounds, quiet
from listener.training.thresholds import calibrate
from listener.types import ModelCard, Thresholds

HOP_S = 0.5


@dataclass(frozen=True, slots=True)
class Made:
    """How many sounds are synthesised."""

    alarms: int = 96
    beeps: int = 64
    unheard: int = 32
    """Of each kind, for evaluation alone."""


MADE = Made()

Progress = Callable[[str, int, int, float], None]
"""Is told which network it is, the steps done, the steps in all, and the loss."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is known of a recipe, from networks that had not met what they were asked about."""

    thresholds: dict[str, Thresholds]
    figures: dict[str, float]
    figures_per_label: dict[str, dict[str, float]]


class Trainer:
    """Trains a recipe's networks on some data.

    Parameters
    ----------
    recipe
        What to train.
    manifest
        The clips.
    runs
        Folder for the checkpoints.
    progress
        Is told how it goes.
    workers
        Processes that draw windows; 0: this one does.

    Raises
    ------
    DatasetError
        Clips cannot be read.
    """

    def __init__(
        self, recipe: Recipe, manifest: Manifest, runs: Path, progress: Progress, workers: int | None = None
    ) -> None:
        cores = os.cpu_count() or 1
        self._workers = cores // 2 if workers is None else workers
        # Threads that wait for each other on a busy machine cost more than they bring.
        torch.set_num_threads(max(1, cores - self._workers))
        self._recipe = recipe
        self._manifest = manifest
        self._runs = runs
        self._progress = progress
        self._parameters = PRESETS[recipe.preset]
        rate = self._parameters.sample_rate
        self._real = load_sounds(manifest, rate)
        self._made = [
            *alarms(recipe.synthetic, rate, recipe.seed, MADE.alarms),
            *beeps(rate, recipe.seed, MADE.beeps),
        ]
        # Other ones than those that are trained on.
        self._unheard = [
            *alarms(recipe.synthetic, rate, recipe.seed + 1, MADE.unheard),
            *beeps(rate, recipe.seed + 1, MADE.unheard),
            *quiet(rate, recipe.seed + 1, MADE.unheard),
        ]

    def reproduce(self, out: Path, cross_validate: bool, command: str) -> Evaluation:
        """Measure, then train on everything and write the bundle.

        Parameters
        ----------
        out
            The bundle.
        cross_validate
            Whether to measure; without, the event logic's default thresholds apply.
        command
            What was typed, for the card.
        """
        how = "not evaluated"
        evaluation = Evaluation({}, {}, {})
        if cross_validate:
            evaluation = self._evaluate()
            folds = ", ".join(str(fold) for fold in self._recipe.folds)
            how = f"cross-validation, folds {folds}: each judged by a network trained without it; {command}"
        self._write(out, self._train(self._manifest, "all"), self._manifest, evaluation, how)
        return evaluation

    def hold_out(self, folds: Collection[int], out: Path | None, command: str) -> Evaluation:
        """Train one network without some folds, and judge it by them.

        Parameters
        ----------
        folds
            Held out.
        out
            The bundle; None writes none.
        command
            What was typed, for the card.
        """
        network, judged = self._without(folds)
        evaluation = self._judged(judged)
        if out is not None:
            how = f"folds {', '.join(str(fold) for fold in folds)}, which it was not trained on; {command}"
            self._write(out, network, self._manifest.without(folds), evaluation, how)
        return evaluation

    def _train(self, manifest: Manifest, name: str) -> nn.Module:
        chosen = {clip.path for clip in manifest}
        sounds = [sound for sound in self._real if sound.clip is not None and sound.clip.path in chosen]
        maker = WindowMaker(self._recipe, self._parameters, sounds + self._made)
        torch.manual_seed(self._recipe.seed)
        options = self._recipe.network
        network = ResNet18(self._parameters.n_mels, len(self._recipe.labels), options.width, options.dropout)
        return fit(
            network.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
            maker,
            self._recipe,
            self._runs / name / "checkpoint.pt",
            identity(self._recipe, manifest),
            lambda done, loss: self._progress(name, done, self._recipe.fit.steps, loss),
            self._workers,
        )

    def _without(self, folds: Collection[int]) -> tuple[nn.Module, list[Judged]]:
        """Train without some folds, and ask about them."""
        name = f"without-{'-'.join(str(fold) for fold in folds)}"
        network = self._train(self._manifest.without(folds), name)
        asked = [sound for sound in self._real if sound.clip is not None and sound.clip.fold in folds]
        return network, list(Scorer(network, self._card()).judge([*asked, *self._unheard]))

    def _evaluate(self) -> Evaluation:
        """Cross-validate over the folds, and run over the streams."""
        networks = {}
        judged: list[Judged] = []
        for fold in self._recipe.folds:
            networks[fold], answers = self._without((fold,))
            judged += answers
        evaluation = self._judged(judged)
        streams: dict[str, StreamResult] = {}
        for fold, network in networks.items():
            streams |= self._streams(fold, Scorer(network, self._card()), judged)
        negative = self._recipe.streams.negative if self._recipe.streams else ""
        return replace(evaluation, figures=evaluation.figures | stream_figures(streams, negative))

    def _judged(self, judged: Sequence[Judged]) -> Evaluation:
        labels = self._recipe.labels
        thresholds = calibrate(judged, self._recipe, HOP_S)
        return Evaluation(thresholds, accuracies(judged, labels), per_label(judged, labels))

    def _write(
        self, out: Path, network: nn.Module, manifest: Manifest, evaluation: Evaluation, how: str
    ) -> None:
        card = replace(
            self._card(),
            thresholds=evaluation.thresholds,
            figures=evaluation.figures,
            figures_per_label=evaluation.figures_per_label,
            evaluation=how,
            attribution=f"{len(manifest.clips)} recordings by many authors: see {out.stem}.ATTRIBUTION.csv",
            training_data=_described(manifest, self._recipe),
            manifest_sha256=manifest.sha256,
        )
        export(out, network, card, manifest)

    def _card(self) -> ModelCard:
        """What is known of the model before it is trained."""
        recipe, parameters = self._recipe, self._parameters
        return ModelCard(
            name=recipe.name,
            version=recipe.version,
            labels=recipe.labels,
            sample_rate=parameters.sample_rate,
            window_s=parameters.window_samples / parameters.sample_rate,
            hop_s=HOP_S,
            input="log_mel",
            activation="sigmoid",
            features=parameters,
            licence=recipe.licence,
            notes=recipe.notes,
        )

    def _streams(self, fold: int, scorer: Scorer, judged: Sequence[Judged]) -> dict[str, StreamResult]:
        """Run over the streams of a fold, with thresholds that come from the other folds alone."""
        options = self._recipe.streams
        names = [name for name, of_fold in options.folds.items() if of_fold == fold] if options else []
        others = [one for one in judged if one.sound.clip is None or one.sound.clip.fold != fold]
        thresholds = calibrate(others, self._recipe, HOP_S)
        folder = self._manifest.folder / options.folder if options else self._manifest.folder
        return {name: check_stream(scorer, folder / f"{name}.flac", thresholds) for name in names}


def _described(manifest: Manifest, recipe: Recipe) -> str:
    hours = sum(clip.active_s for clip in manifest) / 3600
    sets = ", ".join(recipe.data.datasets)
    made = f"; synthesised: {', '.join(recipe.synthetic)}" if recipe.synthetic else ""
    return f"{len(manifest.clips)} recordings ({hours:.1f} h) of {sets}, 'clean' rows only{made}"
