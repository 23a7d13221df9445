"""Which sounds a network learns from, where it is kept, and when it has to be trained anew."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from listener.errors import DatasetError, ModelError
from listener.training import trainer as module
from listener.training.augment import SceneMaker
from listener.training.data.choose import choose
from listener.training.data.clip import Clip, Manifest
from listener.training.data.manifest import read_manifest
from listener.training.data.sounds import Sound
from listener.training.fit import Report, start
from listener.training.recipe import Recipe
from listener.training.reproduce import Reproduction
from listener.training.trainer import CHECKPOINT, Trainer, forget_all
from tests.training.conftest import RATE, RECIPE

MakeRecipe = Callable[..., Recipe]


def silent(name: str, report: Report) -> None:
    """Nobody watches."""


def make_trainer(manifest: Manifest, recipe: Recipe, folder: Path) -> Trainer:
    fabric = start("32-true", "cpu")
    return Trainer(recipe, folder, manifest, folder / "runs", fabric, silent)


@pytest.fixture
def drawn_from(monkeypatch: pytest.MonkeyPatch) -> list[Clip]:
    """The clips that windows are made of."""
    found: list[Clip] = []

    def spying(recipe: Recipe, labels: object, sounds: list[Sound], *rest: object) -> SceneMaker:
        found.extend(sound.clip for sound in sounds if sound.clip is not None)
        return SceneMaker(recipe, labels, sounds, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "SceneMaker", spying)
    return found


def test_of_a_file_only_the_pieces_of_other_folds_are_learnt_from(
    tiny_data: Path, tmp_path: Path, make_recipe: MakeRecipe, drawn_from: list[Clip]
) -> None:
    first, *others = choose(read_manifest(tiny_data), make_recipe())
    pieces = (replace(first, active_s=0.4), replace(first, first_s=0.9, active_s=0.4, fold="2"))
    make_trainer(Manifest(tiny_data, (*pieces, *others)), make_recipe(), tmp_path).network(["2"])
    assert {(clip.path, clip.first_s) for clip in drawn_from if clip.path == first.path} == {
        (first.path, 0.5)
    }
    assert {clip.fold for clip in drawn_from} == {"1"}


@pytest.mark.parametrize("fold", ["../../../outside", "of/two", "a" * 300, "ж" * 100, ".."])
def test_folds_of_any_name_have_their_network_among_the_runs(
    tiny_data: Path, tmp_path: Path, make_recipe: MakeRecipe, fold: str
) -> None:
    clips = [replace(clip, fold=fold if clip.fold == "2" else clip.fold) for clip in read_manifest(tiny_data)]
    recipe = make_recipe(folds="auto", fit={**RECIPE["fit"], "steps": 1})  # type: ignore[dict-item]
    trainer = make_trainer(choose(Manifest(tiny_data, tuple(clips)), recipe), recipe, tmp_path)
    trainer.network([fold])
    written = list(tmp_path.rglob(CHECKPOINT))
    assert [path.parent.parent for path in written] == [tmp_path / "runs"]
    forget_all(tmp_path / "runs")
    assert not list(tmp_path.rglob(CHECKPOINT))


def test_no_two_folds_share_a_network(tiny_data: Path, tmp_path: Path, make_recipe: MakeRecipe) -> None:
    manifest = read_manifest(tiny_data)
    names = {"1": "a/b", "2": "a?b", "": "1"}
    clips = tuple(replace(clip, fold=names[clip.fold]) for clip in manifest)
    recipe = make_recipe(labels=["low", "high"], synthetic=[], fit={**RECIPE["fit"], "steps": 1})  # type: ignore[dict-item]
    trainer = make_trainer(Manifest(tiny_data, clips), recipe, tmp_path)
    trainer.network(["a/b"])
    trainer.network(["a?b"])
    assert len(list(tmp_path.rglob(CHECKPOINT))) == 2


@pytest.mark.parametrize("by_hand", [True, False])
def test_what_was_learnt_from_a_clip_that_has_changed_is_not_taken_for_done(
    by_hand: bool, tiny_data: Path, tmp_path: Path, make_recipe: MakeRecipe
) -> None:
    """A manifest that somebody wrote by hand holds no hashes; others hold those of files as they were."""
    clips = tuple(
        replace(clip, sha256="" if by_hand else clip.sha256)
        for clip in choose(read_manifest(tiny_data), make_recipe())
    )
    manifest = Manifest(tiny_data, clips)
    before = make_trainer(manifest, make_recipe(), tmp_path).network()
    again = make_trainer(manifest, make_recipe(), tmp_path).network()
    for one, other in zip(before.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    soundfile.write(tiny_data / clips[0].path, noise(), RATE, subtype="PCM_16")
    with pytest.raises(DatasetError, match=r"another recipe or other data \(data(, manifest_sha256)?\)"):
        make_trainer(manifest, make_recipe(), tmp_path).network()


def test_checkpoints_of_an_older_program_that_tell_nothing_of_the_sound_are_gone_on_from(
    tiny_data: Path, tmp_path: Path, make_recipe: MakeRecipe
) -> None:
    trainer = make_trainer(choose(read_manifest(tiny_data), make_recipe()), make_recipe(), tmp_path)
    trainer.network()
    path = tmp_path / "runs" / "all" / CHECKPOINT
    content = torch.load(path, weights_only=True)
    content["what"] = json.dumps({**json.loads(content["what"]), "data": None})
    torch.save(content, path)
    with pytest.raises(DatasetError, match=r"other data \(data\)"):
        trainer.network()
    content["what"] = json.dumps(
        {key: value for key, value in json.loads(content["what"]).items() if key != "data"}, sort_keys=True
    )
    torch.save(content, path)
    trainer.network()


def test_the_same_sound_on_both_sides_of_a_split_is_refused(
    tiny_data: Path, tmp_path: Path, make_recipe: MakeRecipe
) -> None:
    manifest = choose(read_manifest(tiny_data), make_recipe())
    first, second = (clip for clip in manifest if clip.label == "low")
    shutil.copy(tiny_data / first.path, tiny_data / second.path)
    told = f"^{second.path}: holds the same sound as {first.path}, and they are in the folds 2 and 1"
    with pytest.raises(DatasetError, match=told):
        make_trainer(manifest, make_recipe(), tmp_path)


def test_only_the_first_process_judges(
    tiny_data: Path, tmp_path: Path, make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another host, there is no bundle to be judged."""
    monkeypatch.setattr(Trainer, "is_first", False)
    recipe = make_recipe()
    trainer = make_trainer(choose(read_manifest(tiny_data), recipe), recipe, tmp_path)
    reproduction = Reproduction(trainer, "listener train")
    assert reproduction.hold_out(["1"]) is None
    assert reproduction.cross_validate() is None
    assert not list(tmp_path.rglob("tiny.pt"))


