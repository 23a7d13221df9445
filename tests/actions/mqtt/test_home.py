"""What Home Assistant is told, and what it may ask for."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from listener.actions.mqtt import MqttAction, home, link
from listener.types import SourceState
from tests.actions.fakes import onset
from tests.actions.mqtt.rig import FakeProgram, fire, offset_of, options, running
from tests.broker import Broker, Onlooker

STATE = "listener/attic/state"
DOG, CAT = f"{STATE}/label/dog", f"{STATE}/label/cat"
DOG_CONFIG = "homeassistant/binary_sensor/attic/label_dog/config"

KEYS = {
    "name": str,
    "unique_id": str,
    "state_topic": str,
    "availability_topic": str,
    "device": dict,
    "origin": dict,
}
"""What every entity has: https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery."""

OWN_KEYS = {
    "binary_sensor": {"device_class"},
    "sensor": {
        "device_class",
        "entity_category",
        "expire_after",
        "icon",
        "json_attributes_topic",
        "options",
        "state_class",
        "unit_of_measurement",
        "value_template",
    },
    "switch": {"command_topic", "entity_category", "icon"},
}
"""Those of its documentation that are used."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(link, "FIRST_PAUSE_S", 0.05)


@pytest.fixture
def onlooker(broker: Broker) -> Iterator[Onlooker]:
    with broker.onlooker() as looking:
        yield looking


def configurations(onlooker: Onlooker) -> dict[str, Any]:
    """Give what there is now, by its topic."""
    told = {one.topic: one.payload for one in onlooker.messages if one.topic.endswith("/config")}
    return {topic: json.loads(payload) for topic, payload in told.items() if payload}


def test_configurations_are_what_home_assistant_reads(broker: Broker, onlooker: Onlooker) -> None:
    program = FakeProgram(labels=["dog", "door_bell", '"; <b>\n + # $x 🐕'], sources=["mic", "yard/1"])
    with running(options(broker, discovery=True), program):
        onlooker.wait(lambda: len(configurations(onlooker)) == 3 + 2 * 2 + 2 + 1)
        told = configurations(onlooker)
    ids = [one["unique_id"] for one in told.values()]
    assert len(set(ids)) == len(ids)
    for topic, one in told.items():
        prefix, component, node, key, last = topic.split("/")
        assert (prefix, node, last) == ("homeassistant", "attic", "config")
        assert key.replace("_", "").replace("-", "").isalnum()
        assert key.isascii()
        for name, kind in KEYS.items():
            assert isinstance(one[name], kind)
        assert set(one) - set(KEYS) <= OWN_KEYS[component]
        assert one["availability_topic"] == f"{STATE}/availability"
        assert one["device"]["identifiers"] == ["listener_attic"]
        assert one["unique_id"] == f"listener_attic_{key}"
        assert not set("+#\0$") & set(one["state_topic"] + one.get("command_topic", ""))
        assert one["name"].isprintable()
    assert told["homeassistant/binary_sensor/attic/label_door_bell/config"]["name"] == "door bell"
    assert told[DOG_CONFIG]["state_topic"] == DOG
    assert told["homeassistant/sensor/attic/level_mic/config"]["unit_of_measurement"] == "dBFS"
    assert set(told["homeassistant/sensor/attic/state_mic/config"]["options"]) == set(SourceState)
    kept = {one.topic: one.retain for one in onlooker.messages}
    assert all(kept[topic] for topic in told)


