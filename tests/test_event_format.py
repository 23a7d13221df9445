import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from listener.event_format import event_dict, event_json, event_line, printable, utc_text
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


def test_a_line_is_one_line_and_moves_no_cursor() -> None:
    assert printable("a\nb\x1b[2Jc\u2028d é🐕") == "a?b?[2Jc?d é🐕"
    assert event_line(replace(ONSET, label="a\nb")).startswith("a?b began")
