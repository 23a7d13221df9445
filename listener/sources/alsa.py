"""What PortAudio takes for granted about ALSA."""

import ctypes
import os
from ctypes import byref, c_void_p

from listener.errors import DeviceError


def check_alsa() -> None:
    """See that ALSA has a configuration.

    PortAudio 19.6 ends the process with a failed assertion where ALSA names neither a
    device ``default`` nor ``dmix``: where its configuration files are missing, that is.
    Where they cannot be read there is not even an empty one.

    Raises
    ------
    DeviceError
        They are missing, or cannot be read.
    """
    try:
        alsa = ctypes.CDLL("libasound.so.2")
    except OSError:
        return  # no ALSA at all: another system, where PortAudio does without
    code = alsa.snd_config_update()
    top = c_void_p.in_dll(alsa, "snd_config")
    if code < 0 or not top.value:
        raise DeviceError(
            f"ALSA's configuration cannot be read ({_what_is_wrong(alsa, code)}): mend {_named_files()}"
        )
    alsa.snd_config_search.argtypes = [c_void_p, ctypes.c_char_p, c_void_p]
    names = (b"pcm.default", b"pcm.dmix")
    if all(alsa.snd_config_search(top, name, byref(c_void_p())) < 0 for name in names):
        raise DeviceError("no microphone found: ALSA has no configuration (Debian: install libasound2-data)")


def _what_is_wrong(alsa: ctypes.CDLL, code: int) -> str:
    alsa.snd_strerror.restype = ctypes.c_char_p
    return str(alsa.snd_strerror(code).decode(errors="replace"))


def _named_files() -> str:
    return os.environ.get("ALSA_CONFIG_PATH") or "/etc/asound.conf or ~/.asoundrc"