def test_sensors_go_on_and_off(broker: Broker, onlooker: Onlooker) -> None:
    with running(options(broker, discovery=True)) as action:
        onlooker.wait_for(DOG, "OFF")
        onlooker.wait_for(CAT, "OFF")
        one, other = onset(1), replace(onset(2), source="yard")
        for event in (one, other, offset_of(one), offset_of(other)):
            fire(action, event)
        onlooker.wait_for(DOG, "OFF", times=2)
        fire(action, replace(onset(3), label="@source.lost"))  # no sound
        fire(action, replace(onset(4), label="bird"))  # no label of the model
        onlooker.wait_for_json("listener/mic/bird")
        fire(action, onset(5, "cat"))  # of which no end is told
    onlooker.wait_for(f"{STATE}/availability", "offline")
    assert onlooker.payloads(DOG) == ["OFF", "ON", "OFF"]
    assert onlooker.payloads(CAT) == ["OFF", "ON", "OFF"]
    assert onlooker.ids(f"{STATE}/last_event") == ["e1", "e2", "e4", "e5"]
    assert all(one.retain for one in onlooker.messages if one.topic in (DOG, f"{STATE}/last_event"))


def test_only_labels_that_the_action_answers_to(broker: Broker, onlooker: Onlooker) -> None:
    program = FakeProgram(labels=["dog", "dog_bark", "cat"])
    with running(options(broker, discovery=True), program, labels=("dog*", "@*")):
        onlooker.wait_for(f"{STATE}/action/mqtt")
    shown = [topic for topic in configurations(onlooker) if "/binary_sensor/" in topic]
    assert [topic.split("/")[3] for topic in shown] == ["label_dog", "label_dog_bark"]


