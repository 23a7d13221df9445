"""Plots of an evaluation, as SVG that takes the colour of the text around it."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from listener.errors import DatasetError
from listener.events import LabelRule
from listener.training.evaluate.calibration import Calibration
from listener.training.evaluate.clips import ClipFigures
from listener.training.evaluate.judge import Judged
from listener.training.evaluate.listening import Found, JudgedStream
from listener.training.evaluate.matching import false_events, overlaps
from listener.training.evaluate.references import Happening
from listener.training.evaluate.streams import SnrFigures, known_targets

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK = "#010203"
"""Stands for the colour of the text, which a plot cannot know."""
RIGHT, WRONG, TRUE, OTHER = "#2f9e6e", "#d9534f", "#3b7dd8", "#98a1ab"
"""Told apart by those who do not tell red from green as well: the plots name what is what."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def confusion_plot(figures: ClipFigures) -> str:
    """Draw the confusion matrix: each row is what clips of one label were taken for."""
    counts = np.array(figures.confusion)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    side = 2.2 + 0.27 * len(counts)
    with _drawn("confusion", (side, side - 0.2)) as plot:
        axes = plot.figure.subplots()
        axes.imshow(shares, cmap=_shades(), vmin=0, vmax=1)
        ticks = range(len(counts))
        axes.set_xticks(ticks, [_plain(label) for label in figures.labels], rotation=90)
        axes.set_yticks(ticks, [_plain(label) for label in figures.labels])
        axes.set(xlabel="verdict", ylabel="true label")
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.tick_params(length=0)
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > 0.45 else _INK
                axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=7)
    return plot.svg


def reliability_plot(calibration: Calibration) -> str:
    """Draw how often verdicts of a score are right, and how many there are."""
    bins = [one for one in calibration.bins if one.clips]
    with _drawn("reliability", (4.6, 4.2)) as plot:
        upper, lower = plot.figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        upper.plot((0, 1), (0, 1), color=OTHER, linestyle="--", linewidth=1, label="as it should be")
        right = [one.right.value for one in bins]
        spread = [
            [one.right.value - one.right.low for one in bins],
            [one.right.high - one.right.value for one in bins],
        ]
        scores = [one.mean_score for one in bins]
        upper.errorbar(
            scores,
            right,
            yerr=spread,
            fmt="o-",
            color=TRUE,
            capsize=2,
            linewidth=1,
            markersize=4,
            label="it is",
        )
        upper.set(ylabel="share of right verdicts", xlim=(0, 1), ylim=(0, 1.02))
        upper.legend(loc="upper left")
        lower.bar([one.low for one in bins], [one.clips for one in bins], 0.1, align="edge", color=OTHER)
        lower.set(xlabel="score of the verdict", ylabel="clips")
    return plot.svg


