"""From recordings to a manifest that can be trusted: every one is read to its end and looked at."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from listener.errors import DatasetError, printable
from listener.files import is_file
from listener.training.data.check import (
    Piece,
    broken_doubles,
    lookalikes,
    missing_in_folds,
    only_label,
    piece,
)
from listener.training.data.clip import Clip, Manifest
from listener.training.data.doubles import find_doubles, join_groups, told
from listener.training.data.folds import FoldOptions, keeps_folds, put_into_folds
from listener.training.data.listing import Listing
from listener.training.data.manifest import in_order
from listener.training.data.measure import Measured
from listener.training.data.measuring import Progress, measure_all
from listener.training.data.problems import Problem, shown

EDGE_S = 0.01
"""Digital silence that is shorter is no edge: sound may begin softly."""

BEYOND_S = 0.05
"""A piece may be said to end so much later than its file: somebody rounded."""

CLICK_S = 0.02
"""What sounds for less, in however much silence, is a click of the recorder."""


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What is made of a listing."""

    min_s: float | None = None
    """What sounds for less is left out, in seconds; None: as the layout says."""

    group: re.Pattern[str] | None = None
    """Finds the group of a clip in its path: the first bracket of it, or all of it."""

    skip_broken: bool = False
    """Leave out what is wrong; else nothing comes of it."""

    folds: FoldOptions = field(default_factory=FoldOptions)
    """How the clips are split."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan has found."""

    listing: Listing
    """What it looked at."""

    manifest: Manifest
    """All that can be learnt from."""

    measured: dict[str, Measured]
    """Path of each recording: what it is."""

    folds_are: str
    """How the folds came about."""

    left_out: tuple[Problem, ...]
    """What was wrong, and is not in the manifest."""

    short: tuple[Problem, ...]
    """What was too short, and is not in the manifest."""

    warnings: tuple[str, ...]
    """What may be wrong, and is in the manifest all the same."""


def scan(listing: Listing, options: ScanOptions | None = None, progress: Progress | None = None) -> Scan:
    """Look at every recording of a data set, and put its clips into folds.

    Parameters
    ----------
    listing
        The recordings, as the layout names them.
    options
        What is made of it.
    progress
        Is told how many recordings were looked at, and how many there are.

    Raises
    ------
    DatasetError
        Something is wrong in it; everything that is, is named.
    """
    options = options or ScanOptions()
    _refuse_other_folder(listing)
    measured, broken = measure_all(listing.folder, (clip.path for clip in listing.clips), progress)
    problems = [*listing.problems, *_broken(listing, broken)]
    clips, found = _look(listing, measured)
    problems += found
    min_s = listing.min_s if options.min_s is None else options.min_s
    short = {piece(clip): what for clip in clips if (what := _too_short(clip, measured[clip.path], min_s))}
    clips = [clip for clip in clips if piece(clip) not in short]
    if options.group is not None:
        clips = [_grouped(clip, options.group) for clip in clips]
    folds_stay = keeps_folds(clips, options.folds)
    out: set[Piece] = set()
    for problem, pieces in broken_doubles(clips, measured, folds_stay):
        problems.append(problem)
        out |= pieces
    clips = [clip for clip in clips if piece(clip) not in out]
    problems += _empty_labels(listing, clips, short, min_s)
    if not options.skip_broken:
        _refuse(listing, problems)
    if not clips:
        raise DatasetError("\n".join([*shown(problems), f"{printable(listing.folder)}: no clip is left"]))
    group_is = _group_is(listing, clips, options)
    clips, folds_are = put_into_folds(join_groups(clips, measured), group_is, options.folds)
    manifest = Manifest(listing.folder, in_order(clips))
    warnings = [*listing.remarks, *_warnings(listing, manifest, measured)]
    warnings += _about_groups(manifest, group_is, folds_are)
    return Scan(
        listing,
        manifest,
        measured,
        folds_are,
        tuple(problems),
        tuple(Problem(printable(listing.folder / path), what) for (path, _), what in sorted(short.items())),
        tuple(warnings),
    )


def _refuse_other_folder(listing: Listing) -> None:
    """Say in one line that no recording is where it should be."""
    folder, paths = listing.folder, [clip.path for clip in listing.clips]
    if any(is_file(folder / path) for path in paths):
        return
    above = folder.absolute().parent
    hint = f": its paths seem to be relative to {printable(above)}" if is_file(above / paths[0]) else ""
    raise DatasetError(
        f"{printable(folder)}: {listing.known_by} names {len(paths)} recordings, and none of them is there, "
        f"such as {printable(paths[0])}{hint}; --layout looks in another way"
    )


def _broken(listing: Listing, broken: dict[str, str]) -> list[Problem]:
    return [Problem(printable(listing.folder / path), what) for path, what in sorted(broken.items())]


def _look(listing: Listing, measured: dict[str, Measured]) -> tuple[list[Clip], list[Problem]]:
    """Fill in what is now known of each clip."""
    clips, problems = [], []
    for clip in in_order(listing.clips):
        if (file := measured.get(clip.path)) is None:
            continue
        if file.is_silent:
            mixed = f": the mean of its {file.channels} channels" if file.channels > 1 else ""
            what: Clip | str = f"holds nothing but digital silence{mixed}"
        else:
            what = _filled(clip, file)
        if isinstance(what, str):
            problems.append(Problem(printable(listing.folder / clip.path), what))
        else:
            clips.append(what)
    return clips, problems


