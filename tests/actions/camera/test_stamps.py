"""When the pictures of a film are shown."""

from fractions import Fraction

from listener.actions.camera_process.ring import Encoded
from listener.actions.camera_process.stamps import MICROSECOND, MOST_WITHOUT, Stamper

BASE = Fraction(1, 90_000)


def test_a_camera_with_a_clock() -> None:
    stamper = Stamper(has_clock=True)
    assert stamper.add(b"a", True, 5.0, 7, 6, BASE) == [Encoded(b"a", 7, 6, BASE, True, 5.0)]
    assert stamper.add(b"b", False, 5.1, None, 9, BASE) == [Encoded(b"b", 9, 9, BASE, False, 5.1)]
    assert stamper.add(b"c", False, 5.2, 12, None, BASE) == [Encoded(b"c", 12, 12, BASE, False, 5.2)]


def test_pictures_that_came_before_the_clock_lie_before_those_that_came_after() -> None:
    stamper = Stamper(has_clock=True)
    assert stamper.add(b"a", True, 5.0, None, None, BASE) == []
    assert stamper.add(b"b", False, 5.1, None, None, BASE) == []
    told = stamper.add(b"c", False, 5.2, 9000, 9000, BASE)
    assert [(one.data, one.is_key, one.dts) for one in told] == [
        (b"a", True, 1800),
        (b"b", False, 5400),
        (b"c", False, 9000),
    ]
    assert {one.time_base for one in told} == {BASE}


def test_a_camera_without_a_clock_shows_pictures_when_they_came() -> None:
    stamper = Stamper(has_clock=False)
    assert stamper.add(b"a", True, 5.0, 1, 1, BASE) == [
        Encoded(b"a", 5_000_000, 5_000_000, MICROSECOND, True, 5.0)
    ]


def test_a_clock_that_is_never_told_is_not_waited_for_for_ever() -> None:
    stamper = Stamper(has_clock=True)
    told = [
        one for n in range(3 * MOST_WITHOUT) for one in stamper.add(b"a", True, float(n), None, None, BASE)
    ]
    assert [one.dts for one in told] == [n * 1_000_000 for n in range(3 * MOST_WITHOUT)]
