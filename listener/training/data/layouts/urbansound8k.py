"""UrbanSound8K: ``metadata/UrbanSound8K.csv`` and ``audio/fold1`` to ``audio/fold10``.

Clips are slices of longer recordings (``fsID``), which the folds keep together.

J. Salamon, C. Jacoby and J. P. Bello, "A Dataset and Taxonomy for Urban Sound Research",
ACM Multimedia, 2014.
"""

from pathlib import Path

from listener.files import is_file
from listener.training.data.clip import Clip
from listener.training.data.layouts.tables import Made, listing_of, rows_with
from listener.training.data.listing import Layout, Listing, Options, Sign, Strength
from listener.training.data.rows import Row

TABLE = "metadata/UrbanSound8K.csv"
COLUMNS = ("slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class")


def recognise(folder: Path, options: Options) -> Sign | None:
    """Look for its table."""
    return Sign(TABLE, Strength.TABLE) if is_file(folder / TABLE) else None


def read(folder: Path, options: Options) -> Listing:
    """List what the table names."""
    made = [_clip(row) for row in rows_with(folder / TABLE, COLUMNS)]
    return listing_of(folder, "urbansound8k", TABLE, made, group_is="source recording", below="audio")


def _clip(row: Row) -> Made:
    cells = {name: cell.strip() for name, cell in row.cells.items()}
    for name in ("slice_file_name", "fsID", "fold", "class"):
        if not cells[name]:
            return row.problem(f"has no {name}")
    if not cells["fold"].isdecimal():
        return row.problem(f"its fold is no number: {cells['fold']!r}")
    return Clip(
        path=f"audio/fold{cells['fold']}/{cells['slice_file_name']}",
        label=cells["class"],
        fold=str(int(cells["fold"])),
        group=cells["fsID"],
        dataset="urbansound8k",
        title=cells["slice_file_name"],
        licence="CC-BY-NC-3.0",
        source_url=f"https://freesound.org/s/{cells['fsID']}/",
        # Where the slice lay in its source, not in its file: it is cut already.
        tags={name: cells[name] for name in ("salience", "start", "end", "classID")},
    )


URBANSOUND8K = Layout("urbansound8k", recognise, read)
