"""The action and a real broker: which comes, goes, hangs, refuses, and talks rubbish."""

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from listener.actions.base import Action
from listener.actions.mqtt import MqttAction, connection, courier, link
from listener.actions.mqtt.options import MqttOptions
from listener.actions.runner import ActionRunner
from listener.config import ActionSettings
from listener.config_file import validate
from listener.event_format import event_dict
from tests.actions.fakes import ONSET, FakeTap, onset, settings
from tests.actions.mqtt.rig import FakeProgram, fire, options, running
from tests.broker import PATIENCE_S, Broker

DOG = "listener/mic/dog"
HERE = "listener/attic/state/availability"


class LogWaiter(logging.Handler):
    """Lets a test wait for a line of the log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        self._changed = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._changed:
            self.lines.append(record.getMessage())
            self._changed.notify_all()

    def wait_for(self, text: str, times: int = 1) -> None:
        with self._changed:
            told = self._changed.wait_for(lambda: self.count(text) >= times, PATIENCE_S)
        assert told, f"'{text}' was never said: {self.lines}"

    def count(self, text: str) -> int:
        return sum(text in line for line in self.lines)


@pytest.fixture
def log() -> Iterator[LogWaiter]:
    logger, waiter = logging.getLogger("listener.actions.mqtt"), LogWaiter()
    before = logger.level
    logger.addHandler(waiter)
    logger.setLevel(logging.INFO)
    yield waiter
    logger.removeHandler(waiter)
    logger.setLevel(before)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(link, "LONGEST_PAUSE_S", 0.2)
    monkeypatch.setattr(link, "MENDING_PAUSE_S", 0.2)


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


def test_credentials(log: LogWaiter) -> None:
    with Broker(password="secret") as broker:
        with running(options(broker, username="ears", password="sesame")) as action:
            fire(action)
            log.wait_for("check username and password")
            broker.set_password("sesame")
            broker.stop()
            log.wait_for("Connection refused")
            broker.start()
            log.wait_for("1 messages have waited")
        broker.set_password("secret")
        broker.stop()
        broker.start()
        with (
            broker.onlooker() as onlooker,
            running(options(broker, username="ears", password="secret")) as on,
        ):
            fire(on, onset(1))
            assert onlooker.wait_for_json(DOG)["id"] == "e1"
    assert log.count("check username and password") == 1
    assert "sesame" not in "".join(log.lines)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_refused_again_and_again_is_said_once(protocol: str, log: LogWaiter) -> None:
    with Broker(password="secret") as broker, running(options(broker, protocol=protocol)):
        until = threading.Event()
        while broker.log.count("not authorised") < 4:
            until.wait(0.05)
    assert log.count("check username and password") == 1


def test_tls(certificates: Path, log: LogWaiter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "LONGEST_PAUSE_S", 10.0)
    own = {"certificate": f"{certificates}/client.pem", "key": f"{certificates}/client.key"}
    known = {"ca_file": f"{certificates}/ca.pem"}
    with Broker(tls=certificates, wants_certificate=True) as broker, broker.onlooker() as onlooker:

        def of(host: str, **tls: object) -> MqttOptions:
            return options(broker, host=host, tls=tls)

        with running(of("localhost", **known, **own)) as action:
            fire(action, onset(1))
            onlooker.wait(lambda: onlooker.ids(DOG) == ["e1"])
        with running(of("127.0.0.1", **own, insecure=True)) as action:
            fire(action, onset(2))
            onlooker.wait(lambda: onlooker.ids(DOG) == ["e1", "e2"])
        with running(of("localhost", **own)):
            log.wait_for(
                "is not to be trusted (self-signed certificate in certificate chain): see tls.ca_file"
            )
        with running(of("127.0.0.1", **known, **own)):
            log.wait_for("is not to be trusted (IP address mismatch")
        with running(of("localhost", **known)):  # which TLS 1.3 says once all seems well
            log.wait_for("it is tried again and again", times=3)
        with running(options(broker, tls=False)):
            log.wait_for("it is tried again and again", times=4)
    with Broker() as broker, running(options(broker, tls=True)):
        log.wait_for("it does not agree on TLS")


def test_a_broker_that_hangs(broker: Broker, log: LogWaiter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "ACKNOWLEDGED_WITHIN_S", 0.5)
    monkeypatch.setattr(connection, "ANSWER_S", 0.5)
    with broker.onlooker() as onlooker, running(options(broker)) as action:
        fire(action, onset(1))
        onlooker.wait(lambda: onlooker.ids(DOG) == ["e1"])
        broker.freeze()
        fire(action, onset(2))
        log.wait_for("it does not acknowledge what it is sent")
        log.wait_for("it accepts connections, and does not answer")
        broker.thaw()
        log.wait_for("have waited")
        onlooker.wait(lambda: "e2" in onlooker.ids(DOG))
        onlooker.wait_for(HERE, "online", times=2)


def test_the_end_does_not_wait_for_a_broker_that_hangs(broker: Broker, log: LogWaiter) -> None:
    with running(options(broker)) as action:
        log.wait_for("is connected")
        broker.freeze()
        fire(action)
    log.wait_for("1 messages wait for the next start")
    broker.thaw()


@contextmanager
def stranger(talks: Callable[[socket.socket], object]) -> Iterator[int]:
    """Something else on the broker's port: does what it is told with each connection."""
    listening = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            with sock:
                try:
                    talks(sock)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, name="stranger")
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


