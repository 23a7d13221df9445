"""``listener predict``."""

import json
from pathlib import Path

import click

from listener.cli.common import config_option, load_config, model_option, with_model
from listener.errors import AudioFileError


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@config_option
@model_option
@click.option("--top", default=5, show_default=True, type=click.IntRange(1), help="Labels to show.")
@click.option("--json", "as_json", is_flag=True, help="One object for each file, with every label.")
def predict(
    files: tuple[Path, ...], config_path: Path | None, model_path: Path | None, top: int, as_json: bool
) -> None:
    """Give the class scores of whole recordings. A folder stands for all recordings below it."""
    from listener.assembly import build_classifier
    from listener.offline import predict_whole
    from listener.sources.audiofile import find_recordings
    from listener.sources.file import FileOptions, FileSource

    classifier = build_classifier(with_model(load_config(config_path), model_path))
    card = classifier.card
    problems = []
    recordings = [found for path in files for found in (find_recordings(path) if path.is_dir() else [path])]
    for path in recordings:
        source = FileSource(str(path), FileOptions(path=path, speed="max"))
        try:
            scores, duration_s = predict_whole(source, classifier)
        except AudioFileError as error:
            problems.append(str(error))
            continue
        by_label = {label: round(float(score), 4) for label, score in zip(card.labels, scores, strict=True)}
        if as_json:
            told = {
                "path": str(path),
                "duration_s": round(duration_s, 3),
                "model": card.identity,
                "scores": by_label,
            }
            click.echo(json.dumps(told))
            continue
        click.echo(f"{path} ({duration_s:.1f} s)")
        for label in sorted(by_label, key=by_label.__getitem__, reverse=True)[:top]:
            click.echo(f"  {by_label[label]:.3f}  {label}")
    if problems:
        raise AudioFileError("\n".join(problems))
