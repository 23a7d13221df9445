"""Manifests: what is written is read, and what is wrong is named with its line."""

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.errors import DatasetError
from listener.training.data.clip import CLIP_COLUMNS, Clip
from listener.training.data.manifest import in_order, manifest_text, read_manifest, write_manifest
from tests.disk import SmallDisk
from tests.training.conftest import read_rows, write_rows

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NASTY = st.sampled_from(
    ["a,b", 'say "wuff"', "two\nlines", "old\rmac", "dos\r\nline", "🐕", " spaced ", "'", ";", "\t"]
)
NAMED = st.one_of(NASTY, TEXTS).filter(lambda text: bool(text.strip()))
SECONDS = st.floats(0, 1e8, allow_nan=False)
CLIPS = st.lists(
    st.builds(
        Clip,
        path=NAMED,
        label=NAMED,
        fold=TEXTS,
        group=st.one_of(NASTY, TEXTS),
        split=TEXTS,
        first_s=SECONDS,
        active_s=st.none() | SECONDS,
        duration_s=st.none() | SECONDS,
        title=st.one_of(NASTY, TEXTS),
        judged=st.booleans(),
        tags=st.fixed_dictionaries({"clean": st.one_of(NASTY, TEXTS), "a, b": TEXTS}),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda clip: (clip.path, clip.first_s),
)


@given(clips=CLIPS)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, clips: list[Clip]) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    write_manifest(folder / "manifest.csv", clips)
    assert read_manifest(folder).clips == in_order(clips)


@settings(max_examples=30)
@given(clips=CLIPS)
def test_a_manifest_does_not_depend_on_the_order(clips: list[Clip]) -> None:
    assert manifest_text(clips) == manifest_text(reversed(clips))


def test_lines_end_as_the_tools_of_the_system_like(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.csv", [Clip("a.wav", "dog"), Clip("b.wav", "cat")])
    assert (tmp_path / "manifest.csv").read_bytes().count(b"\n") == 3
    assert b"\r" not in (tmp_path / "manifest.csv").read_bytes()


def test_other_names_of_columns_and_further_ones(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text(
        "path,label,lead_silence_s,license,url,mood\na.wav,dog,0.5,CC0,http://x/,sad\n", "utf-8-sig"
    )
    (clip,) = read_manifest(tmp_path)
    assert (clip.first_s, clip.licence, clip.source_url, clip.tags) == (
        0.5,
        "CC0",
        "http://x/",
        {"mood": "sad"},
    )


def test_the_own_manifest_counts_first(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("path,label\na.wav,dog\n")
    write_manifest(tmp_path / "manifest.csv", [Clip("b.wav", "cat")])
    assert [clip.path for clip in read_manifest(tmp_path)] == ["b.wav"]
    assert [clip.path for clip in read_manifest(tmp_path, "clips.csv")] == ["a.wav"]


def test_every_problem_is_named(tiny_data: Path) -> None:
    rows = read_rows(tiny_data)
    rows[0]["label"] = " "
    rows[1]["active_s"] = "long"
    rows[2]["lead_silence_s"] = "-1"
    rows[4]["path"] = rows[3]["path"]
    write_rows(tiny_data, rows)
    with pytest.raises(DatasetError) as error:
        read_manifest(tiny_data)
    lines = str(error.value).splitlines()
    assert [line.split("clips.csv, ")[1] for line in lines] == [
        "line 2: has no label",
        "line 3: active_s is no number: 'long'",
        "line 4: first_s must be seconds, 0 or more: -1",
        f"line 6: names the same sound as line 5: {rows[3]['path']}",
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "there is no column 'path'; its columns: none"),
        ("path,kind\na.wav,dog\n", "there is no column 'label'; its columns: path, kind"),
        ("path,label\n", "names no clip"),
        ("path,label,label\na.wav,dog,cat\n", "there are two columns 'label'"),
        ("path,label\na.wav,dog, or wolf\n", "line 2: has 3 cells, the headings are 2"),
        ('path,label\na.wav,"dog\n', "line 2: cannot be read: unexpected end of data"),
        ("path,label\n" + 30 * "a.wav,\n", "... and 10 more"),
    ],
)
def test_broken_manifests(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(DatasetError) as error:
        read_manifest(tmp_path)
    assert what in str(error.value)


def test_a_manifest_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_bytes("path,label\na.wav,Tür\n".encode("latin-1"))
    with pytest.raises(DatasetError, match=r"manifest\.csv: cannot be read: it is not UTF-8"):
        read_manifest(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere: there is no such folder"):
        read_manifest(tmp_path / "nowhere")
    with pytest.raises(
        DatasetError, match=r"manifest\.csv: is missing: .* `listener dataset scan .*` makes one"
    ):
        read_manifest(tmp_path)


def test_a_name_that_is_no_text_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"d\?g\.wav: its name, or what is said of it, is not UTF-8"):
        write_manifest(tmp_path / "manifest.csv", [Clip("d\udcf6g.wav", "dog")])
    with pytest.raises(DatasetError, match=r"a\.wav: what is said of it is too long: 200000"):
        write_manifest(tmp_path / "manifest.csv", [Clip("a.wav", "dog", title=200_000 * "x")])
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_manifest_before(small_disk: SmallDisk) -> None:
    path = small_disk.folder / "manifest.csv"
    write_manifest(path, [Clip("a.wav", "dog")])
    before = path.read_text()
    small_disk.fill()
    with pytest.raises(DatasetError, match=r"manifest\.csv: the manifest cannot be written: No space left"):
        write_manifest(path, [Clip(f"{number}.wav", "dog") for number in range(1_000)])
    assert path.read_text() == before
    assert {found.name for found in small_disk.folder.iterdir()} == {"manifest.csv", "filler"}


def test_the_hash_tells_what_was_trained_on(tiny_data: Path) -> None:
    before = read_manifest(tiny_data).sha256
    rows = read_rows(tiny_data)
    rows[0]["author"] = "somebody"
    write_rows(tiny_data, rows)
    assert read_manifest(tiny_data).sha256 == before
    rows[0]["active_s"] = "0.9"
    write_rows(tiny_data, rows)
    assert read_manifest(tiny_data).sha256 != before


def test_every_column_has_its_place(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.csv", [Clip("a.wav", "dog", tags={"mood": "sad"})])
    with (tmp_path / "manifest.csv").open(newline="") as file:
        assert next(csv.reader(file)) == [*CLIP_COLUMNS, "mood"]
