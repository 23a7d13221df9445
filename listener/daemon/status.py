"""How the daemon is, in plain words: one line for ``systemctl status``.

Times are rounded, so that the line changes only now and then. What is wrong comes first.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from listener.config import SourceSettings
from listener.types import PipelineStats, SourceState, SourceStats

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400

AWAY = (SourceState.ABSENT, SourceState.LOST)
"""States in which a source is waited for."""


@dataclass(frozen=True, slots=True)
class LastEvent:
    """The newest event that began."""

    label: str
    """What it was."""

    source: str
    """Where it was heard."""

    ago_s: float
    """How long ago it was told, in seconds."""


def status_line(
    stats: PipelineStats,
    names: Mapping[str, str],
    last: LastEvent | None = None,
    is_overloaded: bool = False,
) -> str:
    """Say how the engine is.

    Parameters
    ----------
    stats
        The engine's.
    names
        What sources are called while they are waited for, by name: see `names_of`.
    last
        The newest event; None where there was none.
    is_overloaded
        Whether the model cannot keep up.
    """
    sources = stats.sources
    pieces = [*_overload(stats, is_overloaded), *_away(sources, names), *_troubles(sources)]
    heard = [_heard(source) for source in sources if source.state is SourceState.LIVE]
    if heard:
        pieces.append(f"listening: {'; '.join(heard)}")
    pieces += [
        f"opening {names.get(source.name, source.name)}"
        for source in sources
        if source.state is SourceState.OPENING
    ]
    if all(source.state is SourceState.ENDED for source in sources):
        pieces.append("there is no more sound to come")
    if any(source.state.is_heard for source in sources):
        pieces[-1] += f", {_last(last, len(sources))}"
    return "; ".join(pieces)


def names_of(sources: Iterable[SourceSettings]) -> dict[str, str]:
    """Give what each source is called while it is waited for: as its user would look for it.

    ``microphone 'USB*'`` where its device is named, else its own name; both where there are several.
    """
    settings = list(sources)
    names: dict[str, str] = {}
    for source in settings:
        name = source.name or source.use
        device = (source.model_extra or {}).get("device", "default")
        if source.use != "microphone" or device == "default":
            names[name] = f"'{name}'"
            continue
        kind = "microphone" if len(settings) == 1 else f"'{name}', microphone"
        names[name] = f"{kind} '{device}'" if isinstance(device, str) else f"{kind} {device}"
    return names


def rounded(seconds: float) -> str:
    """Say how long something is: ``3 min``, ``2 h``, ``5 days``; nothing below a minute."""
    for unit_s, unit in ((DAY_S, "day"), (HOUR_S, "h"), (MINUTE_S, "min")):
        count = int(seconds // unit_s)
        if count:
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}"
    return ""


def _overload(stats: PipelineStats, is_overloaded: bool) -> list[str]:
    if not is_overloaded:
        return []
    return [f"the model cannot keep up: it looks every {stats.hop_s:.3g} s"]


def _away(sources: Sequence[SourceStats], names: Mapping[str, str]) -> list[str]:
    return [
        f"waiting for {names.get(source.name, source.name)}, {_last_seen(source)}"
        for source in sources
        if source.state in AWAY
    ]


def _last_seen(source: SourceStats) -> str:
    since = rounded(source.since_s)
    if source.state is SourceState.LOST:
        return f"last seen {since} ago" if since else "last seen just now"
    return f"not seen for {since}" if since else "not seen yet"


def _troubles(sources: Sequence[SourceStats]) -> list[str]:
    told: list[str] = []
    for source in sources:
        if not source.state.is_trouble or source.state in AWAY:
            continue
        since = rounded(source.since_s)
        how_long = f" for {since}" if since else ""
        told.append(f"{source.name} is {source.state.value}{how_long}: {source.problem}")
    return told


def _heard(source: SourceStats) -> str:
    total_s = source.heard_s + source.lost_s
    told = f"{source.name} ({source.sample_rate / 1000:g} kHz)"
    if not total_s:
        return told
    # Rounded down: only what was heard as a whole is 100 %.
    percent = math.floor(10_000 * source.heard_s / total_s + 1e-6) / 100
    return f"{told}, {percent:.2f} % heard"


def _last(last: LastEvent | None, n_sources: int) -> str:
    if last is None:
        return "no event yet"
    where = f" in {last.source}" if n_sources > 1 else ""
    ago = rounded(last.ago_s)
    return f"last event {last.label}{where} {f'{ago} ago' if ago else 'just now'}"
