"""The best score so far, against its cost."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from sknethp.display.candidates import Candidates
from sknethp.display.figures import BEST, FAINT, INK, SCORE, set_floor, tidy


def draw_convergence(
    ax: Any, candidates: Candidates, against: Literal["candidates", "seconds"]
) -> None:
    """Draw each candidate's score, and the best so far as steps."""
    mean, failed = candidates.mean, candidates.failed
    if against == "candidates":
        x, label = np.arange(1.0, len(mean) + 1), "candidates"
    else:
        x = np.cumsum(candidates.seconds)
        label = "seconds" if candidates.wall else "seconds of fitting, one after another"
    best = np.fmax.accumulate(mean)
    ax.scatter(x[~failed], mean[~failed], 16, FAINT, linewidth=0, label="a candidate", zorder=2)
    ax.plot(x, best, drawstyle="steps-post", color=SCORE, linewidth=2, label="best so far")
    first = np.flatnonzero(np.isfinite(best) & (best != np.r_[np.nan, best[:-1]]))
    ax.scatter(x[first], best[first], 30, SCORE, zorder=4, edgecolor="white", linewidth=0.8)
    if len(first):
        at = first[-1]
        ax.scatter(x[at], best[at], 60, BEST, zorder=5, edgecolor="white", linewidth=0.8)
        ax.annotate(
            f"{best[at]:.4g}", (x[at], best[at]), (0, 7), textcoords="offset points",
            ha="center", color=INK, fontsize=9,
        )  # fmt: skip
    set_floor(ax, x, mean)
    if against == "candidates":
        ax.xaxis.get_major_locator().set_params(integer=True)
    else:
        ax.set_xlim(left=0)
    if failed.all():
        ax.set(xlim=(0, 1.05 * x[-1] or 1.0), yticks=[])
    tidy(ax, x=label)
