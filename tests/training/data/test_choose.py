"""Which clips a recipe learns from, and folds that share no source."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.errors import ConfigError, DatasetError
from listener.training.data.choose import choose
from listener.training.data.clip import Clip, Manifest
from listener.training.data.deal import deal, group_of
from listener.training.data.manifest import read_manifest
from listener.training.recipe import Recipe, read_recipe
from tests.training.conftest import read_rows, write_rows

MakeRecipe = Callable[..., Recipe]
DATA_SETS = st.lists(
    st.builds(
        Clip,
        path=st.integers(0, 30).map(str),
        label=st.sampled_from("abc"),
        group=st.sampled_from(["", "one", "two", "three", "four"]),
        first_s=st.integers(0, 3).map(float),
    ),
    max_size=60,
    unique_by=lambda clip: (clip.path, clip.first_s),
)
FOLDS = st.integers(2, 6)


@given(clips=DATA_SETS, n_folds=FOLDS, seed=st.integers(0, 100))
def test_no_group_is_split_and_every_clip_is_dealt_once(clips: list[Clip], n_folds: int, seed: int) -> None:
    dealt = deal(clips, n_folds, seed)
    assert Counter((clip.path, clip.first_s) for clip in dealt) == Counter((c.path, c.first_s) for c in clips)
    assert {clip.fold for clip in dealt} <= {str(fold + 1) for fold in range(n_folds)}
    folds: dict[tuple[bool, str], set[str]] = {}
    for clip in dealt:
        folds.setdefault(group_of(clip), set()).add(clip.fold)
    assert all(len(found) == 1 for found in folds.values())


@given(clips=DATA_SETS, n_folds=FOLDS, data=st.data())
def test_the_deal_does_not_depend_on_the_order(clips: list[Clip], n_folds: int, data: st.DataObject) -> None:
    assert deal(data.draw(st.permutations(clips)), n_folds) == deal(clips, n_folds)


@given(counts=st.lists(st.integers(1, 12), min_size=1, max_size=5), n_folds=FOLDS, seed=st.integers(0, 9))
def test_labels_are_spread_evenly(counts: list[int], n_folds: int, seed: int) -> None:
    clips = [Clip(f"{label}-{number}", str(label)) for label, n in enumerate(counts) for number in range(n)]
    dealt = Counter((clip.label, clip.fold) for clip in deal(clips, n_folds, seed))
    for label in {clip.label for clip in clips}:
        in_fold = [dealt[label, str(fold + 1)] for fold in range(n_folds)]
        assert max(in_fold) - min(in_fold) <= 1


def test_every_clip_of_a_recipe_is_found(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    manifest = choose(read_manifest(tiny_data), make_recipe())
    assert [clip.label for clip in manifest] == ["high", "low", "high", "low", "hiss"]
    assert set(manifest.folds) == {"1", "2"}
    assert [clip.judged for clip in manifest] == [True, True, True, True, False]


def test_clips_are_chosen_by_any_column(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    rows = read_rows(tiny_data)
    rows[-1]["clean"] = "0"
    write_rows(tiny_data, rows)
    recipe = make_recipe(data={"where": {"clean": ["1"]}})
    assert "hiss" not in choose(read_manifest(tiny_data), recipe).labels
    with pytest.raises(DatasetError, match="chooses by 'spotless', a column that the manifest does not have"):
        choose(read_manifest(tiny_data), make_recipe(data={"where": {"spotless": ["1"]}}))


@pytest.mark.parametrize("fold", ["1", "2"])
def test_no_clip_is_on_both_sides_of_a_split(tiny_data: Path, make_recipe: MakeRecipe, fold: str) -> None:
    manifest = choose(read_manifest(tiny_data), make_recipe())
    kept, held_out = manifest.without([fold]), manifest.only([fold])
    assert {clip.path for clip in kept}.isdisjoint(clip.path for clip in held_out)
    assert len(kept.clips) + len(held_out.clips) == len(manifest.clips)


def test_what_is_missing_is_named(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    rows = read_rows(tiny_data)
    (tiny_data / rows[0]["path"]).unlink()
    write_rows(tiny_data, [row for row in rows if (row["label"], row["fold"]) != ("high", "2")])
    with pytest.raises(DatasetError) as error:
        choose(read_manifest(tiny_data), make_recipe())
    lines = str(error.value).splitlines()
    assert any(line.endswith("1-low.flac: is missing") for line in lines)
    assert any("label 'high' has no clip in fold 2" in line for line in lines)


def test_a_group_in_several_folds_is_refused(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    manifest = read_manifest(tiny_data)
    clips = tuple(replace(clip, group="one" if clip.label == "low" else "") for clip in manifest)
    with pytest.raises(DatasetError, match=r"group 'one' has clips in the folds 1, 2\n.*'folds: 5'"):
        choose(Manifest(tiny_data, clips), make_recipe())


def test_pieces_of_a_file_in_several_folds_are_refused(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    first, *others = read_manifest(tiny_data)
    pieces = (replace(first, first_s=0.0), replace(first, first_s=1.0, fold="2"))
    with pytest.raises(DatasetError, match=f"file '{first.path}' has clips in the folds 1, 2"):
        choose(Manifest(tiny_data, (*pieces, *others)), make_recipe())


def test_what_has_no_fold_goes_where_its_group_is(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    clips = [replace(clip, group=clip.fold) for clip in read_manifest(tiny_data)]
    hiss = clips.pop()
    beside = [replace(hiss, first_s=number / 10, group="2") for number in range(4)]
    pieces = [replace(hiss, path=clips[0].path, first_s=number / 7, group="new") for number in range(4)]
    chosen = choose(Manifest(tiny_data, (*clips, *beside, *pieces)), make_recipe())
    assert {clip.fold for clip in chosen if clip.group == "2"} == {"2"}
    assert len({clip.fold for clip in chosen if clip.group == "new"}) == 1


@pytest.mark.parametrize("changes", [{"folds": [1, 2, 6]}, {"folds": [1, 2], "train_folds": [6]}])
def test_folds_that_are_not_there_are_named(
    tiny_data: Path, make_recipe: MakeRecipe, changes: dict[str, object]
) -> None:
    with pytest.raises(DatasetError, match="names fold 6, and there is no clip in it: there are 1, 2"):
        choose(read_manifest(tiny_data), make_recipe(**changes))


def test_data_without_folds_have_none_to_name(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    clips = tuple(replace(clip, fold="") for clip in read_manifest(tiny_data))
    with pytest.raises(DatasetError, match=r"names fold 1, .* it has none; 'folds: 5' deals five"):
        choose(Manifest(tiny_data, clips), make_recipe())


def test_what_is_uncertain_must_be_a_label(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(labels="auto", data={"uncertain": {"hiss": ["loww"]}})
    with pytest.raises(DatasetError, match=r"data\.uncertain names 'loww', which is no label of the model"):
        choose(read_manifest(tiny_data), recipe)


def test_the_negative_stream_has_a_fold(make_recipe: MakeRecipe) -> None:
    with pytest.raises(ConfigError, match="streams: 'folds' must name a fold for the negative stream, rain"):
        make_recipe(streams={"folds": {"kitchen": 1}, "negative": "rain"})


def test_streams_that_nobody_would_be_judged_by_are_named(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    (tiny_data / "streams").mkdir()
    (tiny_data / "streams" / "rain_background.csv").write_text("recording\n")
    streams = {"folds": {"rain": 1, "kitchen": 2}, "negative": "rain"}
    recipe = make_recipe(folds=[1], train_folds=[2], streams=streams)
    with pytest.raises(DatasetError, match="stream 'kitchen' is of fold 2, which is never held out"):
        choose(read_manifest(tiny_data), recipe)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"name\nx.wav\n", "no column 'recording'"), (b"recording\n\xff\n", "cannot be read: 'utf-8'")],
)
def test_a_list_of_backgrounds_that_is_none(
    tiny_data: Path, make_recipe: MakeRecipe, content: bytes, told: str
) -> None:
    (tiny_data / "streams").mkdir()
    (tiny_data / "streams" / "rain_background.csv").write_bytes(content)
    recipe = make_recipe(streams={"folds": {"rain": 1}, "negative": "rain"})
    with pytest.raises(DatasetError, match=f"rain_background.csv: .*{told}"):
        choose(read_manifest(tiny_data), recipe)


def test_real_folds_share_no_source(data: Path) -> None:
    recipe = read_recipe(Path(__file__).parents[3] / "recipes" / "household.yaml")
    clips = [clip for clip in choose(read_manifest(data), recipe) if clip.dataset == "esc50"]
    folds: dict[str, set[str]] = {}
    for clip in clips:
        folds.setdefault(Path(clip.path).stem.split("-")[1], set()).add(clip.fold)
    assert len(clips) > 900
    assert all(len(found) == 1 for found in folds.values())


def test_a_label_that_is_not_there_is_told_with_what_is(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    with pytest.raises(DatasetError) as error:
        choose(read_manifest(tiny_data), make_recipe(labels=["lov", "doorbell"], synthetic=[], data={}))
    close, far = str(error.value).splitlines()
    assert close.endswith("label 'lov' has no clip: did you mean 'low'?")
    assert "label 'doorbell' has no clip; there are " in far
    assert far.endswith(", low")


def test_an_only_label_is_not_chosen_from(tiny_data: Path, make_recipe: MakeRecipe) -> None:
    alone = {"labels": ["low"], "synthetic": [], "data": {}, "fit": {"steps": 2, "loss": "softmax"}}
    with pytest.raises(DatasetError, match=r"'low' is the only label, and fit\.loss 'softmax'"):
        choose(read_manifest(tiny_data), make_recipe(**alone))
