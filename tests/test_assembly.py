"""From the configuration to its parts: what does not fit is named with its line."""

from dataclasses import replace
from pathlib import Path

import pytest

from listener.actions.command.action import CommandAction
from listener.actions.log import LogAction
from listener.assembly import (
    UNTUNED,
    build_actions,
    build_classifier,
    build_rules,
    build_sources,
    find_model,
    idle_settings,
)
from listener.classifiers.torchscript import TorchScriptClassifier
from listener.config import Config, ModelSettings
from listener.config_file import ConfigFile, read_config
from listener.errors import ConfigError, ModelError
from listener.events import LabelRule
from listener.resources import bundled_models
from listener.sources.file import FileSource
from listener.sources.microphone import Microphone
from listener.testing import tiny_bundle, tiny_card
from listener.types import Thresholds

SEE = "`listener models show` lists its labels"
CARD = replace(
    tiny_card(("cat", "dog", "siren")),
    thresholds={"dog": Thresholds(0.8, 0.4), "siren": Thresholds(0.3, 0.3)},
)


def config(tmp_path: Path, text: str) -> ConfigFile:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return read_config(path)


def told(caught: pytest.ExceptionInfo[ConfigError], tmp_path: Path) -> list[str]:
    prefix = f"{tmp_path / 'config.yaml'}:"
    lines = str(caught.value).split("\n")
    assert list(caught.value.problems) == lines
    assert all(line.startswith(prefix) for line in lines)
    return [line.removeprefix(prefix) for line in lines]


def rules(tmp_path: Path, text: str) -> dict[str, LabelRule | None]:
    return dict(zip(CARD.labels, build_rules(config(tmp_path, text), CARD), strict=True))


def test_thresholds_come_from_the_card(tmp_path: Path) -> None:
    assert rules(tmp_path, "") == {
        "cat": LabelRule(UNTUNED.on, UNTUNED.off),
        "dog": LabelRule(0.8, 0.4),
        "siren": LabelRule(0.3, 0.3),
    }


def test_what_is_set_for_all_and_for_one(tmp_path: Path) -> None:
    found = rules(
        tmp_path,
        """
        events:
          default: {threshold_on: 0.6, smooth: 2, cooldown_s: 9}
          labels:
            cat: {threshold_on: auto, smooth: 3}
            dog: {threshold_off: 0.1, release_s: 0, min_duration_s: 4}
        """,
    )
    assert found["cat"] == LabelRule(UNTUNED.on, UNTUNED.off, smooth=3, cooldown_s=9)
    assert found["dog"] == LabelRule(0.6, 0.1, smooth=2, min_duration_s=4, release_s=0, cooldown_s=9)
    assert found["siren"] == LabelRule(0.6, 0.6, smooth=2, cooldown_s=9)


def test_a_threshold_on_of_ones_own_keeps_the_distance_of_the_card(tmp_path: Path) -> None:
    found = rules(tmp_path, "events: {labels: {dog: {threshold_on: 0.5}}}")
    assert found["dog"] == LabelRule(0.5, 0.25)


@pytest.mark.parametrize("on", [0.07, 0.1, 0.35, 0.7, 0.9, 0.99])
@pytest.mark.parametrize("both", [0.07, 0.3, 0.49, 0.95])
def test_thresholds_that_are_the_same_stay_in_order(on: float, both: float, tmp_path: Path) -> None:
    card = replace(CARD, thresholds={"dog": Thresholds(both, both)})
    rule = build_rules(config(tmp_path, f"events: {{labels: {{dog: {{threshold_on: {on}}}}}}}"), card)[1]
    assert rule is not None
    assert 0 < rule.threshold_off <= rule.threshold_on == on


