"""``listener evaluate``: a bundle through the engine that runs live."""

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click import Command
from click.testing import CliRunner, Result

from listener.classifiers.torchscript import TorchScriptClassifier
from listener.cli.evaluate import evaluate
from listener.cli.judging import load
from listener.cli.tune import tune
from listener.config import Config
from listener.errors import DatasetError
from listener.offline import finished_events, predict_whole
from listener.sources.file import FileOptions, FileSource
from listener.training.data.clip import Clip, Manifest
from listener.training.data.manifest import read_manifest
from listener.training.evaluate import judge
from listener.training.evaluate.listening import listen
from listener.training.evaluate.references import Stream, find_streams, read_reference
from tests.bundles import loudness_bundle
from tests.training.judged_data import RATE, tone, write_clips, write_reference, write_stream

Run = Callable[..., Result]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return loudness_bundle(tmp_path / "loudness.pt")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    return write_clips(
        tmp_path / "clips",
        [
            ("a.wav", "loud", "1", 0.2),
            ("b.flac", "loud", "2", 0.09),
            ("c.wav", "quiet", "1", 0.01),
            ("d.wav", "quiet", "2", 0.02),
            ("e.wav", "purple", "2", 0.02),
        ],
    )


@pytest.fixture
def streams(tmp_path: Path) -> Path:
    folder = tmp_path / "streams"
    write_stream(folder / "day.flac", 40, [(5.0, 8.0, 0.2), (20.0, 23.0, 0.2), (30.0, 31.0, 0.2)])
    write_reference(
        folder / "day.csv", "5,8,loud,target,12,x", "12,14,loud,target,3,y", "30,31,thud,distractor,,"
    )
    write_stream(folder / "night.wav", 30, [])
    return folder


@pytest.fixture
def run() -> Run:
    def call(*arguments: object) -> Result:
        return CliRunner().invoke(evaluate, [str(argument) for argument in arguments])

    return call


def source(path: Path) -> FileSource:
    return FileSource(path.name, FileOptions(path=path, speed="max"))


def test_clips_score_as_predict_scores_them(bundle: Path, tmp_path: Path) -> None:
    classifier, _ = load(bundle)
    rates = {"mono.wav": (8_000, 1), "stereo.flac": (44_100, 2)}
    for name, (rate, channels) in rates.items():
        noise = np.random.default_rng(2).standard_normal((3 * rate, channels)) * 0.05
        soundfile.write(tmp_path / name, noise, rate, subtype="PCM_16")
    manifest = Manifest(tmp_path, tuple(Clip(name, "loud") for name in rates))
    for one in judge(classifier, manifest):
        whole, _ = predict_whole(source(tmp_path / one.clip.path), classifier)
        assert (one.pooled == whole).all()


def test_real_windows_score_alike_everywhere(household: Path, data: Path) -> None:
    classifier, rules = load(household)
    clip = next(clip for clip in read_manifest(data) if clip.label == "dog")
    whole = Clip(clip.path, clip.label)
    (one,) = judge(classifier, Manifest(data, (whole,)))
    predicted, _ = predict_whole(source(data / clip.path), classifier)
    np.testing.assert_allclose(one.pooled, predicted, atol=1e-4)
    stream = data / "annotated"
    path = next(path for path in sorted(stream.rglob("*")) if path.suffix in {".flac", ".wav"})
    (heard,) = listen(classifier, [Stream(path, ())])
    live = finished_events(source(path), classifier, rules, classifier.card.hop_s)
    assert [(one.label, one.onset_s, one.offset_s) for one in heard.events(rules)] == [
        (event.label, event.onset_s, event.offset_s) for event in live
    ]


def test_events_are_those_of_the_engine(bundle: Path, streams: Path) -> None:
    classifier, rules = load(bundle)
    for heard in listen(classifier, find_streams(streams)):
        live = finished_events(source(heard.stream.path), classifier, rules, classifier.card.hop_s)
        found = heard.events(rules)
        assert [(one.label, one.onset_s, one.offset_s, one.peak_score) for one in found] == [
            (event.label, event.onset_s, event.offset_s, event.peak_score) for event in live
        ]
        assert all(one.told_s > one.onset_s for one in found)


def test_what_lies_outside_of_a_clip_is_not_heard(bundle: Path, clips: Path) -> None:
    classifier, _ = load(bundle)
    scores = {one.clip.path: one.pooled[0] for one in judge(classifier, read_manifest(clips))}
    assert scores["a.wav"] == pytest.approx(1.0)
    assert scores["c.wav"] == pytest.approx(0.1, abs=0.01)  # a loud tone follows it in the file


