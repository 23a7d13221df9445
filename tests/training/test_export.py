"""`listener export`: each form says what its original says, or nothing is written."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from listener.assembly import build_classifier, build_rules
from listener.classifiers.base import Classifier
from listener.classifiers.bundle import read_card, write_bundle
from listener.classifiers.onnx_file import card_text, is_onnx, read_model
from listener.cli.export import export as command
from listener.config import Config, ModelSettings
from listener.config_file import ConfigFile
from listener.errors import DatasetError, ListenerError, ModelError
from listener.offline import finished_events, predict_whole
from listener.sources.demo import DemoOptions, DemoSource
from listener.sources.file import FileOptions, FileSource
from listener.testing import TINY_FEATURES, tiny_bundle, tiny_card
from listener.training.export import comparison, convert, forms, int8, recordings
from listener.training.export.comparison import Comparison, compare, problem_of_exact, problem_of_int8
from listener.training.export.convert import Form, Order
from listener.training.export.recordings import CutRecording, find_samples, hear
from listener.types import Event, Features, ModelCard
from tests.onnx_models import tiny_onnx

RATE = 16_000
N_CLIPS = 8

FORMS: list[tuple[Form, bool]] = [
    ("torchscript", True),
    ("onnx", False),
    ("onnx", True),
    ("int8", False),
    ("int8", True),
]


def out_of(folder: Path, form: Form) -> Path:
    return folder / ("out.pt" if form == "torchscript" else "out.onnx")


def load(path: Path) -> Classifier:
    return build_classifier(ConfigFile(Config(model=ModelSettings(path=path))))


def write_clip(path: Path, seed: int = 0, duration_s: float = 1.2, rate: int = RATE) -> Path:
    random = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * rate)) / rate
    tone = np.sin(2 * np.pi * random.uniform(100, 3000) * time_s) * 10 ** random.uniform(-2, -0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone + 0.01 * random.standard_normal(len(time_s)), rate)
    return path


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder of made-up recordings, each in the folder of its label; some are at 22.05 kHz."""
    folder = tmp_path / "clips"
    for number in range(16):
        label = ("first", "second", "other", "third")[number % 4]
        write_clip(folder / label / f"{number}.wav", number, rate=RATE if number % 3 else 22_050)
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    tiny_bundle(tmp_path / "tiny.pt")
    return tmp_path / "tiny.pt"