def test_only_some_labels_make_events(tmp_path: Path) -> None:
    found = rules(tmp_path, "events: {only: [dog, siren]}")
    assert [label for label, rule in found.items() if rule is not None] == ["dog", "siren"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "events:\n  only:\n    - dog\n    - sirene\n",
            ["4: events.only[1]: the model tiny/1.0.0 has no label 'sirene': did you mean 'siren'?"],
        ),
        (
            "events:\n  labels:\n    dgo: {smooth: 2}\n    xyzzy: {smooth: 2}\n",
            [
                "3: events.labels.dgo: the model tiny/1.0.0 has no label 'dgo': did you mean 'dog'?",
                f"4: events.labels.xyzzy: the model tiny/1.0.0 has no label 'xyzzy': {SEE}",
            ],
        ),
        (
            "events: {only: ['*']}",
            [f"1: events.only[0]: the model tiny/1.0.0 has no label '*': {SEE}"],
        ),
        (
            "events:\n  labels:\n    dog: {threshold_on: 0.3, threshold_off: 0.6}\n",
            ["3: events.labels.dog: threshold_off (0.6) of 'dog' is above its threshold_on (0.3)"],
        ),
        (
            "events:\n  default: {threshold_off: 0.5}\n",
            ["2: events.default: threshold_off (0.5) of 'siren' is above its threshold_on (0.3)"],
        ),
    ],
)
def test_event_settings_that_do_not_fit_the_model(text: str, expected: list[str], tmp_path: Path) -> None:
    file = config(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        build_rules(file, CARD)
    assert told(caught, tmp_path) == expected


def test_sources_are_made_and_named(tmp_path: Path) -> None:
    yard, mic = build_sources(
        config(
            tmp_path,
            "sources: [{use: file, name: yard, path: a.wav}, {use: microphone, backend: sounddevice}]",
        )
    )
    assert isinstance(yard, FileSource)
    assert (yard.name, yard.options.path) == ("yard", Path("a.wav"))
    assert isinstance(mic, Microphone)
    assert (mic.name, mic.options.backend) == ("microphone", "sounddevice")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sources: []", ["1: sources: there is none; name one, such as {use: microphone}"]),
        ("sources:\n  - {use: micro}\n", ["2: sources[0].use: no source is called 'micro': "]),
        ("sources:\n  - {use: microphon}\n", ["did you mean 'microphone'?"]),
        (
            "sources:\n  - use: microphone\n    bakend: pyaudio\n",
            ["3: sources[0].bakend: unknown key: did you mean 'backend'?"],
        ),
        (
            "sources:\n  - use: microphone\n    naem: x\n",
            ["3: sources[0].naem: unknown key: did you mean 'name'?"],
        ),
        ("sources:\n  - use: microphone\n    channel: 0\n", ["3: sources[0].channel: "]),
        ("sources:\n  - use: file\n", ["2: sources[0].path: is missing"]),
        (
            "sources:\n  - {use: file}\n  - {use: demo}\n  - {use: demo}\n",
            ["2: sources[0].path: is missing", "4: sources[2]: two of the sources are called 'demo'"],
        ),
        (
            "sources:\n  - {use: file, path: 1, spead: 2}\n",
            ["2: sources[0].path: ", "2: sources[0].spead: unknown key: did you mean 'speed'?"],
        ),
    ],
)
def test_sources_that_are_wrong(text: str, expected: list[str], tmp_path: Path) -> None:
    file = config(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        build_sources(file)
    lines = told(caught, tmp_path)
    assert len(lines) == len(expected)
    for line, part in zip(lines, expected, strict=True):
        assert part in line


def test_actions_are_made_with_their_settings(tmp_path: Path) -> None:
    file = config(
        tmp_path, "actions: [{use: log}, {use: command, name: photo, run: [a], labels: ['d*'], timeout_s: 7}]"
    )
    (log, _), (photo, settings) = build_actions(file, CARD)
    assert isinstance(log, LogAction)
    assert log.name == "log"
    assert isinstance(photo, CommandAction)
    assert (photo.name, photo.options.run, settings.labels, settings.timeout_s) == (
        "photo",
        ("a",),
        ("d*",),
        7.0,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "actions:\n  - use: log\n    labels: [dog, sirn]\n",
            ["3: actions[0].labels[1]: the model tiny/1.0.0 has no label 'sirn': did you mean 'siren'?"],
        ),
        ("actions:\n  - {use: log, labels: ['x*']}\n", ["2: actions[0].labels[0]: the model"]),
        (
            "actions:\n  - {use: logg}\n",
            ["2: actions[0].use: no action is called 'logg': did you mean 'log'?"],
        ),
        (
            "actions:\n  - {use: log, leve: info}\n",
            ["2: actions[0].leve: unknown key: did you mean 'level'?"],
        ),
        ("actions:\n  - {use: log, timeout: 1}\n", ["unknown key: did you mean 'timeout_s'?"]),
        ("actions:\n  - {use: log, level: loud}\n", ["2: actions[0].level: must be 'debug', "]),
        (
            "actions:\n  - {use: command}\n  - {use: log}\n  - {use: log}\n",
            ["2: actions[0].run: is missing", "4: actions[2]: two of the actions are called 'log'"],
        ),
    ],
)
def test_actions_that_are_wrong(text: str, expected: list[str], tmp_path: Path) -> None:
    file = config(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        build_actions(file, CARD)
    lines = told(caught, tmp_path)
    assert len(lines) == len(expected)
    for line, part in zip(lines, expected, strict=True):
        assert part in line


def test_no_action_is_fine(tmp_path: Path) -> None:
    assert build_actions(config(tmp_path, "actions: []"), CARD) == []


def test_the_model_is_looked_for_here_then_beside_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, beside = tmp_path / "here", tmp_path / "beside"
    for folder in (here, beside):
        folder.mkdir()
    monkeypatch.chdir(here)
    file = ConfigFile(Config(), beside / "config.yaml")
    settings = ModelSettings(path=Path("m.pt"))
    assert find_model(settings, file) == Path("m.pt"), "where it was to be, for the message"
    (beside / "m.pt").touch()
    assert find_model(settings, file) == beside / "m.pt"
    (here / "m.pt").touch()
    assert find_model(settings, file) == Path("m.pt")
    assert find_model(ModelSettings(path=beside / "m.pt"), file) == beside / "m.pt"


def test_the_shipped_model_is_found_from_anywhere(
    household: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_model(ModelSettings(), ConfigFile(Config())) == bundled_models() / household.name


def test_the_classifier_is_loaded(tmp_path: Path) -> None:
    card = tiny_bundle(tmp_path / "tiny.pt")
    classifier = build_classifier(config(tmp_path, f"model: {{path: {tmp_path}/tiny.pt}}"))
    assert isinstance(classifier, TorchScriptClassifier)
    assert classifier.card == card


def test_a_card_beside_the_configuration_is_found(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "tiny.pt")
    (tmp_path / "other.yaml").write_text("name: other\n", encoding="utf-8")
    file = config(tmp_path, "model: {path: tiny.pt, card: other.yaml}")
    with pytest.raises(ModelError, match=r"other\.yaml: card field 'version'"):
        build_classifier(file)


@pytest.mark.parametrize("path", ["nowhere.pt", "", "models", "models/none.pt", "~/x.pt"])
def test_a_model_that_is_not_there(path: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model file"):
        build_classifier(config(tmp_path, f"model: {{path: '{path}'}}"))


def test_a_classifier_that_there_is_not(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "tiny.pt")
    file = config(tmp_path, "model:\n  path: tiny.pt\n  use: torchscrip\n")
    with pytest.raises(ConfigError) as caught:
        build_classifier(file)
    assert told(caught, tmp_path) == [
        "3: model.use: no classifier is called 'torchscrip': did you mean 'torchscript'?"
    ]


def test_settings_that_do_nothing_yet_are_named(tmp_path: Path) -> None:
    assert list(idle_settings(config(tmp_path, ""))) == []
    (line,) = idle_settings(config(tmp_path, "store: {url: 'sqlite:///x.db'}"))
    assert "store.url: this version keeps no events" in line
