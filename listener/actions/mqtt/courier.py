"""Carries what waits to the broker over one connection, and remembers what it has not acknowledged."""

import logging
import time

from listener.actions.mqtt.connection import PASSING, REFUSED_FROM, BrokerError, Connection
from listener.actions.mqtt.outbox import Message, Outbox
from listener.actions.mqtt.states import States
from listener.actions.mqtt.topics import is_topic

log = logging.getLogger(__name__)

ACKNOWLEDGED_WITHIN_S = 20.0
"""A broker that takes longer to acknowledge a message is connected with anew."""


class Courier:
    """Carries messages; lives as long as the connection, and is used by its thread alone.

    Parameters
    ----------
    name
        Of the action, for the log.
    connection
        By which.
    outbox, states
        What: first how things are, then what was heard, from the oldest on.
    """

    def __init__(self, name: str, connection: Connection, outbox: Outbox, states: States) -> None:
        self._name = name
        self._connection = connection
        self._outbox = outbox
        self._states = states
        self._in_flight: dict[int, tuple[Message | None, float]] = {}
        self._sent = 0

    @property
    def is_through(self) -> bool:
        """The broker has acknowledged all there is."""
        return not self._in_flight and not len(self._states) and self._outbox.after(self._sent) is None

    def send(self) -> None:
        """Send what the broker may be sent at present."""
        now = time.monotonic()
        while len(self._in_flight) < self._connection.most_in_flight:
            if (state := self._states.next()) is not None:
                mid = self._connection.publish(state.topic, state.payload, state.is_retained)
                self._in_flight[mid] = (None, now)
            elif (message := self._outbox.after(self._sent)) is not None:
                self._sent = message.number
                if not is_topic(message.topic):  # somebody has written into the file
                    self._lose(message, "it is no topic")
                    continue
                mid = self._connection.publish(message.topic, message.payload, retain=False)
                self._in_flight[mid] = (message, now)
            else:
                return

    def note_acknowledged(self) -> None:
        """Forget what the broker has taken, or will never take.

        Raises
        ------
        BrokerError
            It takes nothing at present, or does not say.
        """
        while self._connection.acknowledged:
            mid, code = self._connection.acknowledged.popleft()
            message, _ = self._in_flight.pop(mid, (None, 0.0))
            if message is None:
                continue
            if code in PASSING:
                raise BrokerError(f"it takes no more messages at present (reason 0x{code:02X})")
            if code >= REFUSED_FROM:
                self._lose(message, f"the broker's reason is 0x{code:02X}")
            else:
                self._outbox.remove(message.number)
        oldest = next(iter(self._in_flight.values()), None)
        if oldest is not None and time.monotonic() - oldest[1] > ACKNOWLEDGED_WITHIN_S:
            raise BrokerError("it does not acknowledge what it is sent")

    def _lose(self, message: Message, why: str) -> None:
        self._outbox.remove(message.number)
        self._outbox.refused += 1
        log.error("action '%s': a message for %s is refused, and lost: %s", self._name, message.topic, why)
