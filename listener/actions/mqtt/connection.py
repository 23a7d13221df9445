"""One connection with a broker, from its beginning to its end; used by one thread alone."""

import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from listener.actions.mqtt.options import MqttOptions, TlsOptions
from listener.errors import ActionError, TransientError, one_line

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage
    from paho.mqtt.reasoncodes import ReasonCode

CONNECT_S = 5.0
"""How long a broker, or what is in its place, may take to accept a connection; and to agree on TLS."""

ANSWER_S = 10.0
"""How long it may take to answer once it is connected with."""

LOOK_EVERY_S = 0.2
"""How often somebody who waits for the broker is asked whether he still does."""

MOST_IN_FLIGHT = 20
"""Messages that the broker has not acknowledged, unless it wants fewer."""

MOST_RECEIVED = 1_000
"""Messages from others that wait for us; what is beyond is dropped."""

LONGEST_RECEIVED = 65_536
"""Bytes of a message from others; nobody has that much to say to us."""

BAD_CREDENTIALS = (0x86, 0x87, 0x8C)
"""User name or password, not authorised, authentication method."""

PASSING = (0x80, 0x83, 0x97)
"""Reasons not to take a message that may pass: unspecified, of the broker's own, quota."""

REFUSED_FROM = 0x80
"""Reason codes from here on are refusals."""


class BrokerError(TransientError):
    """The broker cannot be had, or not any more.

    Parameters
    ----------
    why
        In words.
    needs_mending
        Somebody has to change something first: to ask again at once is no use.
    """

    def __init__(self, why: str, needs_mending: bool = False) -> None:
        super().__init__(why)
        self.needs_mending = needs_mending


class TlsContext(ssl.SSLContext):
    """Remembers the socket that it made last: paho leaves it open when TLS does not come about."""

    newest: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: Any, **more: Any) -> ssl.SSLSocket:
        """As that of its base."""
        self.newest = super().wrap_socket(*args, **more)
        return self.newest


