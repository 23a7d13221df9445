"""The configuration: every problem is named, with its line, and nothing else ever happens."""

import os
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from listener import plugins
from listener.assembly import build_actions, build_sources
from listener.config import Config, EventSettings, Options, PluginSettings
from listener.config_file import ConfigFile, read_config, validate
from listener.errors import ConfigError
from listener.resources import default_config
from listener.sources.file import FileOptions
from listener.testing import tiny_card

ACTIONS = ("log", "command", "clip", "file", "camera", "webhook", "mqtt", "notify", "socket")


def read(tmp_path: Path, text: str) -> ConfigFile:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return read_config(path)


def problems(tmp_path: Path, text: str) -> list[str]:
    """What is wrong, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    prefix = f"{tmp_path / 'config.yaml'}:"
    assert str(caught.value) == "\n".join(caught.value.problems)
    for line in caught.value.problems:
        assert line.startswith(prefix)
        assert "\n" not in line
    return [line.removeprefix(prefix) for line in caught.value.problems]


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "{}", "null", "\ufeff"])
def test_an_empty_file_gives_the_defaults(text: str, tmp_path: Path) -> None:
    assert read(tmp_path, text).config == Config()


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    config = read(tmp_path, "events: {default: {smooth: 3}}\nmodel: {threads: 2}\n").config
    assert config.events.default == EventSettings(smooth=3)
    assert config.model.path == Config().model.path
    assert config.sources == Config().sources


def test_values_arrive(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        sources: [{use: file, name: yard, path: /tmp/a.wav, speed: max}]
        model: {path: other.pt, card: other.yaml, precision: bf16}
        windows: {hop_s: 1}
        events:
          default: {threshold_on: 0.5}
          labels: {dog: {threshold_on: auto, cooldown_s: 30}, yes: {smooth: 2}}
          only: [dog]
        actions:
          - {use: log}
          - {use: command, name: photo, run: [a, "{label}"], when: both, min_score: 1}
        """,
    ).config
    assert config.sources[0].model_extra == {"path": "/tmp/a.wav", "speed": "max"}
    assert config.model.card == Path("other.yaml")
    assert config.windows.hop_s == 1.0
    assert config.events.labels["dog"].threshold_on == "auto"
    assert set(config.events.labels) == {"dog", "yes"}
    assert config.events.only == ("dog",)
    assert [action.use for action in config.actions] == ["log", "command"]


