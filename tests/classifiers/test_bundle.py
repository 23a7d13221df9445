"""Cards and bundles: what is written is read, and every other file is refused in one line."""

import json
import subprocess
import sys
import zipfile
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from listener.classifiers.bundle import CARD_FILE, read_card, write_bundle
from listener.errors import ModelError
from listener.features import PRESETS
from listener.testing import tiny_bundle, tiny_card
from listener.types import ModelCard, Thresholds

CARD: dict[str, Any] = {
    "name": "foreign",
    "version": "1",
    "labels": ["cat", "dog"],
    "sample_rate": 16_000,
    "window_s": 2.16,
    "hop_s": 0.5,
    "input": "log_mel",
    "activation": "softmax",
    "features": {"preset": "tutorial"},
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "tiny.pt"
    tiny_bundle(path)
    return path


def scripted() -> torch.jit.ScriptModule:
    return torch.jit.script(torch.nn.Identity())


def read_yaml(tmp_path: Path, card: object) -> ModelCard:
    model, path = tmp_path / "model.pth", tmp_path / "card.yaml"
    model.write_bytes(b"model")
    path.write_text(card if isinstance(card, str) else yaml.safe_dump(card), encoding="utf-8")
    return read_card(model, path)


def problem(path: Path, card_path: Path | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        read_card(path, card_path)
    text = str(caught.value)
    assert text
    assert "\n" not in text
    return text


def test_what_is_written_is_read(tmp_path: Path) -> None:
    card = replace(
        tiny_card(),
        thresholds={"first": Thresholds(0.8, 0.4)},
        figures={"accuracy": 0.9},
        figures_per_label={"first": {"recall": 0.5}},
        notes="Äh\n…",
    )
    path = tmp_path / "new" / "folder" / "m.pt"
    write_bundle(path, scripted(), card)
    assert read_card(path) == card
    assert list(path.parent.iterdir()) == [path]


def test_the_tiny_bundle_is_the_same_every_time(bundle: Path, tmp_path: Path) -> None:
    card = tiny_bundle(tmp_path / "again.pt")
    assert card == read_card(bundle) == read_card(tmp_path / "again.pt")


@pytest.mark.parametrize("error", [RuntimeError("disk full"), OSError("disk full"), KeyboardInterrupt()])
def test_a_bundle_is_whole_or_not_there(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.pt"
    write_bundle(path, scripted(), tiny_card())
    before = path.read_bytes()

    def half(file: Path, data: bytes) -> None:
        with open(file, "wb") as opened:
            opened.write(bytes(data)[:100])
        raise error

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises((ModelError, KeyboardInterrupt)):
        write_bundle(path, scripted(), tiny_card())
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_a_bundle_where_none_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot be written"):
        write_bundle(tmp_path / "file" / "m.pt", scripted(), tiny_card())
    with pytest.raises(ModelError, match="cannot be written"):
        write_bundle(tmp_path, scripted(), tiny_card())
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_card_is_read_without_torch(bundle: Path) -> None:
    program = (
        "import sys, pathlib; from listener.classifiers.bundle import read_card; "
        "read_card(pathlib.Path(sys.argv[1])); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(bundle)], check=False).returncode == 0


def test_a_yaml_card_takes_its_features_from_the_preset(tmp_path: Path) -> None:
    card = read_yaml(tmp_path, CARD)
    assert card.features == PRESETS["tutorial"]
    assert (card.labels, card.activation, card.reference, card.thresholds) == (
        ("cat", "dog"),
        "softmax",
        None,
        {},
    )
    assert read_yaml(tmp_path, CARD | {"features": "tutorial"}) == card
    other = read_yaml(tmp_path, CARD | {"features": {"preset": "tutorial", "normalisation": "none"}})
    assert other.features == replace(PRESETS["tutorial"], normalisation="none")


@pytest.mark.parametrize("form", ["waveform", "wav_bytes"])
def test_a_card_of_another_form_needs_no_features(form: str, tmp_path: Path) -> None:
    card = read_yaml(tmp_path, {key: CARD[key] for key in CARD if key != "features"} | {"input": form})
    assert card.window_samples == 34_560


THRESHOLD = {"on": 0.5, "off": 0.3}


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"lables": ["cat"]}, "unknown field 'lables': did you mean 'labels'?"),
        ({"xyzzy": 1}, "unknown field 'xyzzy'"),
        ({1: 2}, "unknown field '1'"),
        ({"version": None}, "'version'"),
        ({"labels": []}, "labels"),
        ({"labels": ["cat", "cat"]}, "labels"),
        ({"labels": ["cat", " "]}, "labels"),
        ({"labels": "cat"}, "labels"),
        ({"labels": [1, 2]}, "labels"),
        ({"sample_rate": 0}, "sample_rate"),
        ({"sample_rate": -16_000}, "sample_rate"),
        ({"sample_rate": 44_100}, "features.sample_rate is 16000, but sample_rate is 44100"),
        ({"sample_rate": "fast"}, "sample_rate"),
        ({"window_s": 0}, "window_s"),
        ({"window_s": float("nan")}, "window_s"),
        ({"window_s": float("inf")}, "window_s"),
        ({"window_s": 5.0}, "window_s is 5, but its features make windows of 2.160 s"),
        ({"hop_s": 0}, "hop_s"),
        ({"hop_s": float("nan")}, "hop_s"),
        ({"input": "mel"}, "'input'"),
        ({"activation": "relu"}, "'activation'"),
        ({"features": None}, "features"),
        ({"input": "waveform"}, "features"),
        ({"input": "waveform", "features": None, "window_s": 1e-6}, "no sample"),
        ({"features": 5}, "features"),
        ({"features": "tutorail"}, "no preset 'tutorail'"),
        ({"features": {"preset": "tutorail"}}, "did you mean 'tutorial'?"),
        ({"features": {"preset": ["tutorial"]}}, "features"),
        ({"features": {"n_mel": 64}}, "unknown field 'n_mel': did you mean 'n_mels'?"),
        ({"features": {"n_mels": 0}}, "n_mels"),
        ({"features": {"n_fft": 0}}, "n_fft"),
        ({"features": {"hop_length": 0}}, "hop_length"),
        ({"features": {"hop_length": 4096}}, "hop_length"),
        ({"features": {"n_frames": 0}}, "n_frames"),
        ({"features": {"f_max_hz": 9000.0}}, "f_max_hz"),
        ({"features": {"f_min_hz": 8000.0}}, "f_min_hz"),
        ({"features": {"floor": 0.0}}, "floor"),
        ({"features": {"normalisation": "window"}}, "normalisation"),
        ({"thresholds": {"cow": THRESHOLD}}, "'cow' is none of its labels"),
        ({"thresholds": {"cat": {"on": 0.5}}}, "thresholds.cat.off"),
        ({"thresholds": {"cat": THRESHOLD | {"of": 1}}}, "unknown field 'of': did you mean 'off'?"),
        ({"thresholds": {"cat": {"on": 0.3, "off": 0.5}}}, "0 < off <= on <= 1"),
        ({"thresholds": {"cat": {"on": 1.3, "off": 0.5}}}, "0 < off <= on <= 1"),
        ({"thresholds": {"cat": {"on": 0.3, "off": 0.0}}}, "0 < off <= on <= 1"),
        ({"thresholds": {"cat": {"on": float("nan"), "off": 0.5}}}, "0 < off <= on <= 1"),
        ({"thresholds": 0.5}, "thresholds"),
        ({"reference": {"signal": "chirp", "scores": [0.5]}}, "reference has 1 scores for 2 labels"),
        ({"reference": {"signal": "chirp"}}, "reference.scores"),
        ({"reference": {"signal": "chirp", "scores": [0, 1e300]}}, "reference.scores must be numbers from 0"),
        ({"reference": {"signal": "chirp", "scores": [0, float("nan")]}}, "reference.scores must be numbers"),
        ({"reference": {"signal": "chirp", "scores": [0, 1], "tolerance": 1e9}}, "reference.tolerance"),
        ({"reference": {"signal": "chirp", "scores": [0, 1], "tolerance": float("nan")}}, "tolerance"),
        ({"sample_rate": 10**12}, "sample_rate must be 1000 to 768000 Hz"),
        ({"sample_rate": 999}, "sample_rate must be 1000 to 768000 Hz"),
        ({"window_s": 1e9}, "window_s must be 60 s at most"),
        ({"sample_rate": 768_000, "window_s": 59.0}, "window_s must be 60 s at most, and 10000000 samples"),
        ({"hop_s": 1e-9}, "hop_s must be 0.01 to 60 s"),
        ({"hop_s": 1e300}, "hop_s must be 0.01 to 60 s"),
        ({"features": {"n_fft": 2**20}}, "n_fft may be 32768"),
        ({"features": {"n_mels": 10**9}}, "n_mels 1024 at most"),
        ({"features": {"n_frames": 10**9}}, "its features make windows of"),
        ({"features": {"f_min_hz": 7999.9999}}, "1 Hz apart"),
        ({"features": {"f_min_hz": float("nan")}}, "f_min_hz"),
        ({"features": {"floor": 1e-300}}, "features.floor must be"),
        ({"features": {"preset": {"preset": "tutorial"}}}, "'features.preset' must be a name"),
        ({"labels": ["cat", "do\ng"]}, "labels: 'do?g' is too long, or no line that can be printed"),
        ({"labels": ["cat", "d\x1b[31mog"]}, "no line that can be printed"),
        ({"labels": ["cat", "d\0g"]}, "no line that can be printed"),
        ({"labels": ["cat", "x" * 5_000]}, "is too long"),
        ({"labels": ["cat", "@source.lost"]}, "'@source.lost' begins with @"),
        ({"name": "a\nb"}, "name: 'a?b'"),
        ({"version": "x" * 201}, "version: 'xxx"),
        ({"notes": "\x1b]0;gotcha\x07"}, "'notes' holds characters that cannot be printed"),
        ({"a\nb": 1}, "unknown field 'a?b'"),
        ({"thresholds": {"a\nb": THRESHOLD}}, "thresholds: 'a?b' is none of its labels"),
        ({"thresholds": {"x" * 5_000: {"on": 1}}}, "card field 'thresholds.xxx"),
        ({"reference": {"signal": "chirp", "scores": [0, 1], "tolerence": 1}}, "did you mean 'tolerance'?"),
    ],
)
def test_a_wrong_card_is_refused(change: dict[Any, Any], hint: str, tmp_path: Path) -> None:
    card = CARD | change
    if isinstance(change.get("features"), dict) and "preset" not in change["features"]:
        card |= {"features": {"preset": "tutorial"} | change["features"]}
    with pytest.raises(ModelError) as caught:
        read_yaml(tmp_path, card)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'card.yaml'}: ")
    assert hint in text
    assert text.isprintable()
    assert len(text) < 1_000


