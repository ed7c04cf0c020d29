"""The spaces of a Bayesian search: checked, named, and safe for any categories."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from numbers import Integral
from typing import Any

import numpy as np
from skopt.space import Categorical, Dimension

from sknethp.compat import check_dimension
from sknethp.model_selection.bayesian.encoding import index_of
from sknethp.model_selection.checks import bounds_with_prior

_PLAIN = (str, int, float, bool)
_PRIORS = ("uniform", "log-uniform")
_SCALAR = (*_PLAIN, np.generic)


class Choices(Categorical):
    """Categories that may be anything: sequences, estimators, values of different types.

    scikit-optimize makes arrays of them, which changes these; here arrays hold their positions.
    """

    def __init__(self, categories, prior=None, name=None):
        self._positions = Categorical(range(len(tuple(categories))), prior=prior)
        super().__init__(categories, prior=prior, name=name)

    def set_transformer(self, transform="onehot"):
        """Choose how positions are encoded, as in ``skopt.space.Categorical``."""
        self.transform_ = transform
        self._positions.set_transformer(transform)

    def transform(self, X):
        """Encode categories, (n_samples,) or (n_samples, n_categories)."""
        return self._positions.transform([index_of(self.categories, value) for value in X])

    def inverse_transform(self, Xt):
        """Decode categories."""
        return [self.categories[int(i)] for i in self._positions.inverse_transform(Xt)]

    def rvs(self, n_samples=None, random_state=None):
        """Draw categories; None for one that is not in a list."""
        drawn = self._positions.rvs(n_samples=n_samples or 1, random_state=random_state)
        values = [self.categories[int(i)] for i in drawn]
        return values if n_samples else values[0]


def subspaces(search_spaces: Any, n_iter: int) -> list[tuple[dict[str, Dimension], int]]:
    """Return the spaces to be searched one after another, names sorted, each with its evaluations.

    `search_spaces` is a dict from names to dimensions, a list of such dicts, or of pairs with a
    number of evaluations in place of `n_iter`.
    """
    parts = [search_spaces] if isinstance(search_spaces, Mapping) else search_spaces
    if not isinstance(parts, list):
        raise TypeError(_not_a_space(search_spaces))
    pairs = [part if isinstance(part, tuple) else (part, n_iter) for part in parts]
    for pair in pairs:
        if len(pair) != 2 or not isinstance(pair[0], Mapping):
            raise TypeError(_not_a_space(pair if len(pair) != 2 else pair[0]))
        if isinstance(pair[1], bool) or not isinstance(pair[1], Integral) or pair[1] < 0:
            raise ValueError(
                f"A space of search_spaces has {pair[1]!r} evaluations: give an integer of at "
                "least 0."
            )
    if not any(n for _, n in pairs):
        raise ValueError(
            f"search_spaces={search_spaces!r} has no evaluations: give a space at least one."
        )
    if not any(space for space, _ in pairs):
        raise ValueError(
            f"search_spaces={search_spaces!r} has nothing to search: give at least one parameter "
            "with a dimension, or leave out search_spaces to search a default space."
        )
    return [
        ({name: _dimension(name, space[name]) for name in sorted(space, key=str)}, int(n))
        for space, n in pairs
        if space
    ]


def _not_a_space(given: Any) -> str:
    return (
        f"search_spaces takes a dict from names to dimensions, or a list of such dicts or of "
        f"(dict, n_iter), not {given!r}."
    )


def _dimension(name: str, domain: Any) -> Dimension:
    """Return a dimension with a name; unlike in scikit-optimize, not all pairs are bounds."""
    categories = isinstance(domain, list) and not all(
        isinstance(value, _SCALAR) for value in domain
    )
    try:
        if bounds_with_prior(domain) and domain[2] not in _PRIORS:
            raise ValueError(f"a prior is {' or '.join(map(repr, _PRIORS))}, in the third place")
        found = Choices(domain) if categories else copy(check_dimension(domain))
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(
            f"The space has {domain!r} for {name!r}, which is not a dimension ({error}): give one "
            "of skopt.space's Real, Integer or Categorical, (low, high), (low, high, prior), or a "
            "list of categories."
        ) from error
    if isinstance(found, Categorical) and not isinstance(found, Choices):
        kinds = {type(category) for category in found.categories}
        if len(kinds) > 1 or not kinds <= set(_PLAIN):
            found = Choices(found.categories, prior=found.prior, name=found.name)
    if not found.name:
        found.name = name
    return found