def test_every_problem_is_named_at_once_with_its_line(tmp_path: Path) -> None:
    text = """\
sources:
  - use: file
    nmae: yard
model:
  threads: many
  preciscion: fp32
windows:
  hop_s: 0
evnets: {}
actions:
  - use: log
    when: later
  - labels: [dog]
"""
    assert sorted(problems(tmp_path, text), key=lambda line: int(line.split(":")[0])) == [
        '5: model.threads: must be a valid integer (it is "many")',
        "6: model.preciscion: unknown key: did you mean 'precision'?",
        "8: windows.hop_s: must be greater than or equal to 0.05 (it is 0)",
        "9: evnets: unknown key: did you mean 'events'?",
        "12: actions[0].when: must be 'onset', 'offset', 'both', 'update' or 'all' (it is \"later\")",
        "13: actions[1].use: is missing",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("model: {threads: '1'}", "1: model.threads: must be a valid integer"),
        ("model: {threads: 1.5}", "1: model.threads: must be a valid integer"),
        ("model: {threads: true}", "1: model.threads: must be a valid integer"),
        ("model: {threads: 0}", "1: model.threads: must be greater than or equal to 1"),
        ("model: {path: 5}", "1: model.path: "),
        ("model: household.pt", "1: model: "),
        ("model:", "1: model: "),
        ("windows: {hop_s: '0.5'}", "1: windows.hop_s: must be a valid number"),
        ("windows: {hop_s: yes}", "1: windows.hop_s: must be a valid number"),
        ("windows: {hop_s: .nan}", "1: windows.hop_s: "),
        ("windows: {hop_s: .inf}", "1: windows.hop_s: "),
        ("windows: {hop_s: 1e999}", "1: windows.hop_s: "),
        ("windows: {hop: 1}", "1: windows.hop: unknown key: did you mean 'hop_s'?"),
        ("windows: {xyzzy: 1}", "1: windows.xyzzy: unknown key: there are hop_s"),
        ("events: {default: {threshold_on: 0}}", "1: events.default.threshold_on: "),
        ("events: {default: {threshold_on: 1.01}}", "1: events.default.threshold_on: "),
        ("events: {default: {threshold_on: automatic}}", "1: events.default.threshold_on: "),
        ("events: {default: {release_s: -1}}", "1: events.default.release_s: must be greater"),
        ("events: {default: {smooth: 0}}", "1: events.default.smooth: must be greater"),
        (
            "events:\n  labels:\n    dog:\n      smoth: 1",
            "4: events.labels.dog.smoth: unknown key: did you mean 'smooth'?",
        ),
        ("events:\n  labels: {dog: 0.5}", "2: events.labels.dog: "),
        ("events: {labels: [dog]}", "1: events.labels: "),
        ("events: {only: dog}", "1: events.only: "),
        ("events:\n  only:\n    - dog\n    - 5", "4: events.only[1]: must be a valid string (it is 5)"),
        ("actions: {use: log}", "1: actions: "),
        ("actions: [log]", "1: actions[0]: "),
        ("actions:\n  - {use: log, labels: dog}", "2: actions[0].labels: "),
        ("actions: [{use: log, timeout_s: 0}]", "1: actions[0].timeout_s: must be greater than 0"),
        ("actions: [{use: log, min_score: 2}]", "1: actions[0].min_score: must be less than or equal to 1"),
        ("actions: {use: log}", "1: actions: must be a list"),
        (
            "actions: [{use: log, retry: {time: 3}}]",
            "1: actions[0].retry.time: unknown key: did you mean 'times'?",
        ),
        (
            "actions: [{use: log, limit: 10}]",
            "1: actions[0].limit: must be a table of settings such as {count: ..., within_s: ...} (it is 10)",
        ),
        (
            "actions: [{use: log, concurrency: twice}]",
            "1: actions[0].concurrency: must be 'queue', 'skip' or 'restart' or a table of settings such",
        ),
        (
            "actions: [{use: log, schedule: {days: []}}]",
            "1: actions[0].schedule.days: must have at least 1 entry",
        ),
        ("- model", "1: the configuration must be a table of settings"),
        ("just words", "1: the configuration must be a table of settings"),
        ("model: {threads: 1}\nmodel: {threads: 2}", "2: model: this key stands twice"),
        ("model:\n  threads: 1\n  threads: 2", "3: model.threads: this key stands twice"),
        ("model: {threads: 1\n", "2: no valid YAML: "),
        ("model:\n\t threads: 1\n", "2: no valid YAML: "),
        ("a: b: c", "1: no valid YAML: "),
        ("model: *nothing", "1: no valid YAML: "),
        ("--- {}\n--- {}\n", "2: no valid YAML: "),
        ("model: \x01", " no valid YAML: "),
        ("model: !secret x", "1: model: unknown tag '!secret'; there is '!file PATH'"),
        ("model: !secret {a: 1}", "1: model: unknown tag '!secret'; there is '!file PATH'"),
        ("model: !file {a: 1}", "1: model"),
        ("model: {path: !file nowhere.txt}", "1: model.path: the file 'nowhere.txt' cannot be read: "),
        ("model: {path: !file .}", "1: model.path: the file '.' cannot be read: "),
        ('model: {path: !file "a\\0b"}', "1: model.path: the file 'a?b' cannot be read: "),
        (
            "model:\n  path: ${LISTENER_NOT_SET}",
            "2: model.path: the environment variable LISTENER_NOT_SET is not set",
        ),
        ("model: {path: 2026-99-99}", "1: model.path: '2026-99-99' is no value that can be used"),
        ("model: {path: !!timestamp x}", "1: model.path: 'x' is no value that can be used"),
        ("model: {threads: !!int x}", "1: model.threads: 'x' is no value that can be used"),
        ("model: {threads: !!bool x}", "1: model.threads: 'x' is no value that can be used"),
        ("model: {path: !!python/name:os.system x}", "1: model.path: 'x' is no value that can be used"),
        (f"model: {{threads: {'9' * 5000}}}", "1: model.threads: "),
        (f"model: {{threads: 0x{'f' * 5000}}}", "1: model.threads: "),
        ("model: &a {path: *a}", "1: model.path: this refers to what it stands in"),
        ("? [a, b]\n: c", "1: a key must be a name"),
        ('"a\\nb": 1', "1: a?b: unknown key"),
        ('model: {path: "\\ud800"}', ""),
        ('model: {threads: !!int "a\\nb"}', "1: model.threads: 'a?b' is no value"),
    ],
)
def test_a_problem_and_its_line(text: str, problem: str, tmp_path: Path) -> None:
    found = problems(tmp_path, text)
    assert any(line.startswith(problem) for line in found), found


