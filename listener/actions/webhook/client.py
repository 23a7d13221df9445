"""One HTTP request at a time, of which nothing lasts for ever, and which tells nobody where it went.

Whole URLs never leave this module: a path or a query may hold a token. What goes wrong is told in words
of its own, for the library's hold the URL. Redirects are not followed: a request that is signed, or that
carries a password, goes where it was sent and nowhere else. Imported only by who sends something:
`requests` takes a while.
"""

import logging
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from threading import Event as Flag
from typing import Any, Self
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from listener.actions.wires import Wires
from listener.errors import ActionError, TransientError, one_line

TOLD_BYTES = 2048
"""What is read of an answer: enough to say what is wrong."""

LONGEST_PAUSE_S = 600.0
"""No server is left alone for longer than this because it asks for it."""

logging.getLogger("urllib3").setLevel(logging.ERROR)  # its other lines tell whole URLs


@dataclass(frozen=True, slots=True)
class Peer:
    """How to talk to a server."""

    connect_timeout_s: float
    """Longest wait for a connection, in seconds."""

    read_timeout_s: float
    """Longest silence of the server, in seconds."""

    verify: bool | str = True
    """Whether its certificate is looked at, or the file of those who may have signed it."""

    certificate: str | tuple[str, str] | None = None
    """The client's own, and the file of its key."""

    proxy: str | None = None
    """Of all requests; empty: none; None: what the environment says."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said."""

    status: int
    """HTTP status."""

    text: str
    """The beginning of its body, in one line."""

    pause_s: float = 0.0
    """For how long it wants to be left alone (``Retry-After``), in seconds."""

    location: str = ""
    """Where it says that it is instead: no more than scheme and host."""


class Client:
    """Sends requests, each of which another thread can end.

    Parameters
    ----------
    peer
        How to talk to the server.
    """

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._wires = Wires()
        if peer.verify is False:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def send(self, request: requests.PreparedRequest, cancelled: Flag) -> Answer:
        """Send a request and give what was answered, whatever it is.

        Raises
        ------
        TransientError
            There is no answer.
        ActionError
            The request cannot be sent at all, or ``cancelled`` was set.
        """
        with self._wires.wire(cancelled) as wire, _Adapter() as adapter:
            _here.wire = wire
            try:
                with self._begin(adapter, request) as response:
                    answer = _answer(response)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, HTTPException) as error:
                if cancelled.is_set():
                    raise ActionError("given up") from None
                # Not `from error`: its text holds the URL.
                raise TransientError(f"{_host(request)}: {_reason(error)}") from None
        if cancelled.is_set():  # a connection that was cut looks like the end of what it said
            raise ActionError("given up")
        return answer

    def cut(self) -> None:
        """End the requests that were given up. Never waits."""
        self._wires.cut()

    def _begin(self, adapter: "_Adapter", request: requests.PreparedRequest) -> requests.Response:
        peer, url = self._peer, request.url or ""
        if peer.proxy is None:
            proxies = requests.utils.get_environ_proxies(url)
        else:
            proxies = {"http": peer.proxy, "https": peer.proxy} if peer.proxy else {}
        return adapter.send(
            request,
            stream=True,
            timeout=(peer.connect_timeout_s, peer.read_timeout_s),
            verify=peer.verify,
            cert=peer.certificate,
            proxies=proxies,
        )


_here = threading.local()
"""The wire of the request that this thread sends."""


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        _here.wire.add(connected)
        return connected


class _SecureConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        _here.wire.add(connected)
        return connected


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}


class _Adapter(HTTPAdapter):
    """Makes connections that can be cut; for one request."""

    def init_poolmanager(self, *arguments: Any, **values: Any) -> None:
        super().init_poolmanager(*arguments, **values)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *arguments: Any, **values: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **values)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _answer(response: requests.Response) -> Answer:
    return Answer(
        status=response.status_code,
        # Who has said yes may take his time with the rest.
        text="" if response.ok else _beginning(response),
        pause_s=_pause_s(response.headers),
        location=_place(response.headers.get("location", "")),
    )


def _beginning(response: requests.Response) -> str:
    try:
        body: bytes = response.raw.read1(TOLD_BYTES)
    except (urllib3.exceptions.HTTPError, OSError, ValueError):
        return ""
    return one_line(body.decode(errors="replace"))


def _pause_s(headers: Mapping[str, str]) -> float:
    """Read ``Retry-After``: seconds, or a moment."""
    told = headers.get("retry-after", "").strip()
    try:
        if told.isdecimal():
            pause_s = float(told[:9])
        else:
            pause_s = (parsedate_to_datetime(told).astimezone(UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(LONGEST_PAUSE_S, max(0.0, pause_s))


def _place(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return ""
    return f"{parts.scheme}://{host}" if host else ""


def _host(request: requests.PreparedRequest) -> str:
    return urlsplit(request.url or "").hostname or "?"


def _reason(error: BaseException) -> str:
    """Say why there is no answer; never in the library's words, which hold the URL."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message} (see ca_file)"
        if isinstance(cause, ssl.SSLError):
            return f"TLS fails: {cause.reason or 'no word of it is understood'}"
        if isinstance(cause, socket.gaierror):
            return f"its address is not known: {cause.strerror}"
    if type(error) is OSError:
        return "ca_file, certificate or key cannot be read any more"
    for cause in causes:
        if isinstance(cause, requests.exceptions.ProxyError):
            return "the proxy does not let it through"
        if isinstance(cause, TimeoutError | requests.Timeout):
            return "it does not answer in time"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return f"what it answers is no HTTP ({type(causes[-1]).__name__})"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an error, and what libraries have wrapped into it."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = [*current.args, getattr(current, "reason", None), current.__cause__, current.__context__]
        waiting += [one for one in inner if isinstance(one, BaseException)]
