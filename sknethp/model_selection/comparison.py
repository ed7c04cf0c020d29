"""What changed from one candidate to another, and whether it made a difference."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sknethp.model_selection.noise import corrected_paired_test

_HEADINGS = ("candidate", "changed", "score", "std", "difference", "p", "verdict")


@dataclass(frozen=True)
class Row:
    """A candidate beside the one that it is compared with.

    Attributes
    ----------
    candidate : str
    changed : str
        Parameters with their values before and now.
    score, std : float
        Mean and standard deviation of the folds' scores.
    difference : float
        From the other's mean score; NaN where there is no other.
    p_value : float
        How often candidates that are equally good would differ so much.
    verdict : str
        "better", "worse", "within noise", "failed", or empty.
    """

    candidate: str
    changed: str
    score: float
    std: float
    difference: float
    p_value: float
    verdict: str


def comparison(
    names: Sequence[str],
    params: Sequence[Mapping[str, Any]],
    scores: np.ndarray,
    own: Mapping[str, Any],
    sizes: Sequence[tuple[int, int]],
    against: int | None,
    level: float,
) -> list[Row]:
    """Compare candidates with one of them, or each with the one before.

    Parameters
    ----------
    names : sequence of str
    params : sequence of dict
        What each candidate sets.
    scores : ndarray of shape (n_candidates, n_splits)
    own : mapping
        The estimator's own value of each parameter.
    sizes : sequence of tuple
        Numbers of training and test samples of each fold.
    against : int or None
        None for the one before each.
    level : float
        A difference counts if its p-value is below.

    Returns
    -------
    list of Row
    """
    rows = []
    for i, name in enumerate(names):
        other = i - 1 if against is None else against
        alone = other < 0 or other == i
        changed = changes({} if alone else params[other], params[i], own)
        before = None if alone else scores[other]
        rows.append(compared(name, scores[i], before, changed, sizes, level))
    return rows


def compared(
    name: str,
    scores: np.ndarray,
    other: np.ndarray | None,
    changed: str,
    sizes: Sequence[tuple[int, int]],
    level: float,
) -> Row:
    """Compare a candidate with another.

    Parameters
    ----------
    name : str
    scores : ndarray of shape (n_splits,)
    other : ndarray of shape (n_splits,) or None
        Scores of the other, on the same folds; None where there is no other.
    changed : str
    sizes : sequence of tuple
        Numbers of training and test samples of each fold.
    level : float
        A difference counts if its p-value is below.

    Returns
    -------
    Row
    """
    score, std = float(np.mean(scores)), float(np.std(scores))
    if not np.isfinite(score):
        return Row(name, changed, score, std, float("nan"), float("nan"), "failed")
    if other is None or not np.isfinite(other).all():
        return Row(name, changed, score, std, float("nan"), float("nan"), "")
    difference = score - float(np.mean(other))
    p_value = corrected_paired_test(other, scores, sizes)
    verdict = "within noise"
    if p_value < level:
        verdict = "better" if difference > 0 else "worse"
    return Row(name, changed, score, std, difference, p_value, verdict)


def changes(before: Mapping[str, Any], now: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """Write what differs between two candidates.

    Parameters
    ----------
    before, now : mapping
        Parameters of the two.
    own : mapping
        The estimator's own value of each; holds for what a candidate does not set.

    Returns
    -------
    str
        Empty where nothing differs.

    Examples
    --------
    >>> changes({}, {"net__lr": 0.01}, {"net__lr": 0.001})
    'lr: 0.001 → 0.01'
    """
    names = dict.fromkeys([*before, *now])
    pairs = {
        name: (before.get(name, own.get(name)), now.get(name, own.get(name))) for name in names
    }
    lasts = [name.rpartition("__")[2] for name in names]
    return ", ".join(
        f"{last if lasts.count(last) == 1 else name}: {_shown(old)} → {_shown(new)}"
        for (name, (old, new)), last in zip(pairs.items(), lasts, strict=True)
        if _shown(old) != _shown(new)
    )


def _shown(value: Any) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)


def as_text(rows: Sequence[Row]) -> str:
    """Return an aligned table.

    Parameters
    ----------
    rows : sequence of Row

    Returns
    -------
    str
    """
    cells = [_HEADINGS, *map(_cells, rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_HEADINGS))]
    lines = []
    for line in cells:
        padded = [
            cell.rjust(width) if 2 <= i <= 5 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def as_html(rows: Sequence[Row]) -> str:
    """Return an HTML table.

    Parameters
    ----------
    rows : sequence of Row

    Returns
    -------
    str
    """
    head = "".join(f"<th>{heading}</th>" for heading in _HEADINGS)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in _cells(row))}</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.candidate,
        row.changed,
        _number(row.score, ".4f"),
        _number(row.std, ".4f"),
        _number(row.difference, "+.4f"),
        _number(row.p_value, ".3f"),
        row.verdict,
    )


def _number(value: float, form: str) -> str:
    return "" if np.isnan(value) else format(value, form)
