"""The line for `systemctl status`."""

import pytest

from listener.config import SourceSettings
from listener.daemon.status import LastEvent, names_of, rounded, status_line
from listener.types import SourceState
from tests.console.scenes import source, stats

DOG = LastEvent("dog", "mic", 130.0)
USB = {"mic": "microphone 'USB*'"}


def test_all_is_well() -> None:
    mic = source(heard_s=86_391.0, lost_s=1.0)
    assert status_line(stats(mic), USB, DOG) == (
        "listening: mic (48 kHz), 99.99 % heard, last event dog 2 min ago"
    )
    assert status_line(stats(source()), USB) == "listening: mic (48 kHz), 100.00 % heard, no event yet"


def test_only_what_was_heard_as_a_whole_is_100_percent() -> None:
    assert "99.99 % heard" in status_line(stats(source(heard_s=86_400.0, lost_s=0.001)), {})
    assert "0.00 % heard" in status_line(stats(source(heard_s=0.01, lost_s=1000.0)), {})


@pytest.mark.parametrize(
    ("state", "since_s", "told"),
    [
        (SourceState.LOST, 190.0, "waiting for microphone 'USB*', last seen 3 min ago"),
        (SourceState.LOST, 2.0, "waiting for microphone 'USB*', last seen just now"),
        (SourceState.ABSENT, 2.0, "waiting for microphone 'USB*', not seen yet"),
        (SourceState.ABSENT, 7300.0, "waiting for microphone 'USB*', not seen for 2 h"),
        (SourceState.SILENT, 20.0, "mic is silent: no sound, no event yet"),
        (SourceState.SILENT, 100_000.0, "mic is silent for 1 day: no sound, no event yet"),
        (SourceState.CLIPPING, 60.0, "mic is clipping for 1 min: no sound, no event yet"),
        (SourceState.STALLED, 0.5, "mic is stalled: no sound"),
        (SourceState.OPENING, 0.5, "opening microphone 'USB*'"),
        (SourceState.ENDED, 0.5, "there is no more sound to come"),
    ],
)
def test_one_source(state: SourceState, since_s: float, told: str) -> None:
    problem = "no sound" if state.is_trouble else ""
    assert status_line(stats(source(state=state, since_s=since_s, problem=problem)), USB) == told


def test_several_sources() -> None:
    lost = source("garage", state=SourceState.LOST, since_s=500.0, problem="unplugged")
    hall = source("hall", sample_rate=44_100)
    assert status_line(stats(source(), lost, hall), {"garage": "'garage'"}, DOG) == (
        "waiting for 'garage', last seen 8 min ago; "
        "listening: mic (48 kHz), 100.00 % heard; hall (44.1 kHz), 100.00 % heard, "
        "last event dog in mic 2 min ago"
    )


def test_overload_comes_first() -> None:
    told = status_line(stats(source(), hop_s=1.5), {}, DOG, is_overloaded=True)
    assert told.startswith("the model cannot keep up: it looks every 1.5 s; listening: mic")


def test_what_a_source_is_called_while_it_is_waited_for() -> None:
    def named(**settings: object) -> SourceSettings:
        return SourceSettings.model_validate(settings)

    default = named(use="microphone", name="mic")
    usb = named(use="microphone", name="yard", device="USB*")
    third = named(use="microphone", name="third", device=3)
    file = named(use="file", path="a.wav")
    assert names_of([usb]) == {"yard": "microphone 'USB*'"}
    assert names_of([default]) == {"mic": "'mic'"}
    assert names_of([default, usb, third, file]) == {
        "mic": "'mic'",
        "yard": "'yard', microphone 'USB*'",
        "third": "'third', microphone 3",
        "file": "'file'",
    }


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, ""),
        (59.9, ""),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86_399, "23 h"),
        (86_400, "1 day"),
        (5e7, "578 days"),
    ],
)
def test_times_are_rounded(seconds: float, told: str) -> None:
    assert rounded(seconds) == told
