"""What a configuration may say of when an action answers, and what is said of a mistake."""

import re
from pathlib import Path

import pytest

from listener.assembly import build_actions
from listener.config import ActionSettings
from listener.config_file import read_config
from listener.errors import ConfigError
from listener.resources import default_config
from listener.testing import tiny_card


def read(tmp_path: Path, text: str) -> ActionSettings:
    path = tmp_path / "config.yaml"
    path.write_text("actions:\n- use: log\n" + "".join(f"  {line}\n" for line in text.split("\n")))
    file = read_config(path)
    ((_, settings),) = build_actions(file, tiny_card())
    return settings


def test_the_issues_examples(tmp_path: Path) -> None:
    label = tiny_card().labels[0]
    settings = read(
        tmp_path,
        f"""\
unless: {{label: {label}, within_s: 3}}
after: [{{label: "*", within_s: 10}}, {{label: "@source.lost", within_s: 1}}]
count: 3
within_s: 60
limit: {{count: 10, within_s: 3600}}
schedule:
- {{days: [sat, sun], begin: sunset-00:30, end: 24:00}}
- {{begin: 22:00, end: 06:30}}
- {{days: [mon], end: 9:00}}
place: {{latitude: 52.5, longitude: 13.4, timezone: Europe/Berlin}}""".replace("9:00", '"09:00"'),
    )
    assert [condition.within_s for condition in (*settings.unless, *settings.after)] == [3, 10, 1]
    assert [(part.begin, part.end) for part in settings.schedule] == [
        ("sunset-00:30", "24:00"),
        ("22:00", "06:30"),
        ("00:00", "09:00"),
    ]
    assert settings.schedule[0].days == ("sat", "sun")
    assert len(settings.schedule[1].days) == 7


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("count: 3", "2: actions[0]: count needs within_s"),
        ("within_s: 3", "2: actions[0]: within_s needs count"),
        ("update_s: 3", "2: actions[0]: update_s needs when: update, or when: all"),
        ("schedule: night", "3: actions[0].schedule: must be a list"),
        ("schedule: {begin: 22}", "3: actions[0].schedule.begin: must be a valid string (it is 22)"),
        ("schedule: {begin: 25:00}", "3: actions[0].schedule.begin: must be a valid string"),
        (
            "schedule: {begin: noon}",
            '3: actions[0].schedule.begin: must be a time such as "22:00", or sunrise',
        ),
        ("schedule: {end: sunset+12:00}", "3: actions[0].schedule.end: must be a time such as"),
        ("schedule: {end: sunset+1}", "3: actions[0].schedule.end: must be a time such as"),
        ("schedule: {begin: '24:00'}", "3: actions[0].schedule.begin: must be before 24:00"),
        ("schedule: {days: [monday]}", "3: actions[0].schedule.days[0]: must be 'mon', 'tue'"),
        ("schedule: {days: []}", "3: actions[0].schedule.days: "),
        (
            "schedule: [{}, {ends: '10:00'}]",
            "3: actions[0].schedule[1].ends: unknown key: did you mean 'end'?",
        ),
        ("schedule: {begin: sunset}", "3: actions[0].schedule: follows the sun: say where"),
        ("place: {latitude: 5}", "3: actions[0].place: latitude and longitude go together"),
        (
            "place: {timezone: Europe/Berln}",
            "3: actions[0].place.timezone: must be a time zone such as Europe",
        ),
        ("place: {timezone: ../etc/passwd}", "3: actions[0].place.timezone: must be a time zone such as"),
        ("place: {timezone: ''}", "3: actions[0].place.timezone: must be a time zone such as"),
        ("unless: {label: dgo}", "3: actions[0].unless.within_s: is missing"),
        ("unless: {label: dgo, within_s: 0}", "3: actions[0].unless.within_s: must be greater than 0"),
        (
            "unless: {label: dgo, within_s: 3}",
            "3: actions[0].unless[0].label: the model tiny/1.0.0 has no label",
        ),
        (
            "after:\n  - {label: '*', within_s: 3}\n  - {label: dgo, within_s: 3}",
            "5: actions[0].after[1].label: ",
        ),
        (
            "unless: {label: '@lost', within_s: 3}",
            "3: actions[0].unless[0].label: no trouble is called '@lost'",
        ),
        ("limit: {count: 0, within_s: 3}", "3: actions[0].limit.count: must be greater"),
        ("cooldown_s: -1", "3: actions[0].cooldown_s: must be greater"),
    ],
)
def test_a_mistake_and_its_line(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    (line,) = caught.value.problems
    assert line.removeprefix(f"{tmp_path}/config.yaml:").startswith(problem)


def test_the_shipped_configuration_has_every_common_key_with_its_default() -> None:
    text = default_config().read_text(encoding="utf-8")
    shown = dict(re.findall(r"^#   (\w+) +(\S+?): ", text, re.MULTILINE))
    for key, field in ActionSettings.model_fields.items():
        if key in ("use", "name"):
            continue
        default = field.default
        if isinstance(default, tuple):
            default = str(list(default)).replace("'", '"')
        assert shown.get(key) == ("null" if default is None else str(default)), key
