"""What PortAudio takes for granted about ALSA."""

import ctypes
from ctypes import byref, c_void_p

from listener.errors import DeviceError


def check_alsa() -> None:
    """See that ALSA has a configuration.

    PortAudio 19.6 ends the process with a failed assertion where ALSA names neither a
    device ``default`` nor ``dmix``: where its configuration files are missing, that is.

    Raises
    ------
    DeviceError
        They are.
    """
    try:
        alsa = ctypes.CDLL("libasound.so.2")
    except OSError:
        return  # no ALSA at all: another system, where PortAudio does without
    alsa.snd_config_update()
    top = c_void_p.in_dll(alsa, "snd_config")
    alsa.snd_config_search.argtypes = [c_void_p, ctypes.c_char_p, c_void_p]
    names = (b"pcm.default", b"pcm.dmix")
    if all(alsa.snd_config_search(top, name, byref(c_void_p())) < 0 for name in names):
        raise DeviceError("no microphone found: ALSA has no configuration (Debian: install libasound2-data)")