def _filled(clip: Clip, file: Measured) -> Clip | str:
    """A clip with length, cut and hash; or what is wrong with it."""
    duration_s = round(file.duration_s, 6)
    clip = replace(clip, duration_s=duration_s, sha256=file.sha256)
    if clip.active_s is None and clip.first_s == 0:
        first_s, active_s = _edges(file)
        return replace(clip, first_s=first_s, active_s=active_s)
    if clip.first_s >= duration_s:
        return f"lasts {duration_s:g} s, and its piece begins at {clip.first_s:g} s"
    left_s = round(duration_s - clip.first_s, 6)
    return replace(clip, active_s=left_s if clip.active_s is None else min(clip.active_s, left_s))


def _edges(file: Measured) -> tuple[float, float]:
    """Where the sound of a whole recording begins, and how long it lasts, in seconds."""
    duration_s = round(file.duration_s, 6)
    first_s = file.first_s if file.first_s >= EDGE_S else 0.0
    end_s = file.first_s + file.active_s
    return first_s, round((end_s if duration_s - end_s >= EDGE_S else duration_s) - first_s, 6)


def _too_short(clip: Clip, file: Measured, min_s: float) -> str:
    """Say how short a clip is if it is too short; a bark in five seconds of silence is not."""
    active_s = clip.active_s or 0.0
    is_piece = (clip.first_s, active_s) != _edges(file)
    length_s = active_s if is_piece else file.duration_s
    if length_s < min_s:
        return f"lasts {length_s:.2f} s"
    return f"sounds for {active_s:.3f} s only" if active_s < min(min_s, CLICK_S) else ""


def _grouped(clip: Clip, pattern: re.Pattern[str]) -> Clip:
    match = pattern.search(clip.path)
    return replace(clip, group="" if match is None else (match[1] if pattern.groups else match[0]) or "")


def _group_is(listing: Listing, clips: Sequence[Clip], options: ScanOptions) -> str:
    if not any(clip.group for clip in clips):
        return ""
    return listing.group_is if options.group is None and listing.group_is else "group"


def _empty_labels(
    listing: Listing, clips: Sequence[Clip], short: Collection[Piece], min_s: float
) -> list[Problem]:
    wanted = {*listing.labels, *(clip.label for clip in listing.clips)}
    too_short = {clip.label for clip in listing.clips if piece(clip) in short}
    return [
        Problem(
            f"label '{printable(label)}'",
            f"has no clip of {min_s:g} s or more" if label in too_short else "has no clip",
        )
        for label in sorted(wanted - {clip.label for clip in clips})
    ]


def _refuse(listing: Listing, problems: Sequence[Problem]) -> None:
    if not problems:
        return
    n = len(problems)
    how = f"`listener dataset scan {printable(listing.folder)} --skip-broken`"
    lines = [
        *shown(problems),
        f"{n} problem{'s' if n > 1 else ''}, nothing is written; {how} leaves such out",
    ]
    raise DatasetError("\n".join(lines))


def _warnings(listing: Listing, manifest: Manifest, measured: dict[str, Measured]) -> list[str]:
    warnings = lookalikes(manifest.labels) + only_label(manifest.labels)
    for doubles in find_doubles(manifest.clips, measured):
        warnings.append(f"{told(doubles)}: hold the same sound; it is there {len(doubles)} times")
    for clip in listing.clips:
        if (more_s := _beyond(clip, measured)) > BEYOND_S:
            warnings.append(
                f"{printable(clip.path)}: ends {more_s:.2f} s before its piece does, which is cut"
            )
    before = {piece(clip): clip.sha256 for clip in listing.clips}
    for path in sorted({clip.path for clip in manifest}):
        if measured[path].peak_db > 0:
            over = f"{measured[path].peak_db:.1f} dB above full scale"
            warnings.append(f"{printable(path)}: goes {over}, and is clipped there")
    changed = [clip.path for clip in manifest if before.get(piece(clip), "") not in ("", clip.sha256)]
    if changed:
        warnings.append(
            f"{printable(changed[0])}{_and_more(changed)}: changed since its manifest was written"
        )
    return warnings


def _beyond(clip: Clip, measured: dict[str, Measured]) -> float:
    """By how much a piece, as it is listed, ends after its file, in seconds."""
    if clip.active_s is None or clip.path not in measured:
        return 0.0
    return clip.first_s + clip.active_s - measured[clip.path].duration_s


def _and_more(names: Sequence[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def _about_groups(manifest: Manifest, group_is: str, folds_are: str) -> list[str]:
    warnings = missing_in_folds(manifest.clips, manifest.folds)
    without = [clip.path for clip in manifest if not clip.group]
    if not group_is and folds_are.startswith("dealt"):
        warnings.append(
            "no group is known: pieces of one recording, or one voice, may be in several folds, and figures "
            "too good; --group PATTERN finds groups in the names, the folder of a recorder for instance"
        )
    elif group_is and without:
        warnings.append(f"{printable(without[0])}{_and_more(without)}: no {group_is} is known of it")
    if folds_are == "none" and not manifest.folds:
        warnings.append("all clips are of one group: there is nothing to judge a model by")
    return warnings
