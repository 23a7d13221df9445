"""Notifications through Apprise, asked of a real web server."""

import base64
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from listener.actions.base import ActionContext
from listener.actions.notify import action as notify
from listener.actions.notify.action import NotifyAction, NotifyOptions
from listener.actions.notify.courier import Couriers
from listener.actions.runner import ActionRunner
from listener.config_file import validate
from listener.errors import ActionError, ConfigError, TransientError
from listener.types import Event
from tests import http_server
from tests.actions.fakes import LIMIT_S, ONSET, FakeTap, no_audio, onset, settings
from tests.bundles import loudness_bundle
from tests.http_server import Request, WebServer, status
from tests.program import Program
from tests.virtual_microphone import VirtualMicrophone

SECRET = "tr0ub4dor-correct-horse"

Notify = Callable[..., NotifyAction]


@pytest.fixture(scope="module")
def couriers() -> Iterator[Couriers]:
    """The processes that send, for all tests: each takes a second to start."""
    couriers = Couriers()
    yield couriers
    couriers.close()


@pytest.fixture
def make(couriers: Couriers, monkeypatch: pytest.MonkeyPatch) -> Notify:
    monkeypatch.setattr(notify, "Couriers", lambda: couriers)

    def make(*urls: str, **options: Any) -> NotifyAction:
        action = NotifyAction("phone", validate(NotifyOptions, {"urls": list(urls), **options}))
        action.open()
        return action

    return make


def fire(action: NotifyAction, event: Event = ONSET, **context: Any) -> None:
    action.run(event, ActionContext(no_audio, key=context.pop("key", event.id), **context))


def json_url(server: WebServer, path: str = "/") -> str:
    return f"json://127.0.0.1:{server.port}{path}"


def told(request: Request) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(request.body)
    return message


# --- what arrives ----------------------------------------------------------------------------


def test_a_message_arrives(web_server: WebServer, make: Notify) -> None:
    fire(make(json_url(web_server, "/inbox")))
    (request,) = web_server.requests
    assert request.path == "/inbox"
    message = told(request)
    assert (message["title"], message["type"], message["attachments"]) == ("dog", "info", [])
    assert message["message"] == "dog began at 12.5 s (0.91) in mic, 2026-01-31 06:12:03 UTC"


def test_another_kind_of_service(web_server: WebServer, make: Notify) -> None:
    fire(make(json_url(web_server).replace("json", "xml"), type="warning", body="{label} in {source}"))
    (request,) = web_server.requests
    assert "<Message>dog in mic</Message>" in request.body.decode()
    assert "<MessageType>warning</MessageType>" in request.body.decode()


def test_title_and_body_are_filled_in_and_nothing_more(web_server: WebServer, make: Notify) -> None:
    action = make(json_url(web_server), title="! {label}", body="<{label}> {{x}} {id}")
    labels = ["$(touch x)", "a\nb", "../..", "<b>&amp;", "{source}", "dög 🐕", '"', ":smile:"]
    for label in labels:
        fire(action, replace(ONSET, label=label))
    for request, label in zip(web_server.requests, labels, strict=True):
        assert told(request)["title"] == f"! {' '.join(label.split())}"
        assert told(request)["message"] == f"<{label}> {{x}} e1"


def test_the_type_may_depend_on_the_label(web_server: WebServer, make: Notify) -> None:
    action = make(json_url(web_server), type="success", types={"smoke_*": "failure", "*_*": "warning"})
    for label in ("smoke_alarm", "big_dog", "cat"):
        fire(action, replace(ONSET, label=label))
    assert [told(request)["type"] for request in web_server.requests] == ["failure", "warning", "success"]


def test_clip_and_picture_travel_along(web_server: WebServer, make: Notify, tmp_path: Path) -> None:
    clip, picture = tmp_path / "a b%20?x=1&🐕.flac", tmp_path / "p.jpg"
    clip.write_bytes(b"fLaC\x00\xff")
    picture.write_bytes(b"\xff\xd8\xff")
    action = make(json_url(web_server), attach=["clip", "picture"])
    assert action.wants_clip
    assert action.wants_picture
    fire(action, clip=clip, picture=picture)
    sent = told(web_server.requests[0])["attachments"]
    assert [base64.b64decode(one["base64"]) for one in sent] == [b"fLaC\x00\xff", b"\xff\xd8\xff"]
    assert [one["filename"] for one in sent] == [clip.name, picture.name]


