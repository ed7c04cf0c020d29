"""What changed from one candidate to another, and whether it made a difference, as a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import numpy as np

from sknethp.model_selection.estimators import parameters, short_names, with_parameters
from sknethp.model_selection.results import frame_of
from sknethp.model_selection.significance import corrected_paired_test

_HEADINGS = ("", "candidate", "against", "changed", "score", "std", "difference", "p", "verdict")
_NUMBERS = range(4, 8)
_LONGEST = 40
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclass(frozen=True)
class Row:
    """A candidate and how it differs from another, in parameters, mean score and significance."""

    candidate: str
    best: bool
    against: str
    changed: str
    score: float
    std: float
    difference: float
    p_value: float
    verdict: str

    def cells(self) -> tuple[str, ...]:
        """Return the row as text, a cell for each heading."""
        numbers = (self.score, ".4f"), (self.std, ".4f"), (self.difference, "+.4f")
        shown = ["" if np.isnan(n) else format(n, f) for n, f in (*numbers, (self.p_value, ".3f"))]
        first = "*" if self.best else "", self.candidate, self.against, self.changed
        return *first, *shown, self.verdict


@dataclass(frozen=True)
class CandidateTable:
    """Candidates, each compared with another."""

    rows: list[Row]

    @classmethod
    def compare(
        cls,
        names: Sequence[str],
        params: Sequence[Mapping[str, Any]],
        estimator: Any,
        scores: np.ndarray,
        sizes: Sequence[tuple[int, int]],
        against: Sequence[int | None],
        best: int | None = None,
        level: float = 0.05,
    ) -> CandidateTable:
        """Compare candidates by their scores, (n_candidates, n_splits), each with one `against`."""
        changed = list(dict.fromkeys(name for candidate in params for name in candidate))
        *values, own = [_values(estimator, candidate, changed) for candidate in (*params, {})]
        rows = []
        for i, (name, other) in enumerate(zip(names, against, strict=True)):
            row = Row(
                name,
                i == best,
                "" if other is None else names[other],
                changes(own if other is None else values[other], values[i]),
                float(np.mean(scores[i])),
                float(np.std(scores[i])),
                *_compared(scores[i], None if other is None else scores[other], sizes, level),
            )
            rows.append(row)
        return cls(rows)

    def frame(self) -> Any:
        """Return a pandas data frame, or a list of dicts where pandas is not installed."""
        return frame_of([asdict(row) for row in self.rows])

    def __str__(self) -> str:
        cells = [_HEADINGS, *(row.cells() for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = []
        for line in cells:
            padded = [
                cell.rjust(width) if i in _NUMBERS else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            lines.append("  ".join(padded).rstrip())
        return "\n".join(lines)

    def html(self) -> str:
        """Return an HTML table."""
        head = "".join(f"<th>{heading}</th>" for heading in _HEADINGS)
        lines = ["".join(f"<td>{escape(cell)}</td>" for cell in row.cells()) for row in self.rows]
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _compared(
    scores: np.ndarray, other: np.ndarray | None, sizes: Sequence[tuple[int, int]], level: float
) -> tuple[float, float, str]:
    """Return difference, p-value and verdict of scores (n_splits,) against others, if any."""
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
    """Return some parameters as a candidate has them; those that it lacks are left out."""
    values = parameters(with_parameters(estimator, candidate))
    return {name: values[name] for name in names if name in values}


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Write how parameters differ that both candidates have, such as "lr: 0.001 → 0.01"."""
    pairs = {name: (_text(before[name]), _text(now[name])) for name in now if name in before}
    differing = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    short = short_names(pairs)
    return ", ".join(
        f"{short[name]}: {' → '.join(_cut(*pair))}"
        for name, pair in differing.items()
        if not _is_shown_by_parts(name, differing, before, now)
    )


def _is_shown_by_parts(
    name: str, differing: Iterable[str], before: Mapping[str, Any], now: Mapping[str, Any]
) -> bool:
    """Whether an estimator differs from another of its type in parts that are shown themselves."""
    has_parts = any(other.startswith(f"{name}__") for other in differing)
    return has_parts and type(before[name]) is type(now[name])


def _text(value: Any) -> str:
    """Return a value as text, the same for copies of objects that show their address."""
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
