"""Thresholds, smoothing and release of each label, chosen from streams with known events.

Every candidate is tried through the live event logic. Among those that keep to the limit of
false events an hour, one that finds events best (F1, by overlap) is taken. A rule changes only
where the streams give a reason: what finds as much as any other and keeps to the limit stays as
it is. Of thresholds that are equally good, the middle one is taken, which is farthest from both
what should be heard and what should not; but the highest, where there is too little sound to
know what else would be heard (see `Tuned.is_supported`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from listener.events import LabelRule
from listener.training.evaluate.intervals import Figure, rate, rate_bound, share
from listener.training.evaluate.listening import JudgedStream, LabelTrack
from listener.training.evaluate.matching import false_events, match, overlaps
from listener.training.evaluate.streams import delays, known_targets

ONS = tuple(np.round([*np.arange(0.05, 0.9, 0.05), *(1 - np.geomspace(0.1, 0.002, 15))], 4).tolist())
"""Candidates for ``threshold_on``."""

OFF_SHARES = (0.3, 0.45, 0.6, 0.8)
"""Candidates for ``threshold_off``, over ``threshold_on``."""

RULE_OF_THREE = 3.0
"""No event in T hours rules out a rate of more than this / T, with 95 % certainty."""

SMOOTHS = (1, 2, 3)
RELEASES_S = (0.5, 1.0, 2.0, 3.0)

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What rules made of streams."""

    hours: float = 0.0
    targets: int = 0
    found: int = 0
    """By overlap."""
    surplus: int = 0
    """Events that stand for no target, false ones among them."""
    false_events: int = 0
    """Where the label is not heard at all."""
    delays_s: tuple[float, ...] = ()
    """From each found target's onset to the decision."""

    def __add__(self, other: "Outcome") -> "Outcome":
        """Join what was made of several labels, or streams; the hours are those of the streams."""
        return Outcome(
            self.hours + other.hours,
            self.targets + other.targets,
            self.found + other.found,
            self.surplus + other.surplus,
            self.false_events + other.false_events,
            self.delays_s + other.delays_s,
        )

    @property
    def f1(self) -> float:
        """F1 of the events, by overlap; nan where there is nothing to find and nothing was found."""
        of_all = self.targets + self.found + self.surplus
        return 2 * self.found / of_all if of_all else float("nan")

    @property
    def recall(self) -> Figure:
        """Share of the targets that are found."""
        return share(self.found, self.targets)

    @property
    def false_per_hour(self) -> Figure:
        """False events an hour."""
        return rate(self.false_events, self.hours)

    @property
    def at_most_per_hour(self) -> float:
        """Rate of false events that is ruled out, with 95 % certainty."""
        return rate_bound(self.false_events, self.hours)

    @property
    def median_delay_s(self) -> float:
        """From onset to decision; nan if nothing was found."""
        return float(np.median(self.delays_s)) if self.delays_s else float("nan")


@dataclass(frozen=True, slots=True)
class TunedLabel:
    """One label, before and after."""

    label: str
    old_rule: LabelRule
    rule: LabelRule
    before: Outcome
    after: Outcome
    keeps_to_limit: bool

    @property
    def changed(self) -> bool:
        """Whether its rule is another now."""
        return self.rule != self.old_rule


@dataclass(frozen=True, slots=True)
class Tuned:
    """Rules chosen from streams."""

    limit_per_hour: float
    """Of false events of one label."""
    labels: tuple[TunedLabel, ...]
    before: Outcome
    """Of all labels together."""
    after: Outcome
    """By the new rules, on the very streams that they were chosen from: this flatters."""
    held_out: Outcome | None
    """Each stream by rules chosen from the others; None where there is but one."""

    @property
    def hours(self) -> float:
        """Of sound."""
        return self.before.hours

    @property
    def hours_needed(self) -> float:
        """Hours without a false event that would support the limit: the rule of three."""
        return RULE_OF_THREE / self.limit_per_hour

    @property
    def is_better(self) -> bool:
        """Whether streams that the rules were not chosen from say so as well; True where there are none."""
        held, before = self.held_out, self.before
        if held is None or not any(one.changed for one in self.labels):
            return True
        return held.false_events <= before.false_events and not held.f1 < before.f1

    @property
    def is_supported(self) -> bool:
        """Whether there is enough sound to speak of such a limit."""
        return self.hours >= self.hours_needed


def tune(
    heard: Sequence[JudgedStream],
    rules: Sequence[LabelRule | None],
    limit_per_hour: float,
    progress: Progress | None = None,
) -> Tuned:
    """Choose the rules of all labels.

    Parameters
    ----------
    heard
        One or more streams, through one model.
    rules
        As they are now, one for each label; a label without one is left alone.
    limit_per_hour
        Of false events of one label, above 0.
    progress
        Is told how it goes.
    """
    tuned = []
    known = [(label, rule) for label, rule in zip(heard[0].labels, rules, strict=True) if rule is not None]
    every = range(len(heard))
    held_out = Outcome()
    for number, (label, rule) in enumerate(known, start=1):
        search = _Search(label, rule, heard, limit_per_hour)
        best = search.best(every)
        before, after = search.outcome(rule, every), search.outcome(best, every)
        kept = after.false_events <= limit_per_hour * after.hours
        tuned.append(TunedLabel(label, rule, best, before, after, kept))
        for n in every if len(heard) > 1 else ():
            others = [other for other in every if other != n]
            held_out += search.outcome(search.best(others), [n])
        if progress is not None:
            progress("labels", number / len(known))
    return Tuned(
        limit_per_hour,
        tuple(tuned),
        _over_labels([one.before for one in tuned], heard),
        _over_labels([one.after for one in tuned], heard),
        _over_labels([held_out], heard) if len(heard) > 1 else None,
    )


