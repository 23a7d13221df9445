"""``listener dataset scan``: the same sound in two files."""

from pathlib import Path

import numpy as np
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from listener.training.data.clip import Clip
from listener.training.data.deal import group_of
from listener.training.data.doubles import find_doubles, join_groups
from listener.training.data.folds import FoldOptions
from listener.training.data.measure import Measured
from listener.training.data.scan import ScanOptions
from tests.training.data import trees
from tests.training.data.trees import RATE, clip_of, look, refused, write


def test_doubles_with_other_headers_share_a_group(tmp_path: Path) -> None:
    trees.folders(tmp_path, ("bell", "dog"), 6)
    sound = soundfile.read(tmp_path / "dog" / "0.wav")[0]
    write(tmp_path / "dog" / "again.flac", sound)
    write(tmp_path / "dog" / "deep.wav", sound, "PCM_24")
    write(tmp_path / "dog" / "late.wav", np.concatenate((np.zeros(3_000), sound)), "FLOAT")
    found = look(tmp_path)
    doubles = [clip_of(found, f"dog/{name}") for name in ("0.wav", "again.flac", "deep.wav", "late.wav")]
    assert {clip.group for clip in doubles} == {"dog/0.wav"}
    assert len({clip.fold for clip in doubles}) == 1
    assert "dog/0.wav, dog/again.flac, dog/deep.wav and 1 more: hold the same sound; it is there 4 times" in (
        found.warnings
    )


def test_doubles_across_folds_are_refused(tmp_path: Path) -> None:
    trees.urbansound8k(tmp_path)
    audio = tmp_path / "audio"
    (audio / "fold2" / "1021-1-0-1.wav").write_bytes((audio / "fold1" / "1011-1-0-0.wav").read_bytes())
    lines = refused(tmp_path)
    assert lines[0] == (
        "audio/fold1/1011-1-0-0.wav, audio/fold2/1021-1-0-1.wav: "
        "hold the same sound, and are in fold 1 and fold 2"
    )
    assert "1 problem, nothing is written" in lines[1]
    found = look(tmp_path, options=ScanOptions(skip_broken=True))
    assert len(found.manifest.clips) == 11
    assert clip_of(found, "audio/fold1/1011-1-0-0.wav").fold == "1"
    dealt = look(tmp_path, options=ScanOptions(folds=FoldOptions(n_folds=2)))
    assert len(dealt.manifest.clips) == 12


def test_doubles_across_splits_are_refused(tmp_path: Path) -> None:
    folder = trees.lists(tmp_path / "dataset")
    (folder / "audio" / "5.wav").write_bytes((folder / "audio" / "1.wav").read_bytes())
    assert refused(folder)[0].endswith("hold the same sound, and are in split test and split train")


def test_one_sound_with_two_labels_is_refused(tmp_path: Path) -> None:
    trees.folders(tmp_path)
    (tmp_path / "dog" / "0.wav").write_bytes((tmp_path / "bell" / "1.wav").read_bytes())
    assert refused(tmp_path)[0] == (
        "bell/1.wav, dog/0.wav: hold the same sound, and are called 'bell' and 'dog'"
    )
    assert len(look(tmp_path, options=ScanOptions(skip_broken=True)).manifest.clips) == 6


@given(
    clips=st.lists(
        st.builds(
            Clip,
            path=st.sampled_from("abcdefgh"),
            label=st.just("dog"),
            group=st.sampled_from(["", "g", "h", "i"]),
        ),
        unique_by=lambda clip: clip.path,
    ),
    sounds=st.lists(st.integers(0, 4), min_size=8, max_size=8),
    data=st.data(),
)
def test_no_sound_is_in_two_groups(clips: list[Clip], sounds: list[int], data: st.DataObject) -> None:
    measured = {path: _made_of(str(sound)) for path, sound in zip("abcdefgh", sounds, strict=True)}
    joined = join_groups(clips, measured)
    assert [clip.path for clip in joined] == [clip.path for clip in clips]
    for doubles in find_doubles(joined, measured):
        assert len({group_of(clip) for clip in doubles}) == 1
    before = {group_of(clip): set[tuple[bool, str]]() for clip in clips}
    for clip, after in zip(clips, joined, strict=True):
        before[group_of(clip)].add(group_of(after))
    assert all(len(after) == 1 for after in before.values())
    shuffled = join_groups(data.draw(st.permutations(clips)), measured)
    assert {clip.path: clip.group for clip in shuffled} == {clip.path: clip.group for clip in joined}


def _made_of(sound: str) -> Measured:
    return Measured(RATE, 1, "pcm_16", RATE, 0, RATE, -3.0, -20.0, 0.0, 0.0, 4_000.0, "", sound)
