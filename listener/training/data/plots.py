"""Pictures of a data set: what a table of fifty labels hides."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from listener.errors import DatasetError, printable
from listener.files import whole_file
from listener.training.data.stats import Stats, length_s

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 120
MOST_FOLDS_COLOURED = 10
"""In more folds nobody tells the colours apart: then they have none."""
MOST_NUMBERS = 600
"""Cells of a table that are still readable with a number in each."""
LONGEST_NAME = 28

BLUE, ORANGE, GREY = "#4477aa", "#ee7733", "#bbbbbb"
"""Told apart by everybody (Tol's palettes)."""


def plot(stats: Stats, folder: Path) -> list[Path]:
    """Draw everything into a folder, which is made where it is missing.

    Returns
    -------
    list of Path
        The pictures, PNG.

    Raises
    ------
    DatasetError
        matplotlib is missing, or a picture cannot be written.
    """
    pictures: dict[str, Callable[[Stats], Figure]] = {
        "balance": _balance,
        "folds": _folds,
        "lengths": _lengths,
        "levels": _levels,
        "silence": _silence,
        "bandwidth": _bandwidth,
    }
    if find_spec("matplotlib") is None:
        raise DatasetError("plots need matplotlib: pip install 'listener[train]'")
    written = []
    for name, draw in pictures.items():
        written.append(folder / f"{name}.png")
        _save(draw(stats), written[-1])
    return written


def _save(figure: "Figure", path: Path) -> None:
    with warnings.catch_warnings():
        # A label may hold letters that no font here has; a box stands in for each.
        warnings.filterwarnings("ignore", message="Glyph")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as half_written:
                figure.savefig(half_written, format="png", dpi=DPI)
        except OSError as error:
            raise DatasetError(f"{printable(path)}: cannot be written: {error.strerror or error}") from error


def _axes(title: str, n_rows: int = 0, height: float = 4.0) -> tuple["Figure", "Axes"]:
    """Make an empty picture, higher where it has a row for each label."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, max(height, 1.4 + 0.2 * n_rows)), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _name_rows(axes: "Axes", names: Sequence[str], positions: Sequence[float]) -> None:
    axes.set_yticks(list(positions), [_short(name) for name in names])
    for text in axes.get_yticklabels():
        text.set_parse_math(False)  # a label with two dollar signs is no formula
    axes.set_ylim(max(positions) + 0.6, min(positions) - 0.6)


def _short(name: str) -> str:
    name = printable(name)
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _balance(stats: Stats) -> "Figure":
    """Clips of each label; folds in colours."""
    from matplotlib import colormaps

    labels = list(stats.by_label)
    figure, axes = _axes("Clips of each label", len(labels))
    folds = list(stats.by_fold)
    counts = _counts(stats)
    if len(folds) > MOST_FOLDS_COLOURED:
        folds, counts = [""], counts.sum(axis=1, keepdims=True)
    left = np.zeros(len(labels))
    for number, fold in enumerate(folds):
        colour = colormaps["tab10"](number) if len(folds) > 1 else BLUE
        name = None if len(folds) < 2 else f"fold {_short(fold)}" if fold else "no fold"
        axes.barh(range(len(labels)), counts[:, number], left=left, color=colour, label=name, height=0.8)
        left += counts[:, number]
    _name_rows(axes, labels, range(len(labels)))
    axes.set_xlabel("clips")
    if len(folds) > 1:
        legend = axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure


def _counts(stats: Stats) -> NDArray[np.int_]:
    """Clips of each label (rows) in each fold (columns)."""
    counts = Counter((clip.label, clip.fold) for clip in stats.manifest)
    return np.array([[counts[label, fold] for fold in stats.by_fold] for label in stats.by_label])


def _folds(stats: Stats) -> "Figure":
    """Clips of each label in each fold, as a table of shades."""
    labels, folds = list(stats.by_label), list(stats.by_fold)
    counts = _counts(stats)
    figure, axes = _axes("Clips of each label in each fold", len(labels))
    axes.imshow(counts, aspect="auto", cmap="Blues", vmin=0)
    _name_rows(axes, labels, range(len(labels)))
    many = len(folds) > MOST_FOLDS_COLOURED
    axes.set_xticks(range(len(folds)), [_short(fold) or "none" for fold in folds], rotation=90 if many else 0)
    for text in axes.get_xticklabels():
        text.set_parse_math(False)
    axes.set_xlabel("fold")
    for (row, column), count in np.ndenumerate(counts) if counts.size <= MOST_NUMBERS else ():
        colour = "white" if count > counts.max() / 2 else "black"
        axes.text(column, row, str(count), ha="center", va="center", fontsize=7, color=colour)
    return figure


def _lengths(stats: Stats) -> "Figure":
    """How long the clips are, with and without the silence around them."""
    figure, axes = _axes("Length of the clips")
    whole = np.array([length_s(clip, stats.measured[clip.path]) for clip in stats.manifest])
    sounding = np.array([_sounding(stats, clip.path) for clip in stats.manifest])
    edges = np.linspace(0, max(whole.max(), 1e-3) * 1.02, 60).tolist()
    axes.hist(whole, edges, color=BLUE, label="whole")
    axes.hist(sounding, edges, histtype="step", color=ORANGE, linewidth=1.5,
              label="without digital silence at its edges")  # fmt: skip
    axes.set_xlabel("length (s)")
    axes.set_ylabel("clips")
    axes.legend(frameon=False)
    return figure


def _sounding(stats: Stats, path: str) -> float:
    return stats.measured[path].active_s


def _levels(stats: Stats) -> "Figure":
    """How loud each label is: mean level and peak."""
    labels = list(stats.by_label)
    figure, axes = _axes("Level of each label: mean (box) and highest peak (dot)", len(labels))
    values = {label: [level for level in _levels_of(stats, label) if isfinite(level)] for label in labels}
    _boxes(axes, [values[label] for label in labels])
    peaks = [(stats.by_label[label].peak_db.highest, row) for row, label in enumerate(labels)]
    heard = [(peak, row) for peak, row in peaks if isfinite(peak)]
    axes.scatter([peak for peak, _ in heard], [row for _, row in heard], color=ORANGE, s=12, zorder=3)
    _name_rows(axes, [_with_silent(stats, label) for label in labels], range(len(labels)))
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_xlabel("dBFS")
    return figure


def _levels_of(stats: Stats, label: str) -> list[float]:
    return [stats.measured[clip.path].rms_db for clip in stats.manifest if clip.label == label]


def _with_silent(stats: Stats, label: str) -> str:
    """Name a label; what is digitally silent has no level, and would go unseen."""
    n_silent = sum(not isfinite(level) for level in _levels_of(stats, label))
    return f"{_short(label)[: LONGEST_NAME - 12]} ({n_silent} silent)" if n_silent else label


def _boxes(axes: "Axes", values: Sequence[Sequence[float]]) -> None:
    axes.boxplot(
        [list(each) for each in values],
        positions=range(len(values)),
        orientation="horizontal",
        whis=(5, 95),
        widths=0.6,
        patch_artist=True,
        boxprops={"facecolor": BLUE, "edgecolor": BLUE, "alpha": 0.6},
        medianprops={"color": "black"},
        flierprops={"marker": ".", "markersize": 3, "markeredgecolor": GREY},
    )
    axes.grid(axis="x", color=GREY, linewidth=0.4)


def _silence(stats: Stats) -> "Figure":
    """How much of each label's time is silence, or nearly."""
    labels = list(stats.by_label)
    figure, axes = _axes("What of the time is silent", len(labels))
    silent = np.array([stats.by_label[label].silent_share for label in labels])
    quiet = np.array([stats.by_label[label].quiet_share for label in labels])
    rows = range(len(labels))
    axes.barh(rows, 100 * silent, color=ORANGE, label="digital silence")
    axes.barh(rows, 100 * (quiet - silent), left=100 * silent, color=GREY, label="40 dB below its loudest")
    _name_rows(axes, labels, rows)
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of the time (%)")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _bandwidth(stats: Stats) -> "Figure":
    """Up to which frequency each label holds sound: a model may learn that instead of the sound."""
    labels = list(stats.by_label)
    figure, axes = _axes("Bandwidth of each label (box); half of the sample rate (line)", len(labels))
    kilohertz = [
        [stats.measured[clip.path].bandwidth_hz / 1_000 for clip in stats.manifest if clip.label == label]
        for label in labels
    ]
    _boxes(axes, kilohertz)
    for rate in {file.sample_rate for file in stats.measured.values()}:
        axes.axvline(rate / 2_000, color=ORANGE, linewidth=0.8)
    _name_rows(axes, labels, range(len(labels)))
    axes.set_xlim(left=0)
    axes.set_xlabel("kHz")
    return figure