BEGINS_WITH_AT = {"labels": ["low", "@high"], "synthetic": [], "data": {"rename": {"high": "@high"}}}


@pytest.mark.parametrize(
    ("changes", "told"), [({"hop_s": 100.0}, "hop_s must be"), (BEGINS_WITH_AT, "'@high' begins with @")]
)
def test_a_bundle_that_nobody_could_load_is_not_trained(
    tiny_data: Path, tmp_path: Path, make_recipe: MakeRecipe, changes: dict[str, object], told: str
) -> None:
    recipe = make_recipe(**changes)
    with pytest.raises(ModelError, match=told):
        make_trainer(choose(read_manifest(tiny_data), recipe), recipe, tmp_path)
    assert not (tmp_path / "runs").exists()


def test_what_differs_is_named_for_networks_that_began_with_a_bundle_as_well(
    tiny_data: Path, tmp_path: Path, make_recipe: MakeRecipe
) -> None:
    manifest = choose(read_manifest(tiny_data), make_recipe())
    start_from = str(make_trainer(manifest, make_recipe(), tmp_path).bundle())
    make_trainer(manifest, make_recipe(start_from=start_from), tmp_path / "more").network()
    with pytest.raises(DatasetError, match=r"is of another recipe or other data \(seed\): --fresh"):
        make_trainer(manifest, make_recipe(start_from=start_from, seed=8), tmp_path / "more").network()


def test_the_only_fold_is_not_held_out(tiny_data: Path, tmp_path: Path, make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(folds=["1"])
    trainer = make_trainer(choose(read_manifest(tiny_data), recipe), recipe, tmp_path)
    with pytest.raises(DatasetError, match="without fold 1 nothing is left to train on: 'folds: 5'"):
        trainer.bundle(["1"])
    assert not (tmp_path / "runs").exists()


def noise() -> NDArray[np.float64]:
    return 0.1 * np.random.default_rng(5).standard_normal(2 * RATE)
