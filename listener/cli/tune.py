"""``listener tune``: when the labels of a bundle make events."""

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from listener.cli.common import table
from listener.cli.figures import number
from listener.cli.judging import load, warn
from listener.cli.progress import ShareProgress

if TYPE_CHECKING:
    from listener.events import LabelRule
    from listener.training.tune.streams import Outcome, Tuned

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("bundle", type=PATH)
@click.option(
    "--streams", type=PATH, required=True, help="Folder of recordings, each with its NAME.csv or NAME.txt."
)
@click.option(
    "--false-events-per-hour",
    "limit",
    type=click.FloatRange(0, min_open=True),
    default=0.5,
    show_default=True,
    help="Most that one label may make.",
)
@click.option("--out", type=PATH, metavar="FILE", help="New bundle to write.")
@click.option("--in-place", is_flag=True, help="Write BUNDLE itself anew.")
def tune(bundle: Path, streams: Path, limit: float, out: Path | None, in_place: bool) -> None:
    """Choose thresholds, smoothing and release of BUNDLE's labels from streams with known events.

    Without --out and --in-place nothing is written: the result is shown, and as text for config.yaml.
    """
    if out is not None and in_place:
        raise click.UsageError("--out and --in-place: choose one")
    if not math.isfinite(limit):
        raise click.BadParameter("is no number of events", param_hint="--false-events-per-hour")
    from listener.training.evaluate.evaluation import refuse_foreign
    from listener.training.evaluate.listening import listen
    from listener.training.evaluate.provenance import warnings_for_streams
    from listener.training.evaluate.references import find_streams
    from listener.training.tune.streams import tune as tune_by
    from listener.training.tune.writing import refuse_target, settings, tuned_card, write_with_card

    if out is not None:
        refuse_target(bundle, out)
    found = find_streams(streams)
    classifier, rules = load(bundle)
    with closing(classifier), ShareProgress() as tell:
        refuse_foreign(found, classifier.card, streams)
        tuned = tune_by(listen(classifier, found, tell), rules, limit, tell)
    for warning in [*warnings_for_streams(classifier.card, bundle, found), *_doubts(tuned)]:
        warn(warning)
    click.echo("\n\n".join(_told(tuned)))
    changed = {one.label: one.rule for one in tuned.labels if one.changed}
    if changed:
        click.echo(f"\nfor config.yaml:\n\n{settings(changed)}")
    target = bundle if in_place else out
    if target is None:
        click.echo("nothing was written: --out FILE writes a new bundle, --in-place this one")
        return
    command = f"listener tune {bundle.name} --streams DIR --false-events-per-hour {limit:g}"
    write_with_card(bundle, target, tuned_card(classifier.card, tuned, command))
    click.echo(f"written: {target}")


def _doubts(tuned: "Tuned") -> Iterator[str]:
    if not tuned.is_supported:
        yield (
            f"{60 * tuned.hours:.1f} min of streams are too little for a limit of {tuned.limit_per_hour:g} "
            f"false events an hour: it takes {tuned.hours_needed:.1f} h; after no false event at all, "
            f"{3 / tuned.hours:.1f} an hour would still be possible (95 %)"
        )
    if not tuned.is_better and tuned.held_out is not None:
        yield (
            "on streams that they were not chosen from, such rules are no better: "
            f"F1 {tuned.held_out.f1:.3f}, {tuned.before.f1:.3f} before; false events "
            f"{tuned.held_out.false_events}, {tuned.before.false_events} before; more streams would help"
        )
    if above := [one.label for one in tuned.labels if not one.keeps_to_limit]:
        yield f"no rule keeps to the limit for: {', '.join(above)}"


def _told(tuned: "Tuned") -> Iterator[str]:
    rows = [
        (
            one.label,
            _rule(one.old_rule),
            _rule(one.rule) if one.changed else "as it was",
            f"{one.before.found} > {one.after.found} of {one.after.targets}",
            f"{one.before.false_events} > {one.after.false_events}",
            f"{one.after.at_most_per_hour:.1f}",
        )
        for one in tuned.labels
        if one.changed or one.after.targets or one.before.false_events
    ]
    yield table(("LABEL", "ON/OFF/SMOOTH/RELEASE", "NEW", "FOUND", "FALSE", "AT MOST AN HOUR"), rows)
    outcomes = [("before", tuned.before), ("after", tuned.after)]
    if tuned.held_out is not None:
        outcomes.append(("each stream by the others", tuned.held_out))
    yield table(
        ("ALL LABELS", "F1", "FOUND", "RECALL", "FALSE", "AN HOUR", "MEDIAN S"),
        [(name, *_row(outcome)) for name, outcome in outcomes],
    )


def _rule(rule: "LabelRule") -> str:
    return f"{rule.threshold_on:g}/{rule.threshold_off:g}/{rule.smooth}/{rule.release_s:g}"


def _row(outcome: "Outcome") -> tuple[str, ...]:
    false = outcome.false_per_hour
    return (
        number(outcome.f1, 3),
        f"{outcome.found} of {outcome.targets}",
        str(outcome.recall),
        str(outcome.false_events),
        f"{false.value:.1f} ({false.low:.1f}-{false.high:.1f})",
        number(outcome.median_delay_s),
    )
