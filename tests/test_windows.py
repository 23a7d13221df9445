"""Where windows lie: on the grid, without holes, and never across lost samples."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from listener.windows import WindowSchedule, WindowSpan


def spans(schedule: WindowSchedule, n_windows: int) -> list[WindowSpan]:
    found = []
    for _ in range(n_windows):
        found.append(schedule.next)
        schedule.advance()
    return found


@st.composite
def schedules(draw: st.DrawFn) -> tuple[WindowSchedule, int, int, int]:
    """A schedule with its window, hop and grid."""
    grid = draw(st.integers(1, 300))
    hop = draw(st.integers(grid, 9000))
    window = draw(st.integers(1, 40_000))
    return WindowSchedule(window, hop, grid), window, hop, grid


@given(schedules(), st.integers(0, 100_000))
def test_windows_begin_every_hop_moved_down_to_the_grid(
    case: tuple[WindowSchedule, int, int, int], origin: int
) -> None:
    schedule, window, hop, grid = case
    schedule.restart(origin)
    for index, span in enumerate(spans(schedule, 30)):
        distance = span.start_sample - origin
        assert distance % grid == 0
        assert index * hop - grid < distance <= index * hop
        assert span.end_sample - span.start_sample == window


@given(schedules())
def test_every_sample_lies_in_a_window(case: tuple[WindowSchedule, int, int, int]) -> None:
    schedule, window, hop, grid = case
    found = spans(schedule, 30)
    assert found[0].start_sample == 0
    assert all(span.start_sample < after.start_sample for span, after in pairwise(found))
    if hop + grid <= window + 1:
        assert all(after.start_sample <= span.end_sample for span, after in pairwise(found))


def test_the_beginning_of_a_stream_is_no_gap() -> None:
    assert not any(span.after_gap for span in spans(WindowSchedule(10, 5), 5))


def test_after_lost_samples_windows_begin_anew_and_the_first_says_so() -> None:
    schedule = WindowSchedule(10, 4, 4)
    spans(schedule, 3)
    schedule.restart(21)
    assert schedule.origin == 21
    assert spans(schedule, 3) == [
        WindowSpan(21, 31, True),
        WindowSpan(25, 35, False),
        WindowSpan(29, 39, False),
    ]


def test_windows_across_a_few_lost_samples_say_so_and_stay_where_they_were() -> None:
    schedule = WindowSchedule(10, 4)
    spans(schedule, 2)
    schedule.flag(17)
    assert spans(schedule, 4) == [
        WindowSpan(8, 18, True),
        WindowSpan(12, 22, True),
        WindowSpan(16, 26, True),
        WindowSpan(20, 30, False),
    ]
