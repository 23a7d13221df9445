"""When an action answers, as the documentation has it: slow, and from all that was ever told."""

from collections.abc import Sequence

from listener.config import ActionSettings, LabelCondition
from listener.types import Event, Phase
from tests.actions.when.story import Telling


def matches(label: str, pattern: str) -> bool:
    return {"*": not label.startswith("@"), "@*": label.startswith("@")}.get(pattern, label == pattern)


class Oracle:
    def __init__(self, settings: ActionSettings) -> None:
        self.settings = settings
        self.told: list[Telling] = []
        self.decided: dict[str, bool] = {}
        self.updates: dict[str, int] = {}
        self.answers: list[tuple[str, float]] = []
        self.counted: list[tuple[str, float]] = []

    def fires(self, telling: Telling) -> bool:
        fires = self.judge(telling)
        self.told.append(telling)
        return fires

    def judge(self, telling: Telling) -> bool:
        chosen, event = self.settings, telling.event
        if not any(matches(event.label, pattern) for pattern in chosen.labels):
            return False
        if "*" not in chosen.sources and event.source not in chosen.sources:
            return False
        if event.phase not in chosen.phases:
            return False
        if event.phase is Phase.UPDATE and not self.is_due(telling):
            return False
        if event.id not in self.decided:
            self.decided[event.id] = self.decide(telling)
            return self.decided[event.id]
        return self.decided[event.id] and not (telling.is_paused and event.phase is Phase.UPDATE)

    def is_due(self, telling: Telling) -> bool:
        """Tell whether another whole ``update_s`` has gone by since the onset."""
        steps = int((telling.at_s - telling.event.onset_s) / self.settings.update_s)
        is_due = steps > self.updates.get(telling.event.id, 0)
        self.updates[telling.event.id] = steps
        return is_due

    def decide(self, telling: Telling) -> bool:
        chosen, event, now_s = self.settings, telling.event, telling.at_s
        if event.peak_score < chosen.min_score or telling.is_paused or telling.muted_by:
            return False
        if any(self.was_heard(one, event, now_s, now_s + 1) for one in chosen.unless):
            return False
        if chosen.after and not any(self.was_heard(one, event, now_s, event.onset_s) for one in chosen.after):
            return False
        mine = [at_s for source, at_s in self.answers if source == event.source]
        if any(now_s - at_s < chosen.cooldown_s for at_s in mine):
            return False
        limit = chosen.limit
        if limit is not None and sum(now_s - at_s < limit.within_s for at_s in mine) >= limit.count:
            return False
        self.counted.append((event.source, now_s))
        counted = [at_s for source, at_s in self.counted if source == event.source]
        if sum(now_s - at_s <= (chosen.within_s or 0) for at_s in counted) < chosen.count:
            return False
        self.counted = [one for one in self.counted if one[0] != event.source]
        self.answers.append((event.source, now_s))
        return True

    def was_heard(self, condition: LabelCondition, event: Event, now_s: float, before_s: float) -> bool:
        for onset in self.told:
            other = onset.event
            if other.phase is not Phase.ONSET or onset.muted_by or other.source != event.source:
                continue
            if other.id == event.id or not matches(other.label, condition.label):
                continue
            offsets = [
                one.at_s for one in self.told if one.event.id == other.id and one.event.phase is Phase.OFFSET
            ]
            is_near = all(now_s - offset_s <= condition.within_s for offset_s in offsets)
            if is_near and other.onset_s < before_s:
                return True
        return False


def answers(settings: ActionSettings, tellings: Sequence[Telling]) -> list[bool]:
    oracle = Oracle(settings)
    return [oracle.fires(one) for one in tellings]