class _Search:
    """Looks for the rule of one label; what was tried once is known."""

    def __init__(
        self, label: str, rule: LabelRule, heard: Sequence[JudgedStream], limit_per_hour: float
    ) -> None:
        self._rule = rule
        self._limit_per_hour = limit_per_hour
        lowest = min(rule.threshold_off, ONS[0] * min(*OFF_SHARES, rule.threshold_off / rule.threshold_on))
        most_smooth, longest_s = max(*SMOOTHS, rule.smooth), max(*RELEASES_S, rule.release_s)
        self._tracks = [LabelTrack(one, label, lowest, most_smooth, longest_s) for one in heard]
        self._targets = [[one for one in known_targets(h) if one.label == label] for h in heard]
        self._known: dict[tuple[LabelRule, int], Outcome] = {}

    def outcome(self, rule: LabelRule, streams: Sequence[int]) -> Outcome:
        """Try a rule on some of the streams."""
        return sum((self._one(rule, n) for n in streams), Outcome())

    def best(self, streams: Sequence[int]) -> LabelRule:
        """Choose a rule by some of the streams."""
        if not any(self._targets[n] for n in streams):
            return self._seldom_enough(streams)
        ratio = self._rule.threshold_off / self._rule.threshold_on
        first = [
            replace(self._rule, threshold_on=on, threshold_off=_rounded(on * ratio), smooth=smooth)
            for smooth in sorted({*SMOOTHS, self._rule.smooth})
            for on in ONS
        ]
        rule = self._middle([self._rule, *first], streams)
        second = [
            replace(rule, threshold_off=_rounded(rule.threshold_on * off_share), release_s=release_s)
            for off_share in OFF_SHARES
            for release_s in RELEASES_S
        ]
        return self._best([rule, *second], streams)[0]

    def _one(self, rule: LabelRule, stream: int) -> Outcome:
        if (rule, stream) not in self._known:
            track, targets = self._tracks[stream], self._targets[stream]
            found = track.events(rule)
            matches = match(targets, found, overlaps)
            self._known[rule, stream] = Outcome(
                track.duration_s / 3600,
                len(targets),
                len(matches.pairs),
                len(matches.surplus),
                len(false_events(targets, found)),
                tuple(time_s for _, time_s in delays(targets, found)),
            )
        return self._known[rule, stream]

    def _keeps(self, outcome: Outcome) -> bool:
        return outcome.false_events <= self._limit_per_hour * outcome.hours

    def _best(self, candidates: Sequence[LabelRule], streams: Sequence[int]) -> list[LabelRule]:
        """Give the candidates that are as good as any, in their order."""
        worth = []
        for rule in candidates:
            outcome = self.outcome(rule, streams)
            keeps = self._keeps(outcome)
            worth.append((keeps, 0 if keeps else -outcome.false_events, round(outcome.f1, 6)))
        return [rule for rule, one in zip(candidates, worth, strict=True) if one == max(worth)]

    def _middle(self, candidates: Sequence[LabelRule], streams: Sequence[int]) -> LabelRule:
        """Choose of the best: the first candidate, or a threshold among those that are smoothed least."""
        best = self._best(candidates, streams)
        if best[0] is candidates[0]:
            return best[0]
        smooth = min(rule.smooth for rule in best)
        rules = sorted((rule for rule in best if rule.smooth == smooth), key=lambda rule: rule.threshold_on)
        hours = self.outcome(self._rule, streams).hours
        return rules[len(rules) // 2] if hours * self._limit_per_hour >= RULE_OF_THREE else rules[-1]

    def _seldom_enough(self, streams: Sequence[int]) -> LabelRule:
        """Nothing is to be found: keep the rule, or raise its threshold until it is told seldom enough."""
        ratio = self._rule.threshold_off / self._rule.threshold_on
        higher = [
            replace(self._rule, threshold_on=on, threshold_off=_rounded(on * ratio))
            for on in ONS
            if on > self._rule.threshold_on
        ]
        candidates = [self._rule, *higher]
        kept = (rule for rule in candidates if self._keeps(self.outcome(rule, streams)))
        return next(kept, candidates[-1])


def _over_labels(outcomes: Sequence[Outcome], heard: Sequence[JudgedStream]) -> Outcome:
    """Join what was made of labels in the same streams."""
    hours = sum(one.duration_s for one in heard) / 3600
    return replace(sum(outcomes, Outcome()), hours=hours)


def _rounded(threshold: float) -> float:
    return max(0.001, round(threshold, 4))
