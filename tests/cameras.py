"""Real cameras on loopback: RTSP by GStreamer, MJPEG by ffmpeg, MJPEG and JPEG over HTTP.

Their pictures show when they were taken, as 32 bright or dark fields: `taken_ms` reads that off.
"""

import base64
import io
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Self

import numpy as np
from PIL import Image

from tests.rtsp_camera import COLUMNS, HEIGHT, ROWS, WIDTH, now_ms, pattern

PATIENCE_S = 30.0
SYSTEM_PYTHON = "/usr/bin/python3"
RTSP_CAMERA = Path(__file__).with_name("rtsp_camera.py")


def taken_ms(image: Image.Image) -> int:
    """Read off when a picture was taken: milliseconds of the monotonic clock."""
    grey = np.asarray(image.convert("L").resize((WIDTH, HEIGHT)))
    fields = grey.reshape(ROWS, HEIGHT // ROWS, COLUMNS, WIDTH // COLUMNS).transpose(0, 2, 1, 3)
    middles = fields[:, :, 20:-20, 12:-12].mean(axis=(2, 3)).reshape(-1)
    assert not ((middles > 90) & (middles < 165)).any(), "the picture is of two times at once"
    return sum(1 << bit for bit, level in enumerate(middles) if level > 127)


def free_port() -> int:
    """Give a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def jpeg(milliseconds: int) -> bytes:
    """Encode a picture of a moment."""
    memory = io.BytesIO()
    Image.frombytes("L", (WIDTH, HEIGHT), pattern(milliseconds)).convert("RGB").save(memory, "JPEG")
    return memory.getvalue()


class RtspCamera:
    """GStreamer's RTSP server: H.264.

    Parameters
    ----------
    port
        Where; a free one unless told.
    rate
        Pictures in a second.
    gop
        Pictures from one that can be decoded by itself to the next.
    user, password
        Asked for, if there are any.
    size
        Width and height of what is sent; what it shows stays the same.
    """

    def __init__(
        self,
        port: int | None = None,
        rate: int = 25,
        gop: int = 10,
        user: str = "",
        password: str = "",
        size: tuple[int, int] = (WIDTH, HEIGHT),
    ) -> None:
        self.port = port or free_port()
        self.url = f"rtsp://127.0.0.1:{self.port}/cam"
        self._command = [SYSTEM_PYTHON, str(RTSP_CAMERA), str(self.port), str(rate), str(gop)]
        self._command += map(str, size)
        self._command += [user, password] if user else []
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def freeze(self) -> None:
        """Stop it where it stands: connections stay, nothing moves."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()


class FfmpegCamera:
    """MJPEG over HTTP by ``ffmpeg -listen 1``, which serves one client and ends; it is started again."""

    def __init__(self, rate: int = 10) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/cam.mjpg"
        self._rate = rate
        self._over = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="ffmpeg camera")

    def _run(self) -> None:
        command = ["ffmpeg", "-loglevel", "quiet", "-f", "rawvideo", "-pix_fmt", "gray"]
        command += ["-s", f"{WIDTH}x{HEIGHT}", "-r", str(self._rate), "-i", "-", "-c:v", "mjpeg", "-q:v", "3"]
        command += ["-pix_fmt", "yuvj420p", "-flush_packets", "1", "-f", "mpjpeg", "-listen", "1", self.url]
        while not self._over.is_set():
            with subprocess.Popen(command, stdin=subprocess.PIPE) as self._process:
                with suppress(OSError):
                    assert self._process.stdin is not None
                    self._feed(self._process.stdin)
                self._process.kill()

    def _feed(self, pipe: IO[bytes]) -> None:
        while not self._over.wait(1 / self._rate):
            pipe.write(pattern(now_ms()))
            pipe.flush()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        if self._process is not None:
            self._process.kill()
        self._thread.join()


class HttpCamera:
    """``/cam.jpg`` is a picture, ``/cam.mjpg`` a stream of them; it may misbehave.

    Parameters
    ----------
    rate
        Pictures in a second.
    user, password
        Asked for, if there are any.
    """

    def __init__(self, rate: int = 20, user: str = "", password: str = "") -> None:
        self.rate = rate
        self.asked = 0
        """Requests so far."""
        self.body: Callable[[], bytes] = lambda: jpeg(now_ms())
        """What it answers with, or sends again and again."""
        self.flows = threading.Event()
        """While it is not set nothing is sent: neither answers nor pictures."""
        self.flows.set()
        self.over = threading.Event()
        self.expected = base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def url(self, path: str, user_info: str = "") -> str:
        return f"http://{user_info}127.0.0.1:{self._port}/{path}"

    def start(self) -> None:
        self.over.clear()
        handler = type("Handler", (_Handler,), {"camera": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="http camera")
        self._thread.start()

    def stop(self) -> None:
        """Go away; `start` brings it back, on the same port."""
        self.over.set()
        self.flows.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


class _Handler(BaseHTTPRequestHandler):
    camera: HttpCamera

    def do_GET(self) -> None:
        camera = self.camera
        camera.asked += 1
        if camera.expected and self.headers.get("Authorization") != f"Basic {camera.expected}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        if not self.path.startswith("/cam."):
            self.send_error(404)
            return
        camera.flows.wait()
        with suppress(OSError):
            if self.path.startswith("/cam.jpg"):
                self._answer("image/jpeg", camera.body())
            else:
                self._stream()

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        camera = self.camera
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        self.end_headers()
        while not camera.over.wait(1 / camera.rate):
            camera.flows.wait()
            body = camera.body()
            head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
            self.wfile.write(head.encode() + body + b"\r\n")

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing."""
