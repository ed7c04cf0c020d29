"""An epoch cut into chunks of steps: the samples, targets, weights and random bytes of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sknethp.training.architecture import Architecture
from sknethp.training.epoch import Epoch
from sknethp.training.network import shuffled
from sknethp.training.rounding import aligned, total
from sknethp.training.rows import Part
from sknethp.training.runs import runs

# Size of what is prepared ahead of the steps that use it; more would not fit the cache.
_CHUNK_BYTES = 2**23


class _Table:
    """Rows or targets from which a run of networks takes its batches.

    `index` is ``(n_steps, n_networks, n_rows)``. Batches are gathered once for all networks of the
    run that share an object in `orders`.
    """

    def __init__(self, table: Any, run: slice, orders: Sequence[np.ndarray], index: Tensor):
        numbers: dict[int, int] = {}
        copies = [numbers.setdefault(id(order), len(numbers)) for order in orders]
        first = [copies.index(number) for number in range(len(numbers))]
        self.table, self.run = table, run
        self.index = index[:, run][:, first]
        distinct = len(first) == len(copies)
        self.copies = None if distinct else torch.tensor(copies, device=index.device)
        self.batches = self.index.flatten(1).unbind(0)


class Gather:
    """Gathers the samples of each network's batches from that network's data.

    Networks whose batches have the same positions share an object in `orders`. `index` holds
    positions in each network's rows, ``(n_steps, n_networks, n_rows)`` in int32.
    """

    def __init__(self, parts: Sequence[Part], orders: Sequence[np.ndarray], index: Tensor):
        self._shape = index.shape
        self._inputs = self._tables([part.rows for part in parts], orders, index)
        self._targets = self._tables([part.targets for part in parts], orders, index)

    def _tables(
        self, tables: Sequence[Any], orders: Sequence[np.ndarray], index: Tensor
    ) -> list[_Table]:
        return [
            _Table(tables[run.start], run, orders[run], index)
            for run, _ in runs([id(table) for table in tables])
        ]

    def rows(self, s: int, out: Tensor) -> None:
        """Write the samples of step `s`, ``(n_networks, n_rows, n_features)``."""
        n_rows, n_features = out.shape[1:]
        for source in self._inputs:
            mine, batch = out[source.run], source.batches[s]
            if source.copies is None:
                source.table.gather(batch, mine.view(-1, n_features))
            else:
                distinct = out.new_empty(len(batch), n_features)
                source.table.gather(batch, distinct)
                distinct = distinct.view(-1, n_rows, n_features)
                torch.index_select(distinct, 0, source.copies, out=mine)

    def targets(self) -> Tensor:
        """Return the targets, ``(n_steps, n_networks, n_rows, n_outputs)``.

        Networks that share their rows may have different targets (one-vs-rest).
        """
        n_outputs = self._targets[0].table.shape[1]
        pieces = []
        for source in self._targets:
            chosen = source.table.index_select(0, source.index.flatten())
            chosen = chosen.view(*source.index.shape, n_outputs)
            if source.copies is not None:
                chosen = chosen.index_select(1, source.copies)
            pieces.append(chosen)
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces, 1)


def sample_weights(parts: Sequence[Part], index: Tensor) -> Tensor | None:
    """Return sample weights ``(n_steps, n_networks, n_rows)``, or None if all are one."""
    if all(part.weight is None for part in parts):
        return None
    weights = torch.ones(index.shape, dtype=torch.float32, device=index.device)
    for i, part in enumerate(parts):
        if part.weight is not None:
            weights[:, i] = part.weight[index[:, i].long()]
    return weights


class Chunk:
    """Some steps of the first `n` networks, with `n_rows` rows in each batch.

    Rows beyond a network's samples (in ragged last batches) have weight zero.
    """

    def __init__(self, plan: EpochPlan, steps: slice, n: int, n_rows: int):
        self.steps, self.n, self.n_rows = steps, n, n_rows
        self.n_steps = steps.stop - steps.start
        self._epochs = plan.epochs[:n]
        self._objective = self._epochs[0].objective
        parts = [epoch.train for epoch in self._epochs]
        index, counts = plan.index(steps, n, n_rows)
        self._index = torch.from_numpy(index).to(plan.device)
        self._gather = Gather(parts, plan.orders, self._index)
        self.gather = self._gather.rows
        self.targets = self._smoothed(self._gather.targets())
        self._counts = counts
        self.has_single = (counts == 1).any(1).tolist()
        filled = np.arange(n_rows) < counts[..., None]
        share = (filled / counts[..., None]).astype(np.float32)
        self.row_share = torch.from_numpy(share).to(plan.device).unsqueeze(-1)
        self._filled = None if filled.all() else torch.from_numpy(filled).to(plan.device)
        self._sample_weight = sample_weights(parts, self._index)
        self._weight = self._loss_weight()
        self.logits = torch.empty_like(self.targets)

    def _smoothed(self, targets: Tensor) -> Tensor:
        amounts = [epoch.network.settings.label_smoothing for epoch in self._epochs]
        if not any(amounts):
            return targets
        column = targets.new_tensor(amounts).view(-1, 1, 1)
        return self._objective.smoothed(targets, column)

    def _loss_weight(self) -> Tensor | None:
        if self._sample_weight is not None:
            return self.row_share * self._sample_weight.unsqueeze(-1)
        return None if self._filled is None else self.row_share

    def weight(self, s: int) -> Tensor | float:
        """Weight of each row in the loss of step `s`: a number, or ``(n, n_rows, 1)``."""
        return 1 / self.n_rows if self._weight is None else self._weight[s]

    def samples(self, s: int) -> Tensor:
        """The samples of the first network's batch at step `s`."""
        return self._index[s, 0, : int(self._counts[s, 0])]

    def noise(self, layers: Sequence[int], architecture: Architecture) -> list[Tensor]:
        """Draw random bytes ``(n_steps, n, n_rows, n_units)`` for each layer with dropout.

        If all networks share them, the shape is ``(n_steps, 1, n_rows, n_units)``.
        """
        return [self._layer_noise(layer, architecture.widths[layer]) for layer in layers]

    def _layer_noise(self, layer: int, width: int) -> Tensor:
        cache: dict = {}
        drawn = {
            i: self._drawn(epoch, layer, cache)
            for i, epoch in enumerate(self._epochs)
            if epoch.network.settings.dropout[layer] > 0
        }
        first = next(iter(drawn.values()))
        if len(cache) == 1 and first.shape[2:] == (self.n_rows, width):
            noise = first
        else:
            noise = np.empty((self.n_steps, self.n, self.n_rows, width), np.uint8)
            for i, own in drawn.items():
                rows, units = min(own.shape[2], self.n_rows), own.shape[3]
                noise[:, i, :rows, :units] = own[:, 0, :rows]
        return torch.from_numpy(noise).to(self._index.device)

    def _drawn(self, epoch: Epoch, layer: int, cache: dict) -> np.ndarray:
        """Return a network's own bytes ``(n_steps, 1, n_samples, n_units)``."""
        network = epoch.network
        batch = min(network.settings.batch_size, len(epoch.train))
        shape = self.n_steps, batch, network.architecture.widths[layer]
        stream = network.streams.noise[layer]
        return stream.once(cache, shape, lambda own: own.random_bytes(*shape))[:, None]

    def totals(self) -> Tensor:
        """Sums of losses and scores over the chunk, ``(1 + n_scores, n)``, in float64."""
        measured = self._objective.measures(self.logits, self.targets)
        for factor in (self._sample_weight, self._filled):
            if factor is not None:
                measured = [values * factor for values in measured]
        return torch.stack([total(values.cpu(), (0, 2)) for values in measured])


