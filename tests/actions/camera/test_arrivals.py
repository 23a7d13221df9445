"""A picture of the past is never taken for one of now."""

from listener.actions.camera_process.arrivals import SETTLED_S, WINDOW_S, Arrivals, Lag

STEP_S = 0.04


def test_pictures_that_come_as_they_are_taken_are_of_now() -> None:
    lag = Lag()
    assert all(lag.of(100.0 + n, float(n)) == 0.0 for n in range(100))


def test_what_was_held_back_is_old() -> None:
    lag = Lag()
    lag.of(100.0, 0.0)
    # Four seconds nothing came, then all of them at once.
    assert [lag.of(104.0, float(stamp)) for stamp in range(1, 5)] == [3.0, 2.0, 1.0, 0.0]


def test_clocks_that_differ_make_no_picture_old() -> None:
    lag = Lag()
    a_day_s = 24 * 3600
    worst_s = max(lag.of(stamp * 1.0001, float(stamp)) for stamp in range(0, a_day_s, 7))
    assert worst_s < 2 * WINDOW_S * 0.0001


def test_what_piled_up_while_a_camera_was_opened_is_as_old_as_it_can_be() -> None:
    """Opened in 2 s, in which 50 pictures came; they are read at once, and then each is waited for."""
    arrivals = Arrivals(opened_s=10.0, ready_s=12.0)
    taken = [arrivals.taken_s(12.0 + n * 0.001, 12.001 + n * 0.001, n * STEP_S) for n in range(50)]
    assert taken[0] == 10.0
    assert all(at_s <= 10.0 + n * STEP_S + 1e-9 for n, at_s in enumerate(taken))
    assert arrivals.taken_s(12.06, 12.09, 50 * STEP_S) == 12.09


def test_what_piled_up_without_a_clock_counts_from_the_opening() -> None:
    arrivals = Arrivals(opened_s=10.0, ready_s=12.0)
    assert [arrivals.taken_s(12.0, 12.001, None) for _ in range(5)] == [10.0] * 5
    assert arrivals.taken_s(12.001, 12.1, None) == 12.1


def test_on_a_machine_that_is_never_done_pictures_are_of_now_after_a_while() -> None:
    """None is ever waited for; they come as quickly as they are taken."""
    for has_clock in (False, True):
        arrivals = Arrivals(opened_s=10.0, ready_s=12.0)
        for n in range(100):
            now_s = 12.0 + n * STEP_S
            at_s = arrivals.taken_s(now_s, now_s, n * STEP_S if has_clock else None)
            assert at_s <= now_s
            assert now_s - at_s < 1e-9 or now_s <= 12.0 + SETTLED_S + STEP_S


def test_a_single_picture_is_of_the_moment_in_which_it_came() -> None:
    assert Arrivals(10.0, 12.0, piles_up=False).taken_s(12.0, 12.0, None) == 12.0