@pytest.mark.parametrize("key", ["name", "version", "labels", "sample_rate", "window_s", "hop_s", "input"])
def test_what_a_card_must_say(key: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"card field '{key}'"):
        read_yaml(tmp_path, {other: CARD[other] for other in CARD if other != key})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n- b\n",
        "just words",
        "a: [1",
        "a: 2026-99-99",
        "a: !!timestamp x",
        "a: !!python/none x",
    ],
)
def test_a_card_that_is_none(text: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"card\.yaml(: the card is not a table|:1: )") as caught:
        read_yaml(tmp_path, text)
    assert "\n" not in str(caught.value)


LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        MERGES,
        f"{LAUGHS}features: {{preset: *a11}}\n",
        "labels: " + "[" * 5_000,
        "labels: &a [*a]",
        "sample_rate: 1" + ":59" * 100_000,
        "window_s: 1" + ":59" * 300 + ".5",
        "sample_rate: !!int ''",
    ],
)
def test_a_card_that_nobody_can_hold(text: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"card\.yaml:") as caught:
        read_yaml(tmp_path, text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1_000


def test_a_missing_card(tmp_path: Path, bundle: Path) -> None:
    assert "no such card file (setting model.card)" in problem(bundle, tmp_path / "none.yaml")
    assert "cannot be read" in problem(bundle, tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe4\n")
    assert "cannot be read" in problem(bundle, tmp_path / "latin.yaml")


def test_files_that_are_no_bundle(tmp_path: Path, bundle: Path) -> None:
    whole = bundle.read_bytes()
    path = tmp_path / "m.pt"
    assert "no such model file" in problem(path)
    assert "no such model file" in problem(tmp_path)
    for content in (b"", b"words", whole[: len(whole) // 2], whole[100:], whole[:-10]):
        path.write_bytes(content)
        assert "no TorchScript model, or a broken one" in problem(path)
    torch.save({"weight": torch.zeros(3)}, path)
    assert "there is no card in this model file; give one as YAML" in problem(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/y.txt", "words")
    assert "there is no card in this model file" in problem(path)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"{", "its card is not valid JSON"),
        (b"\xff", "its card is not valid JSON"),
        (b"[" * 100_000, "broken"),
        (b"[]", "the card is not a table of fields"),
        (b"null", "the card is not a table of fields"),
        (b"{}", "card field 'name'"),
    ],
)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_card_inside_that_is_none(content: bytes, hint: str, compression: int, tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"m/extra/{CARD_FILE}", content)
    assert hint in problem(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
def test_a_card_whose_packing_is_damaged(compression: int, tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"m/extra/{CARD_FILE}", json.dumps(CARD))
    card, whole = read_card(path), path.read_bytes()
    begin = whole.index(b".json") + len(b".json")
    for place in range(begin, begin + 20):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with suppress(ModelError):  # a byte may say nothing that is needed
            assert read_card(path) == card


def test_a_card_that_becomes_large_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"m/extra/{CARD_FILE}", b" " * 2**23)
    assert "its card is longer than 4 MiB" in problem(path)


def test_names_that_no_file_can_have(tmp_path: Path, bundle: Path) -> None:
    for name in ("x" * 5_000, "a\0b"):
        assert "no such model file" in problem(tmp_path / name)
        assert "cannot be read" in problem(bundle, tmp_path / name)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1), value=st.integers(0, 255), compressed=st.booleans())
@example(where=6 / 2000, value=1, compressed=False)
def test_a_damaged_file_is_read_or_refused(
    where: float, value: int, compressed: bool, tmp_path: Path
) -> None:
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        archive.writestr(f"m/extra/{CARD_FILE}", json.dumps(asdict(tiny_card())))
    content = bytearray(path.read_bytes())
    content[round(where * (len(content) - 1))] = value
    path.write_bytes(content)
    try:
        card = read_card(path)
    except ModelError as error:
        assert "\n" not in str(error)  # noqa: PT017 - being read is as good
    else:
        assert card.sample_rate > 0