def tls_context(tls: TlsOptions) -> TlsContext:
    """Make what TLS needs.

    Raises
    ------
    ActionError
        A file cannot be read, or holds something else; the message names the setting.
    """
    context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if tls.ca_file is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(tls.ca_file.expanduser())
    except (OSError, ValueError) as error:
        raise ActionError(f"tls.ca_file: {_file_problem(error, 'certificates (PEM)')}") from error
    if tls.certificate is not None:
        try:
            # Without the last argument an encrypted key would be asked for on the terminal.
            key = None if tls.key is None else tls.key.expanduser()
            context.load_cert_chain(tls.certificate.expanduser(), key, password=_no_password)
        except (OSError, ValueError) as error:
            problem = _file_problem(error, "a certificate and its key (PEM, not encrypted)")
            raise ActionError(f"tls.certificate, tls.key: {problem}") from error
    if tls.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Connection:
    """A connection.

    Parameters
    ----------
    options
        Where, and who we are.
    client_id
        By which the broker knows us.
    tls
        None: not encrypted.
    will
        Topic and payload of what the broker is to say, retained, if we vanish.
    wake
        A socket on which something comes when there is something to do.
    """

    def __init__(
        self,
        options: MqttOptions,
        client_id: str,
        tls: TlsContext | None,
        will: tuple[str, str],
        wake: socket.socket,
    ) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        self.most_in_flight = MOST_IN_FLIGHT
        """Messages that may be under way at once."""
        self.acknowledged: deque[tuple[int, int]] = deque()
        """Message ids and reason codes, in the order in which they came."""
        self.received: deque[tuple[str, bytes, bool]] = deque(maxlen=MOST_RECEIVED)
        """Topic, payload, and whether it was retained."""
        self._options = options
        self._tls = tls
        self._wake = wake
        self._is_v5 = options.protocol == "5"
        self._answer: ReasonCode | None = None
        self._end: ReasonCode | None = None
        self._client = client = Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if self._is_v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_S
        if options.username is not None:
            client.username_pw_set(options.username, options.password)
        if tls is not None:
            client.tls_set_context(tls)
            client.tls_insecure_set(not tls.check_hostname)
        client.will_set(*will, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message

    def open(self, goes_on: Callable[[], bool]) -> None:
        """Connect, as long as somebody waits for it.

        Raises
        ------
        BrokerError
            It did not come about.
        """
        self._connect()
        self._await_answer(goes_on)
        if self._answer is not None and self._answer.is_failure:
            raise self._refusal(self._answer)

    def subscribe(self, patterns: list[str]) -> None:
        """Let others reach us."""
        if patterns:
            self._client.subscribe([(pattern, 1) for pattern in patterns])

    def publish(self, topic: str, payload: str, retain: bool, qos: int = 1) -> int:
        """Send a message; give its id, which comes back in `acknowledged`."""
        return self._client.publish(topic, payload, qos=qos, retain=retain).mid

    def step(self, timeout_s: float) -> None:
        """Read and write what there is; wait for it for so many seconds at most.

        Raises
        ------
        BrokerError
            The connection is at its end.
        """
        sock = self._client.socket()
        if not isinstance(sock, socket.socket):
            raise BrokerError(self._why_ended(0))
        with selectors.DefaultSelector() as selector:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._client.want_write() else 0)
            selector.register(sock, events)
            selector.register(self._wake, selectors.EVENT_READ)
            # What TLS has read already no longer lies in the socket.
            is_pending = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
            ready = {key.fileobj for key, _ in selector.select(0 if is_pending else timeout_s)}
        if self._wake in ready:
            self._wake.recv(4096)
        code = 0
        try:
            if is_pending or sock in ready:
                code = self._client.loop_read()
            if not code and self._client.want_write():
                code = self._client.loop_write()
            code = code or self._client.loop_misc()
        except Exception as error:  # what a broker says is taken apart in there
            raise BrokerError(f"it says what nobody understands ({one_line(error)})") from error
        if code or self._client.socket() is None:
            raise BrokerError(self._why_ended(code))

    def close(self, politely: bool) -> None:
        """End it; ``politely``, the broker does not think that we have vanished."""
        sock = self._client.socket()
        if politely and sock is not None:
            self._client.disconnect()
        for left in (self._client.socket(), self._tls.newest if self._tls is not None else None):
            if left is not None:
                left.close()

    def _connect(self) -> None:
        options, more = self._options, dict[str, Any]()
        if self._is_v5:
            from paho.mqtt.packettypes import PacketTypes
            from paho.mqtt.properties import Properties

            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = 2 * LONGEST_RECEIVED
            more = {"clean_start": True, "properties": properties}
        try:
            self._client.connect(options.host, options.broker_port, options.keepalive_s, **more)
        except ssl.SSLCertVerificationError as error:
            why = f"its certificate is not to be trusted ({one_line(error.verify_message)}): see tls.ca_file"
            raise BrokerError(why) from error
        except (ssl.SSLError, ConnectionResetError) as error:
            raise BrokerError(f"it does not agree on TLS ({one_line(error)}): is the port right?") from error
        except socket.gaierror as error:
            raise BrokerError(f"the host is not known ({error.strerror})") from error
        except TimeoutError as error:
            raise BrokerError("it does not answer") from error
        except (OSError, ValueError) as error:
            raise BrokerError(one_line(getattr(error, "strerror", None) or error)) from error

    def _await_answer(self, goes_on: Callable[[], bool]) -> None:
        until = time.monotonic() + ANSWER_S
        while self._answer is None:
            if time.monotonic() > until or not goes_on():
                raise BrokerError("it accepts connections, and does not answer")
            try:
                self.step(LOOK_EVERY_S)
            except BrokerError as error:
                if self._answer is None:
                    why = f"{error} before an answer: is it a broker, and does it want TLS?"
                    raise BrokerError(why) from error

    def _refusal(self, answer: "ReasonCode") -> BrokerError:
        told = str(answer).lower()
        if answer.value in BAD_CREDENTIALS:
            return BrokerError(f"it refuses us ({told}): check username and password", needs_mending=True)
        if answer.value == 0x84:  # unsupported protocol version
            other = "3.1.1" if self._is_v5 else "5"
            return BrokerError(f"it does not speak this MQTT: set protocol: '{other}'", needs_mending=True)
        return BrokerError(f"it refuses us ({told})")

    def _why_ended(self, code: int) -> str:
        from paho.mqtt.client import error_string

        if self._end is not None and self._end.value >= REFUSED_FROM:
            return f"it has ended the connection ({str(self._end).lower()})"
        return "the connection is lost" + (f" ({error_string(code).lower().rstrip('.')})" if code > 0 else "")

    def _on_connect(self, client: Any, data: Any, flags: Any, answer: "ReasonCode", properties: Any) -> None:
        self._answer = answer
        self.most_in_flight = min(MOST_IN_FLIGHT, getattr(properties, "ReceiveMaximum", MOST_IN_FLIGHT))

    def _on_disconnect(self, client: Any, data: Any, flags: Any, reason: "ReasonCode", more: Any) -> None:
        self._end = reason

    def _on_publish(self, client: Any, data: Any, mid: int, reason: "ReasonCode", properties: Any) -> None:
        self.acknowledged.append((mid, reason.value))

    def _on_message(self, client: Any, data: Any, message: "MQTTMessage") -> None:
        if len(message.payload) > LONGEST_RECEIVED:
            return
        try:
            self.received.append((message.topic, bytes(message.payload), message.retain))
        except UnicodeDecodeError:
            return


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _file_problem(error: Exception, what: str) -> str:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return f"cannot be read: {error.strerror}"
    return f"no file with {what}: {one_line(error)}"
