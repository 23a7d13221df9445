import io
import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from listener.actions.runner.account import ActionStats
from listener.console.parts import ASCII, BOX, GOOD, Glyphs, bar, meter
from listener.console.picture import Picture
from listener.console.scene import Scene
from listener.types import SourceState
from tests.console.scenes import CARD, LABELS, offset, onset, scene, source, stats, step

COLOUR = re.compile(r"\x1b\[(?:[\d;]*;)?(?:[34]\d|9\d)[;m]")


def drawn(shown: Scene, width: int = 80, height: int = 24, glyphs: Glyphs = BOX, **console: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=width, height=height, **console).print(Picture(shown, glyphs))
    return out.getvalue()


def line_with(text: str, picture: str) -> str:
    found = [line for line in picture.splitlines() if text in line]
    assert len(found) == 1, picture
    return found[0]


def test_the_whole_picture() -> None:
    shown = scene(
        steps={"mic": step({"dog": 0.91, "cat": 0.3}, active="dog")},
        events=[onset()],
        actions={"log": ActionStats(fired=12)},
    )
    picture = drawn(shown)
    assert "listener 1.2.3" in picture
    assert "household/1.0.0" in picture
    assert "hop 0.5 s  window 2.05 s" in picture
    assert "heard 100.00 %  1:00" in picture
    assert "48 kHz" in line_with("mic     live", picture)
    assert "12 fired" in line_with("log ", picture)
    assert "latency p50 41 ms  p99 88 ms   CPU 23 % of a core   windows/s 2.0   queue 0" in picture


def test_seconds_heard_per_second() -> None:
    assert "heard 99.98 %" in drawn(scene(stats=stats(source(heard_s=59.988, lost_s=0.01))))
    ended = source("old", state=SourceState.ENDED, heard_s=1.0)
    assert "heard 100.00 %" in drawn(scene(stats=stats(source(), ended)))
    assert "heard 4.0 x real time" in drawn(scene(stats=stats(source(heard_s=240.0))))


def test_a_lost_source_says_why_and_shows_no_old_scores() -> None:
    lost = source(state=SourceState.LOST, problem="the device is unplugged")
    picture = drawn(scene(stats=stats(lost), steps={"mic": step({"dog": 0.9})}))
    assert "lost      the device is unplugged" in picture
    assert "dBFS" not in picture
    assert "dog" not in picture


def test_a_long_problem_has_a_line_for_itself() -> None:
    problem = "the device is unplugged; it is looked for again every ten seconds, until it is back"
    picture = drawn(scene(stats=stats(source(state=SourceState.LOST, problem=problem))), width=100)
    assert line_with("the device", picture) == f"  {problem}"
    narrow = drawn(scene(stats=stats(source(state=SourceState.LOST, problem=problem))), width=40)
    assert line_with("the device", narrow) == f"  {problem[:37]}…"


def test_silence_is_not_full_scale() -> None:
    picture = drawn(scene(stats=stats(source(level_db=-math.inf, peak_db=-math.inf))))
    line = line_with("mic ", picture)
    assert "silence" in line
    assert "dBFS" not in line
    assert BOX.full not in line


@pytest.mark.parametrize(
    ("level_db", "peak_db", "expected"),
    [
        (-math.inf, -math.inf, "............"),
        (-60.0, -60.0, "............"),
        (-30.0, -15.0, "======...|.."),
        (0.0, 0.0, "===========|"),
        (3.0, 6.0, "===========|"),  # a file may go beyond full scale
        (math.nan, math.nan, "............"),
    ],
)
def test_meter(level_db: float, peak_db: float, expected: str) -> None:
    assert meter(level_db, peak_db, 12, ASCII).plain == expected


@pytest.mark.parametrize("state", [SourceState.SILENT, SourceState.CLIPPING, SourceState.LAGGING])
def test_a_source_that_is_heard_and_unwell_shows_its_sound_and_what_is_wrong(state: SourceState) -> None:
    unwell = source(state=state, problem="is it muted or switched off?")
    shown = scene(stats=stats(unwell), steps={"mic": step({"dog": 0.9})})
    first, second, third = drawn(shown).splitlines()[2:5]
    assert re.fullmatch(rf"mic     +{state.value} +[━─┃]+  -30 dBFS    48 kHz", first)
    assert second == "  is it muted or switched off?"
    assert third.startswith("  dog")
    wide = line_with("is it muted", drawn(shown, width=120))
    assert re.fullmatch(rf"mic     +{state.value} +[━─┃]+  -30 dBFS    48 kHz  is it muted or .*", wide)


@pytest.mark.parametrize("state", SourceState)
def test_every_state_has_its_colour_and_the_column_its_width(state: SourceState) -> None:
    shown = scene(stats=stats(source(state=state)))
    assert line_with("mic ", drawn(shown)).startswith(f"mic     {state.value:8}  "[: 8 + len(state.value)])
    coloured = drawn(shown, force_terminal=True, color_system="standard").splitlines()[2]
    assert re.search(rf"\x1b\[\d+m{state.value}\x1b", coloured)


