"""Tables of a page: what a cell shows, and what it is sorted by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

NONE = "–"


@dataclass(frozen=True)
class Cell:
    """The text of a cell, and the number that it is sorted by, if it is one."""

    text: str
    value: float | None = None

    @property
    def key(self) -> str:
        """What a script sorts by; empty for a gap, which is always last."""
        if self.value is None:
            return self.text
        return repr(float(self.value)) if math.isfinite(self.value) else ""


@dataclass(frozen=True)
class Table:
    """Rows under headings; the first column names them. `numbers` are columns of numbers."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    numbers: frozenset[int] = field(default_factory=frozenset)


def table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Table:
    """Return a table that knows its columns of numbers."""
    rows = [list(row) for row in rows]
    numbers = {
        i for i in range(len(headings)) if rows and all(row[i].value is not None for row in rows)
    }
    return Table(caption, headings, rows, frozenset(numbers))


def number(value: float, form: str = ".4f", extra: str = "") -> Cell:
    """Return a cell with a number, or a dash for a gap."""
    if not math.isfinite(value):
        return Cell(NONE, math.nan)
    return Cell(f"{value:{form}}{extra}".replace("-", "−"), value)


def seconds(value: float) -> Cell:
    """Return a cell with a time in seconds."""
    return number(value, ".0f" if value >= 100 else ".3g")
