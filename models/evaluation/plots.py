"""Plots of the calibration and confusion of the sentiment. matplotlib is slow to import: it is imported to draw."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.enrichment import SENTIMENTS, ModelInfo
from models.errors import MissingBackendExtra
from models.evaluation.measures import Calibration, Floats, Labels
from models.evaluation.sentiment import JudgedPosts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CALIBRATION_FILE = "calibration.png"
CONFUSION_FILE = "confusion.png"

_DOTS_PER_INCH = 150
_BLUE, _LIGHT, _RED, _GREY = "#2a6f97", "#a9d6e5", "#c1121f", "#6c757d"
_FONT_SIZE = 12


def write_plots(folder: Path, judged: JudgedPosts, model: ModelInfo, data: str) -> list[Path]:
    """Write both plots to a folder, creating it if necessary, and return their paths.

    Args:
        folder: The folder to write to.
        judged: The posts to plot.
        model: The model, for the titles.
        data: Description of the data, for the titles.

    Raises:
        MissingBackendExtra: matplotlib is not installed.
        OSError: If the folder cannot be written.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingBackendExtra("drawing", "eval") from None
    folder.mkdir(parents=True, exist_ok=True)
    with rc_context({"font.size": _FONT_SIZE, "axes.titlesize": _FONT_SIZE + 1}):
        figures = {
            CALIBRATION_FILE: _reliability(Figure((7, 7.5), layout="constrained"), judged.calibration),
            CONFUSION_FILE: _matrix(Figure((6.5, 6), layout="constrained"), judged.confusion),
        }
        for name, figure in figures.items():
            figure.suptitle(f"{described(model)}\n{data}, n = {judged.posts:,}", fontsize=13)
            figure.savefig(folder / name, dpi=_DOTS_PER_INCH)
    return [folder / name for name in figures]


def described(model: ModelInfo) -> str:
    """Return the name of a model and what computed its answers, as in the titles."""
    return " ".join(part for part in (model.name, model.version, model.runtime, model.precision) if part)


def _reliability(figure: "Figure", bins: Calibration) -> "Figure":
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    width = bins.edges[1]
    middles = bins.edges[:-1] + width / 2
    filled = bins.posts > 0
    above.plot((0, 1), (0, 1), "--", color=_GREY, label="perfectly calibrated")
    above.bar(
        middles[filled], bins.accuracy[filled], 0.92 * width, color=_LIGHT, edgecolor=_BLUE, label="correct answers"
    )
    above.plot(bins.confidence[filled], bins.accuracy[filled], "o", color=_RED, label="mean probability in the bin")
    above.set(xlim=(0, 1), ylim=(0, 1), ylabel="share of correct answers")
    above.set_title(f"Sentiment: expected calibration error {bins.error:.3f}")
    above.legend(loc="upper left", frameon=False)
    below.bar(middles, bins.posts, 0.92 * width, color=_BLUE)
    _number_bars(below, middles[filled], bins.posts[filled])
    below.set(xlabel="probability of the answer", ylabel="posts")
    below.margins(y=0.25)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _number_bars(axes: "Axes", positions: Floats, posts: Labels) -> None:
    for position, number in zip(positions, posts, strict=True):
        axes.annotate(
            f"{number}", (position, number), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=10
        )


def _matrix(figure: "Figure", counts: Labels) -> "Figure":
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    positions = range(len(SENTIMENTS))
    axes.set_xticks(positions, SENTIMENTS)
    axes.set_yticks(positions, SENTIMENTS, rotation=90, va="center")
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title("Sentiment: shares of the true label (posts)")
    for row in positions:
        for column in positions:
            axes.text(
                column,
                row,
                f"{shares[row, column]:.1%}\n({counts[row, column]:,})",
                ha="center",
                va="center",
                fontsize=13,
                color="white" if shares[row, column] > 0.65 else "black",
            )
    figure.colorbar(image, ax=axes, shrink=0.8)
    return figure
