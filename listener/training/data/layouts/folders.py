"""A folder for each label: ``dog/a.wav``; or, a level deeper, ``train/dog/a.wav`` and ``fold1/dog/a.wav``."""

import re
from pathlib import Path

from listener.errors import printable
from listener.training.data.clip import Clip
from listener.training.data.listing import Files, Layout, Listing, Options, Sign, Strength, find_files
from listener.training.data.problems import Problem, refuse

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev"), "valid"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
"""Name of a folder: the split that it stands for, where every other folder is one, too."""

_FOLD = re.compile(r"fold[ _-]?(\d+)", re.IGNORECASE)


def recognise(folder: Path, options: Options) -> Sign | None:
    """Say in how many folders recordings lie."""
    inside = {path.partition("/")[0] for path in find_files(folder).recordings if "/" in path}
    return Sign(_known_by(inside), Strength.FOLDERS) if inside else None


def read(folder: Path, options: Options) -> Listing:
    """List every recording with the name of its folder as label."""
    files = find_files(folder)
    parts = {name: part for name in files.folders if (part := _part(name))}
    depth = 2 if _is_split(files, parts) else 1
    clips, problems = [], list(files.problems)
    for path in files.recordings:
        above = path.split("/")[:-1]
        if len(above) < depth:
            problems.append(Problem(printable(folder / path), "lies in no folder, which would be its label"))
            continue
        fold, split = parts[above[0]] if depth == 2 else ("", "")
        clips.append(Clip(path, above[depth - 1], fold=fold, split=split))
    if not clips:
        refuse(problems or [f"{printable(folder)}: holds no folders with recordings"])
    labels = _below(folder, files.folders) if depth == 2 else set(files.folders)
    known_by = _known_by({clip.path.partition("/")[0] for clip in clips})
    return Listing(
        folder, "folders", known_by, tuple(clips), problems=tuple(problems), labels=tuple(sorted(labels))
    )


def _known_by(folders: set[str]) -> str:
    return f"{len(folders)} folder{'s' if len(folders) > 1 else ''} with recordings"


def _part(name: str) -> tuple[str, str] | None:
    """Fold and split that a folder stands for; None if it is a label."""
    if match := _FOLD.fullmatch(name):
        return str(int(match[1])), ""
    split = SPLITS.get(name.lower())
    return None if split is None else ("", split)


def _is_split(files: Files, parts: dict[str, tuple[str, str]]) -> bool:
    """Say whether the upper folders are parts of the data; a label may be called ``train`` as well."""
    inside = {path.partition("/")[0] for path in files.recordings}
    return inside <= set(parts) and all(path.count("/") > 1 for path in files.recordings)


def _below(folder: Path, names: tuple[str, ...]) -> set[str]:
    return {
        entry.name
        for name in names
        for entry in (folder / name).iterdir()
        if entry.is_dir() and not entry.name.startswith(".")
    }


FOLDERS = Layout("folders", recognise, read)
