"""Which microphones there are, and which one is meant."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial

from listener.errors import DeviceError
from listener.sources.pcm import Channel
from listener.sources.portaudio import (
    BACKENDS,
    Backend,
    BackendName,
    DeviceInfo,
    ask,
    load_backend,
    release,
)

MOST_REAL_CHANNELS = 8
"""Devices that claim more are converters (ALSA's ``pulse`` claims 32), which mix by themselves."""

PROBE_S = 30.0
"""How long opening every device may take, in seconds."""

NO_MICROPHONE = "no microphone found: connect one, or start the sound server, and see 'listener devices'"


def list_devices(backends: Sequence[BackendName] = BACKENDS, *, probe: bool = False) -> list[DeviceInfo]:
    """All devices that sound can be taken from, as each back end sees them.

    Parameters
    ----------
    backends
        The back ends to ask.
    probe
        Open each device for a moment, to see whether it can be.

    Raises
    ------
    DeviceError
        A back end is not installed, or a sound server does not answer.
    """
    found: list[DeviceInfo] = []
    for name in backends:
        devices = ask(partial(_listed, name))
        if probe and devices:
            devices = ask(partial(_listed, name, _probed), answer_s=PROBE_S)
        found += devices
    return found


def find_device(devices: Sequence[DeviceInfo], wanted: str | int) -> DeviceInfo:
    """The one device that is meant.

    Parameters
    ----------
    devices
        What there is.
    wanted
        ``default``, an index, a name, a part of a name or a pattern (``*USB*``); case
        only matters between names that differ by nothing else.

    Raises
    ------
    DeviceError
        None or several are meant; the message lists what there is.
    """
    if not devices:
        raise DeviceError(NO_MICROPHONE)
    matches = _matches(devices, wanted)
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise DeviceError(f"no microphone is called '{wanted}': there are {_named(devices)}")
    raise DeviceError(f"microphone '{wanted}' is ambiguous, give its index or whole name: {_named(matches)}")


def channels_to_open(device: DeviceInfo, channel: Channel = "mix") -> int:
    """How many channels to ask a device for, to have one of them or the mix of all.

    Raises
    ------
    DeviceError
        It has no such channel.
    """
    if channel == "mix":
        return device.channels if device.channels <= MOST_REAL_CHANNELS else 1
    if channel > device.channels:
        raise DeviceError(f"channel {channel} is not there: microphone '{device.name}' has {device.channels}")
    # A converter that is asked for one channel gives the mix of all: ask for two at least.
    return min(max(channel, 2), device.channels)


def _matches(devices: Sequence[DeviceInfo], wanted: str | int) -> list[DeviceInfo]:
    if wanted == "default":
        return [device for device in devices if device.default] or list(devices[:1])
    if isinstance(wanted, int):
        return [device for device in devices if device.index == wanted]
    if named := [device for device in devices if device.name == wanted]:
        return named
    if wanted.isdecimal():
        return _matches(devices, int(wanted))
    folded = wanted.casefold()
    for fits in (str.__eq__, fnmatchcase, _is_part):
        if matches := [device for device in devices if fits(device.name.casefold(), folded)]:
            return matches
    return []


def _is_part(name: str, part: str) -> bool:
    return bool(part) and part in name


def _named(devices: Sequence[DeviceInfo]) -> str:
    return ", ".join(f"{device.index}: '{device.name}'" for device in devices)


def _listed(
    name: BackendName, look: Callable[[Backend, DeviceInfo], DeviceInfo] = lambda backend, device: device
) -> list[DeviceInfo]:
    backend = load_backend(name)
    backend.initialise()
    try:
        return [look(backend, device) for device in backend.devices()]
    finally:
        release(backend)


def _probed(backend: Backend, device: DeviceInfo) -> DeviceInfo:
    try:
        channels = channels_to_open(device)
        backend.open(device, channels, device.default_rate_hz, 0, lambda _data, _lost: None).close()
    except DeviceError as error:
        return replace(device, opens=False, problem=str(error))
    return replace(device, opens=True)
