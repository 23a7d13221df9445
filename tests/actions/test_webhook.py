"""The webhook, asked of a real web server: what arrives, what is tried again, what is told."""

import base64
import hashlib
import hmac
import json
import logging
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

from listener.actions.base import ActionContext
from listener.actions.runner import ActionRunner
from listener.actions.webhook import signing
from listener.actions.webhook.action import WebhookAction
from listener.actions.webhook.options import WebhookOptions
from listener.config_file import validate
from listener.errors import ActionError, ConfigError, TransientError
from listener.event_format import event_dict
from listener.types import Event
from tests import http_server
from tests.actions.fakes import LIMIT_S, ONSET, FakeTap, no_audio, onset, settings
from tests.bundles import loudness_bundle
from tests.http_server import Certificates, Request, WebServer, status
from tests.program import Program
from tests.virtual_microphone import VirtualMicrophone

SECRET = "tr0ub4dor-correct-horse"


def webhook(**options: object) -> WebhookAction:
    action = WebhookAction("hook", validate(WebhookOptions, options))
    action.open()
    return action


def fire(action: WebhookAction, event: Event = ONSET, **context: object) -> None:
    action.run(event, ActionContext(no_audio, key="e1-onset", **context))  # type: ignore[arg-type]


def send(server: WebServer, event: Event = ONSET, path: str = "/", **options: Any) -> Request:
    fire(webhook(url=server.url + path, **options), event)
    return server.requests[-1]


# --- what arrives ----------------------------------------------------------------------------


def test_the_event_arrives_as_json(web_server: WebServer) -> None:
    request = send(web_server, path="/hook")
    assert (request.method, request.path) == ("POST", "/hook")
    assert json.loads(request.body) == event_dict(ONSET)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == "e1-onset"
    assert request.headers["user-agent"].startswith("listener/")
    assert "authorization" not in request.headers
    assert "webhook-signature" not in request.headers


def test_a_body_of_ones_own(web_server: WebServer) -> None:
    body = {
        "text": "{label} in {source}",
        "score": "{score}",
        "end": "{offset_s}",
        "deep": [{"x": "{{{label}}}"}, 1, True, None],
        "{label}": "",
    }
    request = send(web_server, method="PUT", body=body)
    assert request.method == "PUT"
    assert json.loads(request.body) == {
        "text": "dog in mic",
        "score": 0.91,
        "end": None,
        "deep": [{"x": "{dog}"}, 1, True, None],
        "{label}": "",
    }


def test_a_request_without_a_body(web_server: WebServer) -> None:
    request = send(web_server, path="/{label}?at={onset_s}", method="GET")
    assert (request.method, request.path, request.body) == ("GET", "/dog?at=12.5", b"")
    assert "content-type" not in request.headers


@pytest.mark.parametrize(
    "label",
    [
        *(
            "../../admin",
            "..",
            ".",
            "a/b",
            "a?b=c&d=e#f",
            "%2e%2e",
            "a b+c",
            "$(touch x)",
            "é🐕",
            "x\r\nHost: y",
        ),
        *("{source}", "'\"<>", "\\..\\"),
    ],
)
def test_a_label_leaves_neither_its_part_of_the_path_nor_its_value(web_server: WebServer, label: str) -> None:
    body = {"text": "<{label}>", "alone": "{label}"}
    event = replace(ONSET, label=label)
    request = send(web_server, event, "/hook/{label}/end?q={label}&r=1", body=body)
    path, query = request.path.split("?")
    first, second, middle, last = path.split("/")
    (q, value), (r, one) = (part.split("=") for part in query.split("&"))
    assert (first, second, last, q, r, one) == ("", "hook", "end", "q", "r", "1")
    told = "_" * len(label) if not label.strip(".") else label
    assert [unquote(middle), unquote(value)] == [told, told]
    assert json.loads(request.body) == {"text": f"<{label}>", "alone": label}


