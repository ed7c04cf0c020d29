"""Parameters of many networks, laid out so that each layer's weights are contiguous."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from sknethp.training.architecture import Architecture
from sknethp.training.slots import views


class Blocks:
    """One value per parameter and network: the parameters, their gradients or a moment.

    Row *i* of every matrix belongs to network *i*; there is one matrix for each layer's weights,
    one for all vectors, and the same for parameters of the inputs. (In a single matrix each layer's
    weights would be strided, and the batched products that write gradients there six times
    slower.) `flat` is ``(n_networks * n_parameters,)``; `architecture` is wide enough for every
    network, and what a network does not use of it is zero.
    """

    def __init__(self, flat: Tensor, n_networks: int, architecture: Architecture):
        self.architecture = architecture
        inputs = architecture.inputs.parameters
        groups = [
            *([slot] for slot in architecture.weights),
            architecture.vectors,
            *([slot] for slot in inputs[:1]),
            inputs[1:],
        ]
        groups = [group for group in groups if group]
        self._sizes = [sum(slot.size for slot in group) for group in groups]
        parts = flat.split([n_networks * size for size in self._sizes])
        self._matrices = [
            part.view(n_networks, size) for part, size in zip(parts, self._sizes, strict=True)
        ]
        self.named: dict[str, Tensor] = {}
        for group, matrix in zip(groups, self._matrices, strict=True):
            for slot, columns in zip(group, matrix.split([s.size for s in group], 1), strict=True):
                shape = slot.shape if len(slot.shape) > 1 else (1, *slot.shape)
                self.named[slot.name] = columns.view(n_networks, *shape)
        n_weights = len(architecture.weights)
        self._weight_rows = self._matrices[:n_weights]
        self._layer_rows = self._matrices[: n_weights + 1]
        self._input_rows = self._matrices[n_weights + 1 :]
        if n_networks == 1:
            ends = sum(self._sizes[:n_weights]), sum(self._sizes[: n_weights + 1])
            self._weight_rows, self._layer_rows = ([flat[:end].view(1, -1)] for end in ends)
            self._input_rows = [flat[ends[1] :].view(1, -1)] if inputs else []

    def __getitem__(self, name: str) -> Tensor:
        """Weights ``(n_networks, fan_in, fan_out)``, or a vector ``(n_networks, 1, n_units)``."""
        return self.named[name]

    def layer_rows(self, run: slice) -> list[Tensor]:
        """Return as few matrices as possible with the layers' values of a run of networks."""
        return [matrix[run] for matrix in self._layer_rows]

    def input_rows(self, run: slice) -> list[Tensor]:
        """Return matrices with the parameters of the inputs of a run of networks."""
        return [matrix[run] for matrix in self._input_rows]

    def rows(self, run: slice) -> list[Tensor]:
        """Return as few matrices as possible that together hold all values of a run of networks."""
        return self.layer_rows(run) + self.input_rows(run)

    def weight_rows(self, run: slice) -> list[Tensor]:
        """Return matrices that together hold the layers' weights of a run of networks."""
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
                wide = wide[0] if narrow.ndim == 1 else wide
                yield wide[tuple(slice(size) for size in narrow.shape)], narrow
