"""``listener tune``, and thresholds chosen from clips."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.assembly import build_rules
from listener.classifiers.bundle import read_card
from listener.classifiers.card import parse_card
from listener.cli.judging import load
from listener.cli.tune import tune
from listener.config import Config
from listener.config_file import ConfigFile, read_config
from listener.errors import ModelError
from listener.events import LabelRule
from listener.training.data.clip import Clip
from listener.training.evaluate import Judged
from listener.training.evaluate.listening import JudgedStream
from listener.training.evaluate.references import Happening, Stream
from listener.training.tune import calibrate
from listener.training.tune import tune as tune_by
from listener.training.tune.clips import CANDIDATES
from listener.types import Prediction
from tests.bundles import loudness_bundle
from tests.training.judged_data import write_reference, write_stream

LABELS = ("low", "high", "smoke_alarm")
RULE = LabelRule(0.9, 0.5)


def judged(label: str, *windows: tuple[float, float, float]) -> Judged:
    return Judged(Clip(f"{label}.flac", label), np.array(windows, np.float32))


def test_thresholds_lie_above_what_was_said_in_error() -> None:
    events = [judged("low", (1.0, 0, 0)), judged("high", (0, 1.0, 0))]
    quiet = judged("dishes", *[(0.1, 0.1, 0.1)] * 600)
    noisy = judged("dishes", *[(0.1, 0.97, 0.1), (0.1, 0.1, 0.1)] * 300)
    thresholds = calibrate([*events, quiet, noisy], LABELS, 0.5, synthetic=("smoke_alarm",))
    assert thresholds["low"].on == min(CANDIDATES)
    assert thresholds["high"].on > 0.97
    assert all(0 < both.off < both.on < 1 for both in thresholds.values())


def test_what_is_uncertain_raises_no_threshold() -> None:
    hiss = judged("hiss", *[(0.99, 0.99, 0.1), (0.1, 0.1, 0.1)] * 300)
    thresholds = calibrate(
        [judged("low", (1.0, 0, 0)), hiss], LABELS, 0.5, ("smoke_alarm",), {"hiss": ("low",)}
    )
    assert thresholds["low"].on == min(CANDIDATES)
    assert thresholds["high"].on == max(CANDIDATES)


def heard(scores: list[float], *targets: tuple[float, float]) -> JudgedStream:
    """A stream of one label, ``dog``, scored every half second."""
    windows = [
        Prediction("stream", np.array([score], np.float32), n / 2, n / 2 + 1)
        for n, score in enumerate(scores)
    ]
    happenings = tuple(Happening("dog", onset_s, offset_s) for onset_s, offset_s in targets)
    return JudgedStream(Stream(Path("stream.flac"), happenings), tuple(windows), ("dog",))


def stream(target: float, other: float, hours: float = 0.02) -> JudgedStream:
    """A target from 10 s on that scores ``target``, and something else at 40 s that scores ``other``."""
    scores = [0.0] * round(hours * 7200)
    scores[19:25] = [target] * 6
    scores[80:84] = [other] * 4
    return heard(scores, (10.0, 13.0))


def test_a_threshold_goes_between_what_is_and_what_is_not() -> None:
    (one,) = tune_by([stream(0.6, 0.3, hours=7.0)], [RULE], 0.5).labels
    assert 0.3 < one.rule.threshold_on <= 0.6
    assert one.rule.threshold_off < one.rule.threshold_on
    assert (one.before.found, one.after.found, one.after.false_events) == (0, 1, 0)
    assert one.keeps_to_limit


def test_with_too_little_sound_no_threshold_is_lower_than_it_must_be() -> None:
    much, little = (
        tune_by([stream(0.6, 0.3, hours)], [RULE], 0.5).labels[0].rule.threshold_on for hours in (7.0, 0.02)
    )
    assert much < little <= 0.6


def test_a_rule_that_is_as_good_as_any_stays() -> None:
    tuned = tune_by([stream(0.95, 0.3)], [RULE], 0.5)
    assert not tuned.labels[0].changed
    assert tuned.labels[0].rule is RULE


def test_smoothing_takes_what_is_short() -> None:
    scores = [0.0] * 200
    scores[19:27] = [0.8] * 8
    for lone in (60, 90, 120):
        scores[lone] = 0.95
    (one,) = tune_by([heard(scores, (10.0, 14.0))], [RULE], 0.5).labels
    assert one.rule.smooth > 1
    assert (one.after.found, one.after.false_events) == (1, 0)


def test_a_longer_release_holds_an_event_together() -> None:
    scores = [0.0] * 200
    for first in (20, 26, 32):
        scores[first : first + 2] = [0.95] * 2
    rule = replace(RULE, cooldown_s=0.0)
    (one,) = tune_by([heard(scores, (10.5, 17.0))], [rule], 1.0).labels
    assert one.before.surplus == 2
    assert one.rule.release_s > rule.release_s
    assert (one.after.found, one.after.surplus) == (1, 0)


def test_what_is_not_in_the_streams_is_only_made_rarer() -> None:
    silent, noisy = heard([0.0] * 200), heard([0.0, 0.0, 0.92, 0.92, 0.0, 0.0] * 40)
    assert not tune_by([silent], [RULE], 0.5).labels[0].changed
    (one,) = tune_by([noisy], [RULE], 0.5).labels
    assert one.rule.threshold_on > 0.92
    assert one.after.false_events == 0


def test_a_limit_that_cannot_be_kept_is_told() -> None:
    (one,) = tune_by([heard([0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0] * 40)], [RULE], 0.5).labels
    assert not one.keeps_to_limit


def test_a_label_without_a_rule_is_left_alone() -> None:
    assert tune_by([stream(0.6, 0.3)], [None], 0.5).labels == ()


def test_streams_are_judged_by_the_others() -> None:
    tuned = tune_by([stream(0.6, 0.1), stream(0.6, 0.8)], [RULE], 0.5)
    assert tuned.held_out is not None
    # What is learnt from the first alone is wrong for the second.
    assert tuned.held_out.false_events >= 1
    assert tuned.after.false_events == 0
    assert tuned.before.hours == tuned.after.hours == tuned.held_out.hours
    assert not tuned.is_supported
    assert tuned.hours_needed == 6.0
    assert tune_by([stream(0.6, 0.1)], [RULE], 0.5).held_out is None


@given(
    scores=st.lists(st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8, 0.97]), min_size=60, max_size=60),
    limit=st.sampled_from([0.5, 100.0, 1000.0]),
)
@settings(max_examples=8)
def test_tuned_rules_are_never_worse(scores: list[float], limit: float) -> None:
    tuned = tune_by([heard(scores, (5.0, 8.0), (15.0, 20.0))], [RULE], limit)
    (one,) = tuned.labels
    allowed = limit * one.after.hours
    assert one.after.false_events <= max(allowed, one.before.false_events)
    assert one.before.false_events > allowed or one.after.f1 >= one.before.f1
    assert 0 < one.rule.threshold_off <= one.rule.threshold_on <= 1


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return loudness_bundle(tmp_path / "loudness.pt")


@pytest.fixture
def streams(tmp_path: Path) -> Path:
    folder = tmp_path / "streams"
    write_stream(folder / "day.flac", 60, [(5.0, 8.0, 0.03), (30.0, 33.0, 0.015)])
    write_reference(folder / "day.csv", "5,8,loud,target,12,")
    write_stream(folder / "night.wav", 30, [])
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(tune, [str(argument) for argument in arguments], catch_exceptions=True)


def test_a_tuned_bundle_says_when_it_makes_events(bundle: Path, streams: Path, tmp_path: Path) -> None:
    bundle.with_suffix(".ATTRIBUTION.csv").write_text("clip,author\na.wav,somebody\n")
    original = bundle.read_bytes()
    out = tmp_path / "better.pt"
    result = run(bundle, "--streams", streams, "--out", out)
    assert result.exit_code == 0, result.output
    assert "are too little for a limit of 0.5" in result.stderr
    assert "1 of 1" in result.output
    assert bundle.read_bytes() == original
    assert out.with_suffix(".ATTRIBUTION.csv").exists()
    card, before = read_card(out), read_card(bundle)
    assert 0.15 < card.thresholds["loud"].on <= 0.31
    assert card.thresholds["quiet"] == before.thresholds["quiet"]
    assert "listener tune loudness.pt --streams DIR --false-events-per-hour 0.5" in card.evaluation
    assert "too little sound" in card.evaluation
    assert card.figures["tuned_event_f1"] == 1.0
    assert (card.labels, card.reference) == (before.labels, before.reference)
    _, rules = load(out)  # the bundle runs, and the event logic takes what its card says
    assert rules[0] is not None
    assert rules[0].threshold_on == card.thresholds["loud"].on
    again = run(out, "--streams", streams, "--in-place")
    assert again.exit_code == 0
    assert read_card(out).evaluation.count("listener tune") == 1


def test_without_a_file_nothing_is_written(bundle: Path, streams: Path, tmp_path: Path) -> None:
    original, files = bundle.read_bytes(), sorted(tmp_path.iterdir())
    result = run(bundle, "--streams", streams)
    assert "nothing was written" in result.output
    assert (bundle.read_bytes(), sorted(tmp_path.iterdir())) == (original, files)
    text = result.stdout.split("for config.yaml:\n\n")[1].split("\nnothing was")[0]
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    rule = build_rules(read_config(path), read_card(bundle))[0]
    assert rule is not None
    assert 0.15 < rule.threshold_on <= 0.31
    assert yaml.safe_load(text)["events"]["labels"].keys() == {"loud"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--out", "{folder}/x.pt", "--in-place"], 2, "choose one"),
        (["--false-events-per-hour", "0"], 2, "0"),
        (["--false-events-per-hour", "nan"], 2, "--false-events-per-hour"),
        (["--out", "{folder}/no/x.pt"], 1, "there is no folder"),
        (["--out", "{folder}/x.onnx"], 1, "must end as loudness.pt does"),
        (["--streams", "{folder}/no"], 1, "there is no such folder"),
    ],
)
def test_what_cannot_be_done(
    bundle: Path, streams: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    given = [argument.format(folder=tmp_path) for argument in arguments]
    result = run(bundle, "--streams", streams, *given)
    assert result.exit_code == code
    assert message in (result.output if code == 2 else str(result.exception))


def test_a_full_disk_leaves_the_bundle_as_it_was(
    bundle: Path, streams: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("listener.training.tune.writing.write_bundle", full)
    original = bundle.read_bytes()
    result = run(bundle, "--streams", streams, "--in-place")
    assert isinstance(result.exception, ModelError)
    assert "cannot be written: No space left" in str(result.exception)
    assert bundle.read_bytes() == original
    assert [path.name for path in bundle.parent.iterdir() if path.name.startswith(".")] == []


def card_with(thresholds: object) -> dict[str, object]:
    return {
        "name": "x",
        "version": "1",
        "labels": ["dog"],
        "sample_rate": 16_000,
        "window_s": 1.0,
        "hop_s": 0.5,
        "input": "waveform",
        "activation": "none",
        "thresholds": {"dog": thresholds},
    }


def test_a_card_may_smooth_and_release(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    card = parse_card(card_with({"on": 0.8, "off": 0.4, "smooth": 3, "release_s": 2.5}), path)
    assert build_rules(ConfigFile(Config()), card) == [LabelRule(0.8, 0.4, smooth=3, release_s=2.5)]
    path.write_text("events: {default: {release_s: 0.5}, labels: {dog: {smooth: 1}}}\n", encoding="utf-8")
    assert build_rules(read_config(path), card) == [LabelRule(0.8, 0.4, smooth=1, release_s=0.5)]
    path.write_text(
        "events: {default: {release_s: 0.5}, labels: {dog: {release_s: auto}}}\n", encoding="utf-8"
    )
    assert build_rules(read_config(path), card) == [LabelRule(0.8, 0.4, smooth=3, release_s=2.5)]
    plain = parse_card(card_with({"on": 0.8, "off": 0.4}), path)
    assert build_rules(ConfigFile(Config()), plain) == [LabelRule(0.8, 0.4)]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"smooth": 0}, "needs smooth from 1"),
        ({"smooth": 1000}, "needs smooth from 1"),
        ({"release_s": -1}, "needs release_s of 0 or more"),
        ({"relase_s": 1}, "did you mean 'release_s'"),
    ],
)
def test_a_card_that_cannot_be(more: dict[str, float], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        parse_card(card_with({"on": 0.8, "off": 0.4} | more), Path("x.pt"))
