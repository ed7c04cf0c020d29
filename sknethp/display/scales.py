"""Positions of a hyperparameter's values on an axis, whether they are numbers or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from sknethp.hyperparameters.constraints import as_python


class _Unset:
    """The value of a hyperparameter that a candidate does not set."""

    def __repr__(self) -> str:
        return "unset"

    def __reduce__(self) -> str:
        return "UNSET"


UNSET: Final = _Unset()

FEW = 15  # distinct numbers up to which each has its own tick
_LONGEST_LABEL = 18
_SLOT = 0.16  # between values that are not numbers, beside an axis of numbers of length 1
_NEAREST_TICKS = 0.06


def label_of(value: Any) -> str:
    """Return a value as short text.

    >>> [label_of(value) for value in (1e-05, 0.30000000000000004, (64, 32), None)]
    ['1e-5', '0.3', '(64, 32)', 'None']
    """
    if _is_number(value):
        return f"{value:.4g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    if isinstance(value, (list, tuple)):
        text = f"({', '.join(map(label_of, value))})"
    elif callable(value) and hasattr(value, "__name__"):
        text = value.__name__
    elif isinstance(value, (str, bool, _Unset)) or value is None:
        text = str(value)
    else:
        text = repr(value) if len(repr(value)) <= _LONGEST_LABEL else type(value).__name__
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"


def labels_of(values: Sequence[Any]) -> list[str]:
    """Return short texts that tell different values apart.

    >>> labels_of([0.10001, 0.10002, {"a": "a long value"}, {"a": "another long value"}])
    ['0.10001', '0.10002', 'dict 1', 'dict 2']
    """
    labels = [label_of(value) for value in values]
    for label in {label for label in labels if labels.count(label) > 1}:
        same = [i for i, other in enumerate(labels) if other == label]
        for count, i in enumerate(same, start=1):
            labels[i] = repr(values[i]) if _is_number(values[i]) else f"{label} {count}"
    return labels


def _is_number(value: Any) -> bool:
    """Tell whether a value has a position among numbers: infinity, NaN and True do not."""
    return type(value) is not bool and isinstance(value, (int, float)) and math.isfinite(value)


def _key(value: Any) -> tuple[str, str]:
    """Return a key for a value, hashable or not; 1 and 1.0 have the same."""
    if _is_number(value):
        return "number", repr(_as_int(value))
    return type(value).__name__, repr(value)


def _as_int(number: float) -> float:
    return int(number) if number == int(number) else number


def is_log_spaced(numbers: np.ndarray) -> bool:
    """Tell whether sorted positive numbers span a decade or more with a median low in their range.

    >>> is_log_spaced(np.array([1, 2, 4, 8, 16])), is_log_spaced(np.array([10, 40, 60, 80, 100]))
    (True, False)
    """
    low, high = numbers[0], numbers[-1]
    if not 0 < 10 * low <= high:
        return False
    middle = np.median(numbers)
    by_ratio = np.log(middle / low) / np.log(high / low)
    return bool(abs(by_ratio - 0.5) < abs((middle - low) / (high - low) - 0.5))


class Scale:
    """Positions of one hyperparameter's values.

    Numbers lie from 0 to 1, linearly or by their logarithm (`log`; None: as they are spaced).
    A value that is not a number, such as None, lies below them at a separate position; so does 0 on
    a log scale. If several values are not numbers, all lie at 0, 1, 2 and so on: numbers by size,
    then the others in order of first appearance. `UNSET` lies lowest. Numbers `drawn` from a range
    stand for it (`is_range`), rather than for themselves.

    `kind` is "linear", "log" or "categories"; `others` are the values at separate positions, from
    left to right; `limits` are the outermost positions.
    """

    def __init__(self, values: Sequence[Any], log: bool | None = None, *, drawn: bool = False):
        values = [as_python(value) for value in values]
        numbers = np.unique([float(value) for value in values if _is_number(value)])
        positive = numbers[numbers > 0]
        is_log = len(positive) > 1 and not (numbers < 0).any()
        if is_log and (is_log_spaced(positive) if log is None else log):
            self.kind, self.numbers = "log", positive
        else:
            self.kind, self.numbers = "linear" if len(numbers) else "categories", numbers
        others = {_key(value): value for value in values if not self._holds(value)}
        if all(isinstance(value, bool) for value in others.values()):
            others = dict(sorted(others.items(), key=lambda item: item[1]))
        if sum(value is not UNSET and _key(value) != _key(0) for value in others.values()) > 1:
            self.kind, self.numbers = "categories", numbers[:0]
            others = {_key(n): n for n in map(_as_int, numbers.tolist())} | others
        self._is_whole = bool((self.numbers % 1 == 0).all())
        self.is_range = len(self.numbers) > FEW or (drawn and not self._is_whole)
        self.others = sorted(others.values(), key=lambda value: value is not UNSET)
        n_others = len(self.others)
        step, start = (1.0, 0.0) if self.kind == "categories" else (_SLOT, -_SLOT * n_others - 0.02)
        self._slots = {_key(value): start + step * i for i, value in enumerate(self.others)}
        positions = [*self._slots.values(), *self._of_numbers(self.numbers)]
        self.limits = (min(positions, default=0.0), max(positions, default=0.0))

    def _holds(self, value: Any) -> bool:
        if self.kind == "categories":
            return False
        return _is_number(value) and (self.kind != "log" or value > 0)

    def _of_numbers(self, numbers: Any) -> np.ndarray:
        transform = np.log10 if self.kind == "log" else np.asarray
        transformed = transform(np.asarray(numbers, dtype=float))
        if len(self.numbers) < 2:
            return np.full(len(transformed), 0.5)
        low, high = transform(self.numbers[[0, -1]])
        return (transformed - low) / (high - low)

    def positions(self, values: Sequence[Any]) -> np.ndarray:
        """Return the positions of values that the scale was made of, ``(n_values,)``."""
        plain = [as_python(value) for value in values]
        return np.array(
            [
                self._of_numbers([value])[0] if self._holds(value) else self._slots[_key(value)]
                for value in plain
            ],
            dtype=float,
        )

    def distinct(self) -> list[Any]:
        """Return every value once, from left to right."""
        return [*self.others, *map(_as_int, self.numbers.tolist())]

    def ticks(self) -> tuple[list[float], list[str]]:
        """Return positions and values of the ticks: all values, or round numbers of a range."""
        shown = self._round_numbers() if self.is_range else self._listed_numbers()
        return [*self._slots.values(), *self._of_numbers(shown)], labels_of([*self.others, *shown])

    def _listed_numbers(self) -> list[float]:
        """Leave out numbers that lie too near to the one before; keep the last."""
        kept: list[int] = []
        positions = self._of_numbers(self.numbers)
        for i, position in enumerate(positions):
            if kept and position - positions[kept[-1]] < _NEAREST_TICKS:
                if i < len(positions) - 1 or len(kept) == 1:
                    continue
                kept.pop()
            kept.append(i)
        return self.numbers[kept].tolist()

    def _round_numbers(self) -> list[float]:
        low, high = self.numbers[[0, -1]].tolist()
        if self.kind == "log":
            # LogLocator has steps of equal differences wherever a range holds one power of ten.
            powers = 10.0 ** np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            for digits in ((1,), (1, 3), (1, 2, 5)):
                ticks = _within(np.outer(powers, digits).ravel(), low, high)
                if len(ticks) > 2:
                    return ticks[:: math.ceil(len(ticks) / 7)]
        from matplotlib.ticker import MaxNLocator

        n_bins = 4 if self.kind == "log" else 6
        locator = MaxNLocator(n_bins, steps=[1, 2, 5, 10], integer=self._is_whole)
        return _within(np.asarray(locator.tick_values(low, high)), low, high)


def _within(numbers: np.ndarray, low: float, high: float) -> list[float]:
    return [number for number in numbers.tolist() if low <= number <= high]
