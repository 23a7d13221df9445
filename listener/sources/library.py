"""PortAudio as all microphones of the process share it.

PortAudio reads the list of devices once, when it is initialised, and counts how often
that was done. Every microphone initialises it when it opens and terminates it when it
closes. So the list is read anew whenever no other microphone is open, and that is how one
that was plugged in again is found.

While another one is open the list stays as it was. Then a look from outside (see
`listener.sources.look`) tells whether the wanted device is there by now, and whether the
list has it in the same place. Only if it is there and the list is wrong, the others let
their devices go for a moment, PortAudio is initialised anew, and all take theirs again: a
fifth of a second or so, which their next chunk shows as a gap of that length. It is not
done while one of the others is unwell (closing it might wait for ever), nor too often.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from listener.errors import DeviceError
from listener.sources.connection import Connection, Wish, same_device
from listener.sources.device_set import DeviceSet, device_set
from listener.sources.devices import find_device
from listener.sources.jack import server_died
from listener.sources.look import Lookout
from listener.sources.portaudio import LOCK, DeviceInfo, ask

MOST_RESCANS = 10
RESCANS_WITHIN_S = 600.0
"""A plug with a loose contact may interrupt the others so often in so many seconds, and no more."""

logger = logging.getLogger(__name__)


class _Outdated(Exception):  # noqa: N818 - says what to do next
    """The list of devices may not be that of now."""


class Library:
    """Who has which device open.

    Parameters
    ----------
    lookout
        Sees the devices of now.
    around
        How to see, at a glance, what the system has.
    now
        The monotonic clock, in seconds.
    """

    def __init__(
        self,
        lookout: Lookout | None = None,
        around: Callable[[], DeviceSet] = device_set,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lookout = lookout or Lookout()
        self.around = around
        """What the system has, at a glance."""
        self._now = now
        # All of these are guarded by PortAudio's lock.
        self._open: list[Connection] = []
        self._listed: DeviceSet | None = None
        self._rescans: deque[float] = deque(maxlen=MOST_RESCANS)
        self._in_vain: DeviceSet | None = None

    def connect(self, wish: Wish) -> Connection:
        """Open a device.

        Parameters
        ----------
        wish
            Which one, and how.

        Raises
        ------
        DeviceError
            It is unknown, ambiguous, busy or refuses; there is none at all; or nobody answers.
        """
        around = self.around()
        name = f"open:{wish.source}"
        try:
            return ask(partial(self._connect, wish, around), self._disconnect, name=name)
        except _Outdated:
            device = find_device(self._lookout.devices(wish.backend, around), wish.device)
        return ask(partial(self._connect_to, wish, device, around), self._disconnect, name=name)

    def disconnect(self, connection: Connection, timeout_s: float) -> bool:
        """Let go of a device; say whether that was done in time. If not, it will be when it can be.

        Parameters
        ----------
        connection
            From `connect`.
        timeout_s
            Longest wait in seconds.
        """
        connection.abandon()
        # Not on this thread: a frozen sound server holds it until it thaws.
        closing = threading.Thread(
            target=self._close, args=(connection,), name=f"close:{connection.wish.source}", daemon=True
        )
        closing.start()
        closing.join(timeout_s)
        return not closing.is_alive()

    def _close(self, connection: Connection) -> None:
        with LOCK:
            self._disconnect(connection)

    def _connect(self, wish: Wish, around: DeviceSet) -> Connection:
        """Open a device of PortAudio's list, if that can be trusted."""
        is_frozen = bool(self._open) or server_died()
        # A number is one of this list; seen from outside it may be that of another device.
        may_look = is_frozen and not str(wish.device).isdecimal()
        if may_look and around != self._listed:
            raise _Outdated
        connection = Connection(wish)
        try:
            devices = self._devices(connection, around)
            try:
                device = find_device(devices, wish.device)
            except DeviceError as error:
                raise _Outdated if may_look else error from None
            return self._begin(connection, device)
        except BaseException:
            connection.let_go()
            raise

    def _connect_to(self, wish: Wish, device: DeviceInfo, around: DeviceSet) -> Connection:
        """Open a device that is known to be there; the list is read anew if it has it elsewhere."""
        connection = Connection(wish)
        try:
            listed = same_device(self._devices(connection, around), device.name)
            if listed is None:
                self._rescan(connection, device, around)
                listed = self._find_anew(connection, around)
            return self._begin(connection, listed)
        except BaseException:
            connection.let_go()
            raise

    def _devices(self, connection: Connection, around: DeviceSet) -> list[DeviceInfo]:
        if not (self._open or server_died()):
            self._listed = around
        return connection.devices()

    def _begin(self, connection: Connection, device: DeviceInfo) -> Connection:
        connection.begin(device)
        self._open.append(connection)
        return connection

    def _disconnect(self, connection: Connection) -> None:
        if connection in self._open:
            self._open.remove(connection)
        connection.let_go()

    def _rescan(self, connection: Connection, device: DeviceInfo, around: DeviceSet) -> None:
        """Have PortAudio read the list anew, if that is worth what it costs the others."""
        self._refuse_rescan(device, around)
        self._rescans.append(self._now())
        names = ", ".join(each.wish.source for each in self._open)
        logger.info("'%s' is new: to take it, %s is interrupted for a moment", device.name, names)
        for each in self._open:
            each.let_go()
        connection.let_go()
        self._listed = around
        for each in self._open:
            each.take_again()
        self._lookout.forget()

    def _refuse_rescan(self, device: DeviceInfo, around: DeviceSet) -> None:
        if server_died():
            raise DeviceError(
                f"microphone '{device.name}' is there, but cannot be taken since a JACK server has ended: "
                "restart the listener"
            )
        if self._in_vain == around:
            raise DeviceError(f"microphone '{device.name}' is there, but PortAudio does not list it")
        for each in self._open:
            if not each.is_delivering:
                raise DeviceError(
                    f"microphone '{device.name}' is there, but cannot be taken before "
                    f"'{each.wish.source}' is well or given up"
                )
        if len(self._rescans) == MOST_RESCANS:
            wait_s = self._rescans[0] + RESCANS_WITHIN_S - self._now()
            if wait_s > 0:
                raise DeviceError(
                    f"microphone '{device.name}' is there, but the others were interrupted "
                    f"{MOST_RESCANS} times to take one: it is taken in {wait_s:.0f} s"
                )

    def _find_anew(self, connection: Connection, around: DeviceSet) -> DeviceInfo:
        try:
            return find_device(connection.devices(), connection.wish.device)
        except DeviceError:
            self._in_vain = around
            raise


LIBRARY = Library()
"""Of this process."""
