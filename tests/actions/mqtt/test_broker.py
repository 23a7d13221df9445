"""The action and a real broker: which comes, goes, and comes back."""

import json
from dataclasses import replace

import pytest

from listener.actions.base import Action
from listener.actions.mqtt import MqttAction, connection, link
from listener.actions.runner import ActionRunner
from listener.config import ActionSettings
from listener.event_format import event_dict
from tests.actions.fakes import ONSET, FakeTap, onset, settings
from tests.actions.mqtt.rig import FakeProgram, fire, options, running
from tests.actions.mqtt.told import DOG, HERE, LogWaiter
from tests.broker import Broker

pytestmark = pytest.mark.usefixtures("short_pauses")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_an_event_is_on_the_broker(broker: Broker, protocol: str) -> None:
    with broker.onlooker() as onlooker:
        with running(options(broker, protocol=protocol)) as action:
            fire(action)
            assert onlooker.wait_for_json(DOG) == event_dict(ONSET)
            assert onlooker.payloads(HERE) == ["online"]
        onlooker.wait_for(HERE, "offline")
    told = {message.topic: message for message in onlooker.messages}
    assert not told[DOG].retain
    assert told[DOG].qos == 1
    assert told[HERE].retain
    version = "p5" if protocol == "5" else "p2"
    assert f"as listener{action._link._client_id[8:]} ({version}" in broker.log  # type: ignore[union-attr]


def test_what_is_fired_last_is_sent_before_the_end(broker: Broker) -> None:
    with broker.onlooker() as onlooker:
        for _ in range(3):
            with running(options(broker)) as action:
                for n in range(50):
                    fire(action, onset(n))
            onlooker.wait_for(HERE, "offline")
        assert [onlooker.ids(DOG).count(f"e{n}") for n in range(50)] == [3] * 50


def test_topics_by_template(broker: Broker) -> None:
    wild = replace(ONSET, label="a/+/#\0$x\n", source="$SYS")
    with (
        broker.onlooker() as onlooker,
        running(options(broker, topic="{source}/{phase}/{node}/{label}")) as on,
    ):
        fire(on, wild)
        told = onlooker.wait_for_json("_SYS/onset/attic/a_____$x_")
        assert (told["label"], told["source"]) == (wild.label, wild.source)


def test_a_broker_that_comes_late(log: LogWaiter) -> None:
    with Broker() as broker:
        broker.stop()
        with running(options(broker)) as action:
            log.wait_for("Connection refused; it is tried again and again")
            for n in range(30):
                fire(action, onset(n))
            broker.start()
            log.wait_for("30 messages have waited, 0 were dropped")
            with broker.onlooker() as onlooker:
                fire(action, onset(30))
                onlooker.wait(lambda: "e30" in onlooker.ids(DOG))
    assert log.count("is tried again") == 1


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_restarts_in_the_middle(protocol: str, log: LogWaiter) -> None:
    """Everything arrives, in order; what arrives twice has the same id."""
    with Broker() as broker, running(options(broker, protocol=protocol)) as action:
        seen: list[str] = []
        for part in range(3):
            with broker.onlooker(DOG) as onlooker:
                for n in range(part * 20, part * 20 + 20):
                    fire(action, onset(n))
                onlooker.wait(lambda part=part: f"e{part * 20 + 19}" in onlooker.ids(DOG))  # type: ignore[misc]
                seen += onlooker.ids(DOG)
            broker.stop()
            log.wait_for("it is tried again and again", times=part + 1)
            broker.start()
            log.wait_for("messages have waited", times=part + 1)
    assert list(dict.fromkeys(seen)) == [f"e{n}" for n in range(60)]
    assert len(seen) <= 60 + 3 * connection.MOST_IN_FLIGHT


def test_the_queue_outlives_the_program(log: LogWaiter) -> None:
    with Broker() as broker:
        broker.stop()
        with running(options(broker, queue=5)) as action:
            for n in range(8):
                fire(action, onset(n))
        log.wait_for("the oldest messages are dropped, 1 by now")
        log.wait_for("5 messages wait for the next start")
        broker.start()
        with broker.onlooker() as onlooker, running(options(broker)) as action:
            log.wait_for("5 messages wait from before")
            fire(action, onset(8))
            onlooker.wait(lambda: "e8" in onlooker.ids(DOG))
            assert onlooker.ids(DOG) == ["e3", "e4", "e5", "e6", "e7", "e8"]
        with running(options(broker)) as action:
            fire(action, onset(9))
    assert log.count("wait from before") == 1


