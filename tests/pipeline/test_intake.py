"""Where a source's chunks lie in its stream."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.pipeline.intake import Intake
from listener.types import AudioChunk

RATE = 8_000


def chunk(n_samples: int, first_sample: int = 0, rate: int = RATE, overflowed: bool = False) -> AudioChunk:
    return AudioChunk(np.full(n_samples, 0.1, np.float32), first_sample, rate, overflowed)


def test_time_without_the_source_is_a_gap_of_its_true_length() -> None:
    intake = Intake(RATE, has_clock=True)
    before = list(intake.push(chunk(RATE), now=11.0))
    intake.reopen()
    # Its first chunk, of a quarter of a second, is at hand: so its sound began at 13.25.
    after = list(intake.push(chunk(RATE // 4), now=13.5))
    assert before[-1].end_sample == RATE
    assert after[-1].first_sample == round(3.25 * RATE)
    assert intake.lost_s == pytest.approx(2.25)
    assert intake.heard_s == pytest.approx(1.25)
    assert intake.position_s == pytest.approx(3.5)


def test_a_source_that_comes_back_at_another_rate() -> None:
    intake = Intake(RATE, has_clock=True)
    list(intake.push(chunk(2 * RATE, rate=2 * RATE), now=1.0))
    intake.reopen()
    parts = list(intake.push(chunk(RATE), now=3.0))
    assert parts[-1].first_sample == 2 * RATE
    assert intake.position_s == pytest.approx(3.0)


def test_what_nobody_reported_moves_what_follows() -> None:
    intake = Intake(RATE, has_clock=True)
    list(intake.push(chunk(RATE), now=1.0))
    (part,) = list(intake.push(chunk(RATE, RATE), now=2.5, unreported_s=0.5))
    assert part.first_sample == round(1.5 * RATE)
    assert part.overflowed
    (part,) = list(intake.push(chunk(RATE, 2 * RATE), now=3.5))
    assert part.first_sample == round(2.5 * RATE)
    assert intake.overflows == 1
    assert intake.lost_s == pytest.approx(0.5)
    assert intake.heard_s == pytest.approx(3.0)


Step = tuple[int, int, float, bool]
"""Samples of a chunk, samples reported lost before it, seconds lost unreported, opened anew."""

STEPS = st.tuples(
    st.integers(1, 3000), st.integers(0, 2000), st.sampled_from([0.0, 0.0, 0.25]), st.booleans()
)


@given(st.lists(STEPS, max_size=30), st.sampled_from([RATE, 2 * RATE, 11_025]))
def test_stream_time_is_what_was_heard_and_what_is_missing(steps: list[Step], rate: int) -> None:
    """Nothing is lost unflagged: the stream is as long as its parts, and keeps up with the clock."""
    intake = Intake(RATE, has_clock=False)
    now, position, heard = 0.0, 0, 0
    parts: list[AudioChunk] = []
    for n_samples, lost, unreported_s, reopened in steps:
        if reopened and heard:
            unreported_s = 0.0  # nobody can have looked for long enough
            intake.reopen()
            now += 1.5
            position = 0
        position += lost
        now += (lost + n_samples) / rate + unreported_s
        parts += intake.push(chunk(n_samples, position, rate, lost > 0), now, unreported_s)
        position += n_samples
        heard += n_samples
    parts += intake.finish()
    assert intake.heard_s == pytest.approx(heard / rate)
    assert intake.position_s == pytest.approx(intake.heard_s + intake.lost_s, abs=0.01)
    assert intake.position_s == pytest.approx(now, abs=0.01)
    ends = [0, *(part.end_sample for part in parts)]
    for part, end in zip(parts, ends, strict=False):
        assert part.first_sample >= end