@pytest.fixture
def anything_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrained network loses more to integers than one that knows what it says."""
    monkeypatch.setattr(comparison, "MOST_MEAN", 1.0)
    monkeypatch.setattr(comparison, "LEAST_AGREEMENT", 0.0)
    monkeypatch.setattr(comparison, "MOST_LOST", 1.0)


@pytest.mark.parametrize(("form", "inside"), FORMS)
def test_the_shipped_model_in_every_form(
    form: Form, inside: bool, household: Path, data: Path, tmp_path: Path
) -> None:
    out = out_of(tmp_path, form)
    n_most = N_CLIPS if form != "int8" else 3 * N_CLIPS
    found = convert.convert(Order(household, form, out, inside, (data,), n_most))
    before, after = read_card(household), read_card(out)
    assert found.n_clips == N_CLIPS if form != "int8" else 3 * N_CLIPS // 2 <= found.n_clips < 3 * N_CLIPS
    assert found.n_labelled
    assert found.agreement == 1
    assert found.largest <= (1e-4 if form != "int8" else 0.3)
    assert found.mean <= (1e-5 if form != "int8" else 0.005)
    assert after.input == ("waveform" if inside else "log_mel")
    assert after.window_samples == before.window_samples
    assert (after.labels, after.thresholds) == (before.labels, before.thresholds)
    assert after.figures == {**before.figures, **found.figures()}
    assert "compared with the original" in after.evaluation
    assert after.version == before.version + ("+int8" if form == "int8" else "")
    thanks = out.with_suffix(".ATTRIBUTION.csv")
    assert thanks.name in after.attribution
    assert thanks.read_bytes() == household.with_suffix(".ATTRIBUTION.csv").read_bytes()
    clip = data / "esc50/audio/fold1/1-100032-A-0.flac"
    scores = [
        predict_whole(FileSource("clip", FileOptions(path=clip, speed="max")), load(path))[0]
        for path in (household, out)
    ]
    # With the front end inside, windows lie on the grid of samples, not of frames.
    tolerance = 0.3 if inside else 0.1 if form == "int8" else 1e-4
    np.testing.assert_allclose(scores[1], scores[0], atol=tolerance)
    assert scores[1].argmax() == scores[0].argmax()


def demo_events(path: Path) -> list[Event]:
    classifier = load(path)
    rules = build_rules(ConfigFile(Config()), classifier.card)
    source = DemoSource("demo", DemoOptions(speed="max"))
    return finished_events(source, classifier, rules, classifier.card.hop_s)


def test_an_onnx_bundle_hears_what_its_original_hears(household: Path, tmp_path: Path) -> None:
    out = tmp_path / "household.onnx"
    done = CliRunner().invoke(
        command, [str(household), "--to", "onnx", "--out", str(out)], catch_exceptions=False
    )
    assert f"written: {out}" in done.output
    assert "note: compared on made-up sounds" in done.output
    events = [
        [(event.label, event.onset_s, event.offset_s, event.model) for event in demo_events(path)]
        for path in (household, out)
    ]
    assert events[0]
    assert events[1] == events[0]


def test_the_command_tells_what_it_found(
    tiny: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, name in (
        (("--to", "onnx"), "tiny.onnx"),
        (("--to", "torchscript", "--front-end", "inside"), "tiny-waveform.pt"),
    ):
        asked = [str(tiny), *arguments, "--data", str(clips), "--clips", "6"]
        done = CliRunner().invoke(command, asked, catch_exceptions=False)
        assert done.exit_code == 0
        assert "compared on          6 recordings" in done.output
        assert "same verdict         100.0% of the recordings" in done.output
        assert "recordings whose label is known" in done.output
        assert f"written: models/{name}" in done.output
        assert (tmp_path / "models" / name).is_file()


def test_without_labels_nothing_is_said_of_them(tiny: Path, tmp_path: Path) -> None:
    write_clip(tmp_path / "some/a.wav")
    asked = [str(tiny), "--to", "onnx", "--data", str(tmp_path / "some"), "--out", str(tmp_path / "o.onnx")]
    output = CliRunner().invoke(command, asked, catch_exceptions=False).output
    assert "compared on          1 recordings" in output
    assert "named rightly" not in output
    assert "export_right" not in read_card(tmp_path / "o.onnx").figures


@pytest.mark.parametrize("form", ["torchscript", "onnx", "int8"])
def test_another_model_is_not_written(
    form: Form, tiny: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pt"
    tiny_bundle(other, seed=1)
    loads = forms.load_network
    monkeypatch.setattr(forms, "load_network", lambda bundle: loads(other))
    out = out_of(tmp_path / "deep", form)
    with pytest.raises(ModelError, match="not written, for it is not the same model: ") as caught:
        convert.convert(Order(tiny, form, out, form == "torchscript", (clips,)))
    assert "\n" not in str(caught.value)
    assert not out.parent.exists()


def test_a_calibration_that_knows_no_sound_is_found_out(
    tiny: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantise = int8.quantise

    def of_silence(model: bytes, windows: Sequence[NDArray[np.float32]]) -> bytes:
        return quantise(model, [window * 0 for window in windows])

    monkeypatch.setattr(int8, "quantise", of_silence)
    out = tmp_path / "out.onnx"
    with pytest.raises(ModelError, match="not written, for it is not the same model: "):
        convert.convert(Order(tiny, "int8", out, False, (clips,)))
    assert not out.exists()


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"bundle": "none.pt"}, "no such model file"),
        ({"out": "o.pt"}, "--to onnx makes NAME.onnx"),
        ({"to": "torchscript", "inside": True}, "--to torchscript makes NAME.pt"),
        ({"to": "torchscript", "out": "o.pt"}, "is TorchScript already; --front-end inside"),
        ({"to": "torchscript", "out": "tiny.pt", "inside": True}, "is the bundle itself"),
        ({"to": "int8", "folders": ()}, "--to int8: is calibrated with real recordings: --data DIR"),
        ({"to": "int8", "n_most": 7}, "holds 7 recordings, and --to int8 wants 8 or more"),
        ({"folders": ("nowhere",)}, "nowhere: there is no such folder: --data names one"),
        ({"folders": ("empty",)}, "empty holds no recordings"),
    ],
)
def test_what_cannot_be_asked_for(
    change: dict[str, Any], hint: str, tiny: Path, clips: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    asked: dict[str, Any] = {
        "bundle": tiny,
        "to": "onnx",
        "out": "o.onnx",
        "inside": False,
        "folders": (clips,),
    }
    asked |= change
    asked["bundle"], asked["out"] = tmp_path / asked["bundle"], tmp_path / asked["out"]
    asked["folders"] = tuple(tmp_path / folder for folder in asked["folders"])
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(ListenerError) as caught:
        convert.convert(Order(**asked))
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_onnx_is_no_bundle_to_begin_with(tmp_path: Path) -> None:
    tiny_onnx(tmp_path / "tiny.onnx")
    with pytest.raises(ModelError, match="is ONNX already: export the TorchScript bundle"):
        convert.convert(Order(tmp_path / "tiny.onnx", "onnx", tmp_path / "o.onnx", False))


def test_a_front_end_that_is_inside_already(tiny: Path, tmp_path: Path) -> None:
    inside = tmp_path / "inside.pt"
    convert.convert(Order(tiny, "torchscript", inside, True))
    with pytest.raises(ModelError, match="eats 'waveform': there is no front end outside of it"):
        convert.convert(Order(inside, "onnx", tmp_path / "o.onnx", True))


class Unsayable(torch.nn.Module):
    """What it does stands in no opset."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = torch.linalg.svdvals(x)[:, :3] / 1000
        return scores.clamp(0.0, 1.0)


