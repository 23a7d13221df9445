"""Fetching one large file over HTTP: what was fetched is never fetched again, however often it is cut off.

What is there already lies in ``NAME.part``, and what it is the beginning of in ``NAME.part.json``: the
address and the mark (``ETag`` or ``Last-Modified``) that the server gave it. The server is asked to go on
only if the file still has that mark (``If-Range``); if it has another, or cannot go on, all is fetched anew.
"""

import json
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from listener.errors import DatasetError, one_line, printable
from listener.files import whole_file

if TYPE_CHECKING:
    import requests

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 20.0, 60.0
BLOCK_BYTES = 1 << 14
"""Of a block that came in part, nothing is kept."""

ATTEMPTS = 5
"""In a row without a single byte that is new."""

PAUSES_S = (1.0, 2.0, 5.0, 10.0)
"""Between attempts."""

LONGEST_PAUSE_S = 60.0
"""A server that asks for a longer one is left alone."""

SPARE_BYTES = 50_000_000
"""Of the disk that are left to others."""

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

Progress = Callable[[int, int | None], None]
"""Is told how many bytes are there, and of how many; None where the server does not say."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What the fetched beginning is the beginning of."""

    url: str
    """That was asked for."""

    validator: str = ""
    """What the server knows it by: for ``If-Range``; empty: it cannot go on."""

    total: int | None = None
    """Bytes in all."""


