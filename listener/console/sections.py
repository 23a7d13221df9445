"""The lines of each part of the picture. A line may be too long: the picture cuts it."""

import math
from collections.abc import Sequence

from rich.text import Text

from listener.actions.runner.account import ActionStats
from listener.console import parts
from listener.console.parts import Glyphs, aligned, bar, cell, fitting, meter, told
from listener.console.scene import Scene, TopClass
from listener.event_format import printable
from listener.types import STATUS, Event, PipelineStats, SourceState, SourceStats

NAME_WIDTH = 16
LABEL_WIDTH = 24
STATE_WIDTH = max(map(len, SourceState))
ROOMY_WIDTH = 60
LEAST_METER_WIDTH = 4
ROOMY_METER_WIDTH = 16
REAL_TIME_UP_TO = 1.05
"""More seconds heard per second than this: a recording that is read faster than it was played."""

STATE_STYLES = {
    SourceState.ABSENT: parts.BAD,
    SourceState.OPENING: parts.FAIR,
    SourceState.LIVE: parts.GOOD,
    SourceState.STALLED: parts.BAD,
    SourceState.SILENT: parts.FAIR,
    SourceState.CLIPPING: parts.FAIR,
    SourceState.LAGGING: parts.FAIR,
    SourceState.LOST: parts.BAD,
    SourceState.ENDED: parts.FAINT,
}


def header(scene: Scene, width: int) -> Text:
    """Say what listens, for how long, and how much of it was heard."""
    card = scene.card
    title = told(f"listener {scene.version}", parts.BOLD)
    elapsed = told(_clock(scene.stats.elapsed_s))
    right = fitting([_heard(scene.stats), elapsed], width - title.cell_len - 1)
    left = fitting(
        [
            title,
            told(printable(card.identity), parts.ACCENT),
            _hop(scene),
            _figure("window", f"{card.window_s:.3g} s"),
        ],
        width - right.cell_len - 2,
    )
    return aligned(left, right, width)


def footer(scene: Scene, width: int) -> Text:
    """Say what it costs, and how late it is."""
    stats = scene.stats
    p50, _, p99 = stats.latency_s
    pieces = [
        _figure("latency p50", _milliseconds(p50))
        .append("  ")
        .append_text(_figure("p99", _milliseconds(p99))),
        _figure("CPU", f"{stats.cpu_share * 100:.0f} % of a core"),
        _figure("windows/s", f"{scene.windows_per_s:.1f}"),
        _figure("queue", str(stats.queued)),
        _figure("events", str(stats.events)),
    ]
    return fitting(pieces, width, "   ")


def source(stats: SourceStats, name_width: int, width: int, glyphs: Glyphs) -> list[Text]:
    """Show a source: one line, and one more each for what is wrong and for what was lost."""
    state = cell(stats.state.value, STATE_WIDTH, STATE_STYLES[stats.state])
    line = cell(stats.name, name_width, parts.BOLD).append("  ").append_text(state)
    lines = [line]
    problem = told(printable(stats.problem), STATE_STYLES[stats.state])
    least_beside = 2 + problem.cell_len
    if stats.state.is_heard:
        reading = _reading(stats)
        room = width - line.cell_len - reading.cell_len - 4
        if problem and room - least_beside >= ROOMY_METER_WIDTH:
            room -= least_beside
        if room >= LEAST_METER_WIDTH:
            line.append("  ").append_text(meter(stats.level_db, stats.peak_db, room, glyphs))
        line.append("  ").append_text(reading)
    if problem and line.cell_len + least_beside <= width:
        line.append("  ").append_text(problem)
    elif problem:
        lines.append(Text("  ").append_text(problem))
    if losses := _losses(stats):
        lines.append(Text("  ").append_text(fitting(losses, width - 2, ", ")))
    return lines


def top_class(top: TopClass, label_width: int, width: int, glyphs: Glyphs) -> Text:
    """Show a score as a bar, with the threshold marked on it."""
    style = parts.ACTIVE if top.active else parts.ACCENT
    dot = (glyphs.dot if top.active else " ", parts.ACTIVE)
    label = cell(top.label, label_width, parts.ACTIVE if top.active else parts.PLAIN)
    # dot, a space, the label, two spaces, the bar, two spaces, 0.91
    drawn = bar(top.score, width - label_width - 10, glyphs, style, top.threshold)
    return Text.assemble(dot, " ", label, "  ", drawn, "  ", (f"{top.score:.2f}", style))


def event(heard: Event, label_width: int, width: int, glyphs: Glyphs) -> Text:
    """Show an event: when, how long, what, how sure, where."""
    lasts = heard.offset_s is None
    style = parts.ACTIVE if lasts else parts.PLAIN
    score = heard.score if lasts else heard.peak_score  # the score that ends an event is low by nature
    pieces = [
        Text.assemble(
            (glyphs.dot if lasts else " ", parts.ACTIVE), " ", cell(heard.label, label_width, style)
        ),
        told(f"{score:.2f}", style),
        told(f"{_when(heard):>8}", parts.FAINT),
        told(f"{_duration(heard):>7}", style),
        told(printable(heard.source), parts.FAINT),
    ]
    return fitting(pieces, width)