def score_plot(
    judged: Sequence[Judged], figures: ClipFigures, labels: Sequence[str], ons: Mapping[str, float]
) -> str:
    """Draw, for each label, the scores of the clips that have it above those of all others."""
    known = figures.labels
    n_columns = min(4, len(known))
    n_rows = -(-len(known) // n_columns)
    with _drawn("scores", (2.3 * n_columns, 0.35 + 1.0 * n_rows)) as plot:
        grid = plot.figure.subplots(n_rows, n_columns, squeeze=False, sharex=True)
        edges = np.linspace(0, 1, 21)
        for axes in grid.flat[len(known) :]:
            axes.set_visible(False)
        for axes, label in zip(grid.flat, known, strict=False):
            scores = np.array([one.pooled[labels.index(label)] for one in judged])
            true = np.array([one.clip.label == label for one in judged])
            for part, colour, sign in ((scores[true], TRUE, 1), (scores[~true], OTHER, -1)):
                heights = np.histogram(part, edges)[0] / max(1, len(part))
                axes.bar(edges[:-1], sign * np.sqrt(heights), 0.05, align="edge", color=colour)
            axes.axhline(0, color=_INK, linewidth=0.5)
            if label in ons:
                axes.axvline(ons[label], color=WRONG, linewidth=1, linestyle=":")
            axes.set_title(_plain(label), fontsize=8, pad=2)
            axes.set(yticks=[], xlim=(0, 1), ylim=(-1.05, 1.05), xticks=(0, 0.5, 1))
            axes.spines["left"].set_visible(False)
    return plot.svg


def snr_plot(by_snr: Sequence[SnrFigures]) -> str:
    """Draw the share of events that are found, by their distance to what else is heard."""
    with _drawn("snr", (5.4, 3.0)) as plot:
        axes = plot.figure.subplots()
        places = range(len(by_snr))
        values = [one.found.value for one in by_snr]
        spread = [
            [one.found.value - one.found.low for one in by_snr],
            [one.found.high - one.found.value for one in by_snr],
        ]
        axes.bar(places, values, 0.65, color=TRUE)
        axes.errorbar(places, values, yerr=spread, fmt="none", ecolor=_INK, capsize=3, linewidth=1)
        names = [f"{one.low_db:g} to {one.high_db:g}\n{one.targets} events" for one in by_snr]
        axes.set_xticks(places, names)
        axes.set(ylim=(0, 1.02), ylabel="share found", xlabel="dB above what else is heard")
    return plot.svg


def timeline_plot(heard: JudgedStream, rules: Sequence[LabelRule | None]) -> str:
    """Draw what happens in a stream above what was found in it, label by label."""
    targets, found = known_targets(heard), heard.events(rules)
    wrong = false_events(targets, found)
    others = [one for one in heard.stream.happenings if one not in targets]
    labels = sorted({one.label for one in targets} | {one.label for one in found})
    rows = {label: len(labels) - 1 - n for n, label in enumerate(labels)}
    with _drawn(f"timeline {heard.stream.path}", (9.4, 1.0 + 0.24 * (len(labels) + bool(others)))) as plot:
        axes = plot.figure.subplots()
        for row in rows.values():
            axes.axhline(row, color=OTHER, linewidth=0.3)
        for target in targets:
            missed = not any(one.label == target.label and overlaps(target, one) for one in found)
            _bar(
                axes, rows[target.label] + 0.04, target, facecolor="none" if missed else TRUE, edgecolor=TRUE
            )
        for event in found:
            _bar(axes, rows[event.label] - 0.36, event, color=WRONG if event in wrong else RIGHT)
        for n, other in enumerate(others):
            _bar(axes, -1 - 0.16, other, color=OTHER)
            # By turns, so that neighbours do not lie upon each other.
            axes.text(other.onset_s, -1.3 - 0.55 * (n % 2), _plain(other.label), fontsize=6, va="top")
        names = [_plain(label) for label in labels] + (["misleading sounds"] if others else [])
        axes.set_yticks([*rows.values(), *([-1] if others else [])], names)
        axes.set(
            xlim=(0, heard.duration_s),
            ylim=(-2.5 if others else -0.7, max(0.7, len(labels) - 0.3)),
            xlabel="seconds",
        )
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
    return plot.svg


class _Plot:
    def __init__(self, figure: "Figure") -> None:
        self.figure = figure
        self.svg = ""


@contextmanager
def _drawn(name: str, inches: tuple[float, float]) -> Iterator[_Plot]:
    """Give an empty figure; when the block ends, it is drawn."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DatasetError("a report needs matplotlib: pip install 'listener[train]'") from error
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        plot = _Plot(Figure(inches, layout="constrained"))
        yield plot
        drawn = io.StringIO()
        plot.figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = drawn.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor")
    # The sizes in points become the widest that it may be; on paper and on a telephone it shrinks.
    width = re.search(r'width="([\d.]+)pt" height="[\d.]+pt"', text)
    if width is not None:
        text = text.replace(width.group(0), f'style="width:100%;max-width:{float(width[1]) * 4 / 3:.0f}px"')
    plot.svg = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)


def _shades() -> Any:
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    red, green, blue = to_rgb(TRUE)
    return LinearSegmentedColormap.from_list("shades", [(red, green, blue, 0.0), (red, green, blue, 1.0)])


def _plain(label: str) -> str:
    """Keep matplotlib from reading formulae into a label."""
    return label.replace("$", r"\$")


def _bar(axes: "Axes", bottom: float, event: Happening | Found, **look: Any) -> None:
    axes.broken_barh([(event.onset_s, event.offset_s - event.onset_s)], (bottom, 0.32), linewidth=0.8, **look)
