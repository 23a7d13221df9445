"""In whose noise an event began."""

from hypothesis import given
from hypothesis import strategies as st

from listener.actions.when.mutes import KEPT_MUTES, Mutes
from tests.actions.when.story import began

steps = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 15)), max_size=30)


@given(steps, st.lists(st.integers(0, 200), max_size=20))
def test_whatever_began_in_some_noise_is_of_it(steps: list[tuple[int, int]], onsets: list[int]) -> None:
    mutes, now_s = Mutes(), 0
    noises: list[tuple[int, int]] = []
    for pause_s, mute_s in steps:
        now_s += pause_s
        mutes.follow("mic", now_s)
        mutes.begin("siren", mute_s)
        noises.append((now_s, now_s + mute_s))
    for onset_s in onsets:
        is_noise = any(from_s <= onset_s < until_s for from_s, until_s in noises)
        assert mutes.by(began("dog", onset_s)) == ("siren" if is_noise else "")


def test_the_second_noise_does_not_undo_the_first() -> None:
    mutes = Mutes()
    for now_s, action, mute_s in ((10, "siren", 10), (15, "voice", 10), (16, "click", 1)):
        mutes.follow("mic", now_s)
        mutes.begin(action, mute_s)
    found = [mutes.by(began("dog", onset_s)) for onset_s in (9.5, 10, 14, 16.5, 19.5, 20, 24.5, 25)]
    assert found == ["", "siren", "siren", "siren", "siren", "voice", "voice", ""]


def test_every_source_is_muted_in_its_own_time() -> None:
    mutes = Mutes()
    mutes.follow("mic", 100)
    mutes.follow("yard", 7)
    mutes.begin("siren", 5)
    assert mutes.by(began("dog", 101)) == mutes.by(began("dog", 8, "yard")) == "siren"
    assert mutes.by(began("dog", 8)) == mutes.by(began("dog", 101, "yard")) == ""
    assert mutes.by(began("dog", 101, "attic")) == ""


def test_trouble_is_no_noise() -> None:
    mutes = Mutes()
    mutes.follow("mic", 100)
    mutes.begin("siren", 5)
    assert mutes.by(began("@source.lost", 101)) == ""


def test_it_does_not_grow() -> None:
    mutes = Mutes()
    for now_s in range(10_000):
        mutes.follow("mic", now_s)
        mutes.begin("siren", 0.5)
    assert len(mutes._muted["mic"]) == KEPT_MUTES
    assert mutes.by(began("dog", 9_999)) == "siren"
