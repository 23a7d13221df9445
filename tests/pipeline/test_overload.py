"""How windows move apart when the model cannot keep up."""

from hypothesis import given
from hypothesis import strategies as st

from listener.pipeline.overload import JUDGE_OVER_S, OLDEST_S, Overload

HOP_S, WINDOW_S = 0.5, 2.048


class Machine:
    """A model that takes its time, fed with windows as time goes by."""

    def __init__(self, hop_s: float = HOP_S, window_s: float = WINDOW_S) -> None:
        self.told: list[bool] = []
        self.overload = Overload(hop_s, window_s, lambda is_on, sentence: self.told.append(is_on))
        self.steps = [1]
        self.oldest_s = 0.0
        self._now = 0.0
        self._due = 0.0
        self._hop_s = hop_s

    def run(self, seconds: float, inference_s: float) -> None:
        """Classify what comes for some seconds; what is too old is skipped."""
        end = self._now + seconds
        while self._now < end:
            self._now = max(self._now, self._due)
            waited_s = self._now - self._due
            self._due += self._hop_s * self.overload.step
            if waited_s > OLDEST_S:
                self.overload.skip(self._now)
                continue
            self.oldest_s = max(self.oldest_s, waited_s)
            self._now += inference_s
            self.overload.note(waited_s, inference_s, 1, self._now)
            if self.overload.step != self.steps[-1]:
                self.steps.append(self.overload.step)


def test_a_model_that_keeps_up_sees_every_hop() -> None:
    machine = Machine()
    machine.run(600.0, 0.3)
    assert (machine.steps, machine.told) == ([1], [])


def test_a_machine_that_is_busy_for_a_moment_is_no_overload() -> None:
    machine = Machine()
    for _ in range(20):
        machine.run(30.0, 0.05)
        machine.run(0.5, 1.0)
    assert (machine.steps, machine.told) == ([1], [])


def test_windows_move_apart_step_by_step_and_come_together_again() -> None:
    machine = Machine()
    machine.run(60.0, 1.9)
    assert machine.steps == [1, 2, 3, 4]
    machine.run(10 * JUDGE_OVER_S, 0.01)
    assert machine.overload.step == 1
    assert machine.told == [True, False]


def test_a_steady_overload_is_said_once() -> None:
    machine = Machine()
    machine.run(3600.0, 0.7)
    assert machine.told == [True]
    assert machine.overload.step == 2


def test_no_step_is_wider_than_the_window() -> None:
    """All sound lies in some window, however slow the model is."""
    machine = Machine()
    machine.run(100.0, 5.0)
    assert machine.overload.hop_s <= WINDOW_S
    assert machine.overload.step == 4


def test_another_hop_may_leave_less_room() -> None:
    machine = Machine()
    machine.run(100.0, 5.0)
    machine.overload.set_windows(1.0, WINDOW_S)
    assert machine.overload.step == 2


@given(st.lists(st.tuples(st.floats(1, 60), st.floats(0.001, 5.0)), min_size=1, max_size=12))
def test_nothing_old_is_looked_at_and_words_alternate(parts: list[tuple[float, float]]) -> None:
    machine = Machine()
    for seconds, inference_s in parts:
        machine.run(seconds, inference_s)
    assert machine.oldest_s <= OLDEST_S
    assert machine.told == [True, False] * (len(machine.told) // 2) + [True] * (len(machine.told) % 2)
    assert 1 <= machine.overload.step <= 4


def test_an_overload_ends_though_nothing_comes_any_more() -> None:
    machine = Machine()
    machine.run(60.0, 1.0)
    for turn in range(400):
        machine.overload.rest(60.0 + turn / 4)
    assert machine.told == [True, False]
