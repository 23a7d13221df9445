"""Sounds one after the other, told as the event logic tells them; all times are whole halves of a second."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from listener.actions.when.trigger import Trigger, Verdict
from listener.config import ActionSettings
from listener.types import Event, Phase
from tests.actions.fakes import ONSET

LABELS = ("dog", "speech", "@source.lost")
SOURCES = ("mic", "yard")


@dataclass(frozen=True)
class Telling:
    """An event, and the stream time at which it is told."""

    event: Event
    at_s: float
    muted_by: str = ""
    is_paused: bool = False


def began(label: str, onset_s: float, source: str = "mic", score: float = 0.9, id_: str = "") -> Event:
    return replace(
        ONSET,
        id=id_ or f"{source}/{label}/{onset_s}",
        label=label,
        source=source,
        onset_s=onset_s,
        score=score,
        peak_score=score,
        started_at=None,
    )


def ended(event: Event, offset_s: float) -> Event:
    return replace(event, phase=Phase.OFFSET, offset_s=offset_s, score=0.1)


def updated(event: Event) -> Event:
    return replace(event, phase=Phase.UPDATE)


def tell(trigger: Trigger, *events: Event) -> list[bool]:
    return [judge(trigger, event).fires for event in events]


def judge(trigger: Trigger, event: Event) -> Verdict:
    return trigger.judge(event, event.onset_s if event.offset_s is None else event.offset_s)


def verdicts(settings: ActionSettings, tellings: Sequence[Telling]) -> list[Verdict]:
    trigger = Trigger(settings)
    return [trigger.judge(one.event, one.at_s, one.muted_by, one.is_paused) for one in tellings]


halves = st.integers(0, 20).map(lambda n: n / 2)
lengths = st.integers(1, 20).map(lambda n: n / 2)
waits = st.integers(1, 40).map(lambda n: n / 2)

rules = st.fixed_dictionaries(
    {},
    optional={
        "labels": st.sampled_from([("dog",), ("*",), ("@*",), ("dog", "speech")]),
        "sources": st.sampled_from([("mic",), ("*",)]),
        "min_score": st.just(0.5),
        "cooldown_s": halves,
        "limit": st.fixed_dictionaries({"count": st.integers(1, 4), "within_s": waits}),
        "unless": st.lists(
            st.fixed_dictionaries({"label": st.sampled_from(["speech", "*", "@*"]), "within_s": lengths}),
            max_size=2,
        ),
        "after": st.lists(
            st.fixed_dictionaries({"label": st.sampled_from(["dog", "speech"]), "within_s": lengths}),
            max_size=2,
        ),
        "mute_s": halves,
    },
)


@st.composite
def chosen(
    draw: st.DrawFn, when: Sequence[str] = ("onset", "offset", "both", "update", "all")
) -> ActionSettings:
    values: dict[str, object] = {"use": "fake", "when": draw(st.sampled_from(when)), **draw(rules)}
    if values["when"] in ("update", "all"):
        values["update_s"] = draw(lengths)
    if draw(st.booleans()):
        values |= {"count": draw(st.integers(2, 4)), "within_s": draw(waits)}
    return ActionSettings.model_validate(values)


@st.composite
def stories(draw: st.DrawFn, is_plain: bool = False) -> list[Telling]:
    """Each label of each source is on and off; in between, what is on is told so with every window."""
    tellings: list[Telling] = []
    for source in SOURCES[: draw(st.integers(1, 2))]:
        for label in LABELS:
            now_s = draw(halves)
            for _ in range(draw(st.integers(0, 5))):
                now_s += draw(lengths)
                event = began(label, now_s, source, draw(st.sampled_from([0.4, 0.9])))
                now_s += draw(lengths)
                muted_by = "" if is_plain else draw(st.sampled_from(["", "", "siren"]))
                tellings += _life(event, now_s, muted_by)
    order = {Phase.UPDATE: 0, Phase.OFFSET: 1, Phase.ONSET: 2}
    tellings.sort(key=lambda one: (one.at_s, order[one.event.phase], one.event.label))
    if is_plain:
        return tellings
    paused = draw(st.sets(st.integers(0, max(0, len(tellings) - 1)), max_size=5))
    return [replace(one, is_paused=index in paused) for index, one in enumerate(tellings)]


def _life(event: Event, offset_s: float, muted_by: str) -> Iterator[Telling]:
    yield Telling(event, event.onset_s, muted_by)
    for n in range(1, int((offset_s - event.onset_s) * 2) + 1):
        yield Telling(updated(event), event.onset_s + n / 2, muted_by)
    yield Telling(ended(event, offset_s), offset_s, muted_by)
