"""``listener analyze``."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from listener.cli.common import config_option, load_config, model_option, table, tell_decisions, with_model
from listener.errors import AudioFileError, ListenerError
from listener.event_format import event_dict, event_json
from listener.files import whole_file
from listener.types import Event, Phase

if TYPE_CHECKING:
    from listener.classifiers.base import Classifier
    from listener.events import LabelRule


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@config_option
@model_option
@click.option("--format", "form", type=click.Choice(["table", "jsonl", "csv", "audacity"]), default="table")
@click.option("--out", type=click.Path(path_type=Path), help="File to write; without it, standard output.")
def analyze(
    paths: tuple[Path, ...], config_path: Path | None, model_path: Path | None, form: str, out: Path | None
) -> None:
    """Find the events in recordings, by the very engine that runs live.

    A folder stands for all recordings below it. The audacity format is a label track.
    """
    from listener.assembly import build_classifier, build_rules
    from listener.sources.audiofile import find_recordings

    if out is not None and not out.parent.is_dir():
        raise ListenerError(f"--out {out}: there is no folder {out.parent}")
    file = with_model(load_config(config_path), model_path)
    classifier = build_classifier(file)
    rules = build_rules(file, classifier.card)
    events: list[Event] = []
    problems = []
    recordings = [found for path in paths for found in (find_recordings(path) if path.is_dir() else [path])]
    for path in recordings:
        found, problem = _events_in(path, classifier, rules, file.config.windows.hop_s)
        events.extend(found)
        problems.extend([str(problem)] if problem else [])
    events.sort(key=lambda event: (event.onset_s, event.source, event.label))
    _write(FORMATS[form](events), out)
    if problems:
        raise AudioFileError("\n".join(problems))


def _events_in(
    path: Path, classifier: "Classifier", rules: "Sequence[LabelRule | None]", hop_s: float
) -> tuple[list[Event], AudioFileError | None]:
    """Find the events of one recording, and say why it could not be read to its end, if so."""
    from listener import offline
    from listener.sources.file import FileOptions, FileSource

    source = FileSource(str(path), FileOptions(path=path, speed="max"))
    ended: list[Event] = []
    problem = None
    try:
        for events, decisions in offline.analyze(source, classifier, rules, hop_s):
            tell_decisions(decisions)
            ended.extend(event for event in events if event.phase is Phase.OFFSET)
    except AudioFileError as error:
        problem = error
    return ended, problem


def _as_table(events: Sequence[Event]) -> str:
    if not events:
        return "no events\n"
    rows = [
        (
            f"{event.onset_s:.2f}",
            f"{event.offset_s or 0:.2f}",
            event.label,
            f"{event.peak_score:.2f}",
            event.source,
        )
        for event in events
    ]
    return table(("ONSET_S", "OFFSET_S", "LABEL", "PEAK", "SOURCE"), rows) + "\n"


def _as_jsonl(events: Sequence[Event]) -> str:
    return "".join(f"{event_json(event)}\n" for event in events)


def _as_csv(events: Sequence[Event]) -> str:
    text = io.StringIO()
    fields = ("source", "onset_s", "offset_s", "label", "score", "peak_score", "model", "after_gap", "id")
    writer = csv.DictWriter(text, fields, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(event_dict(event) for event in events)
    return text.getvalue()


def _as_audacity(events: Sequence[Event]) -> str:
    return "".join(f"{event.onset_s:.6f}\t{event.offset_s or 0:.6f}\t{event.label}\n" for event in events)


FORMATS: dict[str, Callable[[Sequence[Event]], str]] = {
    "table": _as_table,
    "jsonl": _as_jsonl,
    "csv": _as_csv,
    "audacity": _as_audacity,
}


def _write(text: str, out: Path | None) -> None:
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        with whole_file(out) as path:
            path.write_text(text, encoding="utf-8", errors="surrogateescape")  # names need not be UTF-8
    except OSError as error:
        raise ListenerError(f"--out {out}: cannot be written: {error.strerror}") from error
