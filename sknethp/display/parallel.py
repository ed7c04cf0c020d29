"""Candidates as lines through one axis per hyperparameter and one for the score."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from sknethp.display.candidates import Candidates
from sknethp.display.figures import BEST, FAILED, INK, SCORES, apart, floor_of, pyplot
from sknethp.display.scales import Scale

_STEPS = 40  # of a curve between two axes


def heights(candidates: Candidates, names: list[str]) -> np.ndarray:
    """Return where each candidate's line crosses each axis, ``(n_candidates, len(names) + 1)``.

    From 0 at the bottom to 1. The last axis is the score's: NaN for failed candidates.
    """
    columns = []
    for name in names:
        scale, positions = candidates.scales[name], candidates.positions(name)
        if scale.kind == "categories":
            positions = apart(positions, 0.12)
        columns.append(_shares(positions, scale))
    low, high = _ends(candidates.mean)
    return np.stack([*columns, (np.maximum(candidates.mean, low) - low) / (high - low)], axis=1)


def _shares(positions: Any, scale: Scale) -> np.ndarray:
    """Return positions as shares of an axis, from 0 at the bottom to 1."""
    low, high = scale.limits
    above = np.asarray(positions) - low
    return above / (high - low) if low < high else above + 0.5


def _ends(mean: np.ndarray) -> tuple[float, float]:
    """Return the scores at the bottom and the top of their axis."""
    if not np.isfinite(mean).any():
        return 0.0, 1.0
    low, high = floor_of(mean), float(np.nanmax(mean))
    return (low, high) if low < high else (high - 0.5, high + 0.5)


def draw_parallel_coordinates(ax: Any, candidates: Candidates, names: list[str]) -> None:
    """Draw the lines, the best scores on top, and the axes with their values."""
    lines, n_axes = heights(candidates, names), len(names) + 1
    colors = pyplot().get_cmap(SCORES)
    # By rank: one very bad score would otherwise give all others one colour.
    order = [int(i) for i in np.argsort(candidates.mean) if not candidates.failed[i]]
    for i in np.flatnonzero(candidates.failed).tolist():
        ax.plot(*_curve(lines[i, :-1]), color=FAILED, linewidth=1, linestyle=(0, (4, 3)), alpha=0.8)
    if candidates.failed.any():
        ends = lines[candidates.failed, -2]
        at = np.full(len(ends), n_axes - 2)
        ax.scatter(at, ends, 30, FAILED, marker="x", zorder=7, linewidth=1.6, label="failed")
    for rank, i in enumerate(order):
        share = rank / max(1, len(order) - 1)
        width, alpha = 0.8 + share, 0.25 + 0.6 * share
        ax.plot(*_curve(lines[i]), color=colors(share), linewidth=width, alpha=alpha)
    if candidates.best is not None:
        ax.plot(*_curve(lines[candidates.best]), color="white", linewidth=5, zorder=3.9)
        ax.plot(*_curve(lines[candidates.best]), color=BEST, linewidth=3, zorder=4, label="best")
    for i, name in enumerate(names):
        positions, texts = candidates.scales[name].ticks()
        _draw_axis(ax, i, _shares(positions, candidates.scales[name]), texts)
    if order:
        low, high = _ends(candidates.mean)
        marks = np.linspace(low, high, 5)
        texts = [f"{mark:.3g}" for mark in marks]
        if low > np.nanmin(candidates.mean):
            texts[0] = f"≤ {texts[0]}"
        _draw_axis(ax, n_axes - 1, np.linspace(0, 1, 5), texts)
    ax.set_xticks(
        range(n_axes), [*(candidates.labels[name] for name in names), candidates.score_label]
    )
    ax.tick_params(axis="x", length=0, pad=10, labelcolor=INK, labelsize=10, top=False)
    ax.set_yticks([])
    ax.set_xlim(-0.35, n_axes - 1 + 0.45)
    ax.set_ylim(-0.06, 1.06)
    ax.spines[:].set_visible(False)


def _curve(line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return points of a line that meets every axis at a right angle."""
    share = np.linspace(0, 1, _STEPS)
    eased = share**2 * (3 - 2 * share)
    x = [i + share for i in range(len(line) - 1)]
    y = [low + (high - low) * eased for low, high in pairwise(line)]
    return (np.concatenate(x), np.concatenate(y)) if x else (np.zeros(1), line)


def _draw_axis(ax: Any, x: int, positions: np.ndarray, labels: list[str]) -> None:
    ax.plot([x, x], [0, 1], color=INK, linewidth=1.2, zorder=5, clip_on=False)
    box = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
    for position, text in zip(positions, labels, strict=True):
        ax.plot([x, x + 0.03], [position, position], color=INK, linewidth=1.2, zorder=5)
        ax.text(x + 0.05, position, text, va="center", fontsize=8.5, color=INK, zorder=6, bbox=box)