def test_a_problem_of_a_union_is_told_once(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, "events: {default: {threshold_on: high}}")
    assert "number" in line
    assert "'auto'" in line


def test_secrets_from_the_environment_and_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_A", "one")
    (tmp_path / "secret.txt").write_text("two\n", encoding="utf-8")
    config = read(
        tmp_path,
        "actions: [{use: command, run: ['x-${TEST_A}-${TEST_A}', !file secret.txt, $HOME]}]",
    ).config
    extra = config.actions[0].model_extra
    assert extra is not None
    assert extra["run"] == ["x-one-one", "two", "$HOME"], "a file beside the configuration is found"


def test_anchors_may_be_used_twice(tmp_path: Path) -> None:
    config = read(tmp_path, "events: {labels: {dog: &own {smooth: 2}, cat: *own}}").config
    assert config.events.labels["dog"] == config.events.labels["cat"]


def test_secrets_from_a_folder_that_a_variable_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/token").write_text("abc\n")
    path = tmp_path / "config.yaml"
    path.write_text("actions: [{use: command, run: [x, !file '${CREDENTIALS_DIRECTORY}/token']}]")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    file = read_config(path)
    assert (file.config.actions[0].model_extra or {})["run"] == ["x", "abc"]
    assert file.secrets == {"abc"}, "the folder's name is none"
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(ConfigError) as error:
        read_config(path)
    (problem,) = error.value.problems
    assert "the environment variable CREDENTIALS_DIRECTORY is not set" in problem


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        read_config(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe4\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "latin.yaml")


def names(model: object, found: set[str] | None = None) -> set[str]:
    """Every key that a configuration knows."""
    found = set() if found is None else found
    if isinstance(model, dict):
        for key, value in model.items():
            found.add(str(key))
            names(value, found)
    elif isinstance(model, list):
        for value in model:
            names(value, found)
    return found


KEYS = sorted(
    names(Config().model_dump(mode="json")) | {"dog", "labels", "actions", "timeout_s", "use", "name"}
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.dates(),
    st.binary(max_size=4),
    st.sampled_from(["auto", "log", "dog", "onset", "fp32", "max", "${HOME}", "${NOT_SET}", "models/x.pt"]),
)
structures = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.one_of(st.sampled_from(KEYS), st.text(max_size=5), st.integers()), inner, max_size=5
        )
    ),
    max_leaves=20,
)


def assert_read_or_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        file = read_config(path)
    except ConfigError as error:
        told = error.problems
    else:
        assert isinstance(file.config, Config)
        return
    assert told
    assert not any("\n" in line for line in told)


FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(st.dictionaries(st.sampled_from(sorted(Config.model_fields)), structures, max_size=4) | structures)
@example({"sources": [{"use": "file", "name": None}]})
@example({"actions": [{"use": "log", "labels": [["*"]]}]})
def test_any_structure_is_read_or_refused(tmp_path: Path, structure: object) -> None:
    assert_read_or_refused(tmp_path, yaml.safe_dump(structure, allow_unicode=True))


@FUZZ
@given(st.text(st.sampled_from("ab:-[]{}!&*#|>'\"%@`?, \n\t0.~<=$é"), max_size=40))
def test_any_text_is_read_or_refused(tmp_path: Path, text: str) -> None:
    assert_read_or_refused(tmp_path, text)


def test_the_shipped_configuration_is_the_defaults() -> None:
    config = read_config(default_config()).config
    assert config.model_dump(exclude={"sources", "actions"}) == Config().model_dump(
        exclude={"sources", "actions"}
    )
    for kind, ours, shipped in (
        ("sources", Config().sources, config.sources),
        ("actions", Config().actions, config.actions),
    ):
        assert [one.use for one in shipped] == [one.use for one in ours]
        for settings_shipped, settings_ours in zip(shipped, ours, strict=True):
            assert plain(settings_shipped) == plain(settings_ours)
            assert options(kind, settings_shipped) == options(kind, settings_ours)


def test_the_shipped_configuration_shows_every_key() -> None:
    text = default_config().read_text(encoding="utf-8")
    shown = set(re.findall(r"[{\s#-](\w+)(?::|  )", text))
    # Nothing answers to `store` and `web` yet.
    expected = names(Config().model_dump(mode="json", exclude={"store", "web"}))
    for kind in ("sources", "actions"):
        for name in ("microphone", "file", "demo") if kind == "sources" else ACTIONS:
            expected |= set(
                plugins.load("sources" if kind == "sources" else "actions", name).Options.model_fields
            )
    assert expected - shown == set()


def plain(one: PluginSettings) -> dict[str, object]:
    return {key: value for key, value in one.model_dump().items() if key in type(one).model_fields}


def options(kind: str, one: PluginSettings) -> object:
    return validate(
        plugins.load("sources" if kind == "sources" else "actions", one.use).Options, one.model_extra
    )


