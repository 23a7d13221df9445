"""What makes a training another one."""

import json
from pathlib import Path
from typing import Any

import yaml

from listener.training.data.clip import Clip, Manifest
from listener.training.fit import identity
from listener.training.fit.identity import differences, is_same
from listener.training.recipe import Recipe, read_recipe


def recipe(tmp_path: Path, **changes: Any) -> Recipe:
    usual = {"name": "n", "version": "1", "features": "household", "fit": {"steps": 3}}
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**usual, **changes}))
    return read_recipe(path)


def test_whatever_decides_the_outcome_is_part_of_the_identity(tmp_path: Path) -> None:
    clips = Manifest(tmp_path, (Clip("a.wav", "dog"),))
    (tmp_path / "net.py").write_text("# one")
    usual = identity(recipe(tmp_path), clips, ["dog"])
    own = {"use": "python:net.py:Net"}
    others = [
        identity(recipe(tmp_path, seed=1), clips, ["dog"]),
        identity(recipe(tmp_path, fit={"steps": 4}), clips, ["dog"]),
        identity(recipe(tmp_path, network={"width": 8}), clips, ["dog"]),
        identity(recipe(tmp_path, augmentation={"speed": 0.0}), clips, ["dog"]),
        identity(recipe(tmp_path), clips, ["dog", "cat"]),
        identity(recipe(tmp_path), Manifest(tmp_path, (Clip("b.wav", "dog"),)), ["dog"]),
        identity(recipe(tmp_path, network=own), clips, ["dog"], tmp_path),
    ]
    (tmp_path / "net.py").write_text("# two")
    others.append(identity(recipe(tmp_path, network=own), clips, ["dog"], tmp_path))
    assert len({usual, *others}) == len(others) + 1
    for changes in ({"version": "2"}, {"notes": "!"}, {"fit": {"steps": 3, "checkpoint_steps": 1}}):
        assert identity(recipe(tmp_path, **changes), clips, ["dog"]) == usual


def test_what_an_older_program_did_not_tell_is_no_difference() -> None:
    before = json.dumps({"recipe": {"fit": {"steps": 3}}})
    now = {"recipe": {"fit": {"steps": 3}}, "data": "0123"}
    assert is_same(before, json.dumps(now))
    now["recipe"] = {"fit": {"steps": 4}}
    assert not is_same(before, json.dumps(now))
    assert differences(before, json.dumps(now)) == "fit.steps"
    assert differences(json.dumps({**now, "data": "4567"}), json.dumps(now)) == "data"
