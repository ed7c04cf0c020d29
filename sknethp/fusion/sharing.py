"""One copy of equal training data for all tasks that hold the same."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from scipy import sparse

from sknethp.training.rows import Rows

_PROBES = 16


def _key(X: np.ndarray) -> tuple:
    """Some numbers of an array; equal arrays have equal keys."""
    flat = X.reshape(-1)
    step = max(1, len(flat) // _PROBES)
    return X.shape, flat[::step].tobytes()


def _dense(rows: Rows) -> np.ndarray:
    assert rows.dense is not None
    return rows.dense.numpy()


class SharedRows:
    """Rows by content, for as long as somebody trains on them."""

    def __init__(self) -> None:
        self._known: dict[tuple, list[weakref.ref[Rows]]] = {}

    def rows(self, X: Any) -> Rows:
        """Return the rows of `X`, ``(n_samples, n_features)``, shared with equal data."""
        if sparse.issparse(X):
            return Rows(X)
        key = _key(X)
        references = self._known.setdefault(key, [])
        for reference in references:
            rows = reference()
            if rows is not None and np.array_equal(_dense(rows), X):
                return rows
        rows = Rows(X)
        references[:] = [known for known in references if known() is not None]
        references.append(weakref.ref(rows))
        return rows
