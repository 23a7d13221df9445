"""Looking at the devices afresh while microphones are open.

PortAudio shows the devices of the moment at which it was initialised, for as long as the
process has a stream open. Another process sees those of now. So a small one is started to
look, and nobody's stream is cut in order to find out that there is nothing new. It is
ended when it takes too long: a sound server that does not answer holds up nothing here.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from listener.errors import DeviceError
from listener.sources.device_set import DeviceSet
from listener.sources.portaudio import NO_ANSWER, BackendName, DeviceInfo, load_backend, release

LOOK_S = 5.0
"""How long the other process may take, in seconds: a small machine loads Python in one or two."""

LOOK_AGAIN_S = 60.0
"""How long it is taken that nothing has changed where nothing shows in the file system, in seconds."""

UNREST_S = 5.0
"""After a change more may follow, such as what a sound server makes of a new card: seconds in which each
attempt looks."""

PROGRAM = "from listener.sources.look import main; main()"

Look = Callable[[BackendName], list[DeviceInfo]]
"""How to see the devices of now."""


def main() -> None:
    """Print the devices that a back end sees, as JSON: what the other process does."""
    backend = load_backend("sounddevice" if sys.argv[1:] == ["sounddevice"] else "pyaudio")
    backend.initialise()
    try:
        print(json.dumps([asdict(device) for device in backend.devices()]))  # noqa: T201 - the answer
    finally:
        release(backend)


def look_from_outside(backend: BackendName) -> list[DeviceInfo]:
    """See the devices as a process that starts now does.

    Raises
    ------
    DeviceError
        There is no answer.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", PROGRAM, backend],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LOOK_S,
            check=True,
        )
        return [DeviceInfo(**fields) for fields in json.loads(done.stdout)]
    except subprocess.TimeoutExpired as error:
        raise DeviceError(NO_ANSWER) from error
    except (OSError, subprocess.CalledProcessError, ValueError, TypeError) as error:
        raise DeviceError(f"new microphones cannot be looked for: {error}") from error


@dataclass(frozen=True, slots=True)
class _Seen:
    devices: list[DeviceInfo]
    around: DeviceSet
    at_s: float


class Lookout:
    """Looks as often as it may be worth it, and remembers what it saw.

    Parameters
    ----------
    look
        How to see the devices of now.
    now
        The monotonic clock, in seconds.
    """

    def __init__(self, look: Look = look_from_outside, now: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._now = now
        self._lock = threading.Lock()
        self._seen: dict[BackendName, _Seen] = {}
        self._around: DeviceSet | None = None
        self._changed_s = 0.0

    def devices(self, backend: BackendName, around: DeviceSet) -> list[DeviceInfo]:
        """Give the devices of now, as far as they can have changed.

        Parameters
        ----------
        backend
            Whose devices.
        around
            What the system has.

        Raises
        ------
        DeviceError
            There is no answer.
        """
        with self._lock:  # two that wait for the same answer
            now = self._now()
            if around != self._around:
                self._around, self._changed_s = around, now
            seen = self._seen.get(backend)
            resting = now - self._changed_s > UNREST_S
            if seen and resting and seen.around == around and now - seen.at_s < LOOK_AGAIN_S:
                return seen.devices
            devices = self._look(backend)
            self._seen[backend] = _Seen(devices, around, now)
            return devices

    def forget(self) -> None:
        """Look anew next time."""
        with self._lock:
            self._seen.clear()
