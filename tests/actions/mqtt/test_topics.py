from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.actions.mqtt.options import MqttOptions
from listener.actions.mqtt.topics import NodeTopics, event_topic, is_topic, level, slug, why_no_topic
from listener.config_file import validate
from listener.errors import ConfigError
from tests.actions.fakes import ONSET

ANY_TEXT = st.text(st.characters(), max_size=300)  # surrogates as well


@given(ANY_TEXT, ANY_TEXT)
def test_no_label_and_no_source_leaves_its_level(label: str, source: str) -> None:
    event = replace(ONSET, label=label, source=source)
    topic = event_topic("listener/{source}/{label}", event, "attic")
    assert is_topic(topic)
    assert topic.count("/") == 2
    assert len(topic.encode()) <= len("listener//") + 2 * 100
    assert is_topic(event_topic("{label}", event, "attic"))
    assert is_topic(event_topic("{source}{label}", event, "attic"))


@given(ANY_TEXT, ANY_TEXT)
def test_ids_are_ids_and_differ(one: str, other: str) -> None:
    assert is_topic(NodeTopics("attic").label(one))
    made = slug(one)
    assert 0 < len(made) <= 69
    assert made.isascii()
    assert made.replace("_", "").replace("-", "").isalnum() or not made.strip("_-")
    if one != other:
        assert made != slug(other)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("dog", "dog"),
        ("@source.lost", "@source.lost"),
        ("Hund (groß)", "Hund (groß)"),
        ("a/b", "a_b"),
        ("+", "_"),
        ("#", "_"),
        ("", "_"),
        ("$SYS", "_SYS"),
        ("\0", "_"),
        ("line\nbreak", "line_break"),
        ("🐕" * 100, "🐕" * 25),
        ("{label}", "{label}"),
    ],
)
def test_levels(label: str, expected: str) -> None:
    assert level(label) == expected


def test_what_no_broker_takes() -> None:
    """Of MQTT 5: 1.5.4 and 4.7."""
    for topic in ("", "a/+", "#", "$SYS", "\0", "a\n", "\ud800", "x" * 65_536):
        assert not is_topic(topic)
    for topic in ("a", "/", "a b/$c", "ü" * 32_767):
        assert is_topic(topic)


@pytest.mark.parametrize("topic", ["", "a/+/b", "#", "$SYS/x", "a\0b", "a\nb", "x" * 501])
def test_a_topic_that_cannot_be(topic: str) -> None:
    assert why_no_topic(topic)
    with pytest.raises(ConfigError, match="topic: must"):
        validate(MqttOptions, {"host": "x", "topic": topic})
