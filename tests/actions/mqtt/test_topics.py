from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.actions.mqtt.options import MqttOptions
from listener.actions.mqtt.topics import NodeTopics, event_topic, level, slug, why_no_topic
from listener.config_file import validate
from listener.errors import ConfigError
from tests.actions.fakes import ONSET

ANY_TEXT = st.text(st.characters(), max_size=300)  # surrogates as well


def is_publishable(topic: str) -> bool:
    """What MQTT 5 (1.5.4, 4.7) asks of a topic's name, and brokers hold up."""
    return (
        0 < len(topic.encode()) <= 65_535
        and not set(topic) & set("+#\0")
        and not topic.startswith("$")
        and topic.isprintable()
    )


@given(ANY_TEXT, ANY_TEXT)
def test_no_label_and_no_source_leaves_its_level(label: str, source: str) -> None:
    event = replace(ONSET, label=label, source=source)
    topic = event_topic("listener/{source}/{label}", event, "attic")
    assert is_publishable(topic)
    assert topic.count("/") == 2
    assert len(topic.encode()) <= len("listener//") + 2 * 100
    assert is_publishable(event_topic("{label}", event, "attic"))
    assert is_publishable(event_topic("{source}{label}", event, "attic"))


@given(ANY_TEXT, ANY_TEXT)
def test_ids_are_ids_and_differ(one: str, other: str) -> None:
    assert is_publishable(NodeTopics("attic").label(one))
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


@pytest.mark.parametrize("topic", ["", "a/+/b", "#", "$SYS/x", "a\0b", "a\nb", "x" * 501])
def test_a_topic_that_cannot_be(topic: str) -> None:
    assert why_no_topic(topic)
    with pytest.raises(ConfigError, match="topic: must"):
        validate(MqttOptions, {"host": "x", "topic": topic})