class Transfer:
    """One file, fetched in as many goes as it takes.

    Parameters
    ----------
    url
        ``http`` or ``https``.
    part
        File to write to; its beginning may be there.
    needs_bytes
        Room that is needed beside the file, for what follows.
    pause
        Waits so many seconds; tests need not.
    """

    def __init__(
        self, url: str, part: Path, needs_bytes: int = 0, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._url = url
        self._part = part
        self._mark_path = part.with_name(f"{part.name}.json")
        self._needs_bytes = needs_bytes
        self._pause = pause

    def run(self, progress: Progress) -> None:
        """Fetch what is missing.

        Raises
        ------
        DatasetError
            It cannot be had, or there is no room; what has been fetched stays, for the next time.
        """
        import requests
        import urllib3

        failed, has_begun = 0, False
        with requests.Session() as session:
            while True:
                before = self._there()
                wait_s = 0.0
                try:
                    if self._go(session, progress):
                        return
                    problem = "the server ended too soon"
                except _TryAgainError as error:
                    problem, wait_s = str(error), error.after_s
                except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
                    problem = _reason(error)
                    if not has_begun and self._there() == before:  # whoever typed it wants to know at once
                        raise self._error(f"{problem}{self._how_far()}") from error
                except requests.RequestException as error:
                    raise self._error(one_line(error)) from error
                except OSError as error:
                    raise DatasetError(f"{printable(self._part)}: {error.strerror or error}") from error
                has_begun = True
                failed = 0 if self._there() > before else failed + 1
                if failed >= ATTEMPTS:
                    raise self._error(f"{problem}{self._how_far()}")
                self._pause(max(wait_s, PAUSES_S[min(failed, len(PAUSES_S) - 1)] if failed else 0.1))

    def forget(self) -> None:
        """Remove what was fetched."""
        self._part.unlink(missing_ok=True)
        self._mark_path.unlink(missing_ok=True)

    def _go(self, session: "requests.Session", progress: Progress) -> bool:
        """Fetch until it is whole, or cut off; say which."""
        mark, there = self._mark(), self._there()
        if mark.total is not None and there == mark.total:
            progress(there, there)
            return True
        headers = {"Accept-Encoding": "identity", "User-Agent": "listener"}
        if there and mark.validator:
            headers |= {"Range": f"bytes={there}-", "If-Range": mark.validator}
        with session.get(
            self._url, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
        ) as response:
            if self._url.startswith("https:") and not response.url.startswith("https:"):
                raise self._error("it is redirected to an address that nobody can trust (http)")
            mark, there = self._understood(response, mark, there)
            if mark.total is not None:
                self._refuse_small_disk(mark.total - there)
            self._copy(response, there, mark.total, progress)
        there = self._there()
        if mark.total is None:
            self._write_mark(Mark(self._url, mark.validator, there))
            return True
        return there == mark.total

    def _understood(self, response: "requests.Response", mark: Mark, there: int) -> tuple[Mark, int]:
        """What is being sent, and from which byte on."""
        code = response.status_code
        if code == HTTPStatus.PARTIAL_CONTENT:
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != there or int(found[2]) != (mark.total or int(found[2])):
                self.forget()
                raise _TryAgainError("the server sent another part than was asked for")
            return Mark(self._url, mark.validator, int(found[2])), there
        if code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and there:
            self.forget()
            raise _TryAgainError("the server has less than was fetched")
        if code in _PASSING:
            raise _TryAgainError(f"{code} {response.reason}", self._asked_pause(response))
        if code != HTTPStatus.OK:
            raise self._error(f"{code} {one_line(response.reason or '')}: --url names another address")
        length = response.headers.get("Content-Length", "")
        mark = Mark(self._url, _validator(response), int(length) if length.isdecimal() else None)
        self._part.unlink(missing_ok=True)
        self._write_mark(mark)
        return mark, 0

    def _copy(self, response: "requests.Response", there: int, total: int | None, progress: Progress) -> None:
        with self._part.open("ab") as file:
            progress(there, total)
            # Raw: what is packed is packed, whatever the server says of it.
            for block in response.raw.stream(BLOCK_BYTES, decode_content=False):
                if total is not None and there + len(block) > total:
                    raise self._error("the server sends more than it said")
                if total is None:
                    self._refuse_small_disk(len(block))
                file.write(block)
                there += len(block)
                progress(there, total)

    def _refuse_small_disk(self, missing_bytes: int) -> None:
        free = shutil.disk_usage(self._part.parent).free
        needed = missing_bytes + self._needs_bytes + SPARE_BYTES
        if free < needed:
            raise DatasetError(
                f"{printable(self._part.parent)}: too little room: {_megabytes(needed)} are needed to "
                f"download and to unpack, {_megabytes(free)} are free: --into names another disk"
            )

    def _asked_pause(self, response: "requests.Response") -> float:
        asked = response.headers.get("Retry-After", "")
        if not asked.isdecimal():
            return 0.0
        if int(asked) > LONGEST_PAUSE_S:
            raise self._error(
                f"{response.status_code} {response.reason}: the server is busy for {asked} s more"
            )
        return float(asked)

    def _there(self) -> int:
        return self._part.stat().st_size if self._part.is_file() else 0

    def _mark(self) -> Mark:
        """The beginning that is there; nothing is there of what came from elsewhere."""
        try:
            mark = Mark(**json.loads(self._mark_path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            mark = Mark("")
        if mark.url == self._url and (mark.total is None or self._there() <= mark.total):
            return mark
        self.forget()
        return Mark(self._url)

    def _write_mark(self, mark: Mark) -> None:
        with whole_file(self._mark_path) as half_written:
            half_written.write_text(json.dumps(asdict(mark)), encoding="utf-8")

    def _how_far(self) -> str:
        there, total = self._there(), self._mark().total
        if not there:
            return ""
        of = "" if total is None else f" of {_megabytes(total)}"
        return f"; {_megabytes(there)}{of} are here: the same command goes on from there"

    def _error(self, problem: str) -> DatasetError:
        return DatasetError(f"{printable(self._url)}: {problem}")


class _TryAgainError(Exception):
    """It has failed for a reason that may pass."""

    def __init__(self, problem: str, after_s: float = 0.0) -> None:
        super().__init__(problem)
        self.after_s = after_s


def _validator(response: "requests.Response") -> str:
    """What ``If-Range`` takes: a strong ``ETag``, else the date (RFC 9110, 13.1.5)."""
    if response.headers.get("Accept-Ranges", "").lower() == "none":
        return ""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _reason(error: Exception) -> str:
    """The innermost of the errors that libraries wrap into each other."""
    told = str(error)
    for words, reason in (
        ("Name or service not known", "there is no such host, or no network"),
        ("Temporary failure in name resolution", "there is no network"),
        ("Connection refused", "nobody answers there"),
        ("timed out", "the server did not answer in time"),
        ("CERTIFICATE_VERIFY_FAILED", "its certificate cannot be trusted"),
    ):
        if words in told:
            return reason
    return "the connection was cut off"


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB"
