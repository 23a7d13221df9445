import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from listener.event_format import event_dict, event_from_json, event_json, event_line, printable, utc_text
from listener.types import Event, Phase
from tests.actions.fakes import OFFSET, ONSET


def test_the_fields_of_an_onset_and_their_order() -> None:
    assert list(event_dict(ONSET).items()) == [
        ("id", "e1"),
        ("phase", "onset"),
        ("source", "mic"),
        ("label", "dog"),
        ("onset_s", 12.5),
        ("offset_s", None),
        ("started_at", "2026-01-31T06:12:03.250Z"),
        ("ended_at", None),
        ("score", 0.91),
        ("peak_score", 0.91),
        ("model", "household/1.0.0"),
        ("after_gap", False),
    ]


def test_an_offset_has_both_ends() -> None:
    fields = event_dict(OFFSET)
    assert (fields["phase"], fields["offset_s"], fields["ended_at"]) == (
        "offset",
        15.0,
        "2026-01-31T06:12:05.750Z",
    )


def test_numbers_are_rounded() -> None:
    fields = event_dict(replace(OFFSET, onset_s=1 / 3, offset_s=2 / 3, score=1 / 3, peak_score=2 / 3))
    assert [fields[key] for key in ("onset_s", "offset_s", "score", "peak_score")] == [
        0.333,
        0.667,
        0.3333,
        0.6667,
    ]


def test_json_is_one_ascii_line() -> None:
    text = event_json(replace(ONSET, label='two\nlines "and" 🐕'))
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text) == event_dict(replace(ONSET, label='two\nlines "and" 🐕'))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (None, None),
        (datetime(2026, 1, 31, 23, 59, 59, 999_600, tzinfo=UTC), "2026-02-01T00:00:00.000Z"),
        (datetime(2026, 1, 31, 6, 0, 0, 1_499, tzinfo=UTC), "2026-01-31T06:00:00.001Z"),
        (datetime(2026, 1, 31, 6, 0, tzinfo=timezone(timedelta(hours=2))), "2026-01-31T04:00:00.000Z"),
    ],
)
def test_moments(moment: datetime | None, text: str | None) -> None:
    assert utc_text(moment) == text


def test_lines_for_a_person() -> None:
    assert event_line(ONSET) == "dog began at 12.5 s (0.91) in mic, 2026-01-31 06:12:03 UTC"
    assert event_line(OFFSET) == "dog ended at 15.0 s after 2.5 s (0.97) in mic, 2026-01-31 06:12:05 UTC"
    assert event_line(replace(ONSET, started_at=None)) == "dog began at 12.5 s (0.91) in mic"
    update = replace(ONSET, phase=Phase.UPDATE, started_at=None)
    assert event_line(update) == "dog goes on, it began at 12.5 s (0.91) in mic"


def test_a_line_is_one_line_and_moves_no_cursor() -> None:
    assert printable("a\nb\x1b[2Jc\u2028d é🐕") == "a?b?[2Jc?d é🐕"
    assert event_line(replace(ONSET, label="a\nb")).startswith("a?b began")


@pytest.mark.parametrize(
    "event", [ONSET, OFFSET, replace(OFFSET, started_at=None, ended_at=None, after_gap=True)]
)
def test_what_was_written_can_be_read(event: Event) -> None:
    assert event_from_json(event_json(event)) == event


def test_fields_of_a_later_version_are_left_alone() -> None:
    assert event_from_json(json.dumps({**event_dict(ONSET), "colour": "green"})) == ONSET


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"label": 5},
        {"phase": "middle"},
        {"offset_s": 3.0},
        {"phase": "offset"},
        {"onset_s": "12.5"},
        {"onset_s": -1},
        {"onset_s": True},
        {"onset_s": 1e300},
        {"onset_s": 10**400},
        {"score": float("nan")},
        {"started_at": "yesterday"},
        {"started_at": "2026-01-31T06:12:03.250"},
        {"started_at": "0001-01-01T00:00:00Z"},
    ],
)
def test_what_is_no_event_is_not_read(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        event_from_json(json.dumps({**event_dict(ONSET), **changes}))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "{}"])
def test_what_is_no_object_is_no_event(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        event_from_json(text)
