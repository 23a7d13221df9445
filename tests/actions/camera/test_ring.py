"""The video that is kept: bounded, and always decodable from its beginning."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from listener.actions.camera_process.ring import Encoded, Ring

STEP_S = 0.1
Pictures = list[tuple[bool, int]]

pictures = st.lists(st.tuples(st.booleans(), st.integers(1, 50)), max_size=60)


def encoded(number: int, is_key: bool, size: int = 1) -> Encoded:
    return Encoded(bytes(size), number, number, Fraction(1, 10), is_key, number * STEP_S)


@given(pictures, st.floats(0, 3), st.integers(20, 400), st.floats(-1, 7))
def test_what_is_kept(came: Pictures, before_s: float, most_bytes: int, from_s: float) -> None:
    ring = Ring(before_s, most_bytes)
    for number, (is_key, size) in enumerate(came):
        ring.add(encoded(number, is_key, size))
        assert ring.n_bytes <= most_bytes
    kept = ring.since(-1.0)
    assert sum(len(packet.data) for packet in kept) == ring.n_bytes
    film = ring.since(from_s)
    assert film == kept[len(kept) - len(film) :]
    if film:
        assert film[0].is_key
        assert [packet.pts for packet in film] == list(range(film[0].pts, len(came)))


@given(st.integers(1, 12), st.integers(30, 80), st.floats(0, 3))
def test_enough_is_kept_and_not_much_more(gop: int, n: int, before_s: float) -> None:
    ring = Ring(before_s, 10**6)
    for number in range(n):
        ring.add(encoded(number, number % gop == 0))
    now_s = (n - 1) * STEP_S
    film = ring.since(now_s - before_s)
    assert film[0].at_s <= max(0.0, now_s - before_s) + 1e-9
    assert ring.since(-1.0)[0].at_s > now_s - before_s - 2 * gop * STEP_S


def test_nothing_is_kept_before_the_first_key_picture() -> None:
    ring = Ring(10.0, 1000)
    ring.add(encoded(0, is_key=False))
    assert ring.since(0.0) == []
    ring.add(encoded(1, is_key=True))
    assert [packet.pts for packet in ring.since(0.0)] == [1]
    ring.clear()
    assert ring.since(0.0) == []
    assert ring.n_bytes == 0