def test_figures_of_clips_and_streams(run: Run, bundle: Path, clips: Path, streams: Path) -> None:
    result = run(bundle, "--data", clips, "--streams", streams, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["model"] == "loudness/1.0.0"
    of_clips, of_streams = told["clips"], told["streams"]
    assert of_clips["accuracy"]["value"] == 1.0
    assert of_clips["left_out"] == {"purple": 1}
    assert of_streams["targets"] == 2
    assert (of_streams["events"]["overlap"]["found"], of_streams["false_events"]) == (1, 2)
    assert of_streams["misled_by"] == {"loud by thud": 1}
    assert of_streams["negative_false_events"] == 0
    assert 0 <= of_streams["latency"]["median_s"]["value"] < 1.5
    assert 0 <= of_streams["psds2"] <= 1


def test_tables_are_for_people(run: Run, bundle: Path, clips: Path, streams: Path) -> None:
    result = run(bundle, "--data", clips, "--folds", "2", "--streams", streams)
    assert result.exit_code == 0
    assert "all, fold 2  2" in result.output
    assert re.search(r"^loud +2 +1 ", result.output, re.MULTILINE)
    assert "onset to decision: median" in result.output


def test_clips_are_chosen_by_columns(run: Run, bundle: Path, clips: Path) -> None:
    result = run(bundle, "--data", clips, "--where", "shape=square", "--where", "fold=2", "--json")
    assert json.loads(result.stdout)["clips"]["clips"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "there is nothing to judge by"),
        (["--streams", "{streams}", "--folds", "1"], 2, "they need --data"),
        (["--data", "{clips}", "--where", "shape"], 2, "is no COL=VALUE"),
        (["--data", "{clips}", "--where", "size=1"], 1, "the manifest has no column 'size'"),
        (["--data", "{clips}", "--where", "shape=flat"], 1, "no clip has shape = flat"),
        (["--data", "{clips}", "--folds", "7"], 1, "there is no fold 7: there are 1, 2"),
        (["--data", "{clips}/nowhere"], 1, "there is no such folder"),
        (["--streams", "{clips}/nowhere"], 1, "there is no such folder"),
        (["--data", "{clips}", "--report", "{clips}/no/where.html"], 1, "there is no folder"),
        (["--data", "{clips}", "--where", "label=purple"], 1, "no clip has a label of loudness/1.0.0"),
    ],
)
def test_what_cannot_be_judged(
    run: Run, bundle: Path, clips: Path, streams: Path, arguments: list[str], code: int, message: str
) -> None:
    given = [argument.format(clips=clips, streams=streams) for argument in arguments]
    result = run(bundle, *given)
    assert result.exit_code == (code if code == 2 else 1)
    told = result.output if code == 2 else str(result.exception)
    assert message in told


def test_unreadable_clips_are_all_named(run: Run, bundle: Path, clips: Path) -> None:
    (clips / "a.wav").write_bytes(b"no sound")
    soundfile.write(clips / "c.wav", np.zeros(RATE), RATE)
    (clips / "d.wav").unlink()
    result = run(bundle, "--data", clips)
    told = str(result.exception)
    assert isinstance(result.exception, DatasetError)
    assert all(name in told for name in ("a.wav", "c.wav", "d.wav"))
    assert "only silence" in told


def test_broken_references_are_all_named(streams: Path) -> None:
    write_reference(
        streams / "day.csv", "5,4,loud,target,,", "x,4,loud,target,,", "1,2,loud,friend,,", "1,2,,,,"
    )
    shutil.copy(streams / "day.flac", streams / "more.flac")
    (streams / "more.csv").write_text("onset,offset,label\n", encoding="utf-8")
    with pytest.raises(DatasetError) as caught:
        find_streams(streams)
    told = str(caught.value)
    assert told.count("day.csv, line ") == 4
    assert "more.csv: there is no column 'onset_s'" in told


def test_two_recordings_of_one_name_are_refused(streams: Path) -> None:
    shutil.copy(streams / "night.wav", streams / "day.wav")
    with pytest.raises(DatasetError, match="two recordings of this name"):
        find_streams(streams)


def test_a_reference_that_is_no_table(tmp_path: Path) -> None:
    recording = write_stream(tmp_path / "a.wav", 1.0, [])
    write_reference(recording.with_suffix(".csv"), f"0,1,{'x' * 200_000},,,")
    with pytest.raises(DatasetError, match=r"a\.csv, line \d: cannot be read: field larger"):
        read_reference(recording)


def test_what_stands_in_quotes_may_hold_ends_of_lines(tmp_path: Path) -> None:
    recording = write_stream(tmp_path / "a.wav", 1.0, [])
    rows = ('0,1,"a\nb",target,,"clip,\none"', "1,2,tick\u2028tock,target,,x", "2,1,thud,target,,y")
    write_reference(recording.with_suffix(".csv"), *rows)
    with pytest.raises(DatasetError, match=r"a\.csv, line 6: must be 0 <= onset_s < offset_s"):
        read_reference(recording)
    write_reference(recording.with_suffix(".csv"), *rows[:2])
    assert [(one.label, one.clip_id) for one in read_reference(recording)] == [
        ("a\nb", "clip,\none"),
        ("tick\u2028tock", "x"),
    ]


def test_a_reference_of_another_recording_is_refused(bundle: Path, streams: Path) -> None:
    classifier, _ = load(bundle)
    write_reference(streams / "day.csv", "5,8,loud,target,,", "50,51,loud,target,,")
    with pytest.raises(DatasetError, match=r"day\.flac: is over at \d+\.\d s, .*'loud' at 50 s: is it that"):
        listen(classifier, find_streams(streams))