RUBBISH = {
    "closes at once": b"",
    "a web server": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    "zeros": bytes(1000),
    "ones": b"\xff" * 1000,
    "a CONNACK cut short": b"\x20\x01\x00",
    "a long CONNACK": b"\x20\x0a\x00\x00\x07\x99\x99\x99\x99\x99\x99\x99",
    "an answer that does not exist": b"\x20\x03\x00\xfe\x00",
    "accepts, then rubbish": b"\x20\x03\x00\x00\x00" + b"\xf3\x07rubbish" * 10,
    "accepts, then messages of nothing": b"\x20\x03\x00\x00\x00" + b"\x32\x03\x00\x00\x00" * 10,
    "accepts, then no UTF-8": b"\x20\x03\x00\x00\x00" + b"\x30\x05\x00\x02\xff\xfe\x00" * 10,
    "accepts, then acknowledges what was not sent": b"\x20\x03\x00\x00\x00" + b"\x40\x02\x12\x34" * 10,
}


@pytest.mark.parametrize("what", RUBBISH)
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_rubbish(what: str, protocol: str, log: LogWaiter, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is met calmly, and when the broker is back all is sent."""
    monkeypatch.setattr(connection, "ANSWER_S", 0.3)
    said = RUBBISH[what]
    if protocol == "3.1.1":
        said = said.replace(b"\x20\x03\x00\x00\x00", b"\x20\x02\x00\x00")

    def talk(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(said)

    of = {"host": "127.0.0.1", "node": "attic", "protocol": protocol}
    with stranger(talk) as port, running(validate(MqttOptions, {**of, "port": port})) as action:
        fire(action, onset(1))
        log.wait_for("it is tried again and again")
    with Broker() as broker, broker.onlooker() as onlooker, running(options(broker, protocol=protocol)):
        onlooker.wait(lambda: onlooker.ids(DOG) == ["e1"])
    assert log.count("defect") == 0


def test_an_old_broker_is_named(log: LogWaiter) -> None:
    """One that answers MQTT 5 as MQTT 3.1.1 does."""

    def talk(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(b"\x20\x02\x00\x01")

    with stranger(talk) as port, running(validate(MqttOptions, {"host": "127.0.0.1", "port": port})):
        log.wait_for("it does not speak this MQTT: set protocol: '3.1.1'")


def test_a_host_that_nobody_knows(log: LogWaiter) -> None:
    with running(validate(MqttOptions, {"host": "nowhere.invalid"})):
        log.wait_for("the broker nowhere.invalid:1883: the host is not known")


def test_a_defect_ends_a_connection_and_not_the_link(
    broker: Broker, log: LogWaiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, defects = courier.Courier.send, [KeyError("nobody foresaw it")]

    def send_or_fail(self: courier.Courier) -> None:
        if defects:
            raise defects.pop()
        send(self)

    monkeypatch.setattr(courier.Courier, "send", send_or_fail)
    with broker.onlooker() as onlooker, running(options(broker)) as action:
        log.wait_for("a defect of the program: KeyError; it is tried again and again")
        fire(action)
        assert onlooker.wait_for_json(DOG) == event_dict(ONSET)


def test_a_message_that_is_refused_is_not_sent_for_ever(log: LogWaiter) -> None:
    """A broker whose rules let nobody publish there (MQTT 5 says so)."""
    asked = threading.Semaphore(0)

    def talk(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(b"\x20\x03\x00\x00\x00")
        rest = b""
        while data := sock.recv(1000):
            rest += data
            while len(rest) > 1 and len(rest) >= (size := _packet_size(rest)):
                packet, rest = rest[:size], rest[size:]
                if packet[0] >> 4 == 3:
                    at = 3 if packet[1] & 128 else 2
                    at += 2 + int.from_bytes(packet[at : at + 2])
                    asked.release()
                    refuses = b"/mic/" in packet
                    sock.sendall(b"\x40\x03" + packet[at : at + 2] + (b"\x87" if refuses else b"\x00"))

    of = validate(MqttOptions, {"host": "127.0.0.1", "node": "attic"})
    with stranger(talk) as port, running(of.model_copy(update={"port": port})) as action:
        fire(action)
        log.wait_for("a message for listener/mic/dog is refused, and lost: the broker's reason is 0x87")
    assert log.count("wait for the next start") == 0


def _packet_size(data: bytes) -> int:
    length, shift, at = 0, 0, 1
    while at < len(data):
        length |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 128:
            return at + length
    return len(data) + 1


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