def action(name: str, stats: ActionStats, name_width: int, width: int) -> Text:
    """Show what became of the events that an action was to answer."""
    failures = [
        told(f"{count} {what}", parts.BAD)
        for count, what in (
            (stats.failed, "failed"),
            (stats.timed_out, "timed out"),
            (stats.dropped + stats.late, "dropped"),
            (stats.lost, "lost"),
            (stats.hung, "hung"),
        )
        if count
    ]
    queued = [
        told(f"{count} {what}", style)
        for count, what, style in (
            (stats.queued, "queued", parts.FAIR),
            (stats.retried, "retried", parts.FAIR),
            (stats.held + stats.skipped, "held", parts.FAINT),
        )
        if count
    ]
    if stats.rests_s:
        queued.append(told(f"left alone {stats.rests_s:.0f} s", parts.BAD))
    if stats.paused:
        queued.append(told("switched off", parts.FAIR))
    fired = told(f"{stats.fired} fired", parts.GOOD if stats.fired else parts.FAINT)
    line = cell(name, name_width, parts.BOLD).append("  ")
    return line.append_text(fitting([fired, *failures, *queued], width - line.cell_len, ", "))


def rule(title: str, width: int, glyphs: Glyphs) -> Text:
    """Draw a line with a title."""
    start = f"{glyphs.rule * 2} {title} " if title else ""
    return told(start + glyphs.rule * (width - len(start)), parts.FAINT)


def column(names: Sequence[str], widest: int, width: int) -> int:
    """Give the width of a column of names: the longest of them, but at most a third of the line."""
    longest = max((Text(printable(name)).cell_len for name in names), default=0)
    return min(longest, widest, width // 3)


def columns(scene: Scene, width: int) -> tuple[int, int]:
    """Give the widths of the columns of sources and of labels; where there is room, all bars line up."""
    name_width = column([each.name for each in scene.stats.sources], NAME_WIDTH, width)
    label_width = column(scene.card.labels, LABEL_WIDTH, width)
    if width < ROOMY_WIDTH:
        return name_width, label_width
    # Left of a meter stand name, gap, state and gap; left of a bar dot, space, label and gap.
    return max(name_width, label_width - STATE_WIDTH), max(label_width, name_width + STATE_WIDTH)


def _heard(stats: PipelineStats) -> Text:
    """How much was heard of what there was to hear: of the sources that still go on, or of all."""
    going = [each for each in stats.sources if each.state is not SourceState.ENDED] or stats.sources
    heard_s, lost_s = sum(each.heard_s for each in going), sum(each.lost_s for each in going)
    if not heard_s or stats.elapsed_s <= 0:
        return Text()
    speed = heard_s / (len(going) * stats.elapsed_s)
    if speed > REAL_TIME_UP_TO:
        return told(f"heard {speed:.1f} x real time", parts.GOOD)
    # Rounded down: only what was heard as a whole is 100 %.
    share = math.floor(10_000 * heard_s / (heard_s + lost_s) + 1e-6) / 10_000
    return told(f"heard {share * 100:.2f} %", parts.GOOD if share > 0.99 else parts.FAIR)


def _reading(stats: SourceStats) -> Text:
    silent = not math.isfinite(stats.level_db)
    level = "silence" if silent else f"{stats.level_db:.0f} dBFS"
    rate = f"{stats.sample_rate / 1000:g} kHz"
    return Text.assemble((f"{level:>8}", parts.FAIR if silent else parts.PLAIN), (f"{rate:>10}", parts.FAINT))


def _losses(stats: SourceStats) -> list[Text]:
    counts = (
        (stats.overflows, "overflow", "overflows"),
        (stats.overruns, "overrun", "overruns"),
        (stats.skipped, "window skipped", "windows skipped"),
    )
    losses = [
        told(f"{count} {one if count == 1 else many}", parts.BAD) for count, one, many in counts if count
    ]
    if stats.lost_s:
        losses.insert(0, told(f"{stats.lost_s:.1f} s lost", parts.BAD))
    if stats.thinned:  # nothing of their sound is lost
        losses.append(told(f"{stats.thinned} thinned out", parts.FAIR))
    return losses


def _hop(scene: Scene) -> Text:
    """Time between windows; under overload, beside what it should be."""
    now_s = scene.stats.hop_s
    if now_s <= scene.hop_s:
        return _figure("hop", f"{scene.hop_s:.3g} s")
    return _figure("hop", "").append(f"{now_s:.3g} s, not {scene.hop_s:.3g} s", parts.FAIR)


def _figure(name: str, value: str) -> Text:
    return Text.assemble((f"{name} ", parts.FAINT), value)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _milliseconds(seconds: float) -> str:
    return "-" if math.isnan(seconds) else f"{seconds * 1000:.0f} ms"


def _when(heard: Event) -> str:
    if heard.started_at is None:
        return f"{heard.onset_s:.1f} s"
    return f"{heard.started_at.astimezone():%H:%M:%S}"


def _duration(heard: Event) -> str:
    if heard.offset_s is None:
        return "now"
    lasted_s = heard.offset_s - heard.onset_s
    if heard.label.startswith(STATUS) and heard.started_at and heard.ended_at:
        # The time of a stream stands still while its source is away.
        lasted_s = (heard.ended_at - heard.started_at).total_seconds()
    return f"{lasted_s:.1f} s"
