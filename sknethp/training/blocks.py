"""Parameters of many networks, laid out so that each layer's weights are contiguous."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from sknethp.training.architecture import Architecture, views


class Blocks:
    """One value per parameter and network: the parameters, their gradients or a moment.

    Row *i* of every matrix belongs to network *i*; there is one matrix for each layer's weights and
    one for all vectors. (In a single matrix each layer's weights would be strided, and the batched
    products that write gradients there six times slower.) `flat` is ``(n_networks *
    n_parameters,)``; `architecture` is wide enough for every network, and what a network does not
    use of it is zero.
    """

    def __init__(self, flat: Tensor, n_networks: int, architecture: Architecture):
        self.architecture = architecture
        weights, vectors = architecture.weights, architecture.vectors
        self._sizes = [slot.size for slot in weights] + [sum(slot.size for slot in vectors)]
        parts = flat.split([n_networks * size for size in self._sizes])
        self._matrices = [
            part.view(n_networks, size) for part, size in zip(parts, self._sizes, strict=True)
        ]
        self.named = {
            slot.name: matrix.view(n_networks, *slot.shape)
            for slot, matrix in zip(weights, self._matrices, strict=False)
        }
        columns = self._matrices[-1].split([slot.size for slot in vectors], 1)
        self.named |= {
            slot.name: column.unsqueeze(1) for slot, column in zip(vectors, columns, strict=True)
        }
        self._rows, self._weight_rows = self._matrices, self._matrices[:-1]
        if n_networks == 1:
            self._rows = [flat.view(1, -1)]
            self._weight_rows = [flat[: sum(self._sizes[:-1])].view(1, -1)]

    def __getitem__(self, name: str) -> Tensor:
        """Weights ``(n_networks, fan_in, fan_out)``, or a vector ``(n_networks, 1, n_units)``."""
        return self.named[name]

    def rows(self, run: slice) -> list[Tensor]:
        """Return as few matrices as possible that together hold all values of a run of networks."""
        return [matrix[run] for matrix in self._rows]

    def weight_rows(self, run: slice) -> list[Tensor]:
        """Return matrices that together hold the weights of a run of networks."""
        return [matrix[run] for matrix in self._weight_rows]

    def load(self, flats: Sequence[Tensor], architectures: Sequence[Architecture]) -> None:
        """Copy flat vectors ``(n_parameters,)``, one per network, into the rows."""
        if all(own.widths == self.architecture.widths for own in architectures):
            rows = torch.stack(list(flats)).split(self._sizes, 1)
            for matrix, row in zip(self._matrices, rows, strict=True):
                matrix.copy_(row)
            return
        for mine, theirs in self._pairs(flats, architectures):
            mine.copy_(theirs)

    def store(self, flats: Sequence[Tensor], architectures: Sequence[Architecture]) -> None:
        """Copy the rows back into flat vectors."""
        if all(own.widths == self.architecture.widths for own in architectures):
            for flat, row in zip(flats, torch.cat(self._matrices, 1).cpu(), strict=True):
                flat.copy_(row)
            return
        for mine, theirs in self._pairs(flats, architectures):
            theirs.copy_(mine)

    def _pairs(
        self, flats: Sequence[Tensor], architectures: Sequence[Architecture]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield views of each network's part of each block, with those of its flat vector."""
        for i, (flat, own) in enumerate(zip(flats, architectures, strict=True)):
            for name, narrow in views(flat, own.parameters).items():
                wide = self.named[name][i]
                if narrow.ndim == 1:
                    yield wide[0, : len(narrow)], narrow
                else:
                    yield wide[: narrow.shape[0], : narrow.shape[1]], narrow
