"""What happens to the inputs before the first layer: scaling, and embeddings of numeric columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.sparsefuncs import mean_variance_axis

from sknethp.training.slots import Slot

SCALINGS = ("standard", "robust")
EMBEDDINGS = ("periodic", "piecewise_linear", "both")
SOFT_LIMIT = 3.0
# Enough rows for every statistic of a column.
_MOST_ROWS = 100_000


@dataclass(frozen=True)
class Inputs:
    """The way of the inputs into the first layer: the scaled columns, and embeddings of `columns`.

    A periodic embedding (Gorishniy et al., 2022) has `n_frequencies` trained cosines a column,
    whose initial frequencies have the standard deviation `frequency_scale`, and a linear map of
    them to `size` numbers, as in RealMLP (Holzmüller et al., 2024). A piecewise-linear one has
    `n_bins` bins a column, between quantiles. There may be both.
    """

    scaling: str | None = None
    columns: tuple[int, ...] = ()
    size: int = 0
    n_frequencies: int = 0
    frequency_scale: float = field(default=0.0, compare=False)
    n_bins: int = 0

    @cached_property
    def embedding(self) -> str | None:
        """The name of the embedding, even if there is no column for it."""
        periodic, piecewise, both = EMBEDDINGS
        if self.size and self.n_bins:
            return both
        return periodic if self.size else piecewise if self.n_bins else None

    @cached_property
    def n_added(self) -> int:
        """Number of inputs of the first layer beside the columns themselves."""
        return len(self.columns) * (self.size + self.n_bins)

    @cached_property
    def is_trained(self) -> bool:
        """Whether it has parameters."""
        return bool(self.size and self.columns)

    @cached_property
    def is_encoded(self) -> bool:
        """Whether it has bins."""
        return bool(self.n_bins and self.columns)

    @cached_property
    def parameters(self) -> tuple[Slot, ...]:
        """The trained parameters; the first is the linear map."""
        if not self.is_trained:
            return ()
        n, frequencies, size = len(self.columns), self.n_frequencies, self.size
        return (
            Slot("inputs.weight", -1, "weight", (n, frequencies, size)),
            Slot("inputs.frequency", -1, "frequency", (n, frequencies)),
            Slot("inputs.phase", -1, "phase", (n, frequencies)),
            Slot("inputs.bias", -1, "bias", (n, size)),
        )

    def statistics(self, n_features: int) -> tuple[Slot, ...]:
        """What is computed from the training samples before the training (see `measured`)."""
        scaling = (
            Slot("inputs.center", -1, "mean", (n_features,)),
            Slot("inputs.scale", -1, "scale", (n_features,)),
        )
        bins = len(self.columns), self.n_bins
        encoding = (
            Slot("inputs.start", -1, "mean", bins),
            Slot("inputs.slope", -1, "slope", bins),
        )
        return (scaling if self.scaling else ()) + (encoding if self.is_encoded else ())


PLAIN = Inputs()


def many_valued(X: Any) -> np.ndarray:
    """Return the columns of samples ``(n_samples, n_features)`` with more than two values."""
    if not sparse.issparse(X):
        return np.flatnonzero(((X.min(0) != X) & (X.max(0) != X)).any(0))
    columns = X.tocsc()
    n_values = (
        len(np.unique(columns.data[start:stop])) + (stop - start < X.shape[0])
        for start, stop in pairwise(columns.indptr)
    )
    return np.flatnonzero(np.fromiter(n_values, int, X.shape[1]) > 2)


def measured(inputs: Inputs, X: Any) -> dict[str, np.ndarray]:
    """Return the statistics of training samples ``(n_samples, n_features)``, by name, in float32.

    Sparse columns are not centred.
    """
    if not (inputs.scaling or inputs.is_encoded):
        return {}
    if X.shape[0] > _MOST_ROWS:
        X = X[np.random.default_rng(0).choice(X.shape[0], _MOST_ROWS, replace=False)]
    center, scale = np.zeros(X.shape[1]), np.ones(X.shape[1])
    values: dict[str, np.ndarray] = {}
    if inputs.scaling:
        many = many_valued(X)
        center, spread = _SPREADS[inputs.scaling, sparse.issparse(X)](X)
        scale[many] = 1 / np.where(spread > 0, spread, 1)[many]
        values |= {"inputs.center": center, "inputs.scale": scale}
    if inputs.is_encoded:
        columns = list(inputs.columns)
        chosen = X[:, columns].toarray() if sparse.issparse(X) else X[:, columns]
        edges = np.stack([_edges(column, inputs.n_bins) for column in chosen.T])
        edges = (edges - center[columns, None]) * scale[columns, None]
        if inputs.scaling == "robust":
            edges /= np.sqrt(1 + (edges / SOFT_LIMIT) ** 2)
        values["inputs.start"], values["inputs.slope"] = _bins(edges)
    return {name: value.astype(np.float32) for name, value in values.items()}


def _standard(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return X.mean(0, dtype=float), X.std(0, dtype=float)


def _robust(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return medians, and the distances of quartiles or, where they are equal, half the range."""
    low, quarter, median, three_quarters, high = np.quantile(X, np.linspace(0, 1, 5), 0)
    distance = three_quarters - quarter
    return median, np.where(distance > 0, distance, (high - low) / 2)


def _standard_sparse(X: Any) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(X.shape[1]), np.sqrt(mean_variance_axis(X, 0)[1])


def _robust_sparse(X: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return half the ranges, since more than half of most columns is zero."""
    low, high = (ends.toarray().ravel().astype(float) for ends in (X.min(0), X.max(0)))
    return np.zeros(X.shape[1]), (high - low) / 2


_SPREADS = {
    ("standard", False): _standard,
    ("robust", False): _robust,
    ("standard", True): _standard_sparse,
    ("robust", True): _robust_sparse,
}


def _edges(x: np.ndarray, n_bins: int) -> np.ndarray:
    """Return the edges of a column's bins, ``(n_bins + 1,)``; the last one may be repeated.

    They are quantiles. Where many values are equal, and with them quantiles, the bins that are left
    over halve those with the most distinct values, such as the few gains of those who have any.
    """
    distinct = np.unique(x)
    if len(distinct) <= n_bins + 1:
        edges = distinct
    else:
        edges = np.unique(np.quantile(x, np.linspace(0, 1, n_bins + 1)))
        while len(edges) < n_bins + 1:
            positions = np.searchsorted(distinct, edges)
            widest = np.diff(positions).argmax()
            middle = distinct[(positions[widest] + positions[widest + 1]) // 2]
            if middle in edges:
                break
            edges = np.sort(np.append(edges, middle))
    return np.append(edges, np.full(n_bins + 1 - len(edges), edges[-1]))


def _bins(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return starts and slopes of the bins, ``(n_columns, n_bins)``; equal edges make none."""
    start, width = edges[:, :-1], np.diff(edges)
    return start, np.divide(1, width, out=np.zeros_like(width), where=width > 0)