def test_headers_and_the_ways_to_log_in(web_server: WebServer) -> None:
    assert send(web_server, headers={"X-Garden": "north"}).headers["x-garden"] == "north"
    assert send(web_server, token=SECRET).headers["authorization"] == f"Bearer {SECRET}"
    basic = send(web_server, user="bob", password="pä:ss").headers["authorization"]
    assert basic == "Basic Ym9iOnDDpDpzcw=="


def test_no_other_passwords_are_sent(
    web_server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login bob password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert "authorization" not in send(web_server).headers


# --- the signature -------------------------------------------------------------------------------


def verified_as_documented(secret: bytes, headers: dict[str, str], body: bytes) -> bool:
    """What docs/actions.md shows."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    is_new = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return is_new and any(hmac.compare_digest(expected, one) for one in headers["webhook-signature"].split())


@pytest.mark.parametrize(
    ("secret", "key"), [(SECRET, SECRET.encode()), ("whsec_AAECAwQ=", bytes(range(5))), ("é", "é".encode())]
)
@pytest.mark.parametrize("more", [{}, {"method": "GET"}, {"attach": ["clip"]}])
def test_the_signature_verifies(web_server: WebServer, secret: str, key: bytes, more: dict[str, Any]) -> None:
    request = send(web_server, secret=secret, **more)
    assert verified_as_documented(key, request.headers, request.body)
    assert signing.is_genuine(key, request.headers, request.body, time.time())
    assert request.headers["webhook-id"] == request.headers["idempotency-key"] == "e1-onset"


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of https://www.standardwebhooks.com."""
    key = signing.key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signing.signature_headers(
        key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "changed",
    [
        {"body": b"other"},
        {"key": b"other"},
        {"now_s": 1000.0 + 301},
        {"now_s": 1000.0 - 301},
        *(
            {"headers": {name: value}}
            for name, value in (
                ("webhook-id", "x"),
                ("webhook-timestamp", "1001"),
                ("webhook-timestamp", "1e3"),
                ("webhook-timestamp", ""),
                ("webhook-signature", ""),
                ("webhook-signature", "v1,é v2,x"),
            )
        ),
    ],
)
def test_what_was_changed_on_the_way_is_not_genuine(changed: dict[str, object]) -> None:
    headers = signing.signature_headers(b"key", "id", 1000.0, b"body")
    message = {"key": b"key", "headers": headers, "body": b"body", "now_s": 1000.0}
    assert signing.is_genuine(**message)  # type: ignore[arg-type]
    changed_headers = {**headers, **changed.get("headers", {})}  # type: ignore[dict-item]
    assert not signing.is_genuine(**(message | changed | {"headers": changed_headers}))  # type: ignore[arg-type]


# --- attachments ----------------------------------------------------------------------------------


def test_the_clip_and_the_picture_travel_along(web_server: WebServer, tmp_path: Path) -> None:
    clip, picture = tmp_path / 'a"b🐕.flac', tmp_path / "p.jpg"
    clip.write_bytes(b"fLaC\x00\xff")
    picture.write_bytes(b"\xff\xd8")
    action = webhook(url=web_server.url, attach=["clip", "picture"])
    assert action.wants_clip
    assert action.wants_picture
    fire(action, clip=clip, picture=picture)
    (request,) = web_server.requests
    parts = parts_of(request)
    assert json.loads(parts["event"][1]) == event_dict(ONSET)
    assert [parts[name][1] for name in ("clip", "picture")] == [b"fLaC\x00\xff", b"\xff\xd8"]
    assert [parts[name][0] for name in ("event", "clip", "picture")] == [
        "application/json",
        "audio/flac",
        "image/jpeg",
    ]


def parts_of(request: Request) -> dict[str, tuple[str, bytes]]:
    """Name, media type and content of each part of a multipart body."""
    message = BytesParser(policy=HTTP).parsebytes(
        f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode() + request.body
    )
    return {
        str(part.get_param("name", header="content-disposition")): (
            part.get_content_type(),
            bytes(part.get_payload(decode=True) or b""),
        )
        for part in message.iter_parts()
    }


def test_without_a_clip_the_event_goes_alone(
    web_server: WebServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    action = webhook(url=web_server.url, attach=["clip"])
    fire(action)
    fire(action, clip=tmp_path / "gone.flac")
    assert [list(parts_of(request)) for request in web_server.requests] == [["event"], ["event"]]
    assert "there is no clip to attach" in caplog.text
    assert "the clip is not attached: No such file" in caplog.text


# --- what the server answers -------------------------------------------------------------------------


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_any_2xx_is_a_yes(web_server: WebServer, code: int) -> None:
    web_server.answers.append(status(code))
    send(web_server)


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again(web_server: WebServer, code: int) -> None:
    web_server.answers.append(status(code, "not\nnow"))
    with pytest.raises(TransientError, match=f"^the server answers {code}: not now$"):
        send(web_server)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 410, 413, 422])
