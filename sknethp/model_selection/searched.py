"""Where a search has looked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sknethp.model_selection.bayesian.dimensions import subspaces
from sknethp.model_selection.spaces import search_space


def searched_spaces(search: Any) -> list[Mapping[str, Any]]:
    """Return the spaces from which a search has drawn its candidates; none of other estimators.

    Their domains are lists, distributions of scipy or dimensions of scikit-optimize.
    """
    for name in ("space_", "search_spaces", "param_distributions", "param_grid"):
        space = getattr(search, name, None)
        if space is None and name == getattr(search, "_space_parameter", None):
            space = search_space(search.estimator, search._space_method, search._space_size)
        if name == "search_spaces" and space is not None:
            return [dimensions for dimensions, _ in subspaces(space, 1)]
        if isinstance(space, Mapping):
            return [space]
        if isinstance(space, (list, tuple)):
            return list(space)
    return []
