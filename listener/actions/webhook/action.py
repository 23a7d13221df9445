"""``use: webhook``: tell a web server of every event, signed where a secret is known to both sides.

The URL is filled in without any way to escape: what an event says is percent-encoded, and can
neither leave its part of the path nor add one to the query.
"""

import base64
import json
import logging
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import JsonValue

from listener import __version__
from listener.actions import template
from listener.actions.attachments import attachments, media_type
from listener.actions.base import Action, ActionContext
from listener.actions.webhook import signing
from listener.actions.webhook.options import WebhookOptions, texts_of
from listener.errors import ActionError, TransientError
from listener.event_format import event_dict, event_json
from listener.logs import hide
from listener.logs.redaction import Redactor
from listener.types import Event

if TYPE_CHECKING:
    from requests import PreparedRequest

    from listener.actions.webhook.client import Answer, Client

log = logging.getLogger(__name__)

MAY_PASS = frozenset({408, 425, 429})
"""Beside 5xx: time-out, too early, too many. https://www.rfc-editor.org/rfc/rfc9110#name-status-codes."""

LONGEST_TEXT = 200
"""Characters of a server's complaint that are told."""

SECRET_NAMES = ("auth", "cookie", "key", "password", "secret", "sig", "token")
"""A header or a part of a query whose name has one of these in it is told nowhere."""


class WebhookAction(Action):
    """Sends events to a web server."""

    Options = WebhookOptions
    options: WebhookOptions
    is_remote = True
    _client: "Client"

    def __init__(self, name: str, options: WebhookOptions) -> None:
        super().__init__(name, options)
        fields = set().union(
            *(template.fields_of(text, template.FIELDS) for text in (options.url, *texts_of(options.body)))
        )
        self.wants_clip = "clip" in options.attach or "clip" in fields
        self.wants_picture = "picture" in options.attach or "picture" in fields
        self._secrets = Redactor()

    def open(self) -> None:
        """Check the files of certificates. The server may be away.

        Raises
        ------
        ActionError
            One of them cannot be used.
        """
        from listener.actions.webhook.client import Client, Peer

        options = self.options
        self._hide_secrets()
        _check_certificates(options)
        if not options.verify:
            log.warning("action '%s': verify is false: anybody may pretend to be the server", self.name)
        proxy = {"auto": None, "none": ""}.get(options.proxy, options.proxy)
        verify = str(options.ca_file.expanduser()) if options.verify and options.ca_file else options.verify
        self._client = Client(
            Peer(
                connect_timeout_s=options.connect_timeout_s,
                read_timeout_s=options.read_timeout_s,
                verify=verify,
                certificate=_certificate(options),
                proxy=proxy,
            )
        )

    def run(self, event: Event, context: ActionContext) -> None:
        """Send the event, and take in what the server says.

        Raises
        ------
        TransientError
            The server cannot be reached, or may say something else later.
        ActionError
            It refuses.
        """
        self._judge(self._client.send(self._request(event, context), context.cancelled))

    def cancel(self) -> None:
        """Cut the connections of what was given up."""
        self._client.cut()

    def _request(self, event: Event, context: ActionContext) -> "PreparedRequest":
        import requests

        options = self.options
        headers = {
            "User-Agent": f"listener/{__version__}",
            "Accept-Encoding": "identity",
            "Idempotency-Key": context.key,
            **options.headers,
        }
        if (authorization := _authorization(options)) is not None:
            headers["Authorization"] = authorization
        files, body = None, None
        if options.attach:
            files = list(_parts(self._body(event, context), options, context))
        elif options.method not in ("GET", "DELETE"):
            body = self._body(event, context).encode()
            headers["Content-Type"] = "application/json"
        try:
            request = requests.Request(
                options.method, _filled_url(options.url, event, context), headers, files, body
            ).prepare()
        except (requests.RequestException, ValueError):
            raise ActionError("url: it cannot be used") from None  # the library's words hold it
        if options.secret is not None:
            sent = request.body if isinstance(request.body, bytes) else b""
            key = signing.key_of(options.secret)
            request.headers.update(signing.signature_headers(key, context.key, time.time(), sent))
        return request

    def _body(self, event: Event, context: ActionContext) -> str:
        if self.options.body is None:
            return event_json(event)
        texts = template.field_values(event, context.clip)
        own: dict[str, JsonValue] = {**event_dict(event)}
        own = {name: own[name] if name in own else texts[name] or None for name in texts}
        return json.dumps(_filled(self.options.body, texts, own), allow_nan=False)

    def _judge(self, answer: "Answer") -> None:
        if 200 <= answer.status < 300:
            return
        told = self._secrets.redact(answer.text, cut=True)[:LONGEST_TEXT]
        problem = f"the server answers {answer.status}" + (f": {told}" if told else "")
        if answer.status in MAY_PASS or answer.status >= 500:
            raise TransientError(problem, answer.pause_s)
        if 300 <= answer.status < 400:
            place = f" to {answer.location}" if answer.location else ""
            raise ActionError(f"url: the server sends it on{place} ({answer.status}): write the new address")
        if answer.status in (401, 403):
            raise ActionError(f"{problem}; are user, password, token, secret and headers right?")
        raise ActionError(problem)

    def _hide_secrets(self) -> None:
        """Keep what opens a door out of the log, also where it stands in the configuration itself."""
        options = self.options
        query = parse_qsl(urlsplit(options.url).query)
        named = [*options.headers.items(), *query]
        sure = [options.password, options.token, options.secret, _authorization(options)]
        sure += [value for name, value in named if any(part in name.lower() for part in SECRET_NAMES)]
        sure.append(urlsplit(options.proxy).password)
        secrets = [value for value in sure if value]
        hide(secrets)
        # A server may repeat what it was sent, and many a path is a secret.
        sent = [part for part in urlsplit(options.url).path.split("/") if len(part) >= 16]
        self._secrets.hide([*secrets, *sent, *(value for _, value in named)])