class EpochPlan:
    """The steps of an epoch for all networks of a population; `epochs` with more steps come first.

    `orders` holds each network's samples in the order of the epoch; `rates` has the shape
    ``(n_steps, n_networks)``.
    """

    def __init__(self, epochs: Sequence[Epoch], device: torch.device):
        self.epochs, self.device = list(epochs), device
        self._batch = epochs[0].network.settings.batch_size
        self.orders = shuffled(
            [epoch.network for epoch in epochs], [epoch.train.index for epoch in epochs]
        )
        self._lengths = np.array([len(order) for order in self.orders])
        self.n_samples = torch.from_numpy(self._lengths)
        self.rates = np.zeros((epochs[0].n_steps, len(epochs)))
        for i, epoch in enumerate(epochs):
            self.rates[: epoch.n_steps, i] = epoch.rates

    def _stages(self) -> Iterator[tuple[slice, int, int]]:
        """Yield ranges of steps in which the same networks are active, with `n` and `n_rows`."""
        first = np.arange(len(self.rates))[:, None] * self._batch
        active = (self._lengths > first).sum(1)
        for steps, n in runs(active.tolist()):
            yield steps, n, aligned(self._batch)

    def chunks(self, architecture: Architecture) -> Iterator[Chunk]:
        """Cut the epoch into chunks, in order."""
        noisy = any(any(epoch.network.settings.dropout) for epoch in self.epochs)
        for steps, n, n_rows in self._stages():
            per_row = 12 * architecture.n_outputs + 8
            per_row += sum(architecture.widths[:-1]) if noisy else 0
            length = max(1, _CHUNK_BYTES // (n * n_rows * per_row))
            for first in range(steps.start, steps.stop, length):
                yield Chunk(self, slice(first, min(first + length, steps.stop)), n, n_rows)

    def index(self, steps: slice, n: int, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Return batches as samples, ``(n_steps, n, n_rows)``, and counts, ``(n_steps, n)``.

        Rows beyond a network's samples repeat sample 0.
        """
        n_steps = steps.stop - steps.start
        samples = np.zeros((n, n_steps * self._batch), np.int32)
        for row, order in zip(samples, self.orders, strict=False):
            piece = order[steps.start * self._batch : steps.stop * self._batch]
            row[: len(piece)] = piece
        index = np.zeros((n_steps, n, n_rows), np.int32)
        batches = samples.reshape(n, n_steps, self._batch).transpose(1, 0, 2)
        index[:, :, : self._batch] = batches[:, :, :n_rows]
        first = np.arange(steps.start, steps.stop)[:, None] * self._batch
        counts = np.clip(self._lengths[:n] - first, 0, self._batch)
        return index, counts
