"""The picture: which part gets how many rows, and their lines one below the other."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

from listener.actions.runner.account import ActionStats
from listener.console import parts, sections
from listener.console.parts import BOX, Glyphs
from listener.console.scene import Scene
from listener.types import SourceState, SourceStats

MAX_WIDTH = 120
"""A bar that is longer than this is no easier to read."""

USUAL_HEIGHT = 20
"""From this height on, a terminal has rows to spare."""

LOG_ROWS = 2
"""Rows that are then left to what the log says above the picture."""

TOP_CLASSES = 5
RECENT_EVENTS = 8


@dataclass(frozen=True, slots=True)
class Picture:
    """A scene as rich draws it, never wider or higher than the terminal."""

    scene: Scene
    """What there is to show."""

    glyphs: Glyphs = BOX
    """What it is drawn with."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it in whatever room there is."""
        width = min(options.max_width, MAX_WIDTH)
        lines = _Composition(self.scene, width, options.size.height, self.glyphs).lines()
        for index, line in enumerate(lines):
            line.truncate(width, overflow="ellipsis")
            if index:
                yield Segment.line()
            for segment in line.render(console):
                # A name from outside that the terminal cannot write must not end the program.
                told = segment.text.encode(options.encoding, "replace").decode(options.encoding)
                yield Segment(told, segment.style)


class _Composition:
    """One picture in the making, for a terminal of ``width`` and ``height``."""

    def __init__(self, scene: Scene, width: int, height: int, glyphs: Glyphs) -> None:
        self._scene = scene
        self._width = width
        self._glyphs = glyphs
        name_width, self._label_width = sections.columns(scene, width)
        self._sources = [
            (source, sections.source(source, name_width, width, glyphs)) for source in scene.stats.sources
        ]
        self._scored = [source for source in scene.stats.sources if self._has_scores(source)]
        self._rows = self._granted(height)

    def lines(self) -> list[Text]:
        """Give the lines, at most ``height``; one may be too wide."""
        rows = self._rows
        ruled = [sections.rule("", self._width, self._glyphs)] if rows["rules"] else []
        return [
            *([sections.header(self._scene, self._width)] if rows["header"] else []),
            *ruled,
            *self._source_lines(),
            *self._titled("events", self._event_lines()),
            *self._titled("actions", self._action_lines()),
            *ruled,
            *([sections.footer(self._scene, self._width)] if rows["footer"] else []),
        ]

    def _granted(self, height: int) -> Counter[str]:
        """Grant rows to the parts, the most needed first, for as long as there are any."""
        rows: Counter[str] = Counter()
        room = height - LOG_ROWS if height >= USUAL_HEIGHT else height
        for part, wanted, least in self._wishes(height):
            granted = min(wanted, room)
            if granted >= least:
                rows[part] += granted
                room -= granted
        return rows

    def _wishes(self, height: int) -> Iterator[tuple[str, int, int]]:
        """What the parts would like to have: rows, and with how few they can do anything."""
        told = sum(len(lines) for _, lines in self._sources)
        shown = min(told, max(1, height * 2 // 3))
        events = min(RECENT_EVENTS, max(1, len(self._scene.events)))
        actions = len(self._scene.actions)
        # One more class is a row more for each source; sources that do not fit leave no room for it.
        classes = ("classes", len(self._scored), max(1, len(self._scored) if shown == told else height + 1))
        first, *more = [classes] * min(TOP_CLASSES, len(self._scene.card.labels))
        titles = 1 + (actions > 0)
        yield from (("sources", shown, 1), ("footer", 1, 1), ("header", 1, 1), first)
        yield from (("events", min(3, events), 1), ("actions", actions, 1), *more[:2])
        yield from (("titles", titles, titles), ("events", max(0, min(5, events) - 3), 1), *more[2:])
        yield from (("rules", 2, 2), ("events", max(0, events - 5), 1))

    def _has_scores(self, source: SourceStats) -> bool:
        # What was scored before a source was lost says nothing of now.
        return source.state.is_heard and source.name in self._scene.steps

    def _source_lines(self) -> list[Text]:
        rows = self._rows["sources"]
        if sum(len(lines) for _, lines in self._sources) > rows:
            return self._most_needed_sources(rows)
        count = self._rows["classes"] // max(1, len(self._scored))
        lines: list[Text] = []
        for source, told in self._sources:
            lines += told
            if source in self._scored:
                lines += self._class_lines(source.name, count)
        return lines

    def _most_needed_sources(self, rows: int) -> list[Text]:
        """Where not all have room, those that are not heard come first and the rest is counted."""
        lines: list[Text] = []
        by_need = sorted(self._sources, key=lambda each: _need(each[0].state), reverse=True)
        for index, (_, told) in enumerate(by_need):
            if lines and len(lines) + len(told) >= rows:
                return [*lines, parts.told(f"and {len(by_need) - index} more", parts.FAINT)][:rows]
            lines += told
        return lines[:rows]

    def _class_lines(self, source: str, count: int) -> list[Text]:
        top = self._scene.steps[source].top(self._scene.card.labels, count)
        return [sections.top_class(each, self._label_width, self._width, self._glyphs) for each in top]

    def _event_lines(self) -> list[Text]:
        newest = self._scene.events[: self._rows["events"]]
        if not newest:
            return [parts.told("  none yet", parts.FAINT)][: self._rows["events"]]
        return [sections.event(each, self._label_width, self._width, self._glyphs) for each in newest]

    def _action_lines(self) -> list[Text]:
        width = sections.column(list(self._scene.actions), sections.NAME_WIDTH, self._width)
        lines = [
            sections.action(name, stats, width, self._width)
            for name, stats in sorted(self._scene.actions.items(), key=_is_sound)
        ]
        return lines[: self._rows["actions"]]

    def _titled(self, title: str, lines: list[Text]) -> list[Text]:
        if not lines or not self._rows["titles"]:
            return lines
        return [sections.rule(title, self._width, self._glyphs), *lines]


def _need(state: SourceState) -> int:
    return state.is_trouble + (state.is_trouble and not state.is_heard)


def _is_sound(action: tuple[str, ActionStats]) -> bool:
    _, stats = action
    return not (stats.failed or stats.timed_out or stats.dropped or stats.late)