def test_without_a_clip_the_message_goes_alone(
    web_server: WebServer, make: Notify, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fire(make(json_url(web_server), attach=["clip"]), clip=tmp_path / "gone.flac")
    assert told(web_server.requests[0])["attachments"] == []
    assert "the clip is not attached: No such file" in caplog.text


# --- what is refused at the start -------------------------------------------------------------


def test_every_bad_url_is_named(make: Notify) -> None:
    with pytest.raises(ActionError) as caught:
        make("json://127.0.0.1/", "nonsense", "unheard://of", "json://", f"tgram://{SECRET}", "")
    nonsense, unheard, no_host, telegram, empty = str(caught.value).split("; ")
    assert nonsense.startswith("urls[1]: Unsupported URL")
    assert unheard.startswith("urls[2] (unheard://): Unparseable URL")
    assert no_host.startswith("urls[3] (json://): Unparseable JSON URL")
    assert telegram.startswith("urls[4] (tgram://): Unparseable Telegram URL")
    assert empty.startswith("urls[5]: ")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "urls: is missing"),
        ({"urls": []}, "urls: "),
        ({"urls": ["x"], "title": "{lable}"}, "title: '{lable}': there is no field"),
        ({"urls": ["x"], "body": "{"}, "body: '{': a brace without a partner"),
        ({"urls": ["x"], "body": ""}, "body: "),
        ({"urls": ["x"], "type": "loud"}, "type: must be 'info', 'success', 'warning' or 'failure'"),
        ({"urls": ["x"], "types": {"dog": "loud"}}, "types.dog: must be 'info'"),
    ],
)
def test_settings_that_cannot_be(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(NotifyOptions, options)
    assert str(caught.value).startswith(problem)


def test_a_missing_package_is_named(make: Notify, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "find_spec", lambda name: None)
    with pytest.raises(
        ActionError, match=r"^notify needs the package apprise: pip install 'listener\[notify\]'$"
    ):
        make("json://127.0.0.1/")


# --- what the other side answers ----------------------------------------------------------------


def test_what_may_pass_is_tried_again(web_server: WebServer, make: Notify) -> None:
    action = make(json_url(web_server))
    for code in (408, 425, 429, 500, 503):
        web_server.answers.append(status(code))
        with pytest.raises(TransientError, match=rf"^urls\[0\] \(json://\): .*{code}"):
            fire(action)


def test_a_refusal_is_final(web_server: WebServer, make: Notify) -> None:
    action = make(json_url(web_server))
    for code in (400, 401, 403, 404):
        web_server.answers.append(status(code))
        with pytest.raises(ActionError, match=rf"^urls\[0\] \(json://\): .*{code}") as caught:
            fire(action)
        assert not isinstance(caught.value, TransientError)


def test_a_service_without_manners(web_server: WebServer, make: Notify) -> None:
    action = make(json_url(web_server, "/?rto=0.3"))
    for answer in (http_server.rubbish, http_server.hang_up, http_server.hang):
        web_server.answers.append(answer)
        with pytest.raises(TransientError, match=r"^urls\[0\] \(json://\): "):
            fire(action)
        fire(action)


def test_an_answer_without_an_end_does_not_fill_the_memory(web_server: WebServer, make: Notify) -> None:
    web_server.answers.append(http_server.endless(200))
    action = make(json_url(web_server))
    with pytest.raises(TransientError):
        fire(action)
    fire(action)


def test_only_who_was_not_told_is_told_again(web_server: WebServer, make: Notify) -> None:
    with WebServer(status(500), status(401)) as other:
        action = make(json_url(web_server), json_url(other), json_url(web_server, "/second"))
        with pytest.raises(TransientError, match=r"^urls\[1\]"):
            fire(action)
        with pytest.raises(ActionError, match=r"^urls\[1\].*401"):
            fire(action)
        assert [request.path for request in web_server.requests] == ["/", "/second"]
        assert len(other.requests) == 2
        fire(action, onset(2))
    assert len(web_server.requests) == 4


def test_a_run_that_is_given_up_ends(web_server: WebServer, make: Notify) -> None:
    web_server.answers.append(http_server.drip)
    action = make(json_url(web_server))
    cancelled = threading.Event()
    errors: list[str] = []

    def run() -> None:
        try:
            fire(action, cancelled=cancelled)
        except ActionError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    web_server.wait_for(1)
    action.cancel()
    assert thread.is_alive()
    cancelled.set()
    action.cancel()
    thread.join(LIMIT_S)
    assert errors == ["given up"]
    fire(action, onset(2))


def test_a_process_that_ended_is_replaced(web_server: WebServer, make: Notify) -> None:
    action = make(json_url(web_server))
    (courier,) = action._couriers._idle
    courier.kill()
    with pytest.raises(TransientError, match="the process that sends has ended"):
        fire(action)
    fire(action)
    assert len(web_server.requests) == 1


# --- through the runner ---------------------------------------------------------------------------


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Callable[..., ActionRunner]:
    def run(*urls: str, times: int = 50, **values: object) -> ActionRunner:
        action = NotifyAction("phone", NotifyOptions(urls=urls))
        retry = {"times": times, "pause_s": 0.02, "longest_pause_s": 0.05}
        runner = ActionRunner([(action, settings(retry=retry, breaker="never", **values))], FakeTap())
        runner.start()
        request.addfinalizer(lambda: runner.stop(0.0))
        return runner

    return run


def settled(runner: ActionRunner, **expected: int) -> None:
    ends_at = time.monotonic() + LIMIT_S
    while True:
        stats = runner.stats()["phone"]
        if {name: getattr(stats, name) for name in expected} == expected:
            return
        assert time.monotonic() < ends_at, stats
        time.sleep(0.01)


def test_who_is_away_gets_it_later_and_once(web_server: WebServer, run: Callable[..., ActionRunner]) -> None:
    with WebServer() as away:
        away.stop()
        runner = run(json_url(web_server), json_url(away))
        runner.submit(ONSET)
        web_server.wait_for(1)
        away.start()
        settled(runner, fired=1)
        assert len(web_server.requests) == len(away.requests) == 1


def test_losses_are_counted(web_server: WebServer, run: Callable[..., ActionRunner]) -> None:
    web_server.answers.extend([status(401), http_server.drip])
    runner = run(json_url(web_server), times=0, timeout_s=2.0)
    for number in (1, 2):
        runner.submit(onset(number))
    settled(runner, failed=1, timed_out=1, hung=0)


def test_no_secret_is_told(
    web_server: WebServer, run: Callable[..., ActionRunner], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    web_server.answers.extend([status(500), http_server.rubbish, status(401)])
    url = f"json://bob:pw-{SECRET}@127.0.0.1:{web_server.port}/path-{SECRET}?+X-Token=header-{SECRET}"
    runner = run(url)
    runner.submit(ONSET)
    settled(runner, failed=1, retried=2)
    assert "401" in caplog.text
    assert SECRET not in caplog.text
    assert web_server.requests[0].headers["x-token"] == f"header-{SECRET}"


# --- from a sound to the phone -----------------------------------------------------------------------


def burst() -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """A second of noise, and quiet around it."""
    noise = np.random.default_rng(1).uniform(-10_000, 10_000, 16_000)
    return np.asarray(np.pad(noise, 8_000), np.int16)


def test_a_sound_arrives_with_its_clip_whatever_the_service_does(
    web_server: WebServer, virtual_microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    """Away at the start, then rude, then there: the program hears on, and the message comes."""
    config = tmp_path / "config.yaml"
    config.write_text(
        f"""
sources: [{{use: microphone, name: mic, backend: sounddevice}}]
model: {{path: {loudness_bundle(tmp_path / "loudness.pt")}}}
windows: {{hop_s: 0.1}}
events: {{only: [loud], default: {{release_s: 0.1, cooldown_s: 0}}}}
actions:
  - {{use: clip, directory: {tmp_path / "clips"}, before_s: 0.2, after_s: 0.2}}
  - use: notify
    urls: ["${{PHONE}}"]
    title: "{{label}}!"
    body: "{{id}} {{label}} in {{source}}"
    type: failure
    attach: [clip]
    timeout_s: 3
    retry: {{times: 100, pause_s: 0.1, longest_pause_s: 0.3}}
    breaker: never
""",
        encoding="utf-8",
    )
    phone = f"{json_url(web_server, f'/{SECRET}')}?rto=1"
    web_server.stop()
    with Program("run", "-c", config, "--json", environment={"PHONE": phone}) as program:
        program.wait_for_log("listening to mic")
        virtual_microphone.play_array(burst())
        program.wait_for_log("it is tried again")
        event = program.wait_for_event("loud", "onset")
        rude = [status(500), http_server.rubbish, http_server.hang, http_server.drip]
        web_server.answers.extend(rude)
        web_server.start()
        requests = web_server.wait_for(len(rude) + 1)
        program.interrupt()
        assert program.wait() == 130
    for request in requests:
        message = told(request)
        assert (message["title"], message["type"]) == ("loud!", "failure")
        assert message["message"] == f"{event['id']} loud in mic"
        (clip,) = message["attachments"]
        assert base64.b64decode(clip["base64"]).startswith(b"fLaC")
    assert SECRET not in "".join(program.told)
