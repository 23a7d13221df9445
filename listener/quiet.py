"""Keeps the noise of audio libraries off the user's screen."""

import ctypes
import sys
from functools import cache


@cache
def silence_c_libraries() -> None:
    """Point the ``stderr`` and ``stdout`` of C code at nothing, for the rest of the process.

    ALSA, JACK and PortAudio print there: dozens of lines while they look for devices,
    and again from their own threads when a device is lost. So does the MP3 decoder; and
    libsndfile's reader of MIDI sample dumps prints to standard output, among our results.

    This changes variables of the C library, not the file descriptors 1 and 2, which
    Python's ``sys.stdout``, logging, ``faulthandler`` and child processes write to: they
    lose nothing, at no time, in no thread. Elsewhere than with glibc the variables may be
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
        for stream in ("stderr", "stdout"):
            ctypes.c_void_p.in_dll(process, stream).value = nowhere
