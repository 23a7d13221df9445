"""ESC-50: ``meta/esc50.csv`` and ``audio``; without the table, files called ``1-100032-A-0.wav``.

A name says fold, source recording, take and label; the folds keep a source's takes together.

K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", ACM Multimedia, 2015.
"""

import re
from pathlib import Path

from listener.errors import printable
from listener.files import is_file
from listener.training.data.clip import Clip
from listener.training.data.layouts.tables import Made, listing_of, rows_with
from listener.training.data.listing import (
    Layout,
    Listing,
    Options,
    Sign,
    Strength,
    find_files,
    most_are_called,
    stem,
)
from listener.training.data.problems import Problem, refuse
from listener.training.data.rows import Row

TABLE = "meta/esc50.csv"
COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
NAME = re.compile(r"([1-5])-(\d+)-([A-Z]+)-(\d{1,2})")
"""Fold, source, take, target."""

LABELS = (
    *("dog", "rooster", "pig", "cow", "frog", "cat", "hen", "insects", "sheep", "crow"),
    *("rain", "sea_waves", "crackling_fire", "crickets", "chirping_birds"),
    *("water_drops", "wind", "pouring_water", "toilet_flush", "thunderstorm"),
    *("crying_baby", "sneezing", "clapping", "breathing", "coughing"),
    *("footsteps", "laughing", "brushing_teeth", "snoring", "drinking_sipping"),
    *("door_wood_knock", "mouse_click", "keyboard_typing", "door_wood_creaks", "can_opening"),
    *("washing_machine", "vacuum_cleaner", "clock_alarm", "clock_tick", "glass_breaking"),
    *("helicopter", "chainsaw", "siren", "car_horn", "engine"),
    *("train", "church_bells", "airplane", "fireworks", "hand_saw"),
)
"""What the targets from 0 to 49 are called."""

ESC10 = frozenset({0, 1, 10, 11, 12, 20, 21, 38, 40, 41})
"""Targets of its small part."""

IS_SO = ("1", "true", "yes")


def recognise(folder: Path, options: Options) -> Sign | None:
    """Look for its table, or for names of its form."""
    if is_file(folder / TABLE):
        return Sign(TABLE, Strength.TABLE)
    return most_are_called(NAME, "1-100032-A-0", find_files(folder).recordings)


def read(folder: Path, options: Options) -> Listing:
    """List what the table names or, without one, what the names of the files say."""
    if is_file(folder / TABLE):
        made = [_from_row(row) for row in rows_with(folder / TABLE, COLUMNS)]
        return listing_of(folder, "esc50", TABLE, made, group_is="source recording", below="audio")
    files = find_files(folder)
    if not files.recordings:
        refuse([f"{printable(folder)}: has neither {TABLE} nor recordings called like 1-100032-A-0.wav"])
    made = [_from_name(folder, path) for path in files.recordings]
    known_by = "names like 1-100032-A-0"
    return listing_of(folder, "esc50", known_by, [*made, *files.problems], group_is="source recording")


def _from_row(row: Row) -> Made:
    cells = {name: cell.strip() for name, cell in row.cells.items()}
    for name in ("filename", "fold", "category", "src_file"):
        if not cells[name]:
            return row.problem(f"has no {name}")
    is_esc10 = cells["esc10"].lower() in IS_SO
    path = f"audio/{cells['filename']}"
    return _clip(path, cells["category"], cells["fold"], cells["src_file"], cells["take"], is_esc10)


def _from_name(folder: Path, path: str) -> Made:
    match = NAME.fullmatch(stem(path))
    if not match or int(match[4]) >= len(LABELS):
        return Problem(
            printable(folder / path), "its name does not say fold, source, take and label of ESC-50"
        )
    target = int(match[4])
    return _clip(path, LABELS[target], match[1], match[2], match[3], target in ESC10)


def _clip(path: str, label: str, fold: str, source: str, take: str, is_esc10: bool) -> Clip:
    return Clip(
        path=path,
        label=label,
        fold=fold,
        group=source,
        dataset="esc50",
        title=Path(path).name,
        licence="CC-BY-NC-3.0",
        source_url=f"https://freesound.org/s/{source}/",
        tags={"esc10": "1" if is_esc10 else "0", "take": take},
    )


ESC50 = Layout("esc50", recognise, read)