SECRET = "tr0ub4dor-correct-horse"
"""What no message may tell."""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("model: " + "[" * 60, "1: no valid YAML: more than 10000 values or 40 levels"),
        ("- " * 5_000, "1: no valid YAML: more than 10000 values or 40 levels"),
        ("model: [" + "1, " * 20_000 + "]", "1: no valid YAML: more than 10000 values or 40 levels"),
        ("a: &a [1, 1]\n" + "b: [" + "*a, " * 5_000 + "]", " more than 10000 values, 40 levels or 1048576"),
        ("a: &a " + "x" * 10_000 + "\nb: [" + "*a, " * 5_000 + "]", " more than 10000 values, 40 levels or"),
        (
            "a0: &a0 []\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}]\n" for n in range(50)),
            " more than 10000 values",
        ),
        ("model: {threads: 1" + ":59" * 100_000 + "}", "1: model.threads: '1:59:59"),
        ("model: {threads: 1" + ":59" * 300 + ".5}", "1: model.threads: '1:59:59"),
        ("model: {threads: 190:20:30.15}", "1: model.threads: must be a valid integer"),
        ("model: {threads: !!int ''}", "1: model.threads: '' is no value that can be used"),
        ("model: {threads: !!float x}", "1: model.threads: 'x' is no value that can be used"),
        (
            "model: {path: !file /dev/zero}",
            "1: model.path: the file '/dev/zero' cannot be read: it is no file",
        ),
        ("model: {path: !file pipe}", "1: model.path: the file 'pipe' cannot be read: it is no file"),
        ("model: {path: !file long}", "1: model.path: the file 'long' cannot be read: "),
        (f"model: {{path: !file {'x' * 5_000}}}", "1: model.path: the file 'xxx"),
        ("windows: {hop_s: '" + "x" * 5_000 + "'}", '1: windows.hop_s: must be a valid number (it is "xxx'),
        ("windows: {? " + "x" * 500 + "\n: 1}", "1: windows.xxx"),
        ("#" * 2**20 + "\nmodel: 1", " cannot be read: it is longer than 1 MiB"),
    ],
)
def test_what_nobody_can_hold_is_refused_in_a_short_line(text: str, problem: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long").write_bytes(bytes(2**20 + 1))
    (line,) = problems_of(tmp_path, text)
    assert line.removeprefix(f"{tmp_path / 'config.yaml'}").removeprefix(":").startswith(problem)
    assert len(line) < 1_000


def problems_of(tmp_path: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    return caught.value.problems


def test_of_very_many_problems_the_first_are_told(tmp_path: Path) -> None:
    told = problems_of(tmp_path, "model:\n" + "".join(f"  key{n}: 1\n" for n in range(1_000)))
    assert "2: model.key0: unknown key" in told[0]
    assert len(told) == 51
    assert told[-1] == "and 950 more problems"


@pytest.mark.parametrize(
    "text",
    [
        "model: {threads: ${SECRET}}",
        "model: {threads: 'x ${SECRET} y'}",
        "model: {threads: !file secret.txt}",
        "actions: [{use: command, run: 'curl -H ${SECRET}'}]",
        "actions: [{use: command, run: [curl, '{${SECRET}}']}]",
        "actions: [{use: log, labels: ['${SECRET}']}]",
        "sources: [{use: '${SECRET}'}]",
        "windows: {hop_s: '" + "x" * 90 + "${SECRET}'}",
    ],
)
def test_no_problem_tells_a_secret(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", SECRET)
    (tmp_path / "secret.txt").write_text(SECRET, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:  # noqa: PT012 - where it is found does not matter
        file = read(tmp_path, text)
        build_sources(file)
        build_actions(file, tiny_card())
    for part in (SECRET, SECRET[:9], SECRET[-9:]):
        assert part not in str(caught.value)


def test_a_name_that_is_not_utf8_is_refused_as_such() -> None:
    with pytest.raises(ConfigError, match="is there a name that is not UTF-8") as caught:
        validate(FileOptions, {"path": os.fsdecode(b"caf\xe9.wav")})
    assert str(caught.value).isprintable()


def test_a_path_with_a_line_break_stays_one_line(tmp_path: Path) -> None:
    (tmp_path / "a\nb").mkdir()
    (line,) = problems_of(tmp_path / "a\nb", "model: 5")
    assert line.startswith(f"{tmp_path}/a?b/config.yaml:1: model: ")


def test_of_settings_in_place_of_a_word_only_what_is_wrong_with_them_is_said(tmp_path: Path) -> None:
    assert problems(tmp_path, "actions: [{use: log, retry: {time: 3}}]") == [
        "1: actions[0].retry.time: unknown key: did you mean 'times'?"
    ]


@pytest.mark.parametrize(
    "action",
    ['{use: webhook, url: "https://me:hunter2@host/"}', '{use: webhook, url: x, secret: "whsec_hunter2"}'],
)
def test_what_may_be_a_secret_is_not_repeated(action: str, tmp_path: Path) -> None:
    file = read(tmp_path, f"actions: [{action}]")
    with pytest.raises(ConfigError) as caught:
        build_actions(file, tiny_card())
    assert "hunter2" not in str(caught.value)


def test_a_list_that_is_too_short_is_named() -> None:
    class Pair(Options):
        both: tuple[int, int] = (1, 2)

    with pytest.raises(ConfigError, match=r"both"):
        validate(Pair, {"both": [1]})
