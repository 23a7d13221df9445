"""The thread that keeps a connection with the broker, for as long as the action lives.

Nobody else talks to the broker, so nobody else is ever held up by it.
"""

import logging
import random
import secrets
import socket
import threading
import time
from contextlib import suppress
from math import inf
from typing import Protocol

from listener.actions.mqtt.connection import BrokerError, Connection, TlsContext
from listener.actions.mqtt.courier import Courier
from listener.actions.mqtt.options import MqttOptions
from listener.actions.mqtt.outbox import Outbox
from listener.actions.mqtt.seats import SEATS, Seats
from listener.actions.mqtt.states import States

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Before a broker that is away is tried again; each further pause is twice as long."""

MENDING_PAUSE_S = 60.0
"""Likewise, where somebody has to change something first: to be refused too often looks like an attack."""

JITTER = 0.25
"""Pauses differ by up to this share, or all clients of a broker would come back at once."""

STEADY_S = 30.0
"""A connection that has held for this long ends the growth of the pauses."""

LOOK_EVERY_S = 1.0
"""How often it is looked how things are."""

SEAT_S = 60.0
"""How long the action of the configuration before is waited for, in seconds."""

LAST_WORDS_S = 0.5
"""Kept of the time for the end: for the word that we go."""

ONLINE, OFFLINE = "online", "offline"


class Home(Protocol):
    """Whoever describes how things are."""

    def look(self) -> None:
        """See how things are now; called about once in a second."""

    def patterns(self) -> list[str]:
        """Give the topics to listen to."""

    def take(self, topic: str, payload: bytes, is_retained: bool) -> None:
        """Take what came on one of them."""


class Link:
    """The thread.

    Parameters
    ----------
    name
        Of the action.
    options
        The broker.
    client_id
        By which it knows us.
    tls
        None: not encrypted.
    availability
        Topic that says whether we are there.
    outbox, states
        What it is told.
    home
        None: nobody wants to know how things are.
    """

    def __init__(
        self,
        name: str,
        options: MqttOptions,
        client_id: str,
        tls: TlsContext | None,
        availability: str,
        outbox: Outbox,
        states: States,
        home: Home | None,
        seats: Seats = SEATS,
    ) -> None:
        self._name = name
        self._options = options
        self._client_id = client_id
        self._tls = tls
        self._availability = availability
        self._outbox = outbox
        self._states = states
        self._home = home
        self._seats = seats
        self._problem = ""
        self._trouble = ""
        self._trouble_since = 0.0
        self._dropped_before = 0
        self._stop_by = inf
        self._dice = random.Random()
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"mqtt:{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """There is something to send."""
        with suppress(OSError):  # it has been woken often enough, or is at its end
            self._waker.send(b"1")

    def stop(self, budget_s: float) -> None:
        """Send what waits, take leave of the broker, and end, within ``budget_s`` seconds."""
        with self._changed:
            self._stop_by = time.monotonic() + budget_s
            self._changed.notify_all()
        self.wake()
        self._thread.join(budget_s)

    @property
    def _is_stopping(self) -> bool:
        return self._stop_by < inf

    def _run(self) -> None:
        try:
            if self._take_seat():
                self._go_on()
        except Exception:
            log.exception("action '%s' has lost its link with the broker by a defect", self._name)
        finally:
            if len(self._outbox):
                log.warning(
                    "action '%s': %d messages wait for the next start%s",
                    self._name,
                    len(self._outbox),
                    f": the broker: {self._problem}" if self._problem else "",
                )
            self._outbox.close()
            self._seats.leave(self._client_id, self)
            self._wake.close()
            self._waker.close()

    def _take_seat(self) -> bool:
        """Wait for the action of the configuration before, which tells the broker that it goes."""
        is_free = self._seats.take(self._client_id, self, SEAT_S, lambda: self._is_stopping)
        if not is_free and self._is_stopping:
            return False
        if not self._outbox.attach():
            # Two programs with one id would push each other out all the time.
            self._client_id = f"{self._client_id}-{secrets.token_hex(4)}"
            log.warning("action '%s': another program has its queue; it does without", self._name)
        return True

    def _go_on(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            began_at = time.monotonic()
            try:
                if self._home is not None:
                    self._home.look()  # what is heard while the broker is away shows later as well
                self._serve()
                return
            except Exception as error:  # noqa: BLE001 - a defect is said, and not the end of what waits
                trouble = error if isinstance(error, BrokerError) else self._defect(error)
                self._problem = str(trouble)
                self._tell(trouble)
                if time.monotonic() - began_at > STEADY_S:
                    pause_s = FIRST_PAUSE_S
                wait_s = MENDING_PAUSE_S if trouble.needs_mending else pause_s
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            if self._is_stopping or not self._rest(wait_s * self._dice.uniform(1 - JITTER, 1 + JITTER)):
                return

    def _defect(self, error: Exception) -> BrokerError:
        """Say what nobody foresaw, once; what waits is not given up for it."""
        told = f"a defect of the program: {type(error).__name__}"
        if self._trouble != told:
            log.error("action '%s': %s", self._name, told, exc_info=error)
        return BrokerError(told)

    def _rest(self, pause_s: float) -> bool:
        """Wait before the next attempt; tell whether there is to be one, be it the last."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopping, pause_s)
        return not self._is_stopping or len(self._outbox) > 0

    def _serve(self) -> None:
        """Connect, and tell the broker everything until the stop or the connection's end."""
        will = (self._availability, OFFLINE)
        connection = Connection(self._options, self._client_id, self._tls, will, self._wake)
        is_through = False
        try:
            connection.open(lambda: time.monotonic() < self._stop_by)
            self._greet(connection)
            self._attend(connection, Courier(self._name, connection, self._outbox, self._states))
            self._take_leave(connection)
            is_through = True
        finally:
            self._states.disconnected()
            connection.close(politely=is_through)

    def _greet(self, connection: Connection) -> None:
        connection.publish(self._availability, ONLINE, retain=True)
        # Another program of this name, or the end of a connection that the broker had not noticed.
        patterns = [self._availability]
        self._states.tell_all()
        if self._home is not None:
            self._home.look()
            patterns += self._home.patterns()
        connection.subscribe(patterns)
        self._tell_connected()

    def _attend(self, connection: Connection, courier: Courier) -> None:
        looked_at = time.monotonic()
        while True:
            now = time.monotonic()
            if self._is_stopping and (courier.is_through or now > self._stop_by - LAST_WORDS_S):
                return
            if self._home is not None and now - looked_at >= LOOK_EVERY_S and not self._is_stopping:
                looked_at = now
                self._home.look()
            courier.send()
            connection.step(LOOK_EVERY_S if not self._is_stopping else LAST_WORDS_S / 5)
            courier.note_acknowledged()
            self._listen(connection)

    def _listen(self, connection: Connection) -> None:
        while connection.received:
            topic, payload, is_retained = connection.received.popleft()
            if topic == self._availability:
                if payload == OFFLINE.encode() and not self._is_stopping:
                    connection.publish(self._availability, ONLINE, retain=True)
            elif self._home is not None:
                self._home.take(topic, payload, is_retained)

    def _take_leave(self, connection: Connection) -> None:
        mid = connection.publish(self._availability, OFFLINE, retain=True)
        until = time.monotonic() + LAST_WORDS_S
        while time.monotonic() < until:
            connection.step(LAST_WORDS_S / 5)
            if any(acknowledged == mid for acknowledged, _ in connection.acknowledged):
                return

    def _tell(self, error: BrokerError) -> None:
        """Say what is wrong with the broker: once."""
        if self._trouble == str(error) or self._is_stopping:
            return
        if not self._trouble:
            self._trouble_since = time.monotonic()
            self._dropped_before = self._outbox.dropped
        self._trouble = str(error)
        level = logging.ERROR if error.needs_mending else logging.WARNING
        log.log(
            level,
            "action '%s': the broker %s:%d: %s; it is tried again and again",
            self._name,
            self._options.host,
            self._options.broker_port,
            error,
        )

    def _tell_connected(self) -> None:
        where = (self._options.host, self._options.broker_port)
        if not self._trouble:
            log.info("action '%s' is connected with %s:%d", self._name, *where)
            return
        log.warning(
            "action '%s' is connected with %s:%d, after %.0f s: %d messages have waited, %d were dropped",
            self._name,
            *where,
            time.monotonic() - self._trouble_since,
            len(self._outbox),
            self._outbox.dropped - self._dropped_before,
        )
        self._trouble = ""