def test_the_last_attempt_is_at_the_end(log: LogWaiter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is back, and not known to be, gets what waits."""
    monkeypatch.setattr(link, "FIRST_PAUSE_S", 1000.0)
    with Broker() as broker:
        broker.stop()
        with running(options(broker)) as action:
            fire(action)
            log.wait_for("is tried again and again")
            broker.start()
            with broker.onlooker() as onlooker:
                action.close()
                onlooker.wait(lambda: onlooker.ids(DOG) == ["e1"])
                onlooker.wait_for(HERE, "offline")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_topic_that_somebody_wrote_into_the_queue(broker: Broker, protocol: str, log: LogWaiter) -> None:
    action = MqttAction("mqtt", options(broker))
    action._outbox.attach()
    for topic in ("a/#", "", "\0", "$SYS/x", "x" * 70_000, "fine"):
        action._outbox.put("", topic, "{}")
    action._outbox.close()
    with broker.onlooker("fine") as onlooker, running(options(broker, protocol=protocol)):
        onlooker.wait_for("fine")
    assert log.count("is refused, and lost: it is no topic") == 5


def test_a_changed_configuration_takes_over(broker: Broker, log: LogWaiter) -> None:
    """As after a reload: the new action is opened while the one before has not ended."""

    def made(topic: str) -> tuple[Action, ActionSettings]:
        return MqttAction("mqtt", options(broker, topic=topic)), settings(use="mqtt")

    with broker.onlooker() as onlooker:
        runner = ActionRunner([made("before/{label}")], FakeTap())
        runner.start(FakeProgram())
        runner.submit(onset(1))
        onlooker.wait_for("before/dog")
        runner.change([made("after/{label}")], budget_s=5.0)
        runner.submit(onset(2))
        onlooker.wait_for("after/dog")
        onlooker.wait(lambda: len(onlooker.payloads(HERE)) == 3)
        assert onlooker.payloads(HERE) == ["online", "offline", "online"]
        runner.stop(5.0)
        onlooker.wait_for(HERE, "offline", times=2)
        assert onlooker.ids("before/dog") == ["e1"]
        assert onlooker.ids("after/dog") == ["e2"]
    assert log.count("is tried again") == 0


def test_who_only_checks_connects_with_nobody(broker: Broker) -> None:
    with broker.onlooker() as onlooker:
        action = MqttAction("mqtt", options(broker))
        action.open()
        action.close()
        onlooker.publish("a", "b")
        onlooker.wait_for("a")
        assert onlooker.topics() == ["a"]


def test_two_programs_with_one_state(broker: Broker, log: LogWaiter) -> None:
    """The second one does without the file; when it goes, the first one is still there."""
    with broker.onlooker() as onlooker, running(options(broker)) as first:
        log.wait_for("is connected")
        onlooker.wait_for(HERE, "online")
        second = MqttAction("mqtt", options(broker, client_id="another"))
        second.join(FakeProgram())
        second.open()
        log.wait_for("another program has its queue")
        log.wait_for("is connected", times=2)
        fire(second, onset(2))
        fire(first, onset(1))
        second.close()
        onlooker.wait_for(HERE, "offline")
        onlooker.wait(lambda: onlooker.payloads(HERE)[-1] == "online")
        assert sorted(onlooker.ids(DOG)) == ["e1", "e2"]


def test_events_as_the_broker_sees_them_are_json_lines(broker: Broker) -> None:
    event = replace(ONSET, label='"; $(reboot) `x` 🐕 \\ </script>')
    with broker.onlooker() as onlooker, running(options(broker)) as action:
        fire(action, event)
        onlooker.wait(lambda: len(onlooker.messages) == 2)
        told = onlooker.messages[-1]
        assert json.loads(told.payload)["label"] == event.label
        assert told.payload.isascii()
