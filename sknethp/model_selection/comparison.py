"""What changed from one candidate to another, and whether it made a difference."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sknethp.model_selection.nets import parameters, short_names, with_parameters
from sknethp.model_selection.noise import corrected_paired_test

_HEADINGS = ("", "candidate", "against", "changed", "score", "std", "difference", "p", "verdict")
_NUMBERS = range(4, 8)
_LONGEST = 40
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclass(frozen=True)
class Row:
    """A candidate beside the one that it is compared with.

    Attributes
    ----------
    candidate : str
    best : bool
        Whether it is the search's best.
    against : str
        The candidate that it is compared with; empty for none.
    changed : str
        Parameters with their values there and here.
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
    best: bool
    against: str
    changed: str
    score: float
    std: float
    difference: float
    p_value: float
    verdict: str


def comparison(
    names: Sequence[str],
    params: Sequence[Mapping[str, Any]],
    estimator: Any,
    scores: np.ndarray,
    sizes: Sequence[tuple[int, int]],
    against: Sequence[int | None],
    best: int | None = None,
    level: float = 0.05,
) -> list[Row]:
    """Compare candidates, each with another.

    Parameters
    ----------
    names : sequence of str
    params : sequence of mapping
        What each candidate sets.
    estimator : estimator
        What they set it of.
    scores : ndarray of shape (n_candidates, n_splits)
    sizes : sequence of tuple
        Numbers of training and test samples of each fold.
    against : sequence of int or None
        The candidate that each is compared with; None for none.
    best : int or None
    level : float
        A difference counts if its p-value is below.

    Returns
    -------
    list of Row
    """
    names_set = list(dict.fromkeys(name for candidate in params for name in candidate))
    *values, own = [_values(estimator, candidate, names_set) for candidate in (*params, {})]
    rows = []
    for i, (name, other) in enumerate(zip(names, against, strict=True)):
        changed = changes(own if other is None else values[other], values[i])
        before = None if other is None else scores[other]
        difference = compared(scores[i], before, sizes, level)
        rows.append(
            Row(
                name,
                i == best,
                "" if other is None else names[other],
                changed,
                float(np.mean(scores[i])),
                float(np.std(scores[i])),
                *difference,
            )
        )
    return rows


def compared(
    scores: np.ndarray,
    other: np.ndarray | None,
    sizes: Sequence[tuple[int, int]],
    level: float,
) -> tuple[float, float, str]:
    """Compare a candidate with another.

    Parameters
    ----------
    scores : ndarray of shape (n_splits,)
    other : ndarray of shape (n_splits,) or None
        Scores of the other, on the same folds; None where there is no other.
    sizes : sequence of tuple
        Numbers of training and test samples of each fold.
    level : float
        A difference counts if its p-value is below.

    Returns
    -------
    tuple
        Difference, p-value and verdict of a ``Row``.
    """
    if not np.isfinite(scores).all():
        return np.nan, np.nan, "failed"
    if other is None or not np.isfinite(other).all():
        return np.nan, np.nan, ""
    difference = float(np.mean(scores) - np.mean(other))
    p_value = corrected_paired_test(other, scores, sizes)
    if np.isnan(p_value):  # of a single fold
        return difference, p_value, ""
    if p_value >= level:
        return difference, p_value, "within noise"
    return difference, p_value, "better" if difference > 0 else "worse"


def _values(estimator: Any, candidate: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return some parameters as a candidate has them; what it has not is left out."""
    values = parameters(with_parameters(estimator, candidate))
    return {name: values[name] for name in names if name in values}


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Write what differs between two candidates.

    Parameters
    ----------
    before, now : mapping
        Values of the same parameters; those that one of the two has not are left out.

    Returns
    -------
    str
        Empty where nothing differs. Where a part of an estimator differs, the estimator itself is
        left out.

    Examples
    --------
    >>> changes({"net__lr": 0.001}, {"net__lr": 0.01})
    'lr: 0.001 → 0.01'
    """
    pairs = {name: (_text(before[name]), _text(now[name])) for name in now if name in before}
    differing = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    short = short_names(pairs)
    return ", ".join(
        f"{short[name]}: {' → '.join(_cut(*pair))}"
        for name, pair in differing.items()
        if not _is_told_by_parts(name, differing, before, now)
    )


def _is_told_by_parts(
    name: str, differing: Iterable[str], before: Mapping[str, Any], now: Mapping[str, Any]
) -> bool:
    """Whether an estimator differs from another of its kind in parts that are told themselves."""
    has_parts = any(other.startswith(f"{name}__") for other in differing)
    return has_parts and type(before[name]) is type(now[name])


def _text(value: Any) -> str:
    """Return a value as text, the same for copies of objects that show where they are kept."""
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    return _ADDRESS.sub("", " ".join(repr(value).split()))


def _cut(old: str, new: str) -> tuple[str, str]:
    """Shorten long texts to where they differ."""
    if max(len(old), len(new)) <= _LONGEST:
        return old, new
    first = next(i for i, (a, b) in enumerate(zip(f"{old} ", f"{new} ", strict=False)) if a != b)
    start = max(0, first - _LONGEST // 4)
    return _part(old, start), _part(new, start)


def _part(text: str, start: int) -> str:
    end = start + _LONGEST
    return f"{'…' if start else ''}{text[start:end]}{'…' if len(text) > end else ''}"


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
            cell.rjust(width) if i in _NUMBERS else cell.ljust(width)
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
        "*" if row.best else "",
        row.candidate,
        row.against,
        row.changed,
        _number(row.score, ".4f"),
        _number(row.std, ".4f"),
        _number(row.difference, "+.4f"),
        _number(row.p_value, ".3f"),
        row.verdict,
    )


def _number(value: float, form: str) -> str:
    return "" if np.isnan(value) else format(value, form)
