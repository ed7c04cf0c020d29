"""Where the values of a hyperparameter lie on an axis, be they numbers or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from scipy.stats import kstest

from sknethp.constraints import as_python


class _Unset:
    """The value of a hyperparameter that a candidate does not have."""

    def __repr__(self) -> str:
        return "unset"

    def __reduce__(self) -> str:
        return "UNSET"


UNSET: Final = _Unset()

FEW = 12  # distinct numbers up to which they are looked at as a list, not as draws
_FIRST = 12  # draws; a Bayesian search begins to look closer after eight
_REGULAR = 2.0  # times as wide as the narrowest gap
_LEAST_RATIO = 8.0
_RATIO_OF_TWO = 100.0
_LONGEST_LABEL = 18
_SLOT = 0.16  # between values that are no numbers, beside an axis of numbers of length 1
_NEAREST_TICKS = 0.06


def label_of(value: Any) -> str:
    """Return a value as short text.

    Parameters
    ----------
    value : object

    Returns
    -------
    str

    Examples
    --------
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

    Parameters
    ----------
    values : sequence of object

    Returns
    -------
    list of str

    Examples
    --------
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
    """Whether a value has a place among numbers: infinity, NaN and True have none."""
    return type(value) is not bool and isinstance(value, (int, float)) and math.isfinite(value)


def _key(value: Any) -> tuple[str, str]:
    """Tell values apart that need not be hashable; 1 and 1.0 are one."""
    if _is_number(value):
        return "number", repr(_as_int(value))
    return type(value).__name__, repr(value)


def is_log_spread(numbers: Sequence[float] | np.ndarray) -> bool:
    """Whether positive numbers are spread more evenly by ratio than by difference.

    Parameters
    ----------
    numbers : sequence of float
        Few distinct ones count as a list that is to be legible: its narrowest gap decides. So
        do many at regular distances. Others count as draws: the first ones, before a search
        looks closer at what it has found, decide by their distance from an even distribution
        (that of Kolmogorov and Smirnov).

    Returns
    -------
    bool

    Examples
    --------
    >>> is_log_spread([0.001, 0.01, 0.1]), is_log_spread([10, 20, 40, 60, 80, 100])
    (True, False)
    """
    numbers = np.asarray(numbers, dtype=float)
    distinct = np.unique(numbers)
    if len(distinct) < 2 or distinct[0] <= 0:
        return False
    ratio = distinct[-1] / distinct[0]
    if len(distinct) == 2 or ratio < _LEAST_RATIO:
        return bool(len(distinct) == 2 and ratio >= _RATIO_OF_TWO)
    logs = np.log(distinct)
    by_difference, by_ratio = np.diff(_unit(distinct, distinct)), np.diff(_unit(logs, logs))
    if len(distinct) <= FEW or _is_regular(by_difference) or _is_regular(by_ratio):
        return bool(by_ratio.min() > by_difference.min())
    first = numbers[:_FIRST]
    return _unevenness(_unit(np.log(first), logs)) < _unevenness(_unit(first, distinct))


