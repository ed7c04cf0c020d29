"""Training data as rows that are gathered a batch at a time, dense or sparse."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

Table = TypeVar("Table")


class Rows:
    """Samples ``(n_samples, n_features)`` in float32, from a dense array or a CSR matrix."""

    def __init__(self, X: Any):
        self.sparse: Any = X.tocsr() if sparse.issparse(X) else None
        dense = None if self.sparse is not None else np.ascontiguousarray(X, dtype=np.float32)
        self.dense = None if dense is None else torch.from_numpy(_writeable(dense))
        self.shape = X.shape

    def on(self, device: torch.device) -> Rows:
        """Return a copy on a device; a CSR matrix stays, and is copied a batch at a time."""
        if self.dense is None:
            return self
        other = copy(self)
        other.dense = self.dense.to(device)
        return other

    def gather(self, index: Tensor, out: Tensor) -> None:
        """Write the rows of `index`, ``(n,)``, to `out`, ``(n, n_features)``."""
        if self.dense is not None:
            torch.index_select(self.dense, 0, index, out=out)
        else:
            batch = self.sparse[index.cpu().numpy()].toarray()
            out.copy_(torch.from_numpy(batch.astype(np.float32, copy=False)))


def _writeable(array: np.ndarray) -> np.ndarray:
    """Copy an array that is read-only, which torch would warn about."""
    return array if array.flags.writeable else array.copy()


@dataclass(eq=False)
class Part:
    """The samples on which one network is trained, or validated.

    `rows` is shared by all networks with the same data; `targets` is ``(n_samples, n_outputs)``,
    `index` the rows of the part, ``(n_part,)`` in int32, and `weight` ``(n_samples,)`` has mean one
    over the part, or is None.
    """

    rows: Rows
    targets: Tensor
    index: np.ndarray
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.index)


class Copies:
    """Tables on the device of a population, to which each is copied once."""

    def __init__(self, device: torch.device):
        self.device = device
        self._copies: dict[int, tuple[Any, Any]] = {}  # with the originals, so that they live on

    def of(self, part: Part) -> Part:
        """Return a part with its tables on the device."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(self.device)

        return replace(
            part,
            rows=self._once(part.rows, lambda rows: rows.on(self.device)),
            targets=self._once(part.targets, moved),
            weight=None if part.weight is None else self._once(part.weight, moved),
        )

    def _once(self, table: Table, move: Callable[[Table], Table]) -> Table:
        if id(table) not in self._copies:
            self._copies[id(table)] = table, move(table)
        return self._copies[id(table)][1]
