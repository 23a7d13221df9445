"""Settings of ``use: webhook``."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, JsonValue, field_validator, model_validator

from listener.actions import template
from listener.actions.attachments import Attachment
from listener.actions.webhook import signing
from listener.config import Options

TimeOut = Annotated[float, Field(gt=0, le=600)]

OURS = frozenset(
    {
        "content-length",
        "transfer-encoding",
        "connection",
        "content-type",
        "accept-encoding",
        "idempotency-key",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    }
)
"""Headers that the action writes itself."""

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token: https://www.rfc-editor.org/rfc/rfc9110#name-tokens."""

HEADER_VALUE = re.compile(r"[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?")


class WebhookOptions(Options):
    """Settings of the ``webhook`` action."""

    url: str
    """Where to: ``https://host/path?query``; ``{label}`` and the other fields of a ``command`` are filled in
    in the path and the query."""

    method: Literal["POST", "PUT", "PATCH", "GET", "DELETE"] = "POST"
    """GET and DELETE have no body."""

    body: dict[str, JsonValue] | None = None
    """JSON object with fields in its texts; the event's own unless told. A text that is one field and no more
    becomes the field's value, be it a number."""

    headers: dict[str, str] = {}
    """Sent along."""

    user: str | None = None
    """Log-in, with ``password``."""

    password: str = ""
    """Its password."""

    token: Annotated[str, Field(min_length=1)] | None = None
    """Sent as ``Authorization: Bearer``."""

    secret: Annotated[str, Field(min_length=1)] | None = None
    """Known to both sides alone: signs each request."""

    attach: tuple[Attachment, ...] = ()
    """``clip`` and ``picture`` of the event, sent beside it as multipart/form-data."""

    connect_timeout_s: TimeOut = 3.0
    """Longest wait for a connection, in seconds."""

    read_timeout_s: TimeOut = 10.0
    """Longest silence of the server, in seconds; ``timeout_s`` holds for the whole."""

    verify: bool = True
    """Whether the server's certificate is looked at."""

    ca_file: Path | None = None
    """Who may have signed it (PEM); those that browsers know unless told."""

    certificate: Path | None = None
    """The client's own certificate (PEM)."""

    key: Path | None = None
    """Its key, where it is not in the same file."""

    proxy: str = "auto"
    """``auto``: what the environment says (``HTTPS_PROXY``, ``NO_PROXY``); ``none``; or ``http://host:port``."""

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, value: str) -> str:
        parts = _split(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be a URL such as https://example.com/path")
        if "@" in parts.netloc:
            raise ValueError("must hold no log-in: write it as user and password, or as token")
        if template.fields_of(parts.netloc, template.FIELDS):
            raise ValueError("must hold fields in its path or query only, not in the host")
        template.fields_of(value, template.FIELDS)
        return value

    @field_validator("body")
    @classmethod
    def _has_known_fields(cls, value: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        for text in texts_of(value):
            template.fields_of(text, template.FIELDS)
        return value

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not HEADER_NAME.fullmatch(name):
                raise ValueError(f"must have names of letters, digits and '-': '{name}' is none")
            if name.lower() in OURS:
                raise ValueError(f"must not have '{name}': the action writes it itself")
            if not HEADER_VALUE.fullmatch(text):
                raise ValueError(f"must have a value of one line without blanks around it for '{name}'")
        return value

    @field_validator("token")
    @classmethod
    def _is_one_line(cls, value: str | None) -> str | None:
        if value is not None and not (value.isascii() and value.isprintable() and " " not in value):
            raise ValueError("must be letters, digits and signs without a blank")
        return value

    @field_validator("secret")
    @classmethod
    def _is_a_secret(cls, value: str | None) -> str | None:
        if value is not None:
            signing.key_of(value)
        return value

    @field_validator("proxy")
    @classmethod
    def _is_a_proxy(cls, value: str) -> str:
        parts = _split(value)
        if value not in ("auto", "none") and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("must be auto, none, or a URL such as http://proxy.example.com:3128")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        authorized = any(name.lower() == "authorization" for name in self.headers)
        if sum((self.user is not None, self.token is not None, authorized)) > 1:
            raise ValueError("user, token and an Authorization header exclude each other")
        if self.password and self.user is None:
            raise ValueError("password needs user")
        if self.user is not None and ":" in self.user:
            raise ValueError("user must not contain ':'")
        if self.method in ("GET", "DELETE") and (self.body is not None or self.attach):
            raise ValueError(f"{self.method} has no body: body and attach need POST, PUT or PATCH")
        if self.key is not None and self.certificate is None:
            raise ValueError("key needs certificate")
        return self


def texts_of(value: JsonValue) -> Iterator[str]:
    """Give every text inside of a JSON value; names of an object are none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts_of(item)


def _split(url: str) -> SplitResult:
    """Take a URL apart."""
    if not url.isprintable() or " " in url:
        raise ValueError("must be a URL without blanks: write %20")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises at what is no port
    except ValueError:
        raise ValueError("must be a URL such as https://example.com/path") from None
    return parts
