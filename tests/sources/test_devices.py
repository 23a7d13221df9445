"""Which microphones there are, and which one is meant."""

import pytest

from listener.errors import DeviceError
from listener.sources.devices import channels_to_open, find_device, list_devices
from listener.sources.portaudio import BACKENDS, BackendName, DeviceInfo
from tests.virtual_microphone import VirtualMicrophone

DEVICES = [
    DeviceInfo(name, index, "pyaudio", channels=2, default_rate_hz=48_000, default=index == 5)
    for index, name in [
        (0, "HDA Intel PCH: ALC269 (hw:0,0)"),
        (2, "USB Audio [Room]: - (hw:1,0)"),
        (3, "USB Audio CODEC: - (hw:2,0)"),
        (4, "pulse"),
        (5, "default"),
        (6, "Pulse"),
        (7, "3"),
        (8, "array"),
        (9, "array"),
    ]
]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ("default", 5),
        (2, 2),
        ("2", 2),
        ("pulse", 4),
        ("Pulse", 6),
        ("CODEC", 3),
        ("codec", 3),
        ("hda intel", 0),
        ("*hw:1,0)", 2),
        ("USB Audio [Room]: - (hw:1,0)", 2),
        ("[room]", 2),
        ("DEFAULT", 5),
        ("3", 7),
        (3, 3),
        (9, 9),
    ],
)
def test_a_device_is_found_by_index_name_part_or_pattern(wanted: str | int, index: int) -> None:
    assert find_device(DEVICES, wanted).index == index


@pytest.mark.parametrize("wanted", ["USB", "usb*", "PULSE", "array", "*"])
def test_an_ambiguous_name_is_refused_with_the_choice(wanted: str) -> None:
    with pytest.raises(DeviceError, match="is ambiguous, give its index or whole name: "):
        find_device(DEVICES, wanted)


@pytest.mark.parametrize("wanted", ["nothing", 1, "1", 99, -1, "", "hw:9,9"])
def test_an_unknown_device_is_refused_with_what_there_is(wanted: str | int) -> None:
    with pytest.raises(DeviceError, match=r"no microphone is called .* there are 0: 'HDA .*, 9: 'array'"):
        find_device(DEVICES, wanted)


def test_without_devices_there_is_nothing_to_choose() -> None:
    with pytest.raises(DeviceError, match="no microphone found"):
        find_device([], "default")


def test_default_is_the_first_where_the_system_names_none() -> None:
    assert find_device(DEVICES[:3], "default").index == 0


@pytest.mark.parametrize(
    ("offered", "channel", "opened"),
    [
        (1, "mix", 1),
        (2, "mix", 2),
        (8, "mix", 8),
        (32, "mix", 1),
        (1, 1, 1),
        (2, 1, 2),
        (32, 1, 2),
        (32, 4, 4),
    ],
)
def test_channels_that_are_asked_for(offered: int, channel: str | int, opened: int) -> None:
    device = DeviceInfo("x", 0, "pyaudio", channels=offered, default_rate_hz=48_000)
    assert channels_to_open(device, channel) == opened  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_back_end_lists_what_is_there(
    backend: BackendName, virtual_microphone: VirtualMicrophone
) -> None:
    devices = {device.name: device for device in list_devices([backend], probe=True)}
    assert set(devices) == {"default", "room", "fifo"}
    assert devices["default"].default
    assert devices["room"].backend == backend
    assert all(device.opens and device.problem is None for device in devices.values())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_device_that_does_not_open_says_why(
    backend: BackendName, virtual_microphone: VirtualMicrophone
) -> None:
    configuration = virtual_microphone.directory / "asound.conf"
    broken = f'pcm.broken {{ type pulse server "unix:{virtual_microphone.directory}/native" device "none" '
    configuration.write_text(configuration.read_text() + broken + "hint { show on } }\n")
    devices = {device.name: device for device in list_devices([backend], probe=True)}
    assert devices["room"].opens
    assert devices["broken"].opens is False
    assert devices["broken"].problem


def test_nothing_is_listed_where_there_is_no_audio_system(no_audio_system: None) -> None:
    assert list_devices() == []
