from collections.abc import Callable
from pathlib import Path

import pytest

from listener.errors import ConfigError, DatasetError
from listener.training.manifest import read_manifest
from listener.training.recipe import Recipe, read_recipe
from listener.training.sounds import load_sounds
from tests.training.conftest import read_rows, write_rows

MakeRecipe = Callable[..., Recipe]


def test_every_clip_of_a_recipe_is_found(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    manifest = read_manifest(tiny_data, make_recipe())
    assert [clip.label for clip in manifest] == ["high", "low", "high", "low", "hiss"]
    assert {clip.fold for clip in manifest} == {1, 2}


def test_clips_that_may_not_be_published_are_left_out(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    rows = read_rows(tiny_data)
    rows[-1]["clean"] = "0"
    write_rows(tiny_data, rows)
    assert "hiss" not in {clip.label for clip in read_manifest(tiny_data, make_recipe())}


@pytest.mark.parametrize("fold", [1, 2])
def test_no_clip_is_on_both_sides_of_a_split(tiny_data: Path, make_recipe: MakeRecipe, fold: int) -> None:
    manifest = read_manifest(tiny_data, make_recipe())
    kept, held_out = manifest.without([fold]), manifest.only([fold])
    assert {clip.path for clip in kept}.isdisjoint(clip.path for clip in held_out)
    assert {clip.fold for clip in kept}.isdisjoint(clip.fold for clip in held_out)
    assert len(kept.clips) + len(held_out.clips) == len(manifest.clips)


def test_real_folds_share_no_source(data: Path) -> None:
    recipe = read_recipe(Path(__file__).parents[2] / "recipes" / "household.yaml")
    clips = [clip for clip in read_manifest(data, recipe) if clip.dataset == "esc50"]
    folds: dict[str, set[int]] = {}
    for clip in clips:
        folds.setdefault(Path(clip.path).stem.split("-")[1], set()).add(clip.fold)
    assert len(clips) > 900
    assert all(len(found) == 1 for found in folds.values())


def test_the_hash_tells_what_was_trained_on(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    before = read_manifest(tiny_data, make_recipe()).sha256
    rows = read_rows(tiny_data)
    rows[0]["author"] = "somebody"
    write_rows(tiny_data, rows)
    assert read_manifest(tiny_data, make_recipe()).sha256 == before
    rows[0]["active_s"] = "0.9"
    write_rows(tiny_data, rows)
    assert read_manifest(tiny_data, make_recipe()).sha256 != before


def test_a_missing_folder(tmp_path: Path, make_recipe: MakeRecipe) -> None:
    with pytest.raises(DatasetError, match="nowhere: there is no such folder"):
        read_manifest(tmp_path / "nowhere", make_recipe())


def test_a_folder_without_a_manifest(tmp_path: Path, make_recipe: MakeRecipe) -> None:
    with pytest.raises(DatasetError, match=r"clips\.csv: is missing"):
        read_manifest(tmp_path, make_recipe())


def test_every_problem_is_named(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    rows = read_rows(tiny_data)
    rows[0]["label"] = ""
    rows[1]["active_s"] = "long"
    write_rows(tiny_data, rows)
    (tiny_data / rows[2]["path"]).unlink()
    with pytest.raises(DatasetError) as error:
        read_manifest(tiny_data, make_recipe())
    lines = str(error.value).splitlines()
    assert any("line 2: has no label" in line for line in lines)
    assert any("line 3" in line and "'long'" in line for line in lines)
    assert any(line.endswith("1-high.flac: is missing") for line in lines)
    assert any("label 'low' has no usable clip in fold 1" in line for line in lines)


def test_a_column_that_is_missing(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    path = tiny_data / "clips.csv"
    path.write_text(path.read_text().replace("clean", "spotless", 1))
    with pytest.raises(DatasetError, match="there is no column 'clean'"):
        read_manifest(tiny_data, make_recipe())


def test_clips_that_cannot_be_used(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    manifest = read_manifest(tiny_data, make_recipe())
    (tiny_data / "audio" / "1-low.flac").write_bytes(b"fLaC, or so it says")
    with pytest.raises(DatasetError, match=r"1-low\.flac: cannot be read"):
        load_sounds(manifest, 16_000)
    with pytest.raises(DatasetError, match=r"2-low\.flac: has to be mono at 8000 Hz"):
        load_sounds(manifest, 8_000)


def test_sounds_are_cut_to_what_is_heard(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    sounds = load_sounds(read_manifest(tiny_data, make_recipe()), 16_000)
    assert all(len(sound.samples) == 16_000 for sound in sounds)
    assert all(sound.sounding_samples(0, 16_000) > 15_000 for sound in sounds)


def test_unknown_keys_are_refused_with_a_hint(make_recipe: MakeRecipe) -> None:
    with pytest.raises(ConfigError, match=r"network\.widht: is no known key: did you mean 'width'\?"):
        make_recipe(network={"widht": 8})
    with pytest.raises(ConfigError, match="sead: is no known key: did you mean 'seed'"):
        make_recipe(sead=1)


def test_wrong_values_are_refused(tmp_path: Path, make_recipe: MakeRecipe) -> None:
    with pytest.raises(ConfigError, match=r"fit\.steps: .*given: 'many'"):
        make_recipe(fit={"steps": "many"})
    with pytest.raises(ConfigError, match="not among 'labels': doorbell"):
        make_recipe(data={"datasets": ["tiny"], "uncertain": {"hiss": ["doorbell"]}})
    with pytest.raises(ConfigError, match="'preset' knows tutorial, household, not houshold"):
        make_recipe(preset="houshold")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_recipe(tmp_path / "absent.yaml")
