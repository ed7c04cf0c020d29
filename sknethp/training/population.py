"""A population: networks that train together for an epoch, as one tensor program."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from sknethp.training.architecture import Architecture
from sknethp.training.blocks import Blocks
from sknethp.training.chunks import Chunk, EpochPlan
from sknethp.training.epoch import Epoch, EpochResult, Observer
from sknethp.training.evaluation import evaluate
from sknethp.training.losses import write_gradient
from sknethp.training.network import Network
from sknethp.training.program import Program, Storage, runs
from sknethp.training.threads import Pace, one_torch_thread
from sknethp.training.updates import Update


def widest(architectures: Sequence[Architecture]) -> Architecture:
    """Return an architecture with room for all of those given."""
    first = architectures[0]
    units = tuple(
        max(widths) for widths in zip(*(a.hidden_units for a in architectures), strict=True)
    )
    return Architecture(
        first.n_features,
        units,
        first.activations,
        first.n_outputs,
        first.normalization,
        first.residual,
    )


class Population:
    """Networks of one kind that train side by side (see `grouping` for what kind means).

    Buffers live as long as the population, so keep it while its members stay the same. The
    networks' own state is read before and written after each epoch.

    Parameters
    ----------
    networks : sequence of Network
        In the order of `grouping.plan`: those with more steps in an epoch first.
    device : torch.device
    """

    def __init__(self, networks: Sequence[Network], device: torch.device):
        self.networks = list(networks)
        self.device = device
        self._architectures = [network.architecture for network in networks]
        self.architecture = widest(self._architectures)
        self._n_moments = max(len(network.moments) for network in networks)
        # A population of one works on the network's own storage.
        self._shares_storage = len(self.networks) == 1 and device.type == "cpu"
        self._programs: dict[tuple[int, int, bool], Program] = {}
        self._updates: dict[int, list[Update]] = {}
        batch_size = networks[0].settings.batch_size
        self._pace = Pace(len(networks) * batch_size * self.architecture.n_parameters)

    def run(self, epochs: Sequence[Epoch]) -> list[EpochResult]:
        """Train every network for an epoch, then evaluate it on its validation part.

        Parameters
        ----------
        epochs : sequence of Epoch
            One per network, in the order of the networks.

        Returns
        -------
        list of EpochResult
        """
        with torch.no_grad(), one_torch_thread():
            self._load()
            plan = EpochPlan(epochs, self.device)
            losses, hits = self._train(plan, epochs[0].observer)
            for network, epoch in zip(self.networks, epochs, strict=True):
                network.n_steps += epoch.n_steps
            validation = self._validate(epochs)
            self._store()
            finite = self._finite()
        return [
            EpochResult(loss, hit, is_finite, *valid)
            for loss, hit, is_finite, valid in zip(losses, hits, finite, validation, strict=True)
        ]

    def _finite(self) -> list[bool]:
        """Return for each network whether all parameters are finite."""
        rows = self._storage.parameters.rows(slice(None))
        largest = [torch.linalg.vector_norm(row, torch.inf, dim=1) for row in rows]
        return torch.stack(largest).isfinite().all(0).tolist()

    def _new_blocks(self, own: Tensor | None = None) -> Blocks:
        """Lay blocks out over a lone network's own vector, or over new memory."""
        n = len(self.networks)
        if own is None:
            own = torch.zeros(n * self.architecture.n_parameters, device=self.device)
        return Blocks(own, n, self.architecture)

    @cached_property
    def _storage(self) -> Storage:
        if self._shares_storage:
            parameters = self._new_blocks(self.networks[0].parameters)
            statistics = self.networks[0].statistics.view(1, -1)
        else:
            parameters = self._new_blocks()
            shape = (len(self.networks), self.architecture.n_statistics)
            statistics = torch.zeros(shape, device=self.device)
        return Storage(self.architecture, parameters, self._new_blocks(), statistics, self.device)

    @cached_property
    def _moments(self) -> list[Blocks]:
        if self._shares_storage:
            return [self._new_blocks(moment) for moment in self.networks[0].moments]
        return [self._new_blocks() for _ in range(self._n_moments)]

    def _copied(self) -> list[tuple[Blocks, list[Tensor], list[Architecture]]]:
        """Blocks, with the flat vectors that they are copied from and to."""
        parameters = [network.parameters for network in self.networks]
        copied = [(self._storage.parameters, parameters, self._architectures)]
        for i, blocks in enumerate(self._moments):
            # Networks whose optimizer keeps fewer moments fill their rows with zeros.
            flats = [
                network.moments[i]
                if i < len(network.moments)
                else torch.zeros_like(network.parameters)
                for network in self.networks
            ]
            copied.append((blocks, flats, self._architectures))
        return copied

    def _load(self) -> None:
        if self._shares_storage:
            return
        for blocks, flats, architectures in self._copied():
            blocks.load(flats, architectures)
        for i, network in enumerate(self.networks):
            for mine, theirs in self._statistics_pairs(i, network):
                mine.copy_(theirs)

    def _store(self) -> None:
        if self._shares_storage:
            return
        for blocks, flats, architectures in self._copied():
            blocks.store(flats, architectures)
        for i, network in enumerate(self.networks):
            for mine, theirs in self._statistics_pairs(i, network):
                theirs.copy_(mine)

    def _statistics_pairs(self, i: int, network: Network) -> list[tuple[Tensor, Tensor]]:
        if not self.architecture.n_statistics:
            return []
        wide = self.architecture.statistics(self._storage.statistics[i])
        narrow = network.architecture.statistics(network.statistics)
        return [(w[: len(own)], own) for w, own in zip(wide, narrow, strict=True)]

    def _program(self, n: int, n_rows: int, training: bool) -> Program:
        key = (n, n_rows, training)
        if key not in self._programs:
            self._programs[key] = Program(self._storage, self.networks[:n], n_rows, training)
        return self._programs[key]

    def _updates_of(self, n: int) -> list[Update]:
        """Updates of the first `n` networks, one for each run that shares an optimizer."""
        if n not in self._updates:
            kinds = [(net.settings.optimizer, net.settings.nesterov) for net in self.networks[:n]]
            storage = self._storage
            self._updates[n] = [
                Update(
                    self.networks[run], run, storage.parameters, storage.gradients, self._moments
                )
                for run, _ in runs(kinds)
            ]
        return self._updates[n]

    def _train(self, plan: EpochPlan, observer: Observer | None) -> tuple[list[float], list[float]]:
        """Train; return the loss and the accuracy of each network over the epoch."""
        totals = torch.zeros(2, len(self.networks), dtype=torch.float64)
        for chunk in plan.chunks(self.architecture):
            program = self._program(chunk.n, chunk.n_rows, True)
            updates = self._updates_of(chunk.n)
            for update in updates:
                update.prepare(plan.rates[chunk.steps, update.run], chunk.steps.start)
            noise = chunk.noise(program.noisy_layers, self.architecture)
            self._steps(program, updates, chunk, noise, observer)
            totals[:, : chunk.n] += chunk.totals()
        losses, hits = (totals / plan.n_samples).tolist()
        return losses, hits

    def _steps(
        self,
        program: Program,
        updates: Sequence[Update],
        chunk: Chunk,
        noise: Sequence[Tensor],
        observer: Observer | None,
    ) -> None:
        """Make the updates of a chunk: the inner loop of all training."""
        shares_rows = self.architecture.normalization == "batch"
        for s in self._pace.steps(range(chunk.n_steps)):
            chunk.gather(s, program.x)
            if observer is not None:
                observer.batch_begins(chunk.samples(s))
            if shares_rows:
                program.row_shares.set(chunk.row_share[s], chunk.has_single[s])
            program.forward([layer[s] for layer in noise])
            chunk.logits[s].copy_(program.logits)
            write_gradient(program.logits, chunk.targets[s], chunk.weight(s), program.logits_grad)
            program.backward()
            if observer is not None:
                observer.gradient_computed(self._storage.gradients)
            for update in updates:
                update.step(s)
            if observer is not None:
                samples = chunk.samples(s)
                observer.batch_ends(samples, program.logits[0, : len(samples)])

    def _validate(self, epochs: Sequence[Epoch]) -> list[tuple]:
        """Return validation loss, accuracy and logits of each network, or nothing."""
        parts = [epoch.valid for epoch in epochs if epoch.valid is not None]
        if not parts:
            return [()] * len(epochs)
        return evaluate(self._program, parts, self.device)