def test_a_refusal_is_final(web_server: WebServer, code: int) -> None:
    web_server.answers.append(status(code, "no"))
    with pytest.raises(ActionError, match=f"^the server answers {code}: no") as caught:
        send(web_server)
    assert not isinstance(caught.value, TransientError)


@pytest.mark.parametrize(
    ("told", "pause_s"),
    [
        *(("7", 7.0), ("99999999999999", 600.0), ("-1", 0.0), ("soon", 0.0), ("", 0.0)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 600.0),
    ],
)
def test_a_server_says_how_long_it_wants_to_be_left_alone(
    web_server: WebServer, told: str, pause_s: float
) -> None:
    web_server.answers.append(status(429, retry_after=told))
    with pytest.raises(TransientError) as caught:
        send(web_server)
    assert caught.value.after_s == pause_s


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_nothing_is_sent_on_to_another_place(web_server: WebServer, code: int) -> None:
    with WebServer() as other:
        web_server.answers.append(status(code, location=f"{other.url}/x?token={SECRET}"))
        with pytest.raises(ActionError, match=r"the server sends it on to http://127\.0\.0\.1 ") as caught:
            send(web_server, token=SECRET, secret=SECRET)
        assert SECRET not in str(caught.value)
        assert other.requests == []


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (http_server.rubbish, "what it answers is no HTTP"),
        (http_server.hang_up, "what it answers is no HTTP"),
        (http_server.hang, "it does not answer in time"),
    ],
)
def test_a_server_without_manners(web_server: WebServer, answer: http_server.Answer, problem: str) -> None:
    web_server.answers.append(answer)
    with pytest.raises(TransientError, match=f"^127.0.0.1: {problem}"):
        send(web_server, read_timeout_s=0.3)


@pytest.mark.parametrize("code", [200, 500])
def test_an_answer_without_an_end_is_not_read(web_server: WebServer, code: int) -> None:
    web_server.answers.append(http_server.endless(code))
    if code == 200:
        send(web_server)
    else:
        with pytest.raises(TransientError, match="answers 500: yyy") as caught:
            send(web_server)
        assert len(str(caught.value)) < 300


def test_a_server_that_is_away(web_server: WebServer) -> None:
    action = webhook(url=f"{web_server.url}/{SECRET}?token={SECRET}")
    web_server.stop()
    with pytest.raises(TransientError, match=r"^127\.0\.0\.1: Connection refused$"):
        fire(action)
    web_server.start()
    fire(action)
    assert len(web_server.requests) == 1


def test_a_server_that_nobody_knows() -> None:
    with pytest.raises(TransientError, match=r"^nowhere\.invalid: its address is not known"):
        fire(webhook(url="http://nowhere.invalid/"))


