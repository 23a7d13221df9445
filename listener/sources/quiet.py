"""Keeps the noise of audio libraries off the user's screen."""

import ctypes
import sys
from functools import cache


@cache
def silence_c_libraries() -> None:
    """Point the ``stderr`` of C code at nothing, for the rest of the process.

    ALSA, JACK and PortAudio print there: dozens of lines while they look for devices,
    and again from their own threads when a device is lost. So does the MP3 decoder.

    This changes the variable ``stderr`` of the C library, not file descriptor 2, which
    Python's ``sys.stderr``, logging, ``faulthandler`` and child processes write to: they
    lose nothing, at no time, in no thread. Elsewhere than with glibc the variable may be
    read-only, and the noise stays; so it does in Python's development mode (``-X dev``),
    where one wants to read what a failed assertion in C says.
    """
    if sys.flags.dev_mode:
        return
    process = ctypes.CDLL(None)
    if not hasattr(process, "gnu_get_libc_version"):
        return
    process.fopen.restype = ctypes.c_void_p
    nowhere = process.fopen(b"/dev/null", b"w")
    if nowhere:
        ctypes.c_void_p.in_dll(process, "stderr").value = nowhere
