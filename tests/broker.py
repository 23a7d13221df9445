"""A real MQTT broker (mosquitto) that a test starts, ends and starts again; and a client that looks on."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

PATIENCE_S = 90.0
"""Longest wait for anything: the machine may be busy."""

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


def free_port() -> int:
    """Give a port of this machine that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Broker:
    """A broker of its own, gone after the ``with`` block. It forgets everything when it ends.

    Parameters
    ----------
    password
        Of the user ``ears``; None: anybody may come.
    tls
        Folder with ``server.pem``, ``server.key`` and ``ca.pem`` (`make_certificates`); None: not encrypted.
    wants_certificate
        Clients have to show one that the same authority has signed.
    """

    def __init__(
        self, password: str | None = None, tls: Path | None = None, wants_certificate: bool = False
    ) -> None:
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="broker-")
        self.directory = Path(self._folder.name)
        self._tls = tls
        self._process: subprocess.Popen[bytes] | None = None
        lines = [f"listener {self.port} 127.0.0.1", "persistence false", "log_dest stderr", "log_type all"]
        if os.geteuid() == 0:
            lines.append("user root")  # or it could not read the folder of a test
        if password is None:
            lines.append("allow_anonymous true")
        else:
            lines += ["allow_anonymous false", f"password_file {self.directory}/passwords"]
            self.set_password(password)
        if tls is not None:
            lines += [f"cafile {tls}/ca.pem", f"certfile {tls}/server.pem", f"keyfile {tls}/server.key"]
            lines.append(f"require_certificate {str(wants_certificate).lower()}")
        (self.directory / "mosquitto.conf").write_text("\n".join([*lines, ""]))

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.directory / "log").read_text(errors="replace")

    def set_password(self, password: str) -> None:
        """Let the user ``ears`` have this password from the next start on."""
        path = self.directory / "passwords"
        path.write_text(f"ears:{password}\n")
        path.chmod(0o600)
        tool = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
        subprocess.run([tool, "-U", str(path)], check=True, timeout=PATIENCE_S)

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        command = [MOSQUITTO, "-c", str(self.directory / "mosquitto.conf")]
        with open(self.directory / "log", "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(self.log) from None
                time.sleep(0.01)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self.thaw()
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it hang: connections stay, and are taken, and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def onlooker(self, *patterns: str) -> "Onlooker":
        """Give a client that is told of everything, or of what some patterns mean."""
        return Onlooker(self.port, patterns or ("#",), self.directory / "passwords", self._tls)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        self._folder.cleanup()


class Onlooker:
    """A client that remembers what it was told.

    Parameters
    ----------
    port
        Of the broker.
    patterns
        What it wants to be told.
    passwords
        Where there is such a file, it comes as ``ears`` with ``secret``.
    tls
        Folder of the authority's certificate.
    """

    def __init__(self, port: int, patterns: tuple[str, ...], passwords: Path, tls: Path | None) -> None:
        self.messages: list[mqtt.MQTTMessage] = []
        self._patterns = patterns
        self._changed = threading.Condition()
        self._is_subscribed = False
        self._client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5, reconnect_on_failure=True
        )
        if passwords.exists():
            client.username_pw_set("ears", "secret")
        if tls is not None:
            client.tls_set(str(tls / "ca.pem"), str(tls / "client.pem"), str(tls / "client.key"))
        client.reconnect_delay_set(1, 1)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.connect("127.0.0.1" if tls is None else "localhost", port)

    def publish(self, topic: str, payload: str, retain: bool = False) -> None:
        """Say something; returns when the broker has it."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(PATIENCE_S)

    def payloads(self, topic: str) -> list[str]:
        """Give what was said on a topic."""
        with self._changed:
            return [told.payload.decode() for told in self.messages if told.topic == topic]

    def topics(self) -> list[str]:
        """Give the topics, in their order."""
        with self._changed:
            return [told.topic for told in self.messages]

    def ids(self, topic: str) -> list[str]:
        """Give the ids of the events on a topic."""
        return [json.loads(payload)["id"] for payload in self.payloads(topic)]

    def wait(self, ready: Callable[[], bool], what: str = "it") -> None:
        """Wait until something is so."""
        with self._changed:
            if not self._changed.wait_for(ready, PATIENCE_S):
                told = [f"{one.topic} {one.payload!r}" for one in self.messages]
                raise AssertionError("\n".join([f"{what} never came; there were:", *told]))

    def wait_for(self, topic: str, payload: str | None = None, times: int = 1) -> str:
        """Wait until a topic has said something (again); give the last that it said."""

        def said() -> list[str]:
            return [one for one in self.payloads(topic) if payload in (None, one)]

        self.wait(lambda: len(said()) >= times, f"{topic} {payload or ''}")
        return said()[-1]

    def wait_for_json(self, topic: str, times: int = 1) -> dict[str, Any]:
        """Wait until a topic has said something; read it."""
        told: dict[str, Any] = json.loads(self.wait_for(topic, times=times))
        return told

    def __enter__(self) -> Self:
        self._client.loop_start()
        self.wait(lambda: self._is_subscribed, "the subscription")
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, *_: object) -> None:
        # Who is told whether a message is kept sees what newcomers would be told as well.
        options = SubscribeOptions(qos=1, retainAsPublished=True)
        self._client.subscribe([(pattern, options) for pattern in self._patterns])

    def _on_subscribe(self, *_: object) -> None:
        with self._changed:
            self._is_subscribed = True
            self._changed.notify_all()

    def _on_message(self, client: object, data: object, message: mqtt.MQTTMessage) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()


def make_certificates(folder: Path) -> Path:
    """Write an authority, a certificate of ``localhost`` and one of a client, by the openssl program."""

    def openssl(*arguments: str) -> None:
        subprocess.run(
            ["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=PATIENCE_S
        )

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(
        "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=an authority"
    )
    for name, extension in (
        ("server", "subjectAltName=DNS:localhost"),
        ("client", "extendedKeyUsage=clientAuth"),
    ):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / f"{name}.ext").write_text(f"{extension}\n")
        signed_by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{name}.ext")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", "-days", "2", *signed_by)
    return folder


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A running broker that takes anybody."""
    with Broker() as running:
        yield running


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an authority, and of certificates that it has signed."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))
