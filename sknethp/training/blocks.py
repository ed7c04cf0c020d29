"""Parameters of many networks, laid out so that each layer's weights are contiguous."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sknethp.training.architecture import Architecture


class Blocks:
    """One value per parameter and network: the parameters, their gradients or a moment.

    Row *i* of every matrix belongs to network *i*; there is a matrix per layer's weights and one
    for all vectors. (With one matrix for everything each layer's weights would be strided, and
    the batched products that write gradients there six times slower.)

    Parameters
    ----------
    flat : Tensor of shape (n_networks * n_parameters,)
    n_networks : int
    architecture : Architecture
        Wide enough for every network; what a network does not use of it is zero.
    """

    def __init__(self, flat: Tensor, n_networks: int, architecture: Architecture):
        self.architecture = architecture
        sizes = architecture.block_sizes
        parts = flat.split([n_networks * size for size in sizes])
        self.matrices = [
            part.view(n_networks, size) for part, size in zip(parts, sizes, strict=True)
        ]
        shapes = architecture.weight_shapes
        self.weights = [
            matrix.view(n_networks, *shape)
            for matrix, shape in zip(self.matrices[:-1], shapes, strict=True)
        ]
        vectors = self.matrices[-1].split(architecture.vector_sizes, 1)
        self.vectors = [vector.unsqueeze(1) for vector in vectors]
        self._rows, self._weight_rows = self.matrices, self.matrices[:-1]
        if n_networks == 1:
            self._rows = [flat.view(1, -1)]
            self._weight_rows = [flat[: sum(sizes[:-1])].view(1, -1)]

    def rows(self, run: slice) -> list[Tensor]:
        """Matrices that together hold all numbers of a run of networks; as few as possible."""
        return [matrix[run] for matrix in self._rows]

    def weight_rows(self, run: slice) -> list[Tensor]:
        """Matrices that together hold the weights of a run of networks, without the vectors."""
        return [matrix[run] for matrix in self._weight_rows]

    def load(self, flats: Sequence[Tensor], architectures: Sequence[Architecture]) -> None:
        """Copy flat vectors ``(n_parameters,)``, one per network, into the rows."""
        if all(own.widths == self.architecture.widths for own in architectures):
            rows = torch.stack(list(flats)).split(self.architecture.block_sizes, 1)
            for matrix, row in zip(self.matrices, rows, strict=True):
                matrix.copy_(row)
            return
        for i, (flat, own) in enumerate(zip(flats, architectures, strict=True)):
            for mine, theirs in self._pairs(i, flat, own):
                mine.copy_(theirs)

    def store(self, flats: Sequence[Tensor], architectures: Sequence[Architecture]) -> None:
        """Copy the rows back into flat vectors."""
        if all(own.widths == self.architecture.widths for own in architectures):
            for flat, row in zip(flats, torch.cat(self.matrices, 1).cpu(), strict=True):
                flat.copy_(row)
            return
        for i, (flat, own) in enumerate(zip(flats, architectures, strict=True)):
            for mine, theirs in self._pairs(i, flat, own):
                theirs.copy_(mine)

    def _pairs(self, i: int, flat: Tensor, own: Architecture) -> list[tuple[Tensor, Tensor]]:
        """Views of network `i`'s part of each block beside those of its flat vector."""
        weights = [
            (wide[i, : narrow.shape[0], : narrow.shape[1]], narrow)
            for wide, narrow in zip(self.weights, own.weights(flat), strict=True)
        ]
        vectors = [
            (wide[i, 0, : len(narrow)], narrow)
            for wide, narrow in zip(self.vectors, own.vectors(flat), strict=True)
        ]
        return weights + vectors
