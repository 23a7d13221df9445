"""The Free Spoken Digit Dataset: ``recordings/{digit}_{speaker}_{take}.wav``.

Each speaker is a group and a fold: whether digits are understood shows in a voice that was
never heard. Its official split, which mixes the voices, puts takes 0 to 4 into the test.
"""

import re
from dataclasses import replace
from pathlib import Path

from listener.errors import printable
from listener.training.data.clip import Clip
from listener.training.data.layouts.tables import Made, listing_of
from listener.training.data.listing import (
    Layout,
    Listing,
    Options,
    Sign,
    find_files,
    most_are_called,
    stem,
)
from listener.training.data.problems import Problem, refuse

NAME = re.compile(r"(\d)_([^\W_]+)_(\d+)")
"""Digit, speaker, take."""

FOLDER = "recordings"
N_TEST_TAKES = 5
MIN_S = 0.1
"""A digit is often spoken in less than half a second."""


def recognise(folder: Path, options: Options) -> Sign | None:
    """Look for names of its form."""
    return most_are_called(NAME, "0_george_0", find_files(folder).recordings)


def read(folder: Path, options: Options) -> Listing:
    """List what the names of the files say."""
    files = find_files(folder)
    within = [path for path in files.recordings if path.startswith(f"{FOLDER}/")]
    recordings = within or list(files.recordings)
    if not recordings:
        refuse([f"{printable(folder)}: holds no recordings called like 0_george_0.wav"])
    made = [_clip(folder, path) for path in recordings]
    known_by = "names like 0_george_0"
    made += [problem for problem in files.problems if problem not in made]
    listing = listing_of(folder, "fsdd", known_by, made, "speaker", below=FOLDER)
    return replace(listing, min_s=MIN_S)


def _clip(folder: Path, path: str) -> Made:
    match = NAME.fullmatch(stem(path))
    if not match:
        return Problem(
            printable(folder / path), "its name does not say digit, speaker and take: 0_george_0.wav"
        )
    digit, speaker, take = match.groups()
    return Clip(
        path=path,
        label=digit,
        fold=speaker,
        group=speaker,
        split="test" if int(take) < N_TEST_TAKES else "train",
        dataset="fsdd",
        title=Path(path).name,
        author=speaker,
        licence="CC-BY-SA-4.0",
        source_url="https://github.com/Jakobovski/free-spoken-digit-dataset",
        tags={"take": take},
    )


FSDD = Layout("fsdd", recognise, read)
