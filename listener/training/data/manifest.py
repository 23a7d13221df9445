"""Manifests: one CSV file that names every clip of a folder, with its label and where it belongs.

Only ``path`` and ``label`` must be there. A column that is not known is kept, for recipes
that choose by it.
"""

import csv
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path

from listener.errors import DatasetError
from listener.files import whole_file
from listener.training.data.clip import CLIP_COLUMNS, Clip, Manifest

MANIFEST_NAMES = ("manifest.csv", "clips.csv")
"""Under which a folder's manifest is looked for, in this order."""

PROBLEMS_SHOWN = 20

_ALIASES = {"lead_silence_s": "first_s", "licence_clip": "licence", "license": "licence", "url": "source_url"}
_NUMBERS = ("first_s", "active_s", "duration_s")
_TEXTS = tuple(name for name in CLIP_COLUMNS if name not in (*_NUMBERS, "judged"))


def read_manifest(folder: Path, name: str | None = None) -> Manifest:
    """Read the manifest of a folder.

    Parameters
    ----------
    folder
        What the clips' paths are relative to.
    name
        Of the file; None: one of `MANIFEST_NAMES`.

    Raises
    ------
    DatasetError
        The folder or the manifest is missing, or rows are broken; every such row is named.
    """
    path = _find(folder, name)
    clips: list[Clip] = []
    problems = []
    seen: dict[tuple[str, float], int] = {}
    for number, row in enumerate(_rows(path), start=2):
        try:
            clip = _clip(row)
            first = seen.setdefault((clip.path, clip.first_s), number)
            if first != number:
                raise ValueError(f"names the same sound as line {first}: {clip.path}")
            clips.append(clip)
        except ValueError as error:
            problems.append(f"{path}, line {number}: {error}")
    if not clips and not problems:
        problems = [f"{path}: names no clip"]
    refuse(problems)
    return Manifest(folder, tuple(sorted(clips, key=lambda clip: (clip.path, clip.first_s))))


def write_manifest(path: Path, clips: Iterable[Clip]) -> None:
    """Write a manifest, whole or not at all.

    Raises
    ------
    DatasetError
        The file cannot be written.
    """
    rows = sorted(clips, key=lambda clip: (clip.path, clip.first_s))
    tags = sorted({tag for clip in rows for tag in clip.tags})
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*CLIP_COLUMNS, *tags])
    for clip in rows:
        writer.writerow([clip.column(column) for column in (*CLIP_COLUMNS, *tags)])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as half_written:
            half_written.write_text(text.getvalue(), encoding="utf-8", newline="")
    except OSError as error:
        raise DatasetError(f"{path}: the manifest cannot be written: {error.strerror}") from error


def refuse(problems: list[str]) -> None:
    """Raise a `DatasetError` that lists the problems, if there are any."""
    if not problems:
        return
    shown = problems[:PROBLEMS_SHOWN]
    if len(problems) > len(shown):
        shown.append(f"... and {len(problems) - len(shown)} more")
    raise DatasetError("\n".join(shown))


def _find(folder: Path, name: str | None) -> Path:
    if not folder.is_dir():
        raise DatasetError(
            f"{folder}: there is no such folder: --data names the one that holds the recordings"
        )
    for candidate in (name,) if name else MANIFEST_NAMES:
        if (folder / candidate).is_file():
            return folder / candidate
    raise DatasetError(
        f"{folder / (name or MANIFEST_NAMES[0])}: is missing: it lists the clips, one a row; "
        f"`listener dataset scan {folder}` makes one"
    )


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = [{key: value or "" for key, value in row.items() if key is not None} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
    missing = [name for name in ("path", "label") if name not in (reader.fieldnames or ())]
    refuse([f"{path}: there is no column '{name}'" for name in missing])
    return rows


def _clip(row: Mapping[str, str]) -> Clip:
    known = {_ALIASES.get(name, name): value for name, value in row.items()}
    for name in ("path", "label"):
        if not known[name].strip():
            raise ValueError(f"has no {name}")
    numbers = {name: _seconds(name, known[name]) for name in _NUMBERS if known.get(name)}
    texts = {name: known[name] for name in _TEXTS if name in known}
    tags = {name: value for name, value in known.items() if name not in CLIP_COLUMNS}
    return Clip(**texts, **numbers, judged=known.get("judged") != "0", tags=tags)  # type: ignore[arg-type]


def _seconds(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} is no number: {text!r}") from None
    if not 0 <= value < 1e9:
        raise ValueError(f"{name} must be seconds, 0 or more: {text}")
    return value