@pytest.mark.parametrize("answer", [http_server.drip, http_server.hang])
def test_a_run_that_is_given_up_ends(web_server: WebServer, answer: http_server.Answer) -> None:
    web_server.answers.append(answer)
    action = webhook(url=web_server.url)
    cancelled = threading.Event()
    errors: list[Exception] = []

    def run(flag: threading.Event) -> None:
        try:
            fire(action, cancelled=flag)
        except ActionError as error:
            errors.append(error)

    thread = threading.Thread(target=run, args=(cancelled,))
    thread.start()
    web_server.wait_for(1)
    action.cancel()  # somebody else was given up: this one goes on
    assert thread.is_alive()
    cancelled.set()
    action.cancel()
    thread.join(LIMIT_S)
    assert not thread.is_alive()
    assert [str(error) for error in errors] == ["given up"]


# --- TLS and proxies -------------------------------------------------------------------------------


def test_the_servers_certificate_is_looked_at(certificates: Certificates) -> None:
    with WebServer(tls=certificates.server_context()) as server:
        with pytest.raises(
            TransientError, match=r"127.0.0.1: its certificate is not trusted: .*\(see ca_file"
        ):
            send(server, token=SECRET)
        assert server.requests == []
        assert send(server, ca_file=str(certificates.ca)).method == "POST"


def test_it_may_be_left_unlooked_at(certificates: Certificates, caplog: pytest.LogCaptureFixture) -> None:
    with WebServer(tls=certificates.server_context()) as server:
        assert send(server, verify=False).method == "POST"
    assert "verify is false: anybody may pretend to be the server" in caplog.text


def test_the_client_shows_a_certificate(certificates: Certificates) -> None:
    with WebServer(tls=certificates.server_context(wants_client=True)) as server:
        shown: dict[str, Any] = {"certificate": str(certificates.client), "key": str(certificates.client_key)}
        assert send(server, ca_file=str(certificates.ca), **shown).method == "POST"
        with pytest.raises(TransientError):
            send(server, ca_file=str(certificates.ca))


def test_a_server_that_speaks_no_tls(web_server: WebServer) -> None:
    with pytest.raises(TransientError, match=r"^127\.0\.0\.1: TLS fails"):
        fire(webhook(url=web_server.url.replace("http:", "https:")))


