"""What is known of a clip, as JSON beside it."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from listener.actions.base import Recording
from listener.actions.clip.files import SUFFIXES, Entry
from listener.event_format import event_dict, is_time, utc_text
from listener.types import Event

MOST_BYTES = 65_536
"""A larger file is none of ours."""


def sidecar_json(
    event: Event, recording: Recording, action: str, files: tuple[str, ...], sample_rate: int
) -> bytes:
    """Write the event, and under ``clip`` what was recorded of it.

    Parameters
    ----------
    event
        For which the clip was written, as it was then.
    recording
        The sound.
    action
        Name of the action.
    files
        Paths below the action's folder; the clip itself comes last.
    sample_rate
        Of the file, in Hz.
    """
    length_s = len(recording.samples) / recording.sample_rate
    began = event.started_at
    if began is not None:
        began += timedelta(seconds=recording.start_s - event.onset_s)
    clip = {
        "file": files[-1],
        "files": files,
        "action": action,
        "start_s": round(recording.start_s, 3),
        "end_s": round(recording.start_s + length_s, 3),
        "started_at": utc_text(began),
        "sample_rate": sample_rate,
        "has_gap": recording.has_gap,
    }
    return json.dumps(event_dict(event) | {"clip": clip}, allow_nan=False, indent=2).encode() + b"\n"


def found_sidecars(folder: Path, action: str) -> Iterator[Entry]:
    """Give the clips of an action that lie where the JSON beside them says.

    A copy elsewhere, such as a folder of favourites, is the user's.
    """
    for path in folder.rglob("*.json"):
        entry = None
        with suppress(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            if path.is_file() and path.stat().st_size <= MOST_BYTES:
                entry = _entry(folder, path, action)
        if entry is not None:
            yield entry


def _entry(folder: Path, path: Path, action: str) -> Entry | None:
    told: dict[str, Any] = json.loads(path.read_bytes())
    clip = told["clip"]
    stem = str(path.relative_to(folder)).removesuffix(".json")
    names = tuple(stem + suffix for suffix in SUFFIXES)
    files = [name for name in clip["files"] if name in names]
    label, score = told["label"], told["peak_score"]
    if clip["action"] != action or clip["file"] not in names or not isinstance(label, str):
        return None
    if not is_time(score) or files[-1:] != [clip["file"]]:
        return None
    sizes = tuple((name, (folder / name).stat().st_size) for name in files)
    return Entry(label, float(score), (folder / files[-1]).stat().st_mtime, sizes)
