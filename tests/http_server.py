"""A real web server that does what a test tells it: also what no server should.

It answers each request with the next of its answers, and with 200 when there are none left.
Every request is remembered as it came.
"""

import ssl
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from tests.program import PATIENCE_S


@dataclass(frozen=True)
class Request:
    """What came."""

    method: str
    path: str
    """With the query, as it was sent."""
    headers: dict[str, str]
    """Names in small letters."""
    body: bytes
    at: float = field(default_factory=time.monotonic)


Answer = Callable[["Handler"], None]


def status(code: int, body: str = "", **headers: str) -> Answer:
    """Answer with a status; ``retry_after="3"`` becomes ``Retry-After: 3``."""

    def answer(handler: "Handler") -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body.encode())))
        handler.end_headers()
        handler.wfile.write(body.encode())

    return answer


def rubbish(handler: "Handler") -> None:
    """Answer with what is no HTTP."""
    handler.wfile.write(b"\x00\xff rubbish \xfe" * 100 + b"\r\n\r\n")


def hang_up(handler: "Handler") -> None:
    """Say nothing and hang up."""


def hang(handler: "Handler") -> None:
    """Say nothing until the server is closed, or the client is gone."""
    handler.wait_for_the_end()


def drip(handler: "Handler") -> None:
    """Begin to answer, a letter at a time, and never get to the end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not handler.web_server.closing.wait(0.02):
        handler.wfile.write(b"x")


def endless(code: int) -> Answer:
    """Answer with a body that has no end."""

    def answer(handler: "Handler") -> None:
        handler.wfile.write(f"HTTP/1.1 {code} X\r\nContent-Type: text/plain\r\n\r\n".encode())
        while not handler.web_server.closing.is_set():
            handler.wfile.write(b"y" * 65_536)

    return answer


class Handler(BaseHTTPRequestHandler):
    """Takes one request."""

    server: "_Server"

    @property
    def web_server(self) -> "WebServer":
        return self.server.web_server

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.web_server.take(Request(self.command, self.path, headers, self.rfile.read(length)))
        self.close_connection = True
        answer(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # whatever the method
            return self.handle_any
        raise AttributeError(name)

    def do_CONNECT(self) -> None:
        """Refuse to be a proxy, but remember that somebody wanted one."""
        self.web_server.take(Request("CONNECT", self.path, {}, b""))
        self.send_error(403)

    def wait_for_the_end(self) -> None:
        self.connection.settimeout(0.05)
        while not self.web_server.closing.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue

    def log_message(self, *arguments: Any) -> None:
        """Keep quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them
    allow_reuse_address = True

    def __init__(self, port: int, web_server: "WebServer") -> None:
        self.web_server = web_server
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Take no offence at a client that goes away, or does not trust us."""


class WebServer:
    """The server; it can be stopped and started again on the same port.

    Parameters
    ----------
    tls
        Certificate to show; None: plain HTTP.
    answers
        To the first requests; each is used once.
    """

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.answers = deque(answers)
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self.port = 0
        self._tls = tls
        self._changed = threading.Condition()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.closing.clear()
        self._server = _Server(self.port, self)
        self.port = self._server.server_address[1]
        if self._tls is not None:
            # The handshake is left to the thread of each connection, or one client could hold up all.
            self._server.socket = self._tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="web server", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Go away: nobody listens at the port any more."""
        self.closing.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = self._thread = None

    def take(self, request: Request) -> Answer:
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
            return self.answers.popleft() if self.answers else status(200)

    def wait_for(self, n_requests: int) -> list[Request]:
        """Wait until so many requests have come in all; give them."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.requests) >= n_requests, PATIENCE_S)
            assert came, f"{len(self.requests)} of {n_requests} requests came"
            return list(self.requests)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


@pytest.fixture
def web_server() -> Iterator[WebServer]:
    """A running server, plain HTTP."""
    with WebServer() as server:
        yield server


@dataclass(frozen=True)
class Certificates:
    """An authority, and what it has signed."""

    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path
    stranger: Path
    """Signed by itself."""
    stranger_key: Path

    def server_context(self, wants_client: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server, self.server_key)
        if wants_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and certificates for 127.0.0.1, valid for a day."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)

    def signed(name: str, *by: str) -> None:
        extensions = ["-addext", "subjectAltName=IP:127.0.0.1"] if by else []
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "1", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem"),
            *(by or ("-addext", "keyUsage=critical,keyCertSign,digitalSignature")),
            *extensions,
        )

    signed("ca")
    by_ca = ("-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE")
    signed("server", *by_ca)
    signed("client", *by_ca)
    signed("stranger")
    return Certificates(
        ca=folder / "ca.pem",
        server=folder / "server.pem",
        server_key=folder / "server.key",
        client=folder / "client.pem",
        client_key=folder / "client.key",
        stranger=folder / "stranger.pem",
        stranger_key=folder / "stranger.key",
    )


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made once."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))
