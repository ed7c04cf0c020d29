"""The score over two hyperparameters: cells if they have few values, else a smooth surface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from sknethp.display.candidates import Candidates
from sknethp.display.figures import (
    FAILED,
    FRAME,
    INK,
    SCORES,
    floor_of,
    limits_of,
    mark_best,
    put_ticks,
    tidy,
)
from sknethp.display.scales import Scale, labels_of

Aggregate = Literal["mean", "best"]

_MOST_WRITTEN = 120
_BANDWIDTH = 0.1  # of the length of an axis of numbers
_RESOLUTION = 100


def cells(
    candidates: Candidates, x: str, y: str, aggregate: Aggregate = "mean"
) -> tuple[np.ndarray, np.ndarray]:
    """Return a score for each pair of values and how many failed, ``(n_values_y, n_values_x)``."""
    columns, rows = (
        np.unique(candidates.positions(name), return_inverse=True)[1] for name in (x, y)
    )
    shape = rows.max() + 1, columns.max() + 1
    scores, failed = np.full(shape, np.nan), np.zeros(shape, dtype=int)
    reduce = np.mean if aggregate == "mean" else np.max
    for row, column in set(zip(rows.tolist(), columns.tolist(), strict=True)):
        mean = candidates.mean[(rows == row) & (columns == column)]
        finite = mean[np.isfinite(mean)]
        failed[row, column] = len(mean) - len(finite)
        if len(finite):
            scores[row, column] = reduce(finite)
    return scores, failed


def draw_heat_map(ax: Any, candidates: Candidates, x: str, y: str, aggregate: Aggregate) -> None:
    """Draw cells or a surface, with a colour bar."""
    label = candidates.score_label
    if candidates.scales[x].is_range or candidates.scales[y].is_range:
        image = _draw_surface(ax, candidates, x, y)
    else:
        image, n_cells = _draw_cells(ax, candidates, x, y, aggregate)
        if aggregate == "best" and len(candidates.mean) > n_cells:
            label = f"best {label}"
    tidy(ax, candidates.labels[x], candidates.labels[y])
    ax.grid(False)
    if image is not None:
        bar = ax.figure.colorbar(image, ax=ax, pad=0.02)
        bar.outline.set_visible(False)
        bar.set_label(label, color=INK)
        bar.ax.tick_params(color=FRAME, labelcolor=INK, labelsize=9)


def _draw_cells(
    ax: Any, candidates: Candidates, x: str, y: str, aggregate: Aggregate
) -> tuple[Any, int]:
    """Draw the cells; return their image, None if all failed, and how many there are."""
    scores, failed = cells(candidates, x, y, aggregate)
    image = None
    if np.isfinite(scores).any():
        image = ax.pcolormesh(scores, cmap=SCORES, edgecolors="white", linewidth=1.5)
        image.set_clim(floor_of(scores), np.nanmax(scores))
        if scores.size <= _MOST_WRITTEN:
            _write(ax, scores, image)
    # Where some candidates of a cell have a score, it is written in the middle.
    rows, columns = np.nonzero(failed)
    beside = np.where(np.isfinite(scores[rows, columns]), 0.36, 0.0)
    if len(rows):
        x_places, y_places = columns + 0.5 + beside, rows + 0.5 + beside * 0.8
        ax.scatter(x_places, y_places, 30, FAILED, marker="x", linewidth=1.6, label="failed")
    for axis, name in ((ax.xaxis, x), (ax.yaxis, y)):
        _, first = np.unique(candidates.positions(name), return_index=True)
        values = [candidates.values[name][i] for i in first]
        put_ticks(axis, np.arange(len(values)) + 0.5, labels_of(values), (0, len(values)))
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return image, scores.size


def _write(ax: Any, scores: np.ndarray, image: Any) -> None:
    """Write the scores into their cells, the best one bold."""
    best = np.nanmax(scores)
    size = 9 if scores.shape[1] <= 8 else 7
    for (row, column), score in np.ndenumerate(scores):
        if np.isfinite(score):
            red, green, blue, _ = image.to_rgba(score)
            is_dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.55
            ax.text(
                column + 0.5, row + 0.5, f"{score:.3f}", ha="center", va="center", fontsize=size,
                color="white" if is_dark else "#1E2329",
                weight="bold" if score == best else "normal",
            )  # fmt: skip


def smoothed(
    points: np.ndarray, scores: np.ndarray, grid: np.ndarray, bandwidth: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Smooth scores over a grid by a Gaussian kernel (Nadaraya, 1964), ``(n_places,)``.

    The second array is 1 at a point, and near 0 some bandwidths away from all.
    """
    distances = (((grid[:, None] - points) / bandwidth) ** 2).sum(axis=2)
    nearest = distances.min(axis=1)
    weights = np.exp(-0.5 * (distances - nearest[:, None]))
    return weights @ scores / weights.sum(axis=1), np.exp(-0.25 * nearest)


def _draw_surface(ax: Any, candidates: Candidates, x: str, y: str) -> Any:
    """Draw the candidates, on a surface where they have neighbours in both values."""
    scales, names = [candidates.scales[x], candidates.scales[y]], (x, y)
    points = np.stack([candidates.positions(name) for name in names], axis=1)
    good, failed = ~candidates.failed, candidates.failed
    limits = [limits_of(scale, 0.04) for scale in scales]
    ax.set(xlim=limits[0], ylim=limits[1])
    for axis, scale in zip((ax.xaxis, ax.yaxis), scales, strict=True):
        put_ticks(axis, *scale.ticks(), limits_of(scale))
    image = None
    if good.any():
        floor = floor_of(candidates.mean)
        look = {"cmap": SCORES, "vmin": floor, "vmax": np.nanmax(candidates.mean)}
        among = [scale.kind == "categories" or points[:, i] >= 0 for i, scale in enumerate(scales)]
        inside = good & among[0] & among[1]
        if inside.any():
            _draw_smooth(
                ax, scales, points[inside], np.maximum(candidates.mean[inside], floor), look
            )
        image = ax.scatter(
            *points[good].T, 36, candidates.mean[good], edgecolor="white", linewidth=0.8, **look
        )
    if candidates.best is not None:
        x_best, y_best = points[candidates.best]
        mark_best(ax, x_best, y_best, 170)
    if failed.any():
        ax.scatter(
            *points[failed].T, 34, FAILED, marker="x", linewidth=1.6, zorder=4, label="failed"
        )
    return image


def _draw_smooth(
    ax: Any, scales: Sequence[Scale], points: np.ndarray, scores: np.ndarray, look: dict
) -> None:
    """Draw a surface that fades with the distance from the points."""
    ends = [limits_of(scale) if scale.kind == "categories" else (-0.05, 1.05) for scale in scales]
    bandwidth = [0.16 if scale.kind == "categories" else _BANDWIDTH for scale in scales]
    across, up = (np.linspace(*end, _RESOLUTION) for end in ends)
    grid = np.stack(np.meshgrid(across, up), axis=2).reshape(-1, 2)
    smooth, nearness = smoothed(points, scores, grid, np.array(bandwidth))
    shape = _RESOLUTION, _RESOLUTION
    ax.imshow(
        smooth.reshape(shape), alpha=0.6 * nearness.reshape(shape), extent=(*ends[0], *ends[1]),
        origin="lower", aspect="auto", interpolation="bilinear", zorder=0.5, **look,
    )  # fmt: skip
