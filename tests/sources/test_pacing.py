"""Samples come due as the monotonic clock says."""

import time

import pytest

from listener.sources.pacing import Pacer


def test_as_fast_as_possible_never_waits() -> None:
    assert Pacer(16_000, "max").wait(10**12, timeout_s=0.0)


@pytest.mark.parametrize(("speed", "due_s"), [(1.0, 0.2), (4.0, 0.05)])
def test_a_sample_is_due_at_its_time(speed: float, due_s: float) -> None:
    before = time.monotonic()
    pacer = Pacer(16_000, speed)
    assert pacer.wait(3_200, timeout_s=30.0)
    assert time.monotonic() - before >= due_s


def test_what_is_not_due_in_time_is_not_given() -> None:
    assert not Pacer(16_000).wait(16_000 * 3_600, timeout_s=0.01)


def test_a_reader_that_was_held_up_catches_up() -> None:
    pacer = Pacer(1_000_000)
    assert pacer.wait(100_000, timeout_s=30.0)
    assert all(pacer.wait(n_samples, timeout_s=0.0) for n_samples in range(0, 100_000, 10_000))
