"""Where a camera is, how libav opens it, and what of that is told."""

from pathlib import Path

import pytest

from listener.actions.camera import CameraAction, address
from listener.actions.camera.options import CameraOptions
from listener.config_file import validate
from listener.errors import ConfigError


def options(**values: object) -> CameraOptions:
    return CameraOptions.model_validate(values)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://cam/stream",
        "http://cam:8080/cam.jpg",
        "/dev/video0",
        "/dev/v4l/by-id/usb-cam",
        "lavfi:testsrc",
    ],
)
def test_addresses(url: str) -> None:
    assert options(url=f" {url}\n").url == url


@pytest.mark.parametrize("url", ["", "camera", "rtsp://", "http:///x.jpg", "video 0", "rtsp://cam/\x1b[2J"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="url: must be an address such as rtsp"):
        validate(CameraOptions, {"url": url})


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"stills": 0}, "stills: 0 needs video"),
        ({"video": {"before_s": 3}}, r"video\.before_s needs warm: true"),
        ({"video": {"after_s": 0}}, "before_s or after_s must be more than 0"),
        ({"filename": "../x"}, "filename: must name a file below 'directory'"),
        ({"filename": "{nope}"}, "filename: .*there is no field"),
        ({"caption": "{clip}"}, "caption: .*there is no field"),
        ({"quality": 100}, "quality"),
        ({"stills": 101}, "stills"),
        ({"open_s": 0}, "open_s"),
        ({"urll": "x"}, "did you mean 'url'"),
    ],
)
def test_impossible_settings_are_named(values: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        validate(CameraOptions, {"url": "rtsp://cam/stream"} | values)


@pytest.mark.parametrize("device", ["/dev/video0", "/dev/video12", "/dev/v4l/by-id/usb-cam-index0"])
def test_a_device_is_opened_by_video4linux(device: str) -> None:
    """As near as a machine without a camera comes to V4L2; how a missing one is told: test_trouble.py."""
    assert address.format_of(device) == "v4l2"
    assert address.options_of(device) == {}


def test_options_reach_libav_as_text(tmp_path: Path) -> None:
    action = CameraAction(
        "photo",
        options(
            url="/dev/video0",
            directory=tmp_path,
            options={"video_size": "1280x720", "framerate": 15, "input_format": "mjpeg", "use_libv4l2": True},
        ),
    )
    camera = action._process(stays=False)._camera
    assert camera.format == "v4l2"
    assert camera.options == {
        "video_size": "1280x720",
        "framerate": "15",
        "input_format": "mjpeg",
        "use_libv4l2": "1",
    }


def test_rtsp_goes_over_tcp_unless_told() -> None:
    assert address.options_of("rtsp://cam/x")["rtsp_transport"] == "tcp"
    action = CameraAction("photo", options(url="rtsp://cam/x", options={"rtsp_transport": "udp"}))
    assert action._process(stays=False)._camera.options["rtsp_transport"] == "udp"


@pytest.mark.parametrize("url", ["rtsp://cam/x", "http://cam/x", "udp://239.0.0.1:5000"])
def test_what_comes_over_a_network_makes_libav_open_no_file(url: str) -> None:
    protocols = address.options_of(url)["protocol_whitelist"].split(",")
    assert not {"file", "pipe", "fd", "concat", "subfile"} & set(protocols)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("rtsp://me:s3cret@cam:554/one", "rtsp://cam:554/one"),
        ("http://cam/snap.cgi?user=me&pwd=s3cret", "http://cam/snap.cgi"),
        ("http://me:a@b@cam/x", "http://cam/x"),
        ("/dev/video0", "/dev/video0"),
        ("lavfi:s3cret", "lavfi:..."),
    ],
)
def test_no_password_is_told(url: str, told: str) -> None:
    assert address.shown(url) == told


def test_a_password_is_known_in_each_spelling() -> None:
    assert address.secrets_of("rtsp://me:p%40ss%2Fword@cam/x") == ["p%40ss%2Fword", "p@ss/word"]
    assert address.secrets_of("rtsp://cam/x") == []
