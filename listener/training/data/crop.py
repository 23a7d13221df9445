"""Cutting recordings to pieces: of one length, or around what goes on in them.

A piece keeps the label, the fold and the split of the clip that it was cut from, and all pieces of
one recording are one group: however they are split later, none is learnt from while another is judged.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np

from listener.errors import AudioFileError, DatasetError, printable
from listener.levels import to_int16
from listener.training.data.activity import (
    ActivityOptions,
    Survey,
    block_samples,
    find_activity,
    survey,
)
from listener.training.data.clip import Clip
from listener.training.data.crop_sources import Source, piece_names
from listener.training.data.manifest import refuse, write_manifest
from listener.training.data.reading import Recording, interval
from listener.training.data.whole_folder import whole_folder
from listener.types import Samples

Interval = tuple[int, int]
"""First sample, and the first one behind."""

MEASURED_TAGS = frozenset({"peak", "rms_db", "silent_frac", "sample_rate", "channels", "subtype"})
"""Columns that say what a file is like; a piece of it may be otherwise."""

Progress = Callable[[int, int], None]
"""Is told how many recordings are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class CropOptions:
    """How to cut."""

    length_s: float | None = None
    """Of a piece; None: around activity, as long as that lasts."""

    hop_s: float | None = None
    """From the beginning of a piece to that of the next; None: ``length_s``."""

    min_length_s: float | None = None
    """What is shorter at the end is left out; None: half of ``length_s``."""

    activity: ActivityOptions | None = None
    """Cut around activity; None: cut all."""

    rate_hz: int | None = None
    """Of the pieces; None: that of each recording."""

    kind: Literal["flac", "wav"] = "flac"
    """Of the files; 16-bit, mono."""


@dataclass(frozen=True, slots=True)
class Cropped:
    """What came of it."""

    pieces: tuple[Clip, ...]
    """As the manifest lists them."""

    without: tuple[Path, ...]
    """Recordings of which nothing was kept: too short, or nothing stood out."""


def crop(
    sources: Sequence[Source], out: Path, options: CropOptions, progress: Progress | None = None
) -> Cropped:
    """Cut recordings and write the pieces, with their manifest, into a new folder.

    Parameters
    ----------
    sources
        What to cut.
    out
        Folder to make, in all or not at all; a folder for each label will be in it.
    options
        How to cut.
    progress
        Is told after each clip.

    Raises
    ------
    DatasetError
        Recordings cannot be read (all are named), nothing came out, ``out`` is there already or within what
        is read, or the disk is full.
    """
    _refuse_own_input(sources, out)
    problems: list[str] = []
    pieces: list[Clip] = []
    without: list[Path] = []
    with whole_folder(out) as folder:
        names = piece_names(sources)
        for number, source in enumerate(sources):
            try:
                made = list(_crop_one(source, names[number], folder, options))
            except AudioFileError as error:
                problems.append(str(error))
                made = []
            pieces += made
            if not made:
                without.append(source.path)
            if progress is not None:
                progress(number + 1, len(sources))
        refuse(problems)
        if not pieces:
            raise DatasetError(f"{printable(out)}: nothing to write: {_why_nothing(options)}")
        write_manifest(folder / "manifest.csv", pieces)
    return Cropped(tuple(pieces), tuple(without))


def fixed_pieces(first: int, last: int, length: int, hop: int, shortest: int) -> list[Interval]:
    """Cut an interval into pieces of one length; the last one may be shorter, if it holds something new.

    Parameters
    ----------
    first, last
        The interval, in samples.
    length, hop
        Of a piece, and from one to the next, in samples, 1 or more.
    shortest
        What is shorter is left out, in samples.
    """
    pieces = []
    for begin in range(first, last, hop):
        end = min(begin + length, last)
        if end - begin >= max(1, shortest):
            pieces.append((begin, end))
        if end == last:
            break
    return pieces


def activity_pieces(
    runs: Sequence[Interval], first: int, last: int, pad: int
) -> list[tuple[Interval, Interval]]:
    """Widen activity to pieces: each with its padding, but never into the activity beside it.

    Returns
    -------
    list of (piece, activity)
        Both within ``first`` and ``last``.
    """
    pieces = []
    for number, (begin, end) in enumerate(runs):
        lowest = runs[number - 1][1] if number else first
        highest = runs[number + 1][0] if number + 1 < len(runs) else last
        pieces.append(((max(begin - pad, lowest), min(end + pad, highest)), (begin, end)))
    return pieces


