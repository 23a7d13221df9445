from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from listener.logs.repeats import Repeated, Repeats

PERIOD_S = 60.0


def test_the_first_are_said_and_the_rest_is_summed_up() -> None:
    repeats = Repeats[str](most=2, period_s=PERIOD_S)
    said = [repeats.admit("lost", lambda n=n: f"lost {n}", float(n)) for n in range(10)]  # type: ignore[misc]
    assert said == [True, True] + 8 * [False]
    assert repeats.next_due_s() == PERIOD_S
    assert repeats.due(59.9) == []
    assert repeats.due(60.0) == [Repeated("lost 9", 8, 60.0)]
    assert repeats.due(60.0) == []
    assert repeats.next_due_s() is None
    assert repeats.admit("lost", str, 61.0)


def test_what_is_held_back_at_the_end_is_not_lost() -> None:
    repeats = Repeats[str](most=1)
    for _ in range(3):
        repeats.admit("a", lambda: "a", 10.0)
        repeats.admit("b", lambda: "b", 11.0)
    repeats.admit("c", lambda: "c", 11.0)
    assert repeats.rest(30.0) == [Repeated("a", 2, 20.0), Repeated("b", 2, 19.0)]
    assert repeats.rest(30.0) == []


steps = st.lists(st.tuples(st.integers(0, 8), st.floats(0, 40), st.booleans()), max_size=120)


@given(steps, st.integers(1, 3), st.integers(1, 6))
def test_everything_is_said_or_counted_once(
    steps: list[tuple[int, float, bool]], most: int, kinds: int
) -> None:
    repeats = Repeats[int](most, PERIOD_S, kinds)
    now_s = 0.0
    came, said, counted = Counter[int](), Counter[int](), Counter[int]()
    said_at: dict[int, list[float]] = {}
    summaries: list[Repeated[int]] = []
    for kind, pause_s, asks in steps:
        now_s += pause_s
        came[kind] += 1
        if repeats.admit(kind, lambda kind=kind: kind, now_s):  # type: ignore[misc]
            said[kind] += 1
            said_at.setdefault(kind, []).append(now_s)
        assert len(repeats._periods) <= kinds
        if asks:
            summaries += repeats.due(now_s)
            due_s = repeats.next_due_s()
            assert due_s is None or now_s < due_s <= now_s + PERIOD_S
    summaries += repeats.rest(now_s)
    for summary in summaries:
        assert summary.times >= 1
        assert 0 <= summary.over_s <= PERIOD_S
        counted[summary.last] += summary.times
    assert said + counted == came
    assert all(said[kind] for kind in came), "of each kind something is said"
    if kinds > 8:  # no period had to end early
        for times in said_at.values():
            assert all(
                later - earlier >= PERIOD_S for earlier, later in zip(times, times[most:], strict=False)
            )


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 40)), max_size=120), st.integers(1, 3))
def test_never_more_than_so_many_in_a_period(steps: list[tuple[int, float]], most: int) -> None:
    repeats = Repeats[int](most, PERIOD_S)
    now_s = 0.0
    began: dict[int, float] = {}
    said = Counter[int]()
    for kind, pause_s in steps:
        now_s += pause_s
        if kind not in began or now_s - began[kind] >= PERIOD_S:
            began[kind], said[kind] = now_s, 0
        expected = said[kind] < most
        said[kind] += expected
        assert repeats.admit(kind, lambda: 0, now_s) is expected


def test_kinds_without_end_take_no_memory_without_end() -> None:
    repeats = Repeats[str](most=1, kinds=100)
    for number in range(5_000):
        repeats.admit(number, str, 0.0)
        repeats.admit(number, str, 0.0)
        assert len(repeats.due(0.0)) <= 1
    assert len(repeats._periods) == 100
    assert len(repeats.rest(0.0)) == 100