def test_overload_shows_the_hop_as_it_is_and_as_it_should_be() -> None:
    assert "hop 0.5 s  window" in drawn(scene())
    slow = scene(stats=stats(source(thinned=14, skipped=2), hop_s=1.5))
    assert "hop 1.5 s, not 0.5 s" in drawn(slow)
    assert "  2 windows skipped, 14 thinned out" in drawn(slow)


def test_a_trouble_lasts_by_the_clock() -> None:
    """While a source is away, the time of its stream stands still."""
    began = datetime(2026, 1, 31, 6, 12, 3, tzinfo=UTC)
    ended = began + timedelta(seconds=70)
    lost = offset("@source.lost", onset_s=3.0, offset_s=3.0, started_at=began, ended_at=ended)
    picture = drawn(scene(events=[lost]))
    assert "70.0 s" in line_with("@source.lost", picture)


def test_losses_are_shown_only_when_there_are_any() -> None:
    assert "lost" not in drawn(scene())
    losses = source(lost_s=1.25, overflows=3, overruns=1, skipped=14)
    assert "  1.2 s lost, 3 overflows, 1 overrun, 14 windows skipped" in drawn(scene(stats=stats(losses)))
    assert "1 window skipped" in drawn(scene(stats=stats(source(skipped=1))))


def test_the_five_highest_scores_in_their_order() -> None:
    scores = {"cat": 0.1, "dog": 0.9, "siren": 0.3, "rain": 0.2, "smoke_alarm": 0.5, "rooster": 0.05}
    picture = drawn(scene(steps={"mic": step(scores)}))
    shown = re.findall(r"^  (\w+) .* (0\.\d\d)$", picture, re.MULTILINE)
    assert shown == [
        ("dog", "0.90"),
        ("smoke_alarm", "0.50"),
        ("siren", "0.30"),
        ("rain", "0.20"),
        ("cat", "0.10"),
    ]


def test_a_label_with_an_event_is_marked() -> None:
    shown = scene(steps={"mic": step({"dog": 0.9, "cat": 0.8}, active="dog")})
    picture = drawn(shown)
    assert line_with("dog", picture).startswith("● dog")
    assert line_with("cat", picture).startswith("  cat")
    coloured = drawn(shown, force_terminal=True, color_system="standard")
    assert re.search(r"\x1b\[1;92mdog", coloured)
    assert not re.search(r"\x1b\[1;92mcat", coloured)


def test_a_label_without_a_threshold_has_no_mark() -> None:
    shown = step({"dog": 0.9, "cat": 0.8})
    without = replace(shown, decisions=[each for each in shown.decisions if each.label == "cat"])
    assert BOX.mark_passed in line_with("dog", drawn(scene(steps={"mic": shown})))
    picture = drawn(scene(steps={"mic": without}))
    assert BOX.mark_passed not in line_with("dog", picture)
    assert BOX.mark_passed in line_with("cat", picture)


@given(
    value=st.floats(allow_nan=True, allow_infinity=True),
    mark=st.none() | st.floats(0, 1),
    width=st.integers(0, 50),
)
def test_a_bar_has_its_width(value: float, mark: float | None, width: int) -> None:
    line = bar(value, width, ASCII, GOOD, mark).plain
    assert len(line) == width
    assert line.count(ASCII.mark) == (mark is not None and width > 0)


@given(value=st.floats(0, 1), width=st.integers(1, 50))
def test_a_bar_is_as_long_as_its_value(value: float, width: int) -> None:
    line = bar(value, width, BOX, GOOD).plain
    assert abs(line.count(BOX.full) + 0.5 * line.count(BOX.half) - value * width) <= 0.25 + 1e-9


def test_an_event_that_lasts_and_one_that_is_over() -> None:
    began = datetime(2026, 1, 31, 6, 12, 3, tzinfo=UTC)
    picture = drawn(
        scene(events=[onset("siren", "2", started_at=began), offset("dog", "1", source="file.wav")])
    )
    lasting = line_with("siren", picture)
    assert lasting.startswith("● siren")
    assert lasting.split()[2:] == ["0.91", f"{began.astimezone():%H:%M:%S}", "now", "mic"]
    assert line_with("dog", picture).split() == ["dog", "0.97", "12.5", "s", "2.5", "s", "file.wav"]


def test_before_the_first_event() -> None:
    assert "none yet" in drawn(scene())
    assert "nan" not in drawn(scene(stats=stats(latency_s=(math.nan,) * 3)))


def test_actions_that_fail_come_first_and_say_so() -> None:
    actions = {
        "log": ActionStats(fired=12),
        "photo": ActionStats(fired=3, failed=1, timed_out=2, dropped=4, late=1, hung=1, queued=5),
    }
    picture = drawn(scene(actions=actions))
    assert "photo  3 fired, 1 failed, 2 timed out, 5 dropped, 1 hung, 5 queued" in picture
    assert picture.index("photo") < picture.index("log ")
    assert line_with("log ", picture).split() == ["log", "12", "fired"]


