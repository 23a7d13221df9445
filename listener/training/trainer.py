"""From a recipe and its clips to trained networks, each in a bundle of its own.

A network that is finished is not trained again; one that was interrupted goes on where its last
checkpoint was. What is judged later is the bundle, by the engine that runs live: there
is no other way from a network to its scores.
"""

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from listener.classifiers.bundle import card_json
from listener.classifiers.card import parse_card
from listener.errors import DatasetError
from listener.features.layers import LogMelLayer
from listener.training.augment import Masks, SceneMaker
from listener.training.data.check import Piece, piece
from listener.training.data.clip import Manifest
from listener.training.data.problems import refuse
from listener.training.data.sounds import Sound, alarms, beeps, doubles_across_folds, load_sounds
from listener.training.export import export
from listener.training.fit import Batch, Draw, HeldOut, Report, fit, forget, identity
from listener.training.networks import build_network
from listener.training.recipe import Recipe
from listener.training.start import begin_with, find_start, fingerprint
from listener.training.validation import Validation
from listener.types import ModelCard

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True, slots=True)
class Made:
    """How many sounds are synthesised."""

    alarms: int = 96
    beeps: int = 64


MADE = Made()

CHECKPOINT = "checkpoint.pt"
"""Name of the newest checkpoint in a network's folder."""

LONGEST_NAME = 60
"""Characters of a folder's name that come from the folds."""

Progress = Callable[[str, Report], None]
"""Is told which network it is, and how it goes."""