def test_proxies(web_server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain request goes through a proxy with its whole URL in the first line."""
    url = "http://example.invalid/x"
    fire(webhook(url=url, proxy=web_server.url))
    monkeypatch.setenv("HTTP_PROXY", web_server.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    fire(webhook(url=url))
    assert [request.path for request in web_server.requests] == [url, url]
    with pytest.raises(TransientError, match="its address is not known"):
        fire(webhook(url=url, proxy="none"))
    monkeypatch.setenv("NO_PROXY", "example.invalid")
    with pytest.raises(TransientError, match="its address is not known"):
        fire(webhook(url=url))


def test_a_proxy_that_refuses_sees_no_secret(web_server: WebServer) -> None:
    action = webhook(url=f"https://example.invalid/{SECRET}", token=SECRET, proxy=web_server.url)
    with pytest.raises(TransientError, match=r"^example.invalid: the proxy does not let it through$"):
        fire(action)
    (request,) = web_server.requests
    assert (request.method, request.path) == ("CONNECT", "example.invalid:443")
    assert SECRET not in str(request)


# --- what is refused at the start ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "url: is missing"),
        ({"url": "example.com"}, "url: must be a URL such as https://example.com/path"),
        ({"url": "ftp://example.com"}, "url: must be a URL such as"),
        ({"url": "http://:80/"}, "url: must be a URL such as"),
        ({"url": "http://x:99999/"}, "url: must be a URL such as"),
        ({"url": "http://[x/"}, "url: must be a URL such as"),
        ({"url": "http://x/a b"}, "url: must be a URL without blanks"),
        ({"url": "http://x/a\nb"}, "url: must be a URL without blanks"),
        ({"url": "http://bob:pw@x/"}, "url: must hold no log-in: write it as user and password"),
        ({"url": "http://{label}.x/"}, "url: must hold fields in its path or query only"),
        ({"url": "http://x/{lable}"}, "url: 'http://x/{lable}': there is no field '{lable}'"),
        ({"body": {"a": ["{x}"]}}, "body: '{x}': there is no field '{x}'"),
        ({"body": "text"}, "body: "),
        ({"headers": {"a b": "x"}}, "headers: must have names of letters"),
        ({"headers": {"X": "a\r\nb"}}, "headers: must have a value of one line"),
        ({"headers": {"X": "🐕"}}, "headers: must have a value of one line"),
        ({"headers": {"content-Length": "1"}}, "headers: must not have 'content-Length'"),
        (
            {"headers": {"authorization": "x"}, "token": "t"},
            "user, token and an Authorization header exclude",
        ),
        ({"user": "a", "token": "t"}, "user, token and an Authorization header exclude"),
        ({"password": "a"}, "password needs user"),
        ({"user": "a:b"}, "user must not contain ':'"),
        ({"token": "a\nb"}, "token: must be letters"),
        ({"secret": ""}, "secret: "),
        ({"secret": "whsec_?"}, "secret: must have base64 behind whsec_"),
        ({"method": "get"}, "method: must be 'POST'"),
        ({"method": "GET", "attach": ["clip"]}, "GET has no body"),
        ({"attach": ["sound"]}, "attach[0]: must be 'clip' or 'picture'"),
        ({"key": "x.key"}, "key needs certificate"),
        ({"proxy": "socks5://x"}, "proxy: must be auto, none, or a URL"),
        ({"connect_timeout_s": 0}, "connect_timeout_s: must be greater than 0"),
    ],
)
def test_settings_that_cannot_be(options: dict[str, object], problem: str) -> None:
    given = options if "url" in options or not options else {"url": "http://x/", **options}
    with pytest.raises(ConfigError) as caught:
        validate(WebhookOptions, given)
    assert str(caught.value).startswith(problem)


def test_files_that_cannot_be_used(certificates: Certificates, tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    url = "https://x/"
    for options, problem in (
        ({"ca_file": "/nowhere.pem"}, "^ca_file: '/nowhere.pem': No such file or directory$"),
        ({"ca_file": str(rubbish)}, "^ca_file: .*no certificate that can be used"),
        ({"certificate": "/nowhere.pem"}, "^certificate: there is no file '/nowhere.pem'$"),
        ({"certificate": str(certificates.client), "key": "/nowhere.key"}, "^key: there is no file"),
        ({"certificate": str(rubbish)}, "^certificate: .*no certificate that can be used"),
        (
            {"certificate": str(certificates.client), "key": str(certificates.server_key)},
            "^certificate: .*KEY_VALUES_MISMATCH",
        ),
    ):
        with pytest.raises(ActionError, match=problem):
            webhook(url=url, **options)


# --- through the runner -----------------------------------------------------------------------------


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Callable[..., ActionRunner]:
    def run(url: str, retry: object = "auto", **values: object) -> ActionRunner:
        options = {name: values.pop(name) for name in list(values) if name in WebhookOptions.model_fields}
        action = WebhookAction("hook", validate(WebhookOptions, {"url": url, **options}))
        quick = {"times": 50, "pause_s": 0.02, "longest_pause_s": 0.05} if retry == "auto" else retry
        chosen = settings(retry=quick, breaker="never", **values)
        runner = ActionRunner([(action, chosen)], FakeTap())
        runner.start()
        request.addfinalizer(lambda: runner.stop(0.0))
        return runner

    return run


def settled(runner: ActionRunner, **expected: int) -> None:
    ends_at = time.monotonic() + LIMIT_S
    while True:
        stats = runner.stats()["hook"]
        if {name: getattr(stats, name) for name in expected} == expected:
            return
        assert time.monotonic() < ends_at, stats
        time.sleep(0.01)


def test_what_was_stored_but_not_answered_comes_with_the_same_id(
    web_server: WebServer, run: Callable[..., ActionRunner]
) -> None:
    web_server.answers.extend([status(500), http_server.hang_up, status(200), status(503)])
    runner = run(web_server.url, secret=SECRET)
    for number in (1, 2, 3):
        runner.submit(onset(number))
    settled(runner, fired=3, retried=3)
    ids = [request.headers["idempotency-key"] for request in web_server.requests]
    assert ids == ["e1-onset"] * 3 + ["e2-onset"] * 2 + ["e3-onset"]
    for request in web_server.requests:
        assert signing.is_genuine(SECRET.encode(), request.headers, request.body, time.time())
        assert json.loads(request.body)["id"] == request.headers["webhook-id"].removesuffix("-onset")


def test_a_server_that_comes_later_gets_what_waited(
    web_server: WebServer, run: Callable[..., ActionRunner]
) -> None:
    web_server.stop()
    runner = run(web_server.url)
    for number in (1, 2):
        runner.submit(onset(number))
    ends_at = time.monotonic() + LIMIT_S
    while runner.stats()["hook"].retried < 2:
        assert time.monotonic() < ends_at
        time.sleep(0.01)
    web_server.start()
    settled(runner, fired=2)
    assert [request.headers["idempotency-key"] for request in web_server.requests] == ["e1-onset", "e2-onset"]


def test_a_server_is_left_alone_for_as_long_as_it_asks(
    web_server: WebServer, run: Callable[..., ActionRunner]
) -> None:
    web_server.answers.append(status(429, retry_after="1"))
    runner = run(web_server.url)
    runner.submit(onset(1))
    settled(runner, fired=1, retried=1)
    first, second = web_server.requests
    assert second.at - first.at >= 1.0


def test_losses_are_counted(web_server: WebServer, run: Callable[..., ActionRunner]) -> None:
    web_server.answers.extend([status(401), http_server.drip])
    runner = run(web_server.url, retry="never", timeout_s=0.5)
    for number in (1, 2, 3):
        runner.submit(onset(number))
    settled(runner, fired=1, failed=1, timed_out=1, hung=0)


def test_no_secret_is_told(
    web_server: WebServer, run: Callable[..., ActionRunner], caplog: pytest.LogCaptureFixture
) -> None:
    """Not by this program, not by the libraries, and not by a server that repeats what it was sent."""
    caplog.set_level(logging.DEBUG)
    kinds = [f"{kind}-{SECRET}" for kind in ("path", "query", "header", "token", "secret")]
    path, query, header, token, secret = kinds
    echo = status(400, f"no such thing: /{path}?x={query} with {header}, Bearer {token}")
    web_server.answers.extend([echo, status(500, token), http_server.rubbish, http_server.hang_up])
    runner = run(f"{web_server.url}/{path}?x={query}", headers={"X-Any": header}, token=token, secret=secret)
    runner.submit(onset(1))
    runner.submit(onset(2))
    settled(runner, failed=1, fired=1, retried=3)
    web_server.stop()
    runner.submit(onset(3))
    settled(runner, retried=5)
    assert "the server answers 400: no such thing" in caplog.text
    assert SECRET not in caplog.text


# --- from a sound to the server --------------------------------------------------------------------


def configuration(folder: Path, server: WebServer, more: str = "") -> Path:
    path = folder / "config.yaml"
    path.write_text(
        f"""
sources: [{{use: microphone, name: mic, backend: sounddevice}}]
model: {{path: {loudness_bundle(folder / "loudness.pt")}}}
windows: {{hop_s: 0.1}}
events: {{only: [loud], default: {{release_s: 0.1, cooldown_s: 0}}}}
actions:
  - {{use: clip, directory: {folder / "clips"}, before_s: 0.2, after_s: 0.2}}
  - use: webhook
    when: both
    url: {server.url}/${{HOOK_TOKEN}}/{{label}}
    headers: {{X-Token: "${{HOOK_TOKEN}}"}}
    secret: ${{HOOK_SECRET}}
    retry: {{times: 100, pause_s: 0.1, longest_pause_s: 0.3}}
    breaker: never
    {more}
""",
        encoding="utf-8",
    )
    return path


ENVIRONMENT = {"HOOK_TOKEN": f"token-{SECRET}", "HOOK_SECRET": f"whsec-{SECRET}"}


def burst() -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """A second of noise, and quiet around it."""
    noise = np.random.default_rng(1).uniform(-10_000, 10_000, 16_000)
    return np.asarray(np.pad(noise, 8_000), np.int16)


def test_a_sound_arrives_at_the_server(
    web_server: WebServer, virtual_microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    config = configuration(tmp_path, web_server, "attach: [clip]")
    with Program("run", "-c", config, "--json", environment=ENVIRONMENT) as program:
        program.wait_for_log("listening to mic")
        virtual_microphone.play_array(burst())
        requests = web_server.wait_for(2)
        program.interrupt()
        assert program.wait() == 130
    printed = {line["phase"]: line for line in map(json.loads, program.printed)}
    for request, phase in zip(requests, ("onset", "offset"), strict=True):
        assert request.path == f"/token-{SECRET}/loud"
        key = f"whsec-{SECRET}".encode()
        assert verified_as_documented(key, request.headers, request.body)
        parts = parts_of(request)
        assert json.loads(parts["event"][1]) == printed[phase]
        assert parts["clip"][1].startswith(b"fLaC")
        assert request.headers["idempotency-key"] == f"{printed[phase]['id']}-{phase}"
    assert SECRET not in "".join(program.told)


def test_it_hears_on_whatever_the_server_does(
    web_server: WebServer, virtual_microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    """Down at the start, then rude in every way, then away, then back: each event arrives once by its id."""
    web_server.stop()
    config = configuration(tmp_path, web_server, "timeout_s: 1.5\n    read_timeout_s: 1")
    stored: list[str] = []

    def stores_and_fails(handler: http_server.Handler) -> None:
        stored.append("here")
        status(500)(handler)

    with Program("run", "-c", config, "--json", environment=ENVIRONMENT) as program:
        program.wait_for_log("listening to mic")
        virtual_microphone.play_array(burst())
        program.wait_for_log("Connection refused; it is tried again")
        program.wait_for_event("loud", "offset")
        rude = [
            stores_and_fails,
            http_server.rubbish,
            http_server.hang_up,
            http_server.hang,
            http_server.drip,
        ]
        web_server.answers.extend(rude)
        web_server.start()
        web_server.wait_for(len(rude) + 2)
        web_server.stop()
        virtual_microphone.play_array(burst())
        program.wait_for_event("loud", "offset")
        program.wait_for_log("Connection refused; it is tried again")
        web_server.answers.append(status(403))
        web_server.start()
        requests = web_server.wait_for(len(rude) + 4)
        program.wait_for_log("the server answers 403")
        program.interrupt()
        assert program.wait() == 130
    ids = [f"{event['id']}-{event['phase']}" for event in map(json.loads, program.printed)]
    assert [request.headers["idempotency-key"] for request in requests] == [ids[0]] * 6 + ids[1:]
    assert stored == ["here"]
    assert SECRET not in "".join(program.told)


def test_a_port_where_nobody_answers_at_all() -> None:
    """A full queue of connections: the system itself says nothing."""
    with socket.socket() as quiet:
        quiet.bind(("127.0.0.1", 0))
        quiet.listen(0)
        address = quiet.getsockname()
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        with pytest.raises(TransientError, match=r"127\.0\.0\.1: it does not answer in time"):
            fire(webhook(url=f"http://127.0.0.1:{address[1]}/", connect_timeout_s=0.2, read_timeout_s=0.2))
        for one in waiting:
            one.close()


def test_no_password_of_a_key_is_asked_for(certificates: Certificates, tmp_path: Path) -> None:
    encrypted = tmp_path / "encrypted.key"
    subprocess.run(
        ["openssl", "ec", "-aes256", "-passout", "pass:x", "-in", certificates.client_key, "-out", encrypted],
        check=True,
        capture_output=True,
        timeout=60,
    )
    with pytest.raises(ActionError, match="is the key encrypted"):
        webhook(url="https://x/", certificate=str(certificates.client), key=str(encrypted))