def test_what_comes_from_outside_is_no_markup_and_moves_no_cursor() -> None:
    label = "[red]x[/]\x1b[2J\r\n"
    card = replace(CARD, labels=(label,))
    shown = scene(
        card=card,
        stats=stats(
            source("[b]mic[/b]"), source("a\x07b", state=SourceState.LOST, problem="[/] \x1b]0;x\x07")
        ),
        steps={"[b]mic[/b]": step({label: 0.9}, name="[b]mic[/b]", labels=(label,))},
        events=[onset(label)],
        actions={"[/]": ActionStats()},
    )
    picture = drawn(shown)
    assert picture.count("[red]x[/]?[2J??") == 2
    assert "[b]mic[/b]" in picture
    assert "a?b" in picture
    assert "[/] ?]0;x?" in picture
    assert not set(picture) & set("\x1b\x07\r")


def test_few_labels_leave_room_for_the_rest() -> None:
    shown = replace(crowded(1), card=replace(CARD, labels=LABELS[:2]))
    picture = drawn(replace(shown, steps={"mic": step({"dog": 0.9}, labels=LABELS[:2])}))
    assert len(re.findall(r"^[● ] (dog|cat) .*[┼┿]", picture, re.MULTILINE)) == 2
    assert len(re.findall(r"^● dog .* now ", picture, re.MULTILINE)) == 8
    assert picture.count("─" * 80) == 2


def test_a_narrow_header_says_the_most_important() -> None:
    first = drawn(scene(stats=stats(source(heard_s=90.0))), width=40).splitlines()[0]
    assert first.split() == ["listener", "1.2.3", "heard", "1.5", "x", "real", "time"]


def test_several_sources_share_the_room() -> None:
    names = ("mic", "kitchen", "garage")
    shown = scene(
        stats=stats(*map(source, names)),
        steps={name: step({"dog": 0.9, "cat": 0.3, "rain": 0.2, "siren": 0.1}, name=name) for name in names},
        events=[onset(identity=str(index)) for index in range(8)],
        actions={"log": ActionStats()},
    )
    picture = drawn(shown)
    for label in ("cat", "rain"):
        assert len(re.findall(rf"^  {label} ", picture, re.MULTILINE)) == 3
    assert len(picture.splitlines()) <= 24
    assert len(re.findall("^  siren ", drawn(shown, height=50), re.MULTILINE)) == 3


def test_of_too_many_sources_the_lost_one_is_shown() -> None:
    many = [source(f"mic{index}") for index in range(40)]
    lost = source("cellar", state=SourceState.LOST, problem="unplugged")
    silent = source("attic", state=SourceState.SILENT, problem="muted")
    picture = drawn(scene(stats=stats(*many, silent, lost)))
    assert "unplugged" in line_with("cellar", picture)
    assert picture.index("cellar") < picture.index("attic") < picture.index("mic0")
    shown = len(re.findall(r"^mic\d", picture, re.MULTILINE))
    assert f"and {40 - shown} more" in picture
    assert shown > 3


@pytest.mark.parametrize(("width", "height"), [(20, 5), (1, 1), (40, 10), (30, 3)])
def test_a_small_terminal_shows_the_source(width: int, height: int) -> None:
    picture = drawn(crowded(1), width, height)
    assert "mic"[:width] in picture.replace("…", "mic")


@settings(deadline=None)  # the machine may be busy
@given(width=st.integers(1, 140), height=st.integers(1, 60), sources=st.integers(1, 12))
def test_the_picture_stays_inside_the_terminal(width: int, height: int, sources: int) -> None:
    lines = drawn(crowded(sources), width, height).splitlines()
    assert 1 <= len(lines) <= height
    assert max(map(cell_len, lines)) <= width


def test_wide_characters_count_twice() -> None:
    shown = scene(stats=stats(source("台所のマイク")), events=[onset("犬" * 30)])
    assert max(map(cell_len, drawn(shown, width=50).splitlines())) <= 50


def test_no_color_draws_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = crowded(2)
    assert COLOUR.search(drawn(shown, force_terminal=True, color_system="standard"))
    monkeypatch.setenv("NO_COLOR", "1")
    picture = drawn(shown, force_terminal=True, color_system="standard")
    assert not COLOUR.search(picture)
    assert "dog" in picture


def test_a_terminal_that_cannot_write_a_name_shows_the_rest() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    shown = scene(stats=stats(source("Küche 犬")))
    Console(file=out, width=80, height=24).print(Picture(shown, ASCII))
    out.seek(0)
    assert "Küche ?" in out.read()


def crowded(sources: int) -> Scene:
    """Something of everything."""
    names = ["mic", *(f"source {index}" for index in range(1, sources))]
    each = [source(name, lost_s=2.0, overflows=7) for name in names]
    if sources > 1:
        each[-1] = source(names[-1], state=SourceState.LOST, problem="it is unplugged " * 10)
    return scene(
        stats=stats(*each),
        steps={name: step(dict.fromkeys(LABELS, 0.4), active="dog", name=name) for name in names},
        events=[onset(identity=str(index)) for index in range(8)],
        actions={"log": ActionStats(fired=3), "photo": ActionStats(failed=1)},
    )
