"""Points of a space as numbers between 0 and 1: drawn, moved, and made valid again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from skopt.space import Categorical, Integer, Space

_DIGITS = 9


class Encoding:
    """Turns points of a space into numbers, (n_dimensions,), and into a model's features.

    An encoded point holds a number's position between its bounds, on its own scale, or a category's
    index. Features are as `space.transform` has them, with numbers normalised; `dimension_of`,
    (n_features,), is the dimension of each. `n_points` is infinite for a space with real numbers.
    """

    def __init__(self, space: Space):
        self._dimensions = space.dimensions
        self._codes = [
            np.asarray(dim.transform(list(dim.categories)), dtype=float).reshape(size, -1)
            if (size := _n_categories(dim))
            else None
            for dim in self._dimensions
        ]
        widths = [1 if codes is None else codes.shape[1] for codes in self._codes]
        self.dimension_of = np.repeat(np.arange(len(widths)), widths)
        self.n_points = math.prod(map(_n_values, self._dimensions))

    def uniform(self, uniform: np.ndarray) -> np.ndarray:
        """Return the valid points next to some in the unit cube; categories share it equally."""
        encoded = np.clip(uniform, 0, 1)
        for j, dim in enumerate(self._dimensions):
            if n_categories := _n_categories(dim):
                encoded[:, j] = np.minimum(encoded[:, j] * n_categories, n_categories - 1) // 1
            elif isinstance(dim, Integer):
                encoded[:, j] = dim.transform(dim.inverse_transform(encoded[:, j]))
        return encoded

    def stratified(self, n: int, rng: np.random.RandomState) -> np.ndarray:
        """Draw points spread evenly over each dimension (McKay, 1979), (n, n_dimensions)."""
        strata = np.stack([rng.permutation(n) for _ in self._dimensions], axis=1)
        return self.uniform((strata + rng.uniform(size=strata.shape)) / n)

    def everywhere(self, n: int, rng: np.random.RandomState) -> np.ndarray:
        """Draw points at random, (n, n_dimensions)."""
        return self.uniform(rng.uniform(size=(n, len(self._dimensions))))

    def near(
        self, encoded: np.ndarray, n: int, step: float, share: float, rng: np.random.RandomState
    ) -> np.ndarray:
        """Move a `share` of dimensions of points, numbers by about `step`, (n, n_dimensions)."""
        n_dims = len(self._dimensions)
        near = encoded[rng.randint(len(encoded), size=n)]
        moves = rng.uniform(size=near.shape) < share
        moves[np.arange(n), rng.randint(n_dims, size=n)] = True
        steps = step * rng.standard_normal(near.shape)
        anew = rng.uniform(size=near.shape)
        for j, dim in enumerate(self._dimensions):
            if n_categories := _n_categories(dim):
                near[:, j] = np.where(moves[:, j], anew[:, j], (near[:, j] + 0.5) / n_categories)
            else:
                moved = np.abs(near[:, j] + moves[:, j] * steps[:, j])
                near[:, j] = np.where(moved > 1, 2 - moved, moved)
        return self.uniform(near)

    def all_points(self) -> np.ndarray:
        """Return every point of a finite space, (n_points, n_dimensions)."""
        levels = [
            np.arange(n_categories)
            if (n_categories := _n_categories(dim))
            else dim.transform(np.arange(dim.low, dim.high + 1))
            for dim in self._dimensions
        ]
        return np.stack([axis.ravel() for axis in np.meshgrid(*levels, indexing="ij")], axis=1)

    def features(self, encoded: np.ndarray) -> np.ndarray:
        """Return what a model sees of encoded points, (n, n_features)."""
        columns = [
            encoded[:, [j]] if codes is None else codes[encoded[:, j].astype(int)]
            for j, codes in enumerate(self._codes)
        ]
        return np.concatenate(columns, axis=1)

    def decode(self, encoded: np.ndarray) -> list[list[Any]]:
        """Return the parameter values of encoded points."""
        columns: list[list[Any]] = []
        for j, dim in enumerate(self._dimensions):
            if _n_categories(dim):
                columns.append([dim.categories[int(index)] for index in encoded[:, j]])
            else:
                columns.append(np.asarray(dim.inverse_transform(encoded[:, j])).tolist())
        return [list(point) for point in zip(*columns, strict=True)]

    def encode(self, points: Sequence[Sequence[Any]]) -> np.ndarray:
        """Encode points, (n, n_dimensions)."""
        encoded = np.empty((len(points), len(self._dimensions)))
        for j, dim in enumerate(self._dimensions):
            values = [point[j] for point in points]
            if _n_categories(dim):
                encoded[:, j] = [index_of(dim.categories, value) for value in values]
            else:
                encoded[:, j] = dim.transform(values)
        return encoded

    def known(self, encoded: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return which encoded points are among others, (n,)."""
        seen = set(map(tuple, others.round(_DIGITS).tolist()))
        return np.array([tuple(point) in seen for point in encoded.round(_DIGITS).tolist()])


def index_of(categories: Sequence[Any], value: Any) -> int:
    """Return where a category is, one of the same type if there is one: True is not 1."""
    for i, category in enumerate(categories):
        if type(category) is type(value) and category == value:
            return i
    return list(categories).index(value)


def _n_categories(dimension: Any) -> int:
    return len(dimension.categories) if isinstance(dimension, Categorical) else 0


def _n_values(dimension: Any) -> float:
    if isinstance(dimension, Integer):
        return dimension.high - dimension.low + 1
    return _n_categories(dimension) or math.inf