def _authorization(options: WebhookOptions) -> str | None:
    if options.token is not None:
        return f"Bearer {options.token}"
    if options.user is None:
        return None
    return "Basic " + base64.b64encode(f"{options.user}:{options.password}".encode()).decode()


def _certificate(options: WebhookOptions) -> str | tuple[str, str] | None:
    if options.certificate is None:
        return None
    own = str(options.certificate.expanduser())
    return own if options.key is None else (own, str(options.key.expanduser()))


def _filled_url(url: str, event: Event, context: ActionContext) -> str:
    return template.fill(
        url, {name: _encoded(text) for name, text in template.field_values(event, context.clip).items()}
    )


def _encoded(text: str) -> str:
    # A part of a path that is '..' leads out of it, however it is written.
    return quote(text, safe="", errors="replace") if text.strip(".") else "_" * len(text)


def _filled(value: JsonValue, texts: dict[str, str], own: dict[str, JsonValue]) -> JsonValue:
    if isinstance(value, str):
        is_field = value.startswith("{") and value.endswith("}") and value[1:-1] in own
        return own[value[1:-1]] if is_field else template.fill(value, texts)
    if isinstance(value, list):
        return [_filled(item, texts, own) for item in value]
    if isinstance(value, dict):
        return {name: _filled(item, texts, own) for name, item in value.items()}
    return value


def _parts(body: str, options: WebhookOptions, context: ActionContext) -> Iterator[tuple[str, Any]]:
    yield "event", (None, body.encode(), "application/json")
    for kind, path in attachments(options.attach, context):
        try:
            yield kind, (path.name, path.read_bytes(), media_type(path))
        except OSError as error:
            log.warning("the %s is not attached: %s", kind, error.strerror)


def _check_certificates(options: WebhookOptions) -> None:
    """See whether the files can be used.

    Raises
    ------
    ActionError
        One of them cannot; the message names the setting.
    """
    if options.ca_file is not None:
        path = options.ca_file.expanduser()
        try:
            ssl.create_default_context(cafile=path)
        except (OSError, ValueError) as error:
            raise ActionError(_refusal("ca_file", path, error)) from None
    if options.certificate is not None:
        path, key = options.certificate.expanduser(), options.key and options.key.expanduser()
        for name, file in (("certificate", path), ("key", key)):
            if file is not None and not file.is_file():
                raise ActionError(f"{name}: there is no file '{file}'")
        try:
            # The password is never asked for: nobody may be there.
            ssl.create_default_context().load_cert_chain(path, key, password=lambda: b"")
        except (OSError, ValueError) as error:
            raise ActionError(_refusal("certificate", path, error)) from None


def _refusal(setting: str, path: Path, error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        why = f"no certificate that can be used ({error.reason or 'is the key encrypted?'})"
    else:
        why = getattr(error, "strerror", None) or "it cannot be read"
    return f"{setting}: '{path}': {why}"
