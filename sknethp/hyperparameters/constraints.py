"""Constraints of hyperparameters, as data: each checks a value and says what it allows."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Protocol

import numpy as np

from sknethp.hyperparameters.automatic import AUTO


class Constraint(Protocol):
    """A set of values."""

    def allows(self, value: Any) -> bool:
        """Tell whether `value` is in the set."""

    def parse(self, value: Any) -> Any:
        """Convert an allowed value to its plain form: a Python number, a tuple."""

    def describe(self) -> str:
        """Describe the set in words that follow 'must be'."""


class _AsItIs:
    """A constraint whose values need no conversion."""

    def parse(self, value: Any) -> Any:
        """Return the value unchanged."""
        return value


@dataclass(frozen=True)
class Number:
    """A number, or with `integer` an integer, between bounds; booleans are not numbers."""

    low: float = -math.inf
    high: float = math.inf
    integer: bool = False
    low_open: bool = False
    high_open: bool = False

    def allows(self, value: Any) -> bool:
        """Tell whether `value` is a finite number within the bounds."""
        kind = Integral if self.integer else Real
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, kind):
            return False
        number = float(value)
        above = number > self.low if self.low_open else number >= self.low
        below = number < self.high if self.high_open else number <= self.high
        return bool(above and below and math.isfinite(number))

    def parse(self, value: Any) -> int | float:
        """Convert to int or float."""
        return int(value) if self.integer else float(value)

    def describe(self) -> str:
        """State the kind of number and its bounds."""
        noun = "an integer" if self.integer else "a number"
        bounds = []
        if self.low > -math.inf:
            bounds.append(f"{'greater than' if self.low_open else 'at least'} {self.low:g}")
        if self.high < math.inf:
            bounds.append(f"{'less than' if self.high_open else 'at most'} {self.high:g}")
        return " ".join([noun, " and ".join(bounds)]).strip()


COUNT = Number(1, integer=True)


@dataclass(frozen=True)
class Choice:
    """One of several names."""

    options: tuple[str, ...]

    def allows(self, value: Any) -> bool:
        """Tell whether `value` is one of the names."""
        return isinstance(value, str) and value in self.options

    def parse(self, value: Any) -> str:
        """Convert to str."""
        return str(value)

    def describe(self) -> str:
        """List the names."""
        names = ", ".join(map(repr, self.options))
        return f"one of {names}" if len(self.options) > 1 else names

    def nearest(self, value: str) -> str | None:
        """Return the name most like `value`, if any is."""
        matches = difflib.get_close_matches(value.lower(), self.options, n=1, cutoff=0.5)
        return matches[0] if matches else None


@dataclass(frozen=True)
class Flag:
    """True or False."""

    def allows(self, value: Any) -> bool:
        """Tell whether `value` is a boolean."""
        return isinstance(value, (bool, np.bool_))

    def parse(self, value: Any) -> bool:
        """Convert to bool."""
        return bool(value)

    def describe(self) -> str:
        """Name both values."""
        return "True or False"


@dataclass(frozen=True)
class NoneValue(_AsItIs):
    """None."""

    def allows(self, value: Any) -> bool:
        """Tell whether `value` is None."""
        return value is None

    def describe(self) -> str:
        """Return None as a word."""
        return "None"


@dataclass(frozen=True)
class AnyOf:
    """The union of several constraints."""

    parts: tuple[Constraint, ...]

    def allows(self, value: Any) -> bool:
        """Tell whether one of the parts allows `value`."""
        return any(part.allows(value) for part in self.parts)

    def parse(self, value: Any) -> Any:
        """Convert by the first part that allows the value."""
        return next(part.parse(value) for part in self.parts if part.allows(value))

    def describe(self) -> str:
        """Join the descriptions of the parts."""
        return ", or ".join(part.describe() for part in self.parts)


def automatic(part: Constraint) -> AnyOf:
    """Allow "auto", too."""
    return AnyOf((part, Choice((AUTO,))))


@dataclass(frozen=True)
class PerLayer:
    """One value for all layers, or a tuple, list or array with one per layer."""

    each: Constraint

    def allows(self, value: Any) -> bool:
        """Tell whether `value`, or each of its entries, is allowed."""
        if is_sequence(value):
            return len(value) > 0 and all(self.each.allows(entry) for entry in value)
        return self.each.allows(value)

    def parse(self, value: Any) -> Any:
        """Convert to a tuple, or to one value for all layers."""
        if is_sequence(value):
            return tuple(self.each.parse(entry) for entry in value)
        return self.each.parse(value)

    def describe(self) -> str:
        """Describe both forms."""
        return f"{self.each.describe()}, or a sequence with one such value per layer"


@dataclass(frozen=True)
class Predicate(_AsItIs):
    """Values for which a function is true, described by `words`."""

    test: Callable[[Any], bool]
    words: str

    def allows(self, value: Any) -> bool:
        """Tell whether the function is true for `value`."""
        return bool(self.test(value))

    def describe(self) -> str:
        """Return the words."""
        return self.words


def is_sequence(value: Any) -> bool:
    """Tell whether `value` is a tuple, list or one-dimensional array."""
    return isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim == 1)


def optional(constraint: Constraint) -> AnyOf:
    """Allow None as well."""
    return AnyOf((constraint, NoneValue()))


def as_python(value: Any) -> Any:
    """Convert a NumPy scalar to a Python one; leave anything else unchanged."""
    return value.item() if isinstance(value, np.generic) else value


def is_path(value: Any) -> bool:
    """Tell whether `value` is a path in a file system."""
    return isinstance(value, os.PathLike) or (isinstance(value, str) and value != "")


def _choices(constraint: Constraint) -> list[Choice]:
    if isinstance(constraint, Choice):
        return [constraint]
    parts: Sequence[Constraint] = getattr(constraint, "parts", ())
    each = getattr(constraint, "each", None)
    return [choice for part in [*parts, *([each] if each else [])] for choice in _choices(part)]


def complaint(name: str, value: Any, constraint: Constraint) -> str:
    """Say what was given, what is allowed and which name may have been meant."""
    entries = value if is_sequence(value) else [value]
    hints = [
        nearest
        for entry in entries
        if isinstance(entry, str) and not constraint.allows(entry)
        for choice in _choices(constraint)
        if (nearest := choice.nearest(entry))
    ]
    hint = f" Did you mean {hints[0]!r}?" if hints else ""
    return (
        f"{name}={as_python(value)!r} is not valid: {name} must be {constraint.describe()}.{hint}"
    )


def check_allowed(name: str, value: Any, constraint: Constraint) -> None:
    """Raise a ValueError, with a complaint, for a value that is not allowed."""
    if not constraint.allows(value):
        raise ValueError(complaint(name, value, constraint))