def _crop_one(source: Source, name: str, folder: Path, options: CropOptions) -> Iterator[Clip]:
    with Recording(source.path, options.rate_hz) as recording:
        whole = survey(recording)
    first, last = interval(source.clip, whole.rate_hz)
    last = whole.n_samples if last is None else min(last, whole.n_samples)
    if first >= last:
        raise AudioFileError(
            f"{printable(source.path)} ends before {source.clip.first_s:g} s, where its clip begins"
        )
    wanted = _wanted(whole, first, last, options)
    with Recording(source.path, options.rate_hz) as recording:
        cuts = _cut(recording, [piece for piece, _ in wanted])
        for number, ((piece, active), samples) in enumerate(zip(wanted, cuts, strict=True), start=1):
            path = f"{name}-{number:04d}.{options.kind}"
            digest = _write(folder / path, samples, whole.rate_hz)
            yield _piece(source, path, digest, piece, active, whole.rate_hz)


def _wanted(
    whole: Survey, first: int, last: int, options: CropOptions
) -> list[tuple[Interval, Interval | None]]:
    """Pieces to cut out of an interval, and what is active in each; None: all, for all that is known."""
    if options.activity is None:
        return [(piece, None) for piece in _of_length(first, last, whole.rate_hz, options)]
    n_block = block_samples(whole.rate_hz)
    begin = first // n_block
    runs = [
        (max((run[0] + begin) * n_block, first), min((run[1] + begin) * n_block, last))
        for run in find_activity(whole.levels_db[begin : -(-last // n_block)], options.activity)
    ]
    pad = round(options.activity.pad_s * whole.rate_hz)
    pieces: list[tuple[Interval, Interval | None]] = []
    for piece, active in activity_pieces(runs, first, last, pad):
        parts = _of_length(*piece, whole.rate_hz, options)
        pieces += [(part, (max(part[0], active[0]), min(part[1], active[1]))) for part in parts]
    return [(part, active) for part, active in pieces if active is None or active[0] < active[1]]


def _of_length(first: int, last: int, rate_hz: int, options: CropOptions) -> list[Interval]:
    if options.length_s is None:
        return [(first, last)]
    length = max(1, round(options.length_s * rate_hz))
    hop = length if options.hop_s is None else max(1, round(options.hop_s * rate_hz))
    if options.min_length_s is not None:
        shortest = round(options.min_length_s * rate_hz)
    else:  # around activity, what is short is the activity's own length
        shortest = 1 if options.activity is not None else length // 2
    return fixed_pieces(first, last, length, hop, shortest)


def _cut(recording: Recording, pieces: Sequence[Interval]) -> Iterator[Samples]:
    """Read on and give the samples of each piece; they begin one after the other, and may overlap."""
    held, first = np.zeros(0, np.float32), 0
    for begin, end in pieces:
        if begin > first + len(held):
            recording.skip(begin - first - len(held))
            held = held[:0]
        else:
            held = held[begin - first :]
        first = begin
        held = np.concatenate((held, recording.read(max(0, end - begin - len(held)))))
        yield held[: end - begin]


def _write(path: Path, samples: Samples, rate_hz: int) -> str:
    """Write a piece and give the file's hash."""
    import soundfile

    path.parent.mkdir(exist_ok=True)
    try:
        soundfile.write(path, to_int16(samples), rate_hz, subtype="PCM_16", format=path.suffix[1:].upper())
    except (soundfile.LibsndfileError, AssertionError) as error:  # it asserts that all was written
        raise DatasetError(f"{path.name} cannot be written: is the disk full?") from error
    return sha256(path.read_bytes()).hexdigest()


def _piece(
    source: Source, path: str, digest: str, piece: Interval, active: Interval | None, rate_hz: int
) -> Clip:
    clip = source.clip
    begin, end = piece
    tags = {name: value for name, value in clip.tags.items() if name not in MEASURED_TAGS}
    tags |= {"cut_from": source.name, "cut_first_s": f"{begin / rate_hz:.4f}"}
    return replace(
        clip,
        path=path,
        group=clip.group or source.name,
        first_s=0.0 if active is None else round((active[0] - begin) / rate_hz, 4),
        active_s=None if active is None else round((active[1] - active[0]) / rate_hz, 4),
        duration_s=round((end - begin) / rate_hz, 4),
        sha256=digest,
        tags=tags,
    )


def _refuse_own_input(sources: Sequence[Source], out: Path) -> None:
    whole = out.resolve()
    for source in sources:
        if whole in (*source.path.resolve().parents, *(source.folder or Path()).resolve().parents):
            raise DatasetError(f"--out {printable(out)}: the recordings lie in it: choose another folder")
        # Who learns from that folder later would find the recordings and their pieces.
        if source.folder is not None and source.folder.resolve() in (whole, *whole.parents):
            raise DatasetError(
                f"--out {printable(out)}: lies in {printable(source.folder)}, which is cut: "
                "choose a folder beside it"
            )


def _why_nothing(options: CropOptions) -> str:
    if options.activity is not None:
        return f"nothing stands out of the noise by {options.activity.above_db:g} dB: lower --above"
    return "every recording is shorter than --min-length"
