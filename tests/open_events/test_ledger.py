"""What is written of open events, and what can be read of it: however little is left, whatever it is."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.event_format import event_dict, event_from_json, event_json
from listener.open_events.ledger import Ledger, note_line, still_on_line, told_line
from tests.open_events.lives import CAT, DOG, Life, ended

Step = tuple[Literal["onset", "offset", "told", "still on"], int]

STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.sampled_from(["onset", "offset", "told", "still on"]), st.integers(0, 4)), max_size=30
)


def line_of(step: Step, position: int) -> str:
    what, number = step
    event = replace(DOG, id=f"e{number}", onset_s=float(number))
    if what == "still on":
        return still_on_line({event.id: float(position)})
    if what == "told":
        return told_line(event.id)
    return note_line(event if what == "onset" else ended(event, number + 100.0))


def expected(steps: list[Step]) -> dict[str, float]:
    """Where each event ends that is open, or whose end was not told, in plain words."""
    ends: dict[str, float] = {}
    over: set[str] = set()
    for position, (what, number) in enumerate(steps):
        name = f"e{number}"
        if what == "onset" and name not in ends:
            ends[name] = float(number)
        elif what == "still on" and name in ends and name not in over:
            ends[name] = max(ends[name], float(position))
        elif what == "offset":
            ends[name] = number + 100.0
            over.add(name)
        elif what == "told":
            ends.pop(name, None)
            over.discard(name)
    return ends


@given(steps=STEPS, cut=st.integers(0, 6_000))
def test_a_file_that_is_cut_off_anywhere_says_what_its_whole_lines_say(steps: list[Step], cut: int) -> None:
    lines = [line_of(step, position) for position, step in enumerate(steps)]
    data = "".join(lines).encode()[:cut]
    ends_at = [sum(map(len, lines[: n + 1])) - 1 for n in range(len(lines))]  # less the line end
    whole = sum(end <= len(data) for end in ends_at)
    ledger = Ledger()
    ledger.read(data)
    assert {event.id: event.offset_s for event in ledger.offsets()} == expected(steps[:whole])
    again = Ledger()
    again.read(ledger.text().encode())
    assert list(again.offsets()) == list(ledger.offsets())


@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(st.sampled_from([b'{"', b"[", b"{", b"1e999", b"NaN", b'"told"', b":", b"}", b"\n"])).map(
            b"".join
        ),
        st.builds(
            lambda field, value: json.dumps({**event_dict(DOG), field: value}).encode(),
            st.sampled_from([*event_dict(DOG), "told", "still_on"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            ),
        ),
    )
)
def test_no_rubbish_raises(data: bytes) -> None:
    ledger = Ledger()
    ledger.read(note_line(CAT).encode() + data + b"\n" + note_line(DOG).encode())
    assert DOG.id in ledger.entries
    for event in ledger.offsets():
        assert event_from_json(event_json(event)) == replace(
            event,
            onset_s=round(event.onset_s, 3),
            offset_s=round(event.offset_s or 0.0, 3),
            score=round(event.score, 4),
            peak_score=round(event.peak_score, 4),
            started_at=event_from_json(event_json(event)).started_at,
            ended_at=event_from_json(event_json(event)).ended_at,
        )


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b'{"a":' * 20_000, b"{" + b"9" * 65_000, os.urandom(200_000)]
)
def test_no_heap_of_rubbish_raises(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "open-events-key.jsonl").write_bytes(data + b"\n" + note_line(DOG).encode())
    life = Life(tmp_path)
    assert [event.id for event in life.journal.recovered()] == [DOG.id]
    life.journal.close()
