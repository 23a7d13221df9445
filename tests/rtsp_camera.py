"""An RTSP camera by GStreamer's server, for ``/usr/bin/python3``: a picture that shows when it was taken.

    /usr/bin/python3 rtsp_camera.py PORT RATE GOP WIDTH HEIGHT [USER PASSWORD]

The stream is H.264, under ``/cam``. It prints ``ready`` when it can be reached.
"""

import sys
import threading
import time
from typing import Any

WIDTH, HEIGHT = 320, 240
COLUMNS, ROWS = 8, 4


def pattern(milliseconds: int) -> bytes:
    """Draw a number of 32 bits: grey pixels, a field of 40 x 60 for each bit, bright for 1."""
    width, height = WIDTH // COLUMNS, HEIGHT // ROWS
    bits = [bool(milliseconds >> bit & 1) for bit in range(COLUMNS * ROWS)]
    rows = (bits[row * COLUMNS : (row + 1) * COLUMNS] for row in range(ROWS))
    lines = (b"".join(bytes([235 if bit else 16]) * width for bit in row) for row in rows)
    return b"".join(line * height for line in lines)


def now_ms() -> int:
    """Give the monotonic clock, which all processes of a machine share, in milliseconds."""
    return round(time.monotonic() * 1000)


def main(port: str, rate: str, gop: str, width: str, height: str, user: str = "", password: str = "") -> None:
    import gi  # type: ignore[import-not-found]  # of the system's Python

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer  # type: ignore[import-not-found]

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    caps = f"video/x-raw,format=GRAY8,width={WIDTH},height={HEIGHT},framerate={rate}/1"
    factory.set_launch(
        f"( appsrc name=src is-live=true do-timestamp=true format=time caps={caps} "
        f"! videoconvert ! videoscale method=0 ! video/x-raw,format=I420,width={width},height={height} "
        f"! openh264enc gop-size={gop} bitrate=1000000 "
        "! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )"
    )
    factory.set_shared(True)

    def push(source: Any) -> None:
        pause = threading.Event()
        while True:
            picture = Gst.Buffer.new_wrapped(pattern(now_ms()))
            if source.emit("push-buffer", picture) != Gst.FlowReturn.OK:
                return
            pause.wait(1 / int(rate))

    def begin(_: Any, media: Any) -> None:
        source = media.get_element().get_child_by_name("src")
        threading.Thread(target=push, args=(source,), daemon=True).start()

    factory.connect("media-configure", begin)
    if user:
        permissions = GstRtspServer.RTSPPermissions()
        for permission in ("media.factory.access", "media.factory.construct"):
            permissions.add_permission_for_role("viewer", permission, True)
        factory.set_permissions(permissions)
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        authority = GstRtspServer.RTSPAuth()
        authority.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        server.set_auth(authority)
    server.get_mount_points().add_factory("/cam", factory)
    if not server.attach(None):
        sys.exit("no such port")
    print("ready", flush=True)  # noqa: T201
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
