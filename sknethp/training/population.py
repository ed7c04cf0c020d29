"""A population: networks that train together for an epoch, as one tensor program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from sknethp.training.architecture import Architecture, widest
from sknethp.training.blocks import Blocks
from sknethp.training.chunks import Chunk, EpochPlan
from sknethp.training.epoch import Epoch, EpochResult, Evaluation, Measures
from sknethp.training.evaluation import evaluate
from sknethp.training.network import Network
from sknethp.training.program import Program, Storage
from sknethp.training.rows import Copies
from sknethp.training.runs import runs
from sknethp.training.slots import views
from sknethp.training.threads import Pace, one_torch_thread
from sknethp.training.updates import Update


class Population:
    """Networks of one kind (see `grouping`) that train together; those with more steps come first.

    Buffers live as long as the population, so keep it while its members stay the same. The
    networks' own state is read before and written after each epoch.
    """

    def __init__(self, networks: Sequence[Network], device: torch.device):
        self.networks = list(networks)
        self.device = device
        self._copies = Copies(device)
        self._architectures = [network.architecture for network in networks]
        self.architecture = widest(self._architectures)
        self._n_moments = max(len(network.moments) for network in networks)
        # A population of one works directly on the network's tensors.
        self._shares_storage = len(self.networks) == 1 and device.type == "cpu"
        self._programs: dict[tuple[int, int, bool], Program] = {}
        self._updates: dict[int, list[Update]] = {}
        batch_size = networks[0].settings.batch_size
        self._pace = Pace(len(networks) * batch_size * self.architecture.n_parameters)

    def run(self, epochs: Sequence[Epoch]) -> list[EpochResult]:
        """Train every network for an epoch, then evaluate it on its validation part."""
        epochs = [self._moved(epoch) for epoch in epochs]
        with torch.no_grad(), one_torch_thread():
            self._load()
            plan = EpochPlan(epochs, self.device)
            trained = self._train(plan, epochs[0])
            for network, epoch in zip(self.networks, epochs, strict=True):
                network.n_steps += epoch.n_steps
            validation = self._validate(epochs)
            self._store()
            finite = self._finite()
        return [
            EpochResult(mean, is_finite, valid)
            for mean, is_finite, valid in zip(trained, finite, validation, strict=True)
        ]

    def _moved(self, epoch: Epoch) -> Epoch:
        """Return an epoch with its data on the device."""
        if self.device.type == "cpu":
            return epoch
        valid = None if epoch.valid is None else self._copies.of(epoch.valid)
        return replace(epoch, train=self._copies.of(epoch.train), valid=valid)

    def _finite(self) -> list[bool]:
        """Tell for each network whether all parameters are finite."""
        rows = self._storage.parameters.rows(slice(None))
        largest = [torch.linalg.vector_norm(row, torch.inf, dim=1) for row in rows]
        return torch.stack(largest).isfinite().all(0).tolist()

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, dtype=torch.float32, device=self.device)

    def _new_blocks(self, own: Tensor | None = None) -> Blocks:
        """Lay blocks out over a lone network's own vector, or over new memory."""
        n = len(self.networks)
        if own is None:
            own = self._zeros(n * self.architecture.n_parameters)
        return Blocks(own, n, self.architecture)

    @cached_property
    def _storage(self) -> Storage:
        n, slots = len(self.networks), self.architecture.statistics
        if self._shares_storage:
            parameters = self._new_blocks(self.networks[0].parameters)
            own = views(self.networks[0].statistics, slots)
            statistics = {name: values.unsqueeze(0) for name, values in own.items()}
        else:
            parameters = self._new_blocks()
            statistics = {slot.name: self._zeros(n, *slot.shape) for slot in slots}
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
        for mine, theirs in self._statistics_pairs():
            mine.copy_(theirs)

    def _store(self) -> None:
        if self._shares_storage:
            return
        for blocks, flats, architectures in self._copied():
            blocks.store(flats, architectures)
        for mine, theirs in self._statistics_pairs():
            theirs.copy_(mine)

    def _statistics_pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        for i, network in enumerate(self.networks):
            for name, own in views(network.statistics, network.architecture.statistics).items():
                yield self._storage.statistics[name][i, : len(own)], own

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

    def _train(self, plan: EpochPlan, first: Epoch) -> list[Measures]:
        """Train; return the means of each network over the epoch."""
        names = first.objective.score_names
        totals = torch.zeros(1 + len(names), len(self.networks), dtype=torch.float64, device="cpu")
        for chunk in plan.chunks(self.architecture):
            program = self._program(chunk.n, chunk.n_rows, True)
            updates = self._updates_of(chunk.n)
            for update in updates:
                update.prepare(plan.rates[chunk.steps, update.run], chunk.steps.start)
            noise = chunk.noise(program.noisy_layers, self.architecture)
            self._steps(program, updates, chunk, noise, first)
            totals[:, : chunk.n] += chunk.totals()
        means = (totals / plan.n_samples).T.tolist()
        return [Measures.of(loss, names, scores) for loss, *scores in means]

    def _steps(
        self,
        program: Program,
        updates: Sequence[Update],
        chunk: Chunk,
        noise: Sequence[Tensor],
        epoch: Epoch,
    ) -> None:
        """Make the updates of a chunk: the inner loop of all training."""
        observer, write_gradient = epoch.observer, epoch.objective.write_gradient
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

    def _validate(self, epochs: Sequence[Epoch]) -> Sequence[Evaluation | None]:
        parts = [epoch.valid for epoch in epochs if epoch.valid is not None]
        if not parts:
            return [None] * len(epochs)
        return evaluate(self._program, epochs[0].objective, parts, self.device)
