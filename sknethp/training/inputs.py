"""What happens to the inputs before the first layer: scaling, and embeddings of numeric columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
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
_NUMBERS_AT_A_TIME = 2**20


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

    def within(self, columns: slice) -> Inputs:
        """Return the same for some of the columns alone, counted from the first of them."""
        inside = range(columns.start, columns.stop)
        own = tuple(column - columns.start for column in self.columns if column in inside)
        return replace(self, columns=own)

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


def many_valued(X: Any, index: np.ndarray | None = None) -> np.ndarray:
    """Return the columns of samples ``(n_samples, n_features)`` with more than two values.

    Without an `index`, all samples count.
    """
    if not sparse.issparse(X):
        pieces = [columns.start + _many_valued(own) for columns, own in _by_columns(X, index)]
        return np.concatenate(pieces)
    columns = _rows(X, index).tocsc()
    n_values = (
        len(np.unique(columns.data[start:stop])) + (stop - start < columns.shape[0])
        for start, stop in pairwise(columns.indptr)
    )
    return np.flatnonzero(np.fromiter(n_values, int, columns.shape[1]) > 2)


def _many_valued(X: np.ndarray) -> np.ndarray:
    return np.flatnonzero(((X.min(0) != X) & (X.max(0) != X)).any(0))


def _rows(X: Any, index: np.ndarray | None) -> Any:
    return X if index is None else X[index]


def _by_columns(X: np.ndarray, index: np.ndarray | None) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield samples some columns at a time: two at least, as numpy adds up a single one otherwise.

    What is computed of all of them would take more memory than the samples.
    """
    n_rows, n_columns = X.shape[0] if index is None else len(index), X.shape[1]
    n_pieces = np.clip(n_rows * n_columns // _NUMBERS_AT_A_TIME, 1, max(1, n_columns // 2))
    ends = np.linspace(0, n_columns, n_pieces + 1).astype(int).tolist()
    for columns in map(slice, ends[:-1], ends[1:]):
        yield columns, _rows(X[:, columns], index)


def measured(inputs: Inputs, X: Any, index: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return the statistics of training samples ``(n_samples, n_features)``, by name, in float32.

    Without an `index`, all samples count. Sparse columns are not centred.
    """
    if not (inputs.scaling or inputs.is_encoded):
        return {}
    n_samples = X.shape[0] if index is None else len(index)
    if n_samples > _MOST_ROWS:
        drawn = np.random.default_rng(0).choice(n_samples, _MOST_ROWS, replace=False)
        index = drawn if index is None else index[drawn]
    if sparse.issparse(X):
        return _measured(inputs, _rows(X, index))
    pieces = [_measured(inputs.within(columns), own) for columns, own in _by_columns(X, index)]
    names = dict.fromkeys(name for piece in pieces for name in piece)
    return {name: np.concatenate([p[name] for p in pieces if name in p]) for name in names}


def _measured(inputs: Inputs, X: Any) -> dict[str, np.ndarray]:
    """Return the statistics of columns that fit into memory at once."""
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
