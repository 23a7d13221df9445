"""When an action answers: what holds for all settings and all stories."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.actions.when import heard, trigger
from listener.actions.when.trigger import Trigger
from listener.config import ActionSettings
from listener.types import Event, Phase
from tests.actions.when.oracle import answers
from tests.actions.when.story import Telling, began, chosen, ended, stories, updated, verdicts

MANY = settings(max_examples=150, deadline=None)
SOME = settings(max_examples=60, deadline=None)


def fires(chosen: ActionSettings, tellings: list[Telling]) -> list[bool]:
    return [verdict.fires for verdict in verdicts(chosen, tellings)]


def moved(event: Event, by_s: float) -> Event:
    offset_s = None if event.offset_s is None else event.offset_s + by_s
    return replace(event, onset_s=event.onset_s + by_s, offset_s=offset_s)


@MANY
@given(chosen(), stories())
def test_it_answers_as_the_documentation_says(chosen: ActionSettings, story: list[Telling]) -> None:
    assert fires(chosen, story) == answers(chosen, story)


@MANY
@given(chosen(when=("both", "all")), stories())
def test_what_is_begun_is_ended_and_nothing_else(chosen: ActionSettings, story: list[Telling]) -> None:
    answered = [one.event for one, does in zip(story, fires(chosen, story), strict=True) if does]
    begun = [event.id for event in answered if event.phase is Phase.ONSET]
    over = [event.id for event in answered if event.phase is Phase.OFFSET]
    assert sorted(begun) == sorted(over)
    assert {event.id for event in answered} == set(begun)


@SOME
@given(chosen(), stories(), st.integers(-100, 10_000_000))
def test_it_does_not_matter_when_the_stream_began(
    chosen: ActionSettings, story: list[Telling], by_s: int
) -> None:
    later = [replace(one, event=moved(one.event, by_s), at_s=one.at_s + by_s) for one in story]
    assert verdicts(chosen, later) == verdicts(chosen, story)


@SOME
@given(chosen(), stories(is_plain=True), stories(is_plain=True))
def test_what_is_long_ago_counts_for_nothing(
    chosen: ActionSettings, before: list[Telling], story: list[Telling]
) -> None:
    long_ago = [
        replace(one, event=replace(moved(one.event, -1000), id="a" + one.event.id), at_s=one.at_s - 1000)
        for one in before
    ]
    assert fires(chosen, long_ago + story)[len(before) :] == fires(chosen, story)


@SOME
@given(chosen(), stories(is_plain=True), st.integers(0, 100))
def test_an_end_whose_beginning_nobody_was_told_of(
    chosen: ActionSettings, story: list[Telling], n_lost: int
) -> None:
    kept = story[n_lost:]
    begun = {one.event.id for one in kept if one.event.phase is Phase.ONSET}
    seen = [one for one in kept if one.event.id in begun]
    told = dict(zip(map(id, kept), fires(chosen, kept), strict=True))
    assert [told[id(one)] for one in seen] == fires(chosen, seen), "nothing else is changed by it"
    free = ActionSettings(
        use="fake", labels=chosen.labels, sources=chosen.sources, min_score=chosen.min_score
    )
    for one in kept:
        if one.event.phase is Phase.OFFSET and one.event.id not in begun and Phase.OFFSET in chosen.phases:
            (expected,) = fires(free, [replace(one, event=replace(one.event, phase=Phase.ONSET))])
            assert told[id(one)] is expected


@st.composite
def disorder(draw: st.DrawFn) -> list[float]:
    """Onsets told in any order."""
    return [n / 2 for n in draw(st.lists(st.integers(0, 120), max_size=60))]


@MANY
@given(st.integers(1, 5), st.integers(1, 40), disorder())
def test_the_limit_is_never_exceeded(count: int, halves: int, onsets: list[float]) -> None:
    within_s = halves / 2
    chosen = ActionSettings.model_validate({"use": "x", "limit": {"count": count, "within_s": within_s}})
    times = answered(chosen, onsets)
    for from_s in times:
        assert sum(from_s <= one_s < from_s + within_s for one_s in times) <= count


@MANY
@given(st.integers(0, 40), disorder())
def test_the_cooldown_is_always_kept(halves: int, onsets: list[float]) -> None:
    times = answered(ActionSettings(use="x", cooldown_s=halves / 2), onsets)
    assert all(later - earlier >= halves / 2 for earlier, later in pairwise(times))


@given(disorder())
def test_without_rules_all_is_answered_in_any_order(onsets: list[float]) -> None:
    assert answered(ActionSettings(use="x"), onsets) == sorted(onsets)


@MANY
@given(st.integers(2, 5), st.integers(1, 40), disorder())
def test_it_answers_no_more_than_every_so_maniest(count: int, halves: int, onsets: list[float]) -> None:
    chosen = ActionSettings(use="x", count=count, within_s=halves / 2)
    assert len(answered(chosen, onsets)) <= len(onsets) // count


def answered(chosen: ActionSettings, onsets: list[float]) -> list[float]:
    story = [Telling(began("dog", at_s, id_=str(n)), at_s) for n, at_s in enumerate(onsets)]
    return sorted(one.at_s for one, does in zip(story, fires(chosen, story), strict=True) if does)


@SOME
@given(chosen(when=("onset", "both", "all")), stories())
def test_to_remember_less_changes_nothing(chosen: ActionSettings, story: list[Telling]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heard, "KEPT_SOUNDS", 1)
        patch.setattr(trigger, "KEPT_ANSWERS", 6)
        assert fires(chosen, story) == answers(chosen, story)


def test_what_has_ended_is_forgotten() -> None:
    judge = Trigger(ActionSettings(use="x", when="both"))
    for event in (began("dog", 1), ended(began("dog", 1), 2)):
        judge.judge(event, 2)
    assert not judge._going


def test_a_flood_of_events_without_an_end_is_forgotten_in_time() -> None:
    chosen = ActionSettings.model_validate(
        {
            "use": "x",
            "when": "all",
            "unless": {"label": "speech", "within_s": 1},
            "count": 1000,
            "within_s": 1e6,
        }
        | {"limit": {"count": 7, "within_s": 1e6}}
    )
    judge = Trigger(chosen)
    for n in range(5000):
        event = began("speech" if n % 2 else "dog", float(n), id_=str(n))
        judge.judge(event, float(n))
        judge.judge(updated(event), n + 20.0)
        if n % 3 == 0:
            judge.judge(ended(event, n + 0.5), n + 0.5)
    sounds = judge._rules._heard._sounds["mic"]["speech"]
    assert len(judge._going) <= trigger.KEPT_ANSWERS
    assert len(sounds.going) <= heard.KEPT_SOUNDS
    assert len(sounds.ended) <= heard.KEPT_SOUNDS
    pace = judge._rules._paces["mic"]
    assert len(pace._counted_s) < 1000
    assert len(pace._answered_s) <= 7
