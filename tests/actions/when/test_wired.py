"""The rules through the runner that hands events to actions."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from listener.actions.runner import ActionRunner
from listener.config import ActionSettings
from listener.errors import TransientError
from listener.types import Event, Phase
from tests.actions.fakes import LIMIT_S, FakeAction, FakeTap, settings
from tests.actions.when.story import began, ended


@contextmanager
def running(*actions: tuple[FakeAction, ActionSettings], is_dry: bool = False) -> Iterator[ActionRunner]:
    runner = ActionRunner(actions, FakeTap(), LIMIT_S, is_dry=is_dry)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop(LIMIT_S)


def seen(action: FakeAction) -> list[tuple[Phase, float]]:
    return [(event.phase, event.onset_s) for event in action.seen]


def dog(onset_s: float) -> Event:
    return began("dog", onset_s)


def test_nobody_answers_to_the_noise_of_an_action(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    siren, diary = FakeAction("siren"), FakeAction("diary")
    alarm = settings(labels=("alarm",), mute_s=5)
    with running((siren, alarm), (diary, settings(labels=("dog", "@*"), when="both"))) as runner:
        runner.follow("mic", 100, {})
        runner.submit(began("alarm", 99.5))
        siren.wait_started()
        runner.submit(dog(99.75))
        for noise in (dog(100), dog(102)):
            runner.submit(noise)
            runner.submit(ended(noise, 104))
        runner.submit(began("@source.silent", 103))
        runner.follow("mic", 104, {})
        runner.submit(began("alarm", 104), at_s=104.5)
        runner.submit(dog(105))
        diary.wait_started(3)
        stats = runner.stats()
    assert seen(diary) == [(Phase.ONSET, 99.75), (Phase.ONSET, 103), (Phase.ONSET, 105)]
    assert len(siren.seen) == 1, "its own noise is not answered by itself either"
    assert (stats["diary"].held, stats["siren"].held) == (4, 1)
    assert "does not answer the onset of dog at 102.0 s: the noise of 'siren' (mute_s)" in caplog.text


def test_every_try_makes_noise() -> None:
    def does(event: Event, context: object) -> None:
        if len(siren.seen) == 1:
            runner.follow("mic", 200, {})
            raise TransientError("the loudspeaker is busy")

    siren = FakeAction("siren", does)
    retry = {"times": 1, "pause_s": 0.01}
    with running((siren, settings(mute_s=5, retry=retry))) as runner:
        runner.follow("mic", 100, {})
        runner.submit(dog(99.5))
        siren.wait_started(2)
        runner.submit(dog(202))
        runner.submit(dog(102))
        runner.submit(dog(150))
        siren.wait_started()
    assert [event.onset_s for event in siren.seen] == [99.5, 99.5, 150]


def test_updates_come_while_a_sound_lasts() -> None:
    all_of_it, ends = FakeAction("all"), FakeAction("ends")
    with running((all_of_it, settings(when="all", update_s=10)), (ends, settings(when="offset"))) as runner:
        event = dog(12.5)
        runner.submit(event)
        for n in range(59):
            runner.follow("mic", 13 + n / 2, {"dog": 0.5 if n % 2 else 0.95, "speech": 0.8})
            runner.follow("yard", 13 + n / 2, {"dog": 0.99})
        runner.submit(ended(event, 43))
        runner.follow("mic", 60, {"dog": 0.99})
        all_of_it.wait_started(4)
        stats = runner.stats()
    told = [(event.phase, event.score, event.peak_score) for event in all_of_it.seen]
    assert told == [
        (Phase.ONSET, 0.9, 0.9),
        (Phase.UPDATE, 0.5, 0.95),
        (Phase.UPDATE, 0.5, 0.95),
        (Phase.OFFSET, 0.1, 0.9),
    ]
    assert {event.id for event in all_of_it.seen} == {event.id}
    assert seen(ends) == [(Phase.OFFSET, 12.5)]
    assert stats["all"].held == stats["ends"].held == 0, "what is not due is held by nobody"


def test_who_is_switched_off_ends_what_it_began() -> None:
    light = FakeAction("light")
    with running((light, settings(when="all", update_s=1))) as runner:
        runner.submit(dog(1))
        light.wait_started()
        runner.pause("light", True)
        runner.follow("mic", 2.5, {"dog": 0.9})
        runner.submit(dog(3))
        runner.submit(ended(dog(1), 4))
        light.wait_started()
        runner.pause("light", False)
        runner.submit(ended(dog(3), 5))
        runner.submit(dog(6))
        light.wait_started()
        held = runner.stats()["light"].held
    assert seen(light) == [(Phase.ONSET, 1), (Phase.OFFSET, 1), (Phase.ONSET, 6)]
    assert held == 3, "an update, an onset and its offset"


def test_a_dry_run_tells_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    action = FakeAction("pic")
    chosen = settings(
        labels=("dog",), cooldown_s=30, unless={"label": "speech", "within_s": 3}, count=2, within_s=60
    )
    with running((action, chosen), is_dry=True) as runner:
        for event in (dog(1), dog(2), dog(12), began("speech", 40), dog(41)):
            runner.submit(event)
    told = [record.getMessage() for record in caplog.records if "pic" in record.getMessage()]
    assert told == [
        "action 'pic' does not answer the onset of dog at 1.0 s: 1st of 2 within 60 s",
        "action 'pic' would answer the onset of dog at 2.0 s: label, source and score; 2nd of 2 within 60 s",
        "action 'pic' does not answer the onset of dog at 12.0 s: cooldown: 20.0 s left",
        "action 'pic' does not answer the onset of dog at 41.0 s: unless: speech is heard now",
    ]
    assert action.seen == []
