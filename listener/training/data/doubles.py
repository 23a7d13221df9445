"""Recordings that hold the same sound, under whatever name and header."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from listener.errors import printable
from listener.training.data.clip import Clip
from listener.training.data.deal import group_of
from listener.training.data.manifest import in_order
from listener.training.data.measure import Measured

Key = tuple[str, float, float | None]


def find_doubles(clips: Sequence[Clip], measured: Mapping[str, Measured]) -> list[tuple[Clip, ...]]:
    """Find clips that sound the same: to the sample, but for digital silence around them.

    Returns
    -------
    list of tuple of Clip
        Each with two clips or more, in the order of a manifest.
    """
    same: dict[Key, list[Clip]] = defaultdict(list)
    for clip in in_order(clips):
        same[_key(clip, measured[clip.path])].append(clip)
    return [tuple(found) for found in same.values() if len(found) > 1]


def _key(clip: Clip, file: Measured) -> Key:
    """What two clips of one sound share: of two copies, one may begin with more silence than the other."""
    first_s = max(round(clip.first_s - file.first_s, 3), 0.0)
    is_whole = first_s == 0 and (clip.active_s is None or clip.active_s >= file.active_s)
    return file.sound_sha256, first_s, None if is_whole else clip.active_s


def join_groups(clips: Sequence[Clip], measured: Mapping[str, Measured]) -> list[Clip]:
    """Make one group of all that holds the same sound, so that no split has it on both sides.

    A group that is joined to others takes the first of their names; without any, that of the first file.
    """
    parents: dict[tuple[bool, str], tuple[bool, str]] = {}

    def root(group: tuple[bool, str]) -> tuple[bool, str]:
        while (parent := parents.setdefault(group, group)) != group:
            parents[group] = parents[parent]
            group = parent
        return group

    first_with: dict[Key | str, tuple[bool, str]] = {}
    for clip in clips:
        file = measured[clip.path]
        # Pieces of one recording may be said to be of several groups; where nothing is said, they are one.
        for sound in (_key(clip, file),) if clip.group else (_key(clip, file), file.sound_sha256):
            one, other = root(group_of(clip)), root(first_with.setdefault(sound, group_of(clip)))
            parents[max(one, other)] = min(one, other)
    members: dict[tuple[bool, str], set[tuple[bool, str]]] = defaultdict(set)
    for clip in clips:
        members[root(group_of(clip))].add(group_of(clip))
    return [_in_group(clip, members[root(group_of(clip))]) for clip in clips]


def _in_group(clip: Clip, joined: set[tuple[bool, str]]) -> Clip:
    if len(joined) == 1:
        return clip
    known = [name for is_known, name in joined if is_known]
    return replace(clip, group=min(known or [name for _, name in joined]))


def told(clips: Sequence[Clip]) -> str:
    """Name the files of doubles, a few of them."""
    names = [printable(clip.path) for clip in clips[:3]]
    return ", ".join(names) + (f" and {len(clips) - 3} more" if len(clips) > 3 else "")