def test_a_network_that_onnx_cannot_say(tmp_path: Path) -> None:
    path = tmp_path / "svd.pt"
    write_bundle(path, torch.jit.script(Unsayable().eval()), replace(tiny_card(), activation="none"))
    with pytest.raises(ModelError, match=r"svd\.pt: this network cannot be exported to ONNX: ") as caught:
        convert.convert(Order(path, "onnx", tmp_path / "o.onnx", False))
    assert str(caught.value).isprintable()
    assert not (tmp_path / "o.onnx").exists()


class Images(torch.nn.Module):
    """A network for pictures: it wants (n, 1, n_mels, n_frames)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(1, 8, 3, stride=2)
        self.norm = torch.nn.BatchNorm2d(8)
        self.last = torch.nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.first(x))).mean(dim=(2, 3))
        out: torch.Tensor = self.last(x)
        return out


@pytest.mark.parametrize(("form", "inside"), FORMS)
def test_a_network_for_pictures(form: Form, inside: bool, clips: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    path, out = tmp_path / "images.pt", out_of(tmp_path, form)
    write_bundle(path, torch.jit.script(Images().eval()), replace(tiny_card(), activation="softmax"))
    found = convert.convert(Order(path, form, out, inside, (clips,)))
    assert found.largest <= (1e-4 if form != "int8" else 0.1)
    assert load(out).card.activation == "softmax"


@pytest.mark.usefixtures("anything_goes")
def test_int8_says_what_it_is(tiny: Path, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.onnx"
    convert.convert(Order(tiny, "int8", out, False, (clips,)))
    card = read_card(out)
    assert card.reference is not None
    assert card.reference.tolerance == int8.TOLERANCE
    assert "8-bit integers" in card.notes
    assert is_onnx(out)
    assert b"QuantizeLinear" in read_model(out)
    assert json.loads(card_text(out, 2**22) or b"")["version"] == card.version


@pytest.mark.usefixtures("anything_goes")
def test_it_is_judged_by_recordings_that_it_was_not_calibrated_with(
    tiny: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[set[Path]] = []

    def remember(samples: Sequence[recordings.Sample], card: ModelCard) -> list[CutRecording]:
        heard.append({sample.path for sample in samples})
        return hear(samples, card)

    monkeypatch.setattr(convert, "hear", remember)
    convert.convert(Order(tiny, "int8", tmp_path / "o.onnx", False, (clips,)))
    calibrated, judged = heard
    assert (len(calibrated), len(judged)) == (4, 12)
    assert not calibrated & judged


@pytest.mark.usefixtures("anything_goes")
@pytest.mark.parametrize("column", ["group", "fold"])
def test_no_group_is_calibrated_with_and_judged_by(
    column: str, tiny: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted(path.relative_to(clips).as_posix() for path in clips.rglob("*.wav"))
    of = {path: f"some{n % 5}" for n, path in enumerate(paths)}
    rows = [f"path,label,{column}", *(f"{path},{Path(path).parent.name},{of[path]}" for path in paths)]
    (clips / "manifest.csv").write_text("\n".join(rows) + "\n")
    heard: list[set[str]] = []

    def remember(samples: Sequence[recordings.Sample], card: ModelCard) -> list[CutRecording]:
        heard.append({of[sample.path.relative_to(clips).as_posix()] for sample in samples})
        return hear(samples, card)

    monkeypatch.setattr(convert, "hear", remember)
    convert.convert(Order(tiny, "int8", tmp_path / "o.onnx", False, (clips,)))
    calibrated, judged = heard
    assert calibrated
    assert calibrated | judged == set(of.values())
    assert not calibrated & judged

    rows = [f"path,label,{column}", *(f"{path},{Path(path).parent.name},one" for path in paths)]
    (clips / "manifest.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(DatasetError, match="all 16 recordings are of one source, voice or fold"):
        convert.convert(Order(tiny, "int8", tmp_path / "o.onnx", False, (clips,)))


@pytest.mark.parametrize("sizes", [(15, 1), (1, 15)])
def test_a_side_with_next_to_nothing_is_refused(
    sizes: tuple[int, int], tiny: Path, clips: Path, tmp_path: Path
) -> None:
    paths = sorted(path.relative_to(clips).as_posix() for path in clips.rglob("*.wav"))
    groups = ["one"] * sizes[0] + ["other"] * sizes[1]
    rows = [f"{path},{Path(path).parent.name},{group}" for path, group in zip(paths, groups, strict=True)]
    (clips / "manifest.csv").write_text("\n".join(("path,label,group", *rows)) + "\n")
    with pytest.raises(DatasetError, match="1 could calibrate and 15 judge, where --to int8 wants 4 or more"):
        convert.convert(Order(tiny, "int8", tmp_path / "o.onnx", False, (clips,)))
    assert not (tmp_path / "o.onnx").exists()


def _is_of_several(groups: list[int]) -> bool:
    """0 is a group by itself each time."""
    return groups.count(0) + len({*groups} - {0}) > 1


@given(groups=st.lists(st.integers(0, 6), min_size=8, max_size=60).filter(_is_of_several))
def test_a_split_keeps_groups_whole(groups: list[int]) -> None:
    samples = [
        recordings.Sample(Path(f"{n}.wav"), None, group=f"g{group}" if group else "")
        for n, group in enumerate(groups)
    ]
    n_first = max(4, round(len(samples) / 4))
    first, second = recordings.split(samples, n_first)
    assert first
    assert second
    assert sorted([*first, *second], key=str) == sorted(samples, key=str)
    assert not {one.group for one in first if one.group} & {one.group for one in second if one.group}
    if not any(groups):
        assert len(first) == n_first


def test_recordings_of_every_label_are_chosen_alike(clips: Path, tmp_path: Path) -> None:
    write_clip(clips / "first/deep/z.wav")
    write_clip(tmp_path / "more/b.flac", rate=8_000)
    chosen = find_samples((clips, tmp_path / "more"), tiny_card(), 9)
    labels = [sample.label for sample in chosen]
    assert set(labels[:4]) == {"first", "second", "third", None}
    assert len(chosen) == 9
    assert chosen == find_samples((clips, tmp_path / "more"), tiny_card(), 9)
    assert len(find_samples((clips, tmp_path / "more"), tiny_card(), 100)) == 18


def test_a_manifest_says_what_is_heard_and_where(clips: Path) -> None:
    with (clips / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows(
            [
                ("path", "label", "first_s", "active_s"),
                ("first/0.wav", "second", "0.25", "0.5"),
                ("other/2.wav", "owl", "", ""),
            ]
        )
    other, one = find_samples((clips,), tiny_card(), 10)
    assert (one.label, other.label) == ("second", None)
    heard, _ = hear((one, other), tiny_card())
    assert heard.label == "second"
    (window,) = heard.windows
    n_sounding = round(0.5 * RATE)
    assert window[:n_sounding].any()
    assert not window[n_sounding:].any()


def test_windows_cover_a_recording_to_its_end(tmp_path: Path) -> None:
    card = tiny_card()
    hop = round(card.hop_s * RATE)
    write_clip(tmp_path / "x/a.wav", duration_s=(card.window_samples + hop + 1) / RATE)
    (heard,) = hear(find_samples((tmp_path / "x",), card, 1), card)
    assert len(heard.windows) == 3
    assert {len(window) for window in heard.windows} == {card.window_samples}
    np.testing.assert_array_equal(heard.windows[0][hop:], heard.windows[1][: card.window_samples - hop])


def test_windows_that_overlap_share_their_memory(tmp_path: Path) -> None:
    card = tiny_card()
    soundfile.write(tmp_path / "long.wav", 0.1 * np.ones(20 * card.sample_rate), card.sample_rate)
    (heard,) = hear([recordings.Sample(tmp_path / "long.wav", None)], card)
    assert sum(map(len, heard.windows)) > 1.5 * 20 * card.sample_rate
    assert all(np.may_share_memory(*pair) for pair in pairwise(heard.windows))


def test_recordings_that_cannot_be_read_are_all_named(tiny: Path, clips: Path, tmp_path: Path) -> None:
    for name in ("first/4.wav", "second/5.wav"):
        (clips / name).write_bytes(b"words")
    with pytest.raises(DatasetError) as caught:
        convert.convert(Order(tiny, "onnx", tmp_path / "o.onnx", False, (clips,)))
    assert len(str(caught.value).splitlines()) == 2
    assert "first/4.wav" in str(caught.value)
    assert "second/5.wav" in str(caught.value)
    assert not (tmp_path / "o.onnx").exists()


def test_a_place_that_cannot_be_written_to(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match=r"o\.onnx: the bundle cannot be written: "):
        convert.convert(Order(tiny, "onnx", tmp_path / "file/o.onnx", False))


class Says(Classifier):
    """Gives the scores that it was told, window by window."""

    def __init__(self, scores: NDArray[np.float32]) -> None:
        self.card = replace(tiny_card(), input="waveform", features=None)
        self._scores = scores
        self._done = 0

    def predict(self, batch: Sequence[Features]) -> NDArray[np.float32]:
        self._done += len(batch)
        return self._scores[self._done - len(batch) : self._done]


SCORES = st.lists(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3), min_size=1, max_size=12)


def compared(before: NDArray[np.float32], after: NDArray[np.float32]) -> Comparison:
    window = np.zeros(TINY_FEATURES.window_samples, np.float32)
    heard = [CutRecording(("first", None)[n % 2], (window,)) for n in range(len(before))]
    return compare(Says(before), Says(after), heard)


@given(rows=SCORES, index=st.integers(0), by=st.floats(2e-4, 1))
def test_a_difference_anywhere_is_seen(rows: list[list[float]], index: int, by: float) -> None:
    before = np.array(rows, np.float32)
    same = compared(before, before.copy())
    assert (same.largest, same.mean, same.agreement, same.n_other_windows) == (0, 0, 1, 0)
    assert problem_of_exact(same) is None
    assert problem_of_int8(same) is None
    after = before.copy()
    after.flat[index % after.size] += np.float32(by)
    found = compared(before, after)
    assert found.largest == pytest.approx(by, rel=1e-2, abs=1e-6)
    assert problem_of_exact(found) is not None


def test_two_labels_as_good_as_equal_are_one_choice() -> None:
    before = np.array([[0.5, 0.50005, 0.1]], np.float32)
    after = np.array([[0.50005, 0.5, 0.1]], np.float32)
    assert problem_of_exact(compared(before, after)) is None
    before[0, 1] = 0.6
    assert compared(before, after).n_other_windows == 1


def test_no_number_is_no_score_to_agree_on() -> None:
    before = np.full((2, 3), 0.5, np.float32)
    found = compared(before, np.full((2, 3), np.nan, np.float32))
    assert problem_of_exact(found) is not None
    assert problem_of_int8(found) is not None


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"mean": 0.05}, "scores differ by 0.05 in the mean, and 0.02 is allowed"),
        ({"agreement": 0.9}, "only 90.0% of 100 recordings get the same verdict, and 95% must"),
        ({"right_after": 0.85}, "85.0% of 50 recordings are named rightly, by the original 90.0%"),
        ({"right_after": 0.89}, None),
        ({"largest": 0.2}, None),
    ],
)
def test_what_int8_may_lose(change: dict[str, float], hint: str | None) -> None:
    found = Comparison(100, 500, 0.05, 0.001, 3, 1.0, 50, 0.9, 0.9)
    problem = problem_of_int8(replace(found, **change))  # type: ignore[arg-type]
    assert problem == hint


def test_figures_have_no_name_that_is_taken_for_the_models_accuracy() -> None:
    figures = Comparison(100, 500, 0.05, 0.001, 3, 1.0, 50, 0.9, 0.9).figures()
    assert not any("accuracy" in name for name in figures)
    assert comparison.EXACT == 1e-4, "what the issue promises"
