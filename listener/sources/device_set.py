"""Which sound devices the system has, at a glance: cheap enough to look at several times a second.

It says whether something has changed, not what: a card or its node came or went, udev gave
somebody the right to open it, ALSA was configured anew, or a sound server was started.
What a sound server gains or loses within itself does not show here.
"""

import os
from pathlib import Path

DeviceSet = tuple[object, ...]
"""Equal if, as far as the file system shows, nothing has changed in between."""

CARDS = Path("/proc/asound/cards")

NODES = Path("/dev/snd")


def device_set() -> DeviceSet:
    """Look at the system's sound devices."""
    return (_content(CARDS), *(_stamp(path) for path in (*_nodes(), *_configuration(), *_servers())))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _stamp(path: Path) -> object:
    """What changes when the file is made anew, written, or given to somebody else."""
    try:
        status = path.stat()
    except OSError:
        return None
    return str(path), status.st_ino, status.st_ctime_ns


def _nodes() -> list[Path]:
    try:
        return sorted(NODES.iterdir())
    except OSError:
        return []


def _configuration() -> list[Path]:
    """Where ALSA's own configuration begins."""
    named = os.environ.get("ALSA_CONFIG_PATH", "").split(":")
    own = os.path.expanduser("~/.asoundrc")  # noqa: PTH111 - pathlib fails for a user without a home
    return [*(Path(name) for name in named if name), Path("/etc/asound.conf"), Path(own)]


def _servers() -> list[Path]:
    """Sockets that sound servers make when they start."""
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", "/nowhere"))
    _, _, pulse = os.environ.get("PULSE_SERVER", "").partition("unix:")
    jack = f"jack_{os.environ.get('JACK_DEFAULT_SERVER', 'default')}_{os.getuid()}_0"
    return [
        *([Path(pulse)] if pulse else []),
        runtime / "pulse/native",
        runtime / "pipewire-0",
        Path("/run/pulse/native"),
        Path("/dev/shm") / jack,
    ]
