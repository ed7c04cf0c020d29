"""The score over two hyperparameters: cells where values are few, a smooth surface otherwise."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from sknethp.display.candidates import Candidates
from sknethp.display.figures import BEST, FAILED, INK, SCORES, limits_of, put_ticks, tidy
from sknethp.display.scales import label_of

_MOST_CELLS = 15  # in each direction
_MOST_WRITTEN = 120
_BANDWIDTH = 0.1  # of the length of an axis


def cells(
    found: Candidates, x: str, y: str, aggregate: Literal["mean", "best"] = "mean"
) -> tuple[np.ndarray, np.ndarray]:
    """Return one score for each pair of values.

    Parameters
    ----------
    found : Candidates
    x, y : str
        Hyperparameters.
    aggregate : {"mean", "best"}
        Over the candidates of a pair; failed ones do not count.

    Returns
    -------
    scores : ndarray of shape (n_values_of_y, n_values_of_x)
        NaN where no candidate has a score.
    failed : ndarray of int of shape (n_values_of_y, n_values_of_x)
        How many candidates have failed.
    """
    columns, rows = (
        np.unique(found.positions(name), return_inverse=True)[1] for name in (x, y)
    )
    shape = rows.max() + 1, columns.max() + 1
    scores, failed = np.full(shape, np.nan), np.zeros(shape, dtype=int)
    reduce = np.mean if aggregate == "mean" else np.max
    for row, column in set(zip(rows.tolist(), columns.tolist(), strict=True)):
        own = found.mean[(rows == row) & (columns == column)]
        known = own[np.isfinite(own)]
        failed[row, column] = len(own) - len(known)
        if len(known):
            scores[row, column] = reduce(known)
    return scores, failed


def draw_heat_map(
    ax: Any, found: Candidates, x: str, y: str, aggregate: Literal["mean", "best"], label: str
) -> None:
    """Draw cells or a surface, with a bar of colours."""
    sizes = [len(np.unique(found.positions(name))) for name in (x, y)]
    if max(sizes) <= _MOST_CELLS:
        image = _draw_cells(ax, found, x, y, aggregate)
        if aggregate == "best" and len(found.mean) > np.prod(sizes):
            label = f"best {label}"
    else:
        image = _draw_surface(ax, found, x, y)
    ax.set_xlabel(found.labels[x], color=INK)
    ax.set_ylabel(found.labels[y], color=INK)
    tidy(ax)
    ax.grid(False)
    if image is not None:
        bar = ax.figure.colorbar(image, ax=ax, pad=0.02)
        bar.outline.set_visible(False)
        bar.set_label(label, color=INK)
        bar.ax.tick_params(color="#9AA5B1", labelcolor=INK, labelsize=9)


def _draw_cells(
    ax: Any, found: Candidates, x: str, y: str, aggregate: Literal["mean", "best"]
) -> Any:
    scores, failed = cells(found, x, y, aggregate)
    image = None
    if np.isfinite(scores).any():
        image = ax.pcolormesh(scores, cmap=SCORES, edgecolors="white", linewidth=1.5)
        image.set_clim(*_ends(scores))
    if scores.size <= _MOST_WRITTEN and image is not None:
        _write(ax, scores, image)
    # Where some candidates of a cell have a score, its number has the middle of the cell.
    rows, columns = np.nonzero(failed)
    beside = np.where(np.isfinite(scores[rows, columns]), 0.36, 0.0)
    ax.scatter(columns + 0.5 + beside, rows + 0.5 + beside * 0.8, 30, FAILED, "x", linewidth=1.6)
    for axis, name, size in ((ax.xaxis, x, scores.shape[1]), (ax.yaxis, y, scores.shape[0])):
        axis.set_ticks(np.arange(size) + 0.5, [label_of(v) for v in _values(found, name)])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return image


def _values(found: Candidates, name: str) -> list[Any]:
    """Return the values of the places, from left to right."""
    _, first = np.unique(found.positions(name), return_index=True)
    return [found.values[name][i] for i in first]


def _ends(scores: np.ndarray) -> tuple[float, float]:
    """Return what the ends of the colours mean, so that one very bad score does not hide all."""
    known = scores[np.isfinite(scores)]
    low, quarter, high = np.quantile(known, [0, 0.25, 1])
    return max(low, high - 3 * (high - quarter)) if quarter < high else low, high


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
) -> np.ndarray:
    """Smooth scores by a Gaussian kernel.

    Parameters
    ----------
    points : ndarray of shape (n_points, 2)
    scores : ndarray of shape (n_points,)
    grid : ndarray of shape (n_places, 2)
        Where to smooth.
    bandwidth : ndarray of shape (2,)

    Returns
    -------
    ndarray of shape (n_places,)
        NaN more than two and a half bandwidths away from all points.

    References
    ----------
    Nadaraya (1964), On estimating regression, Theory of Probability & Its Applications 9.
    """
    distances = ((grid[:, None] - points) / bandwidth) ** 2
    distances = distances.sum(axis=2)
    weights = np.exp(-0.5 * distances)
    found = weights @ scores / np.maximum(weights.sum(axis=1), 1e-300)
    return np.where(distances.min(axis=1) < 2.5**2, found, np.nan)


def _draw_surface(ax: Any, found: Candidates, x: str, y: str) -> Any:
    good, failed = ~found.failed, found.failed
    points = np.stack([found.positions(x), found.positions(y)], axis=1)
    limits = [limits_of(found.scales[name], 0.04) for name in (x, y)]
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])
    put_ticks(ax.xaxis, found.scales[x])
    put_ticks(ax.yaxis, found.scales[y])
    image = None
    if good.any():
        across, up = (np.linspace(*ends, 121) for ends in limits)
        grid = np.stack(np.meshgrid(across, up), axis=2).reshape(-1, 2)
        bandwidth = _BANDWIDTH * np.array([high - low for low, high in limits])
        surface = smoothed(points[good], found.mean[good], grid, bandwidth).reshape(121, 121)
        ends = dict(zip(("vmin", "vmax"), _ends(found.mean), strict=True))
        ax.pcolormesh(across, up, surface, cmap=SCORES, alpha=0.55, rasterized=True, **ends)
        image = ax.scatter(
            *points[good].T, 34, found.mean[good], cmap=SCORES, edgecolor="white", linewidth=0.7,
            **ends,
        )  # fmt: skip
    if found.best is not None:
        ax.scatter(*points[found.best], 150, BEST, "*", edgecolor="white", linewidth=0.8, zorder=5)
    ax.scatter(*points[failed].T, 34, FAILED, "x", linewidth=1.6, zorder=4)
    return image