def _unit(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    return (values - ordered[0]) / (ordered[-1] - ordered[0])


def _is_regular(gaps: np.ndarray) -> bool:
    """Whether gaps are about equally wide, as those of draws are not."""
    return bool(gaps.max() < _REGULAR * gaps.min())


def _unevenness(places: np.ndarray) -> float:
    return float(kstest(places, "uniform").statistic)


class Scale:
    """Places for the values of one hyperparameter.

    Numbers lie from 0 to 1, by their logarithm where that spreads them better. A value that is
    no number, such as None, lies below them in a place of its own; so does 0 among numbers that
    are spread by ratio. Where several values are no numbers, all lie at 0, 1, 2 and so on:
    numbers by size, then the others in the order of their first appearance. `UNSET` lies lowest.

    Parameters
    ----------
    values : sequence of object
        All that there are; repetitions do no harm.

    Attributes
    ----------
    kind : {"linear", "log", "categories"}
    others : list of object
        Values in places of their own, from left to right.
    limits : tuple of float
        The outermost places.
    """

    def __init__(self, values: Sequence[Any]):
        values = [as_python(value) for value in values]
        drawn = np.array([float(value) for value in values if _is_number(value)])
        is_log = (drawn >= 0).all() and is_log_spread(drawn[drawn > 0])
        numbers = np.unique(drawn)
        self.numbers = numbers[numbers > 0] if is_log else numbers
        self.kind = "log" if is_log else "linear" if len(numbers) else "categories"
        others = {_key(value): value for value in values if not self._holds(value)}
        if all(isinstance(value, bool) for value in others.values()):
            others = dict(sorted(others.items(), key=lambda item: item[1]))
        if sum(value is not UNSET and _key(value) != _key(0) for value in others.values()) > 1:
            self.kind, self.numbers = "categories", numbers[:0]
            others = {_key(n): n for n in map(_as_int, numbers.tolist())} | others
        self.others = sorted(others.values(), key=lambda value: value is not UNSET)
        n_others = len(self.others)
        step, start = (1.0, 0.0) if self.kind == "categories" else (_SLOT, -_SLOT * n_others - 0.02)
        self._slots = {_key(value): start + step * i for i, value in enumerate(self.others)}
        places = [*self._slots.values(), *self._of_numbers(self.numbers)]
        self.limits = (min(places, default=0.0), max(places, default=0.0))

    def _holds(self, value: Any) -> bool:
        if self.kind == "categories":
            return False
        return _is_number(value) and (self.kind != "log" or value > 0)

    def _of_numbers(self, numbers: Any) -> np.ndarray:
        numbers = np.asarray(numbers, dtype=float)
        low, high = self._ends()
        if low == high:
            return np.full(len(numbers), 0.5)
        return (self._transformed(numbers) - low) / (high - low)

    def _transformed(self, numbers: Any) -> np.ndarray:
        return np.log10(numbers) if self.kind == "log" else np.asarray(numbers, dtype=float)

    def _ends(self) -> tuple[float, float]:
        if not len(self.numbers):
            return 0.0, 0.0
        low, high = self._transformed(self.numbers[[0, -1]])
        return float(low), float(high)

    def positions(self, values: Sequence[Any]) -> np.ndarray:
        """Return the places of values.

        Parameters
        ----------
        values : sequence of object of shape (n_values,)
            Among those that the scale was made of, or numbers.

        Returns
        -------
        ndarray of shape (n_values,)
        """
        values = [as_python(value) for value in values]
        return np.array(
            [
                self._of_numbers([value])[0] if self._holds(value) else self._slots[_key(value)]
                for value in values
            ],
            dtype=float,
        )

    def distinct(self) -> list[Any]:
        """Return every value once, from left to right."""
        return [*self.others, *map(_as_int, self.numbers.tolist())]

    def ticks(self) -> tuple[list[float], list[str]]:
        """Return where to write which values."""
        shown = self._shown_numbers()
        return [*self._slots.values(), *self._of_numbers(shown)], labels_of([*self.others, *shown])

    def _shown_numbers(self) -> list[float]:
        """Return the numbers themselves where they are few, round ones otherwise."""
        if len(self.numbers) <= FEW:
            return _apart(self.numbers, self._of_numbers(self.numbers))
        low, high = float(self.numbers[0]), float(self.numbers[-1])
        if self.kind == "log":
            return _round_by_ratio(low, high)
        return _round_by_difference(low, high, bool((self.numbers % 1 == 0).all()))


def _as_int(number: float) -> float:
    return int(number) if number == int(number) else number


def _apart(numbers: np.ndarray, places: np.ndarray) -> list[float]:
    """Leave out numbers that lie too near to the one before; keep the last."""
    kept: list[int] = []
    for i, place in enumerate(places):
        if kept and place - places[kept[-1]] < _NEAREST_TICKS:
            if i < len(places) - 1 or len(kept) == 1:
                continue
            kept.pop()
        kept.append(i)
    return [float(numbers[i]) for i in kept]


def _round_by_ratio(low: float, high: float) -> list[float]:
    """Return powers of ten between two numbers; with 2 and 5 where these are fewer than three."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 3), (1, 2, 5)):
        found = [float(f"{digit}e{power}") for power in powers for digit in digits]
        found = [number for number in found if low <= number <= high]
        if len(found) >= 3:
            break
    return found[:: math.ceil(len(found) / 7)] if found else [low, high]


def _round_by_difference(low: float, high: float, whole: bool) -> list[float]:
    """Return about five round numbers between two."""
    step = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(step))
    step = min(digit * power for digit in (1, 2, 5, 10) if digit * power >= step * 0.999)
    step = max(step, 1.0) if whole else step
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]
