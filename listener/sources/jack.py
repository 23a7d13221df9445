"""What PortAudio takes for granted about JACK.

PortAudio 19 becomes a client of a JACK server that runs when it is initialised, whether or
not anybody wants a device of it. When that server has ended, terminating PortAudio ends
the process with a failed assertion, and closing a stream of that server waits for ten
minutes and then does the same. So neither must be done any more: what there is stays, and
all other devices can still be used, as they were listed. Only another process can use JACK
again.
"""

import ctypes
import os
import select
import socket
import stat
from contextlib import suppress
from pathlib import Path

HOST_API = "JACK Audio Connection Kit"
"""What PortAudio calls it."""

DESCRIPTORS = Path("/proc/self/fd")

RESTART = "its JACK server has ended, and PortAudio cannot find another one: restart the listener"


def server_died() -> bool:
    """Whether this process was a client of a JACK server that is no more.

    Its end of the connection stays open for as long as PortAudio is not terminated.
    """
    try:
        descriptors = [int(each.name) for each in DESCRIPTORS.iterdir()]
    except OSError:
        return False  # another system
    return any(map(_lost_its_server, descriptors))


def leave_behind(stream: object) -> None:
    """Keep an object for ever, also when Python ends: who frees it would close the stream."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(stream))


def _lost_its_server(descriptor: int) -> bool:
    with suppress(OSError):  # it may be closed by now, or no socket
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return False
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            peer = connection.getpeername() if connection.family == socket.AF_UNIX else ""
            if isinstance(peer, str) and Path(peer).name.startswith("jack_"):
                poll = select.poll()
                poll.register(connection, 0)  # that the other end is gone is told in any case
                return bool(poll.poll(0))
    return False
