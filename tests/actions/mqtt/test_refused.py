"""The action and brokers that refuse, hang, and talk rubbish."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from listener.actions.mqtt import connection, courier, link
from listener.actions.mqtt.options import MqttOptions
from listener.config_file import validate
from listener.event_format import event_dict
from tests.actions.fakes import ONSET, onset
from tests.actions.mqtt.rig import fire, options, running
from tests.actions.mqtt.told import DOG, HERE, LogWaiter
from tests.broker import Broker

pytestmark = pytest.mark.usefixtures("short_pauses")


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
