"""When an action answers, rule by rule, and how it says why."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from listener.actions.when.trigger import Trigger
from listener.types import Event, Phase
from tests.actions.fakes import OFFSET, ONSET, settings
from tests.actions.when.story import began, ended, judge, tell, updated


def trigger(**chosen: object) -> Trigger:
    return Trigger(settings(**chosen))


def condition(label: str, within_s: float) -> dict[str, object]:
    return {"label": label, "within_s": within_s}


def dog(onset_s: float) -> Event:
    return began("dog", onset_s)


def decided(rules: Trigger, event: Event) -> tuple[bool, str]:
    verdict = judge(rules, event)
    return verdict.fires, verdict.why


# --- which events are meant ------------------------------------------------------------------


def test_others_are_not_meant() -> None:
    rules = trigger(labels=("dog",), sources=("m*",), when="offset")
    for event, why in (
        (replace(OFFSET, label="cat"), "another label"),
        (replace(OFFSET, source="yard"), "another source"),
        (ONSET, "another phase"),
    ):
        verdict = judge(rules, event)
        assert (verdict.fires, verdict.why, verdict.is_meant) == (False, why, False)
    assert judge(rules, OFFSET).fires


def test_the_peak_counts_at_the_end_and_the_score_at_the_beginning() -> None:
    late = trigger(min_score=0.95, when="offset")
    assert tell(late, ONSET, OFFSET) == [False, True]
    both = trigger(min_score=0.95, when="both")
    assert decided(both, ONSET) == (False, "score 0.91 is less than 0.95")
    assert decided(both, OFFSET) == (
        False,
        "its onset was not answered: score 0.91 is less than 0.95",
    )


# --- beginning and end -----------------------------------------------------------------------


def test_a_light_that_was_switched_on_is_switched_off() -> None:
    rules = trigger(when="both", cooldown_s=60)
    first, second = dog(0), dog(10)
    assert tell(rules, first, ended(first, 5), second, ended(second, 15)) == [True, True, False, False]
    third = dog(60)
    assert tell(rules, third) == [True]
    assert decided(rules, ended(third, 61)) == (True, "its onset was answered")


def test_an_end_of_an_earlier_life_is_told_and_holds_up_nothing() -> None:
    rules = trigger(when="both", cooldown_s=60, limit={"count": 1, "within_s": 60}, min_score=0.5)
    assert decided(rules, ended(dog(80_000), 86_400)) == (True, "label, source and score")
    assert tell(rules, ended(began("dog", 80_000, score=0.4), 86_400)) == [False]
    assert tell(rules, dog(1)) == [True], "its times are of another stream"
    rules = trigger(labels=("dog",), unless=condition("speech", 3))
    assert tell(rules, ended(began("speech", 5), 8), dog(9)) == [False, True]


# --- while it lasts --------------------------------------------------------------------------


def windows(rules: Trigger, event: Event, from_s: float, to_s: float) -> list[float]:
    """Tell of every window in a stretch; give those with which the action answered."""
    times = [from_s + n / 2 for n in range(int((to_s - from_s) * 2))]
    return [at_s for at_s in times if rules.judge(updated(event), at_s).fires]


def test_updates_come_at_whole_multiples() -> None:
    rules = trigger(when="all", update_s=10)
    assert tell(rules, dog(2.3)) == [True]
    assert windows(rules, dog(2.3), 2.5, 40) == [12.5, 22.5, 32.5]
    assert windows(rules, dog(2.3), 75, 80) == [75], "what was missed is not made up for"
    assert windows(rules, dog(2.3), 80, 90) == [82.5]
    assert rules.judge(updated(dog(2.3)), 90).is_meant is False
    assert tell(rules, ended(dog(2.3), 91)) == [True]


def test_updates_alone_are_decided_with_the_first() -> None:
    rules = trigger(when="update", update_s=10, unless=condition("speech", 3))
    speech = began("speech", 8)
    assert tell(rules, dog(0), dog(1), speech) == [False, False, False]
    verdict = rules.judge(updated(dog(0)), 10)
    assert (verdict.fires, verdict.why, verdict.is_meant) == (False, "unless: speech is heard now", True)
    assert tell(rules, ended(speech, 10)) == [False]
    assert windows(rules, dog(0), 10.5, 60) == []
    verdict = rules.judge(updated(dog(0)), 70)
    assert verdict.why == "its first update was not answered: unless: speech is heard now"
    assert rules.judge(updated(dog(1)), 14.5).fires
    assert tell(rules, ended(dog(1), 15)) == [False], "nobody asked for ends"


def test_updates_go_on_under_new_settings() -> None:
    rules = trigger(when="all", update_s=10)
    assert windows(rules, dog(0), 15, 45) == [20, 30, 40]
    assert tell(rules, ended(dog(0), 45)) == [True]


def test_what_asks_for_no_updates_gets_none() -> None:
    rules = trigger(when="both")
    assert tell(rules, dog(0)) == [True]
    assert windows(rules, dog(0), 0, 60) == []


# --- other sounds ----------------------------------------------------------------------------


def test_unless_somebody_spoke() -> None:
    rules = trigger(labels=("dog",), unless=condition("speech", 3))
    speech = began("speech", 10)
    assert tell(rules, dog(9)) == [True]
    assert tell(rules, speech) == [False]
    assert decided(rules, dog(11)) == (False, "unless: speech is heard now")
    assert decided(rules, dog(60)) == (False, "unless: speech is heard now")
    tell(rules, ended(speech, 62))
    assert decided(rules, dog(63.25)) == (False, "unless: speech was heard 1.2 s ago")
    assert decided(rules, dog(65)) == (False, "unless: speech was heard 3.0 s ago")
    assert decided(rules, dog(65.5)) == (True, "label, source and score")


def test_after_glass_broke() -> None:
    rules = trigger(labels=("speech",), after=condition("glass_breaking", 10))
    glass = began("glass_breaking", 20)
    nothing = (False, "after: no glass_breaking within 10 s before it")
    assert decided(rules, began("speech", 19)) == nothing
    assert tell(rules, glass) == [False]
    assert decided(rules, began("speech", 20)) == nothing, "it began at the same time"
    assert decided(rules, began("speech", 20.5)) == (
        True,
        "label, source and score; after: glass_breaking is heard now",
    )
    tell(rules, ended(glass, 21))
    assert decided(rules, began("speech", 31)) == (
        True,
        "label, source and score; after: glass_breaking was heard 10.0 s ago",
    )
    assert decided(rules, began("speech", 31.5)) == nothing


def test_one_of_several_other_sounds_is_enough() -> None:
    either = [condition("glass_breaking", 10), condition("door_*", 5)]
    rules = trigger(labels=("speech",), after=either)
    assert decided(rules, began("speech", 1)) == (
        False,
        "after: no glass_breaking within 10 s or door_* within 5 s before it",
    )
    tell(rules, began("door_knock", 2))
    assert tell(rules, began("speech", 3)) == [True]
    rules = trigger(labels=("speech",), unless=either)
    tell(rules, began("door_knock", 2))
    assert tell(rules, began("speech", 3)) == [False]


def test_an_event_is_no_other_sound_but_one_of_the_same_label_is() -> None:
    rules = trigger(unless=condition("*", 10), when="offset")
    assert tell(rules, dog(0), ended(dog(0), 5)) == [False, True]
    assert tell(rules, dog(12), ended(dog(12), 14)) == [False, False]


def test_another_source_is_another_world() -> None:
    rules = trigger(labels=("dog",), unless=condition("speech", 3), cooldown_s=60)
    tell(rules, began("speech", 10, source="yard"))
    assert tell(rules, dog(11)) == [True]
    assert tell(rules, began("dog", 12, source="attic")) == [True]


def test_what_goes_wrong_is_another_sound_too() -> None:
    rules = trigger(labels=("dog",), unless=condition("@source.*", 5))
    lost = began("@source.lost", 10)
    assert tell(rules, lost, ended(lost, 20), dog(24), dog(26)) == [False, False, False, True]
    assert tell(trigger(unless=condition("*", 5)), lost, dog(12)) == [False, True], "* means what is heard"


# --- how often -------------------------------------------------------------------------------


def test_the_third_within_a_minute() -> None:
    rules = trigger(count=3, within_s=60)
    assert decided(rules, dog(0)) == (False, "1st of 3 within 60 s")
    assert decided(rules, dog(30)) == (False, "2nd of 3 within 60 s")
    assert decided(rules, dog(60)) == (True, "label, source and score; 3rd of 3 within 60 s")
    assert decided(rules, dog(61)) == (False, "1st of 3 within 60 s"), "it counts anew"
    assert tell(rules, dog(100), dog(121.5), dog(150)) == [False, False, True]


def test_the_cooldown_counts_from_onset_to_onset() -> None:
    rules = trigger(cooldown_s=30)
    assert tell(rules, dog(0)) == [True]
    tell(rules, ended(dog(0), 17))
    assert decided(rules, dog(18)) == (False, "cooldown: 12.0 s left")
    assert tell(rules, dog(29.5), dog(30)) == [False, True], "what was held starts no cooldown"


def test_so_many_in_an_hour() -> None:
    rules = trigger(limit={"count": 2, "within_s": 3600})
    assert tell(rules, dog(0), dog(600)) == [True, True]
    assert decided(rules, dog(1200)) == (False, "limit: 2 within 3600 s, the next in 2400.0 s")
    assert tell(rules, dog(3600), dog(3601), dog(4200)) == [True, False, True]


def test_what_one_rule_holds_uses_up_nothing_of_another() -> None:
    rules = trigger(labels=("dog",), unless=condition("speech", 3), count=2, within_s=60, cooldown_s=20)
    speech = began("speech", 0)
    tell(rules, speech)
    assert tell(rules, dog(1)) == [False], "speech"
    tell(rules, ended(speech, 2))
    assert tell(rules, dog(10), dog(11)) == [False, True], "the one before it was not counted"
    assert tell(rules, dog(12), dog(35), dog(36)) == [False, False, True], "nor the one in the cooldown"


def test_a_longer_sound_is_told_late() -> None:
    """Another label may have a longer ``min_duration_s``."""
    rules = trigger(cooldown_s=10)
    assert tell(rules, dog(20), began("speech", 15)) == [True, False]
    assert tell(rules, dog(30)) == [True]
    rules = trigger(labels=("dog",), unless=condition("speech", 3))
    tell(rules, began("speech", 20))
    assert tell(rules, dog(19), dog(20)) == [True, False], "nobody had spoken by then"


# --- noise, switch, clock --------------------------------------------------------------------


def test_noise_of_its_own_is_not_answered_and_no_other_sound() -> None:
    rules = trigger(labels=("dog",), when="offset", unless=condition("speech", 3))
    verdict = rules.judge(dog(1), 1, "siren")
    assert (verdict.why, verdict.is_meant) == ("another phase", False)
    assert decided(rules, ended(dog(1), 9)) == (False, "the noise of 'siren' (mute_s)")
    rules.judge(began("speech", 10), 10, "siren")
    assert tell(rules, dog(11), ended(dog(11), 12)) == [False, True]


def test_who_is_switched_off_begins_nothing_and_ends_what_it_began() -> None:
    rules = trigger(when="all", update_s=10, cooldown_s=10)
    assert tell(rules, dog(0)) == [True]
    verdict = rules.judge(updated(dog(0)), 10, is_paused=True)
    assert (verdict.fires, verdict.why) == (False, "it is switched off")
    assert rules.judge(dog(15), 15, is_paused=True).why == "it is switched off"
    assert rules.judge(ended(dog(0), 16), 16, is_paused=True).fires
    assert tell(rules, ended(dog(15), 17)) == [False]
    assert tell(rules, dog(18)) == [True]


def test_the_time_of_day_is_that_of_the_sound() -> None:
    night = {"begin": "22:00", "end": "06:00"}
    rules = trigger(schedule=night, place={"timezone": "Europe/Berlin"}, when="offset")
    onset = replace(dog(0), started_at=datetime(2026, 1, 31, 20, 59, 50, tzinfo=UTC))
    assert tell(rules, onset, ended(onset, 11)) == [False, True]
    tell(rules, onset)
    assert decided(rules, ended(onset, 9)) == (False, "outside its schedule: it is Sat 21:59")


def test_an_update_has_a_time_of_day() -> None:
    rules = trigger(schedule={"begin": "22:00"}, place={"timezone": "UTC"}, when="update", update_s=10)
    onset = replace(dog(0), started_at=datetime(2026, 1, 31, 21, 59, 50, tzinfo=UTC))
    tell(rules, onset)
    verdict = rules.judge(updated(onset), 10)
    assert (verdict.fires, verdict.why) == (True, "label, source and score; within its schedule")


def test_a_recording_has_no_time_of_day() -> None:
    rules = trigger(schedule={"begin": "22:00", "end": "22:01"})
    assert decided(rules, dog(0)) == (
        True,
        "label, source and score; its schedule does not count: a recording has no time of day",
    )


@pytest.mark.parametrize("phase", list(Phase))
def test_one_that_answers_to_nothing(phase: Phase) -> None:
    rules = trigger(labels=())
    assert not judge(rules, replace(ONSET, phase=phase)).is_meant