def test_a_label_track_of_audacity_is_a_reference(tmp_path: Path) -> None:
    recording = write_stream(tmp_path / "hall.wav", 2, [])
    track = "1.500000\t1.750000\tloud\n\\\t100.0\t2000.0\n0.25\t0.5\ta\u2028dog\n"
    (tmp_path / "hall.txt").write_text(track, encoding="utf-8")
    found = read_reference(recording)
    assert [(one.label, one.onset_s, one.offset_s, one.is_target) for one in found] == [
        ("a\u2028dog", 0.25, 0.5, True),
        ("loud", 1.5, 1.75, True),
    ]


def test_streams_of_foreign_labels_are_refused(run: Run, bundle: Path, streams: Path) -> None:
    write_reference(streams / "day.csv", "5,8,cow,target,,", "12,14,hen,target,,")
    result = run(bundle, "--streams", streams)
    assert "no event has a label of loudness/1.0.0: there are cow, hen" in str(result.exception)


@pytest.mark.parametrize("command", [evaluate, tune])
def test_the_model_is_closed_whatever_happens(
    command: Command, bundle: Path, streams: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[object] = []
    monkeypatch.setattr(TorchScriptClassifier, "close", lambda this: closed.append(this))
    CliRunner().invoke(command, [str(bundle), "--streams", str(streams)], catch_exceptions=False)
    assert len(closed) == 1
    write_reference(streams / "day.csv", "5,8,cow,target,,")
    with pytest.raises(DatasetError, match="no event has a label of loudness"):
        CliRunner().invoke(command, [str(bundle), "--streams", str(streams)], catch_exceptions=False)
    assert len(closed) == 2


def test_who_judges_by_what_was_trained_on_is_warned(
    run: Run, bundle: Path, clips: Path, streams: Path
) -> None:
    bundle.with_suffix(".ATTRIBUTION.csv").write_text("clip,label\na.wav,loud\nsomewhere/x.wav,loud\n")
    result = run(bundle, "--data", clips, "--streams", streams, "--json")
    warnings = json.loads(result.stdout)["warnings"]
    assert "trained on 1 of the 4 clips" in warnings[0]
    assert "trained on 1 of the 2 clips that the streams are made of" in warnings[1]
    assert result.stderr.count("warning: ") == 2
    apart = run(bundle, "--data", clips, "--folds", "2", "--json")
    assert json.loads(apart.stdout)["warnings"] == []


class Outside(HTMLParser):
    """Collects what a page would fetch, and its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.elements: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.links += [
            value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "data", "action"}
        ]


def test_streams_without_any_reference_are_minded(run: Run, bundle: Path, streams: Path) -> None:
    (streams / "day.csv").unlink()
    result = run(str(bundle), "--streams", str(streams))
    assert "warning: no stream has an event to be found" in result.stderr


def test_the_report_stands_alone_and_runs_nothing(run: Run, tmp_path: Path, streams: Path) -> None:
    evil = "<script>alert(1)</script>&$x_"
    bundle = loudness_bundle(tmp_path / "evil.pt", unheard=(evil,))
    clips = write_clips(tmp_path / "clips", [("a.wav", "loud", "1", 0.2), ("c.wav", "quiet", "1", 0.01)])
    with (clips / "manifest.csv").open("a", encoding="utf-8") as file:
        file.write(f"a.wav,{evil},1,0,0.4,\n")
    soundfile.write(clips / "a.wav", tone(2.0, 0.2), RATE)
    write_reference(
        streams / "day.csv", f"5,8,{evil},target,12,", "20,23,loud,target,12,", "30,31,<b>,distractor,,"
    )
    out = tmp_path / "report.html"
    result = run(bundle, "--data", clips, "--streams", streams, "--report", out)
    assert result.exit_code == 0, result.output
    text = out.read_text(encoding="utf-8")
    page = Outside()
    page.feed(text)
    assert {"script", "b", "iframe", "link", "img"} & set(page.elements) <= {"b"}
    assert "<b>,<" not in text
    assert "&lt;script&gt;" in text
    assert all(link.startswith("#") for link in page.links if not link.startswith("data:image/png;base64,"))
    assert page.elements.count("svg") == 6  # confusion, reliability, scores, SNR, two timelines
    assert "url(http" not in text
    assert "How it was measured" in text


def test_what_a_report_says_is_the_same_each_time(
    run: Run, bundle: Path, clips: Path, tmp_path: Path
) -> None:
    texts = []
    for name in ("one", "two"):
        out = tmp_path / f"{name}.html"
        run(bundle, "--data", clips, "--report", out)
        text = re.sub(r"judged on [^<]*UTC", "", out.read_text(encoding="utf-8"))
        texts.append(text)
    assert texts[0] == texts[1]


def test_the_rules_are_those_without_a_configuration(bundle: Path) -> None:
    _, rules = load(bundle)
    assert Config().events.default.smooth == "auto"
    assert rules[0] is not None
    assert (rules[0].threshold_on, rules[0].smooth, rules[0].release_s) == (0.5, 1, 1.0)