def test_very_many_labels(
    broker: Broker, onlooker: Onlooker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(home, "MOST_LABELS", 10)
    with running(options(broker, discovery=True), FakeProgram(labels=[f"l{n}" for n in range(50)])):
        onlooker.wait_for(f"{STATE}/action/mqtt")
    assert len([topic for topic in configurations(onlooker) if "/binary_sensor/" in topic]) == 10
    assert caplog.text.count("of 50 labels the first 10 have a sensor") == 1


def test_levels_and_states_of_microphones(broker: Broker, onlooker: Onlooker) -> None:
    program = FakeProgram()
    with running(options(broker, discovery={"level_s": 1}), program):
        onlooker.wait_for(f"{STATE}/source/mic/level", "-42.0")
        onlooker.wait_for(f"{STATE}/source/mic/state", "live")
        program.level_db = float("-inf")
        onlooker.wait_for(f"{STATE}/source/mic/level", "-120.0")
        program.states["mic"] = SourceState.LOST
        onlooker.wait_for(f"{STATE}/source/mic/level", "None")
        onlooker.wait_for(f"{STATE}/source/mic/state", "lost")
    kept = {one.topic: one.retain for one in onlooker.messages}
    assert kept[f"{STATE}/source/mic/state"]
    assert not kept[f"{STATE}/source/mic/level"]


def test_switches(broker: Broker, onlooker: Onlooker, caplog: pytest.LogCaptureFixture) -> None:
    program = FakeProgram()
    photo, own = f"{STATE}/action/photo", f"{STATE}/action/mqtt"
    onlooker.publish(f"{photo}/set", "OFF", retain=True)
    with running(options(broker, discovery=True), program):
        onlooker.wait_for(photo, "ON")
        onlooker.publish(f"{photo}/set", "perhaps")
        onlooker.publish(f"{STATE}/action/other/set", "OFF")
        onlooker.publish(f"{photo}/set", "OFF")
        onlooker.wait_for(photo, "OFF")
        assert program.paused == {"photo"}
        onlooker.publish(f"{photo}/set", "ON")
        onlooker.wait_for(photo, "ON", times=2)
        assert not program.paused
        program.pause("photo", True)  # by another way
        onlooker.wait_for(photo, "OFF", times=2)
        onlooker.publish(f"{own}/set", "OFF")  # the one by which the order comes
        onlooker.wait_for(own, "OFF")
        onlooker.publish(f"{own}/set", "ON")
        onlooker.wait_for(own, "ON", times=2)
    assert "an order for 'photo' that was kept is not obeyed" in caplog.text
    assert "an order for 'photo' is neither ON nor OFF" in caplog.text


def test_home_assistant_starts_anew(broker: Broker, onlooker: Onlooker) -> None:
    with running(options(broker, discovery=True)):
        onlooker.wait_for(f"{STATE}/action/photo")
        onlooker.publish("homeassistant/status", "offline")
        onlooker.publish("homeassistant/status", "online")
        onlooker.wait_for(DOG_CONFIG, times=2)
        onlooker.wait_for(DOG, "OFF", times=2)
        onlooker.wait_for(f"{STATE}/source/mic/state", "live", times=2)


def test_what_is_gone_is_taken_away(broker: Broker, onlooker: Onlooker) -> None:
    """While it runs (another model), and after a restart; what others have put there stays."""
    program = FakeProgram(labels=["dog", "cat", "owl"])
    foreign = json.dumps({"device": {"identifiers": ["listener_cellar"]}, "state_topic": "x"})
    others = [f"homeassistant/sensor/attic/{name}/config" for name in ("foreign", "rubbish", "array")]
    for topic, payload in zip(others, (foreign, "{", "[1]"), strict=True):
        onlooker.publish(topic, payload, retain=True)
    with running(options(broker, discovery=True), program):
        onlooker.wait_for(f"{STATE}/label/owl", "OFF")
        program.labels = ["dog", "cat"]
        onlooker.wait_for("homeassistant/binary_sensor/attic/label_owl/config", "")
        onlooker.wait_for(f"{STATE}/label/owl", "")
    with running(options(broker, discovery=True), FakeProgram(labels=["dog"])):
        onlooker.wait_for("homeassistant/binary_sensor/attic/label_cat/config", "")
        onlooker.wait_for(CAT, "")
    onlooker.wait_for(f"{STATE}/availability", "offline", times=2)
    with broker.onlooker("homeassistant/#", f"{STATE}/#") as newcomer:
        newcomer.publish(f"{STATE}/end", "")
        newcomer.wait_for(f"{STATE}/end")
        topics = newcomer.topics()
    assert not [topic for topic in topics if "cat" in topic or "owl" in topic]
    assert {DOG_CONFIG, DOG, *others} <= set(topics)


def test_after_a_restart_of_the_broker_all_is_there_again() -> None:
    with Broker() as broker, running(options(broker, discovery=True)) as action:
        with broker.onlooker() as onlooker:
            onlooker.wait_for(DOG, "OFF")
            broker.stop()
            fire(action)
        broker.start()
        with broker.onlooker() as onlooker:
            onlooker.wait_for(DOG, "ON")
            onlooker.wait_for(DOG_CONFIG)
            onlooker.wait_for_json("listener/mic/dog")


def test_what_began_while_the_broker_was_away(onlooker: Onlooker, broker: Broker) -> None:
    broker.stop()
    with running(options(broker, discovery=True)) as action:
        for event in (onset(1), onset(2, "cat"), offset_of(onset(2, "cat"))):
            fire(action, event)
        broker.start()
        onlooker.wait_for(DOG, "ON")
        onlooker.wait_for(CAT, "OFF")
        fire(action, offset_of(onset(1)))
        onlooker.wait_for(DOG, "OFF")


def test_without_discovery_nothing_is_shown(broker: Broker, onlooker: Onlooker) -> None:
    with running(options(broker)) as action:
        fire(action)
        onlooker.wait_for("listener/mic/dog")
    onlooker.wait_for(f"{STATE}/availability", "offline")
    assert set(onlooker.topics()) == {f"{STATE}/availability", "listener/mic/dog"}


def test_more_states_than_the_broker_takes(broker: Broker, onlooker: Onlooker) -> None:
    """Whatever is asked for at once, what is told last is how it is."""
    with running(options(broker, discovery=True)) as action:
        onlooker.wait_for(DOG, "OFF")
        _flicker(action, 500)
        fire(action, onset(999))
        onlooker.wait(lambda: "e999" in onlooker.ids("listener/mic/dog"))
        onlooker.wait(lambda: onlooker.payloads(DOG)[-1] == "ON")


def _flicker(action: MqttAction, times: int) -> None:
    for n in range(times):
        fire(action, onset(n))
        fire(action, offset_of(onset(n)))