class Trainer:
    """Trains the networks of a recipe.

    Parameters
    ----------
    recipe
        What is wanted.
    folder
        Of the recipe; a user's own network and the bundle to begin with are looked for from there.
    manifest
        The clips that the recipe has chosen, each in its fold: see `listener.training.data.choose`.
    runs
        Where each network has a folder of its own, for its checkpoints and its bundle.
    fabric
        What it is trained on: see `listener.training.fit.start`.
    progress
        Is told how it goes.

    Raises
    ------
    DatasetError
        Clips cannot be read, or are the same sound in several folds; all of them are named.
    ModelError
        There is no bundle to begin with, or the one that would come of it could not be loaded: a label that
        is too long, a ``hop_s`` that cannot be.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        manifest: Manifest,
        runs: Path,
        fabric: "Fabric",
        progress: Progress,
    ) -> None:
        self.recipe = recipe
        self.manifest = manifest
        self.labels = recipe.labels_of(manifest.labels)
        self.runs = runs
        self._folder = folder
        self._fabric = fabric
        self._progress = progress
        # Or what nobody could load would be trained first.
        parse_card(json.loads(card_json(self.card())), runs / f"{recipe.name}.pt")
        self._start = find_start(recipe.start_from, folder) if recipe.start_from else None
        rate = recipe.features.sample_rate
        self._real = load_sounds(manifest, rate)
        refuse(doubles_across_folds(self._real))
        self._made = alarms(recipe.synthetic, rate, recipe.seed, MADE.alarms)
        if recipe.augmentation.event_chance < 1:
            self._made += beeps(rate, recipe.seed, MADE.beeps)

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that tells and writes, where there are several."""
        return bool(self._fabric.is_global_zero)

    def bundle(self, held_out: Collection[str] = ()) -> Path:
        """Give the bundle of a network without some folds; its card has neither thresholds nor figures.

        Raises
        ------
        DatasetError
            As `network` does.
        """
        out = self._run(held_out) / f"{self.recipe.name}.pt"
        self.write(out, held_out, self.card(held_out))
        return out

    def write(self, out: Path, held_out: Collection[str], card: ModelCard) -> None:
        """Write the bundle of a network without some folds, and the list of those to thank."""
        network = self.network(held_out)
        if self.is_first:
            export(out, network, card, self.manifest.without(held_out))
        self._fabric.barrier()

    def network(self, held_out: Collection[str] = ()) -> nn.Module:
        """Train a network without some folds, if that was not done before.

        Raises
        ------
        DatasetError
            The checkpoint belongs to another recipe or to other data, or cannot be written.
        """
        run, manifest = self._run(held_out), self.manifest.without(held_out)
        if not manifest.clips:
            raise DatasetError(
                f"{self.manifest.folder}: without fold {', '.join(sorted(held_out))} nothing is left to "
                "train on: 'folds: 5' in the recipe deals five, --no-cross-validate measures nothing"
            )
        stops_early = self.recipe.fit.early_stop is not None and held_out
        return fit(
            self._untrained(),
            self._draw(manifest),
            self.recipe.fit,
            n_clips=sum(clip.label in self.labels for clip in manifest),
            seed=self.recipe.seed,
            checkpoint=run / CHECKPOINT,
            what=self._identity(manifest),
            fabric=self._fabric,
            progress=lambda report: self._progress(run.name, report),
            held_out=self._loss_on(held_out) if stops_early else None,
            scalars=run / "tensorboard",
        )

    def card(self, held_out: Collection[str] = ()) -> ModelCard:
        """What is known of a network without some folds before it is judged."""
        manifest = self.manifest.without(held_out)
        recipe, features = self.recipe, self.recipe.features
        return ModelCard(
            name=recipe.name,
            version=recipe.version,
            labels=self.labels,
            sample_rate=features.sample_rate,
            window_s=features.window_samples / features.sample_rate,
            hop_s=recipe.hop_s,
            input="log_mel",
            activation=recipe.fit.loss,
            features=features,
            licence=recipe.licence,
            attribution=f"{len(manifest.clips)} recordings: see {recipe.name}.ATTRIBUTION.csv",
            training_data=_described(manifest, recipe),
            manifest_sha256=manifest.sha256,
            notes=recipe.notes,
        )

    def _untrained(self) -> nn.Module:
        features = self.recipe.features
        network = build_network(
            self.recipe.network,
            features.n_mels,
            features.n_frames,
            len(self.labels),
            self._folder,
            self.recipe.seed,
        )
        if self._start is not None:
            begin_with(network, self._start, features)
        return network

    def _run(self, held_out: Collection[str]) -> Path:
        return self.runs / (f"without-{_file_name('-'.join(sorted(held_out)))}" if held_out else "all")

    def _sounds_of(self, manifest: Manifest) -> list[Sound]:
        """The clips of a part of the manifest in memory, piece by piece: a file may hold several."""
        chosen = {piece(clip) for clip in manifest}
        return [sound for sound in self._real if sound.clip is not None and piece(sound.clip) in chosen]

    def _loss_on(self, held_out: Collection[str]) -> HeldOut:
        """How well a network does on the clips that are held out, as they are, window by window."""
        return Validation(self._sounds_of(self.manifest.only(held_out)), self.labels, self.recipe)

    def _draw(self, manifest: Manifest) -> Draw:
        """Scenes of these clips, as spectrograms with masks."""
        recipe, device = self.recipe, self._fabric.device
        sounds = [*self._sounds_of(manifest), *self._made]
        scenes = SceneMaker(recipe, self.labels, sounds, recipe.features, device)
        front_end = LogMelLayer(recipe.features, "fft_single").to(device)
        masks = Masks(recipe.augmentation, recipe.seed)

        def draw(step: int, rows: range) -> Batch:
            with torch.no_grad():
                scene = scenes.batch(step, len(rows), rows.start, recipe.fit.batch_size)
                spectrograms: Tensor = masks(front_end(scene.waveforms), step, rows.start)
            return Batch(spectrograms, scene.presence)

        return draw

    def _identity(self, manifest: Manifest) -> str:
        """What the training is of: `identity`, and the sound itself, whatever the manifest says of it."""
        clips = [sound.clip for sound in self._sounds_of(manifest) if sound.clip is not None]
        told = tuple(
            clip if clip.sha256 else replace(clip, sha256=self._digests[piece(clip)]) for clip in clips
        )
        what = json.loads(identity(self.recipe, replace(manifest, clips=told), self.labels, self._folder))
        what["data"] = sha256("".join(self._digests[piece(clip)] for clip in clips).encode()).hexdigest()
        if self._start is not None:
            what["start_from_sha256"] = fingerprint(self._start)
        return json.dumps(what, sort_keys=True)

    @cached_property
    def _digests(self) -> dict[Piece, str]:
        """Hash of each clip's sound, as it is learnt from."""
        return {
            piece(sound.clip): sha256(sound.samples.tobytes()).hexdigest()
            for sound in self._real
            if sound.clip is not None
        }


def forget_all(runs: Path) -> None:
    """Delete the checkpoints of a recipe's networks, so that they start over.

    Raises
    ------
    DatasetError
        They cannot be deleted.
    """
    for run in runs.glob("*/"):
        forget(run / CHECKPOINT)


def _file_name(text: str) -> str:
    """Give text as part of a file's name: what folds are called may hold anything, and be long."""
    plain = re.sub(r"[^\w.-]+", "_", text)[:LONGEST_NAME]
    return plain if plain == text else f"{plain}~{sha256(text.encode()).hexdigest()[:8]}"


def _described(manifest: Manifest, recipe: Recipe) -> str:
    lengths = [clip.active_s or clip.duration_s for clip in manifest]
    hours = f" ({sum(length or 0 for length in lengths) / 3600:.1f} h)" if all(lengths) else ""
    sets = sorted({clip.dataset for clip in manifest if clip.dataset})
    of = f" of {', '.join(sets)}" if sets else ""
    made = f"; synthesised: {', '.join(recipe.synthetic)}" if recipe.synthetic else ""
    chosen = "".join(
        f"; {name} {' or '.join(texts)}" for name, texts in recipe.data.where.items() if name != "dataset"
    )
    return f"{len(manifest.clips)} recordings{hours}{of}{chosen}{made}"
