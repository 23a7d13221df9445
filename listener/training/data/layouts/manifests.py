"""A manifest, whether this program wrote it or somebody else did."""

from pathlib import Path

from listener.training.data.listing import Layout, Listing, Options, Sign, Strength
from listener.training.data.manifest import MANIFEST_NAMES, find_manifest, read_manifest
from listener.training.data.rows import read_rows


def recognise(folder: Path, options: Options) -> Sign | None:
    """Look for a manifest that can be read."""
    path = find_manifest(folder, options.table)
    if path is None:
        return None
    if path.name == MANIFEST_NAMES[0]:
        # One that somebody made lies under the other name, and tells more than this one.
        other = find_manifest(folder, MANIFEST_NAMES[1])
        path = other or path
    headings = read_rows(path)[0]
    if not {"path", "label"} <= set(headings):
        return None
    return Sign(path.name, Strength.A_RESULT if path.name == MANIFEST_NAMES[0] else Strength.TABLE)


def read(folder: Path, options: Options) -> Listing:
    """List what it names."""
    path = find_manifest(folder, options.table)
    manifest = read_manifest(folder, options.table)
    group_is = "group" if any(clip.group for clip in manifest) else ""
    return Listing(folder, "manifest", path.name if path else "", manifest.clips, group_is, min_s=0.0)


MANIFEST = Layout("manifest", recognise, read)
