"""Shared by all plots: matplotlib, imported late, colours, axes and marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sknethp.display.scales import Scale

TRAIN, VALID = "#7A8CA3", "#1B66B1"
SCORE, BEST, FAILED, FAINT = "#1B66B1", "#E08214", "#C22F3D", "#B4BEC9"
INK, FRAME = "#333B45", "#9AA5B1"
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": 9, "labelcolor": INK}
SCORES = "viridis"

_LETTER = 0.02  # width of a letter, as a share of an axis of usual size


def pyplot() -> Any:
    """Import matplotlib's pyplot."""
    try:
        import matplotlib.pyplot
    except ImportError as error:
        raise ImportError(
            "Plots need matplotlib, which is not installed: pip install 'sknethp[plot]'."
        ) from error
    return matplotlib.pyplot


def new_axes(ax: Any, n_axes: int = 1, n_columns: int = 3, size: tuple = (4.2, 3.1)) -> np.ndarray:
    """Return axes to draw on, ``(n_axes,)``: the given ones, or new ones of a size in inches."""
    if ax is not None:
        given = np.asarray(ax, dtype=object).ravel()
        if len(given) != n_axes:
            raise ValueError(
                f"The plot needs {n_axes} axes, but ax has {len(given)}: give as many, or None "
                "for a new figure."
            )
        return given
    n_columns = min(n_columns, n_axes)
    n_rows = -(-n_axes // n_columns)
    figure, grid = pyplot().subplots(
        n_rows,
        n_columns,
        figsize=(size[0] * n_columns, size[1] * n_rows),
        layout="constrained",
        squeeze=False,
    )
    for spare in grid.ravel()[n_axes:]:
        figure.delaxes(spare)
    return grid.ravel()[:n_axes]


def tidy(
    ax: Any, x: str | None = None, y: str | None = None, title: str | None = None, grid: str = "y"
) -> None:
    """Label a plot, remove its frame, and put a faint grid behind it."""
    if x is not None:
        ax.set_xlabel(x, color=INK)
    if y is not None:
        ax.set_ylabel(y, color=INK)
    if title is not None:
        ax.set_title(title, loc="left", fontsize=11, color=INK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(FRAME)
    ax.tick_params(color=FRAME, labelcolor=INK, labelsize=9)
    ax.grid(True, axis=grid, color="#E6EAEE", linewidth=0.8)
    ax.set_axisbelow(True)


def put_ticks(axis: Any, positions: Any, labels: Sequence[str], limits: tuple) -> None:
    """Write labels along an axis with these limits, slanted if they would overlap."""
    axis.set_ticks(positions, labels)
    shares = np.array(positions) / (limits[1] - limits[0])
    order = np.argsort(shares)
    half = np.array([_LETTER * (len(label) + 1) / 2 for label in labels])[order]
    if axis.axis_name == "x" and (np.diff(shares[order]) < half[1:] + half[:-1]).any():
        for text in axis.get_ticklabels():
            text.set(rotation=35, ha="right", rotation_mode="anchor")


def limits_of(scale: Scale, share: float = 0.06) -> tuple[float, float]:
    """Return the limits of an axis with some room beside the outermost values."""
    low, high = scale.limits
    room = 0.5 if scale.kind == "categories" or low == high else share * (high - low)
    return low - room, high + room


def apart(positions: np.ndarray, width: float) -> np.ndarray:
    """Shift coinciding points a little, ``(n,)``; always in the same way."""
    moved = np.array(positions, dtype=float)
    for position in np.unique(positions):
        at = np.flatnonzero(positions == position)
        if len(at) > 1:
            moved[at] += (np.linspace(0, 1, len(at)) - 0.5) * width
    return moved


def floor_of(mean: np.ndarray) -> float:
    """Return the score below which candidates are drawn at the edge.

    Otherwise a few very bad scores would leave no room for the differences of the others.
    """
    finite = mean[np.isfinite(mean)]
    if not len(finite):
        return 0.0
    low, quarter, high = np.quantile(finite, [0, 0.25, 1])
    return float(max(low, high - 3 * (high - quarter)) if quarter < high else low)


def set_floor(ax: Any, x: np.ndarray, mean: np.ndarray, spread: np.ndarray | None = None) -> None:
    """Clip the axis of scores at their floor, and mark candidates below it, and failed ones."""
    failed = ~np.isfinite(mean)
    below = ~failed & (mean < floor_of(mean))
    shown = ~(failed | below)
    if shown.any():
        spread = np.zeros(len(mean)) if spread is None else spread
        low, high = (mean - spread)[shown].min(), (mean + spread)[shown].max()
        room = (high - low) or 0.02
        ax.set_ylim(low - 0.12 * room, high + 0.1 * room)
        _mark_at_bottom(ax, x[below], FAINT, "off the scale", marker="v", linewidth=0)
    mark_failed(ax, x[failed])


def mark_best(ax: Any, x: float, y: float, size: float, label: str = "best") -> None:
    """Mark the best candidate by a star."""
    ax.scatter(
        x, y, size, BEST, marker="*", edgecolor="white", linewidth=0.7, zorder=5, label=label
    )


def mark_failed(ax: Any, x: np.ndarray) -> None:
    """Mark candidates without a score at the bottom of a plot."""
    _mark_at_bottom(ax, x, FAILED, "failed", marker="x", linewidth=1.6)


def _mark_at_bottom(ax: Any, x: np.ndarray, color: str, label: str, **look: Any) -> None:
    if len(x):
        ax.scatter(
            x, np.full(len(x), 0.03), 32, color, zorder=5, label=label,
            transform=ax.get_xaxis_transform(), clip_on=False, **look,
        )  # fmt: skip


def put_legend(axes: np.ndarray, ax: Any, location: str = "best") -> None:
    """Add a legend: below the plots of a new figure, or on the first of the given axes."""
    handles: dict[str, Any] = {}
    for panel in axes:
        marks, labels = panel.get_legend_handles_labels()
        handles |= dict(zip(labels, marks, strict=True))
    content = list(handles.values()), list(handles)
    if ax is None:
        n_columns = min(len(handles), 4 if len(axes) > 1 else 2)
        axes[0].figure.legend(*content, loc="outside lower center", ncols=n_columns, **LEGEND)
    elif handles:
        axes[0].legend(*content, loc=location, **LEGEND)
