"""A candidate: one set of hyperparameters, trained on every fold an epoch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from sknethp.estimator.calibration import divide_logits
from sknethp.estimator.fitting import new_networks
from sknethp.estimator.request import FitRequest
from sknethp.self_tuning.folds import Folds
from sknethp.self_tuning.kept import KeptCandidate
from sknethp.self_tuning.network_fit import NetworkFit, copied
from sknethp.training.epoch import Epoch, EpochResult
from sknethp.training.network import Network

State = Literal[
    "running",
    "finished",
    "no longer improving",
    "behind",
    "out of time",
    "interrupted",
    "lost with a worker process",
    "diverged",
]
# Of candidates that more epochs would not make better.
COMPLETE: tuple[State, ...] = ("finished", "no longer improving")


@dataclass(frozen=True)
class Proposal:
    """Parameters of a candidate: those that were proposed, and all in their plain form.

    `outside` are those proposed that are not searched, as they were before a plan changed any.
    """

    params: dict[str, Any]
    parameters: dict[str, Any]
    origin: str
    outside: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """The networks of all folds after an epoch, counted from 1.

    They have no moments; `logits` are what they predict of the samples held out from them,
    ``(n_held_out, n_outputs)``, divided by the `temperature`.
    """

    epoch: int
    networks: list[Network]
    logits: Tensor
    temperature: float

    @property
    def n_bytes(self) -> int:
        """What it takes of memory."""
        return self.logits.nbytes + sum(network.n_bytes for network in self.networks)


@dataclass(eq=False)
class Candidate:
    """A candidate in the race, and how it has done so far.

    `losses` has, for each epoch trained, the held-out loss of every fold, or of several blocks of
    each fold where there are few, ``(n_blocks,)``, at the temperature that suits all of them best
    unless it is not to `calibrate`: overconfidence can be undone later, so that it is no reason to
    prefer an earlier epoch (Berta et al., 2025). `best` is the epoch with the lowest mean;
    `history` is that of the first fold. At its end it has `scores`, ``(n_folds,)``. What was `kept`
    by an earlier run is not trained again.
    """

    number: int
    proposal: Proposal
    requests: list[FitRequest]
    _folds: Folds
    kept: KeptCandidate | None = None
    calibrate: bool = True
    state: State = "running"
    losses: list[np.ndarray] = field(default_factory=list)
    best: Snapshot | None = None
    scores: np.ndarray | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    ended_at: float = 0.0
    _fits: list[NetworkFit] = field(default_factory=list)

    @classmethod
    def start(
        cls,
        number: int,
        proposal: Proposal,
        folds: Folds,
        seed: int,
        kept: KeptCandidate | None = None,
        calibrate: bool = True,
    ) -> Candidate:
        """Return a new candidate; raises a ValueError if its parameters do not suit the data."""
        requests = list(folds.requests(proposal.parameters, seed))
        own = [] if kept else requests
        fits = [NetworkFit(request, folds, fold) for fold, request in enumerate(own)]
        return cls(number, proposal, requests, folds, kept, calibrate, _fits=fits)

    @property
    def n_epochs(self) -> int:
        """Epochs of the whole schedule."""
        return self.requests[0].n_epochs

    @property
    def mean_losses(self) -> np.ndarray:
        """Means after each epoch, ``(n_epochs_trained,)``."""
        return np.array([losses.mean() for losses in self.losses])

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest loss, counted from 1; 0 if there is none."""
        return int(self.mean_losses.argmin()) + 1 if self.lowest == self.lowest else 0

    @property
    def lowest(self) -> float:
        """The lowest mean loss so far; NaN before the first epoch, and after divergence."""
        return float(min(self.mean_losses)) if self.losses and self.state != "diverged" else np.nan

    @property
    def progress(self) -> float:
        """Share of the work that is done."""
        return len(self.losses) / self.n_epochs if self.state == "running" else 1.0

    @property
    def epoch_work(self) -> int:
        """Multiplications of an epoch."""
        return sum(fit.epoch_work for fit in self._fits)

    @property
    def work_left(self) -> int:
        """Multiplications to the last epoch."""
        return (self.n_epochs - len(self.losses)) * self.epoch_work

    def epochs(self) -> list[Epoch]:
        """Request the next epoch of every fold; none if its result is kept."""
        return [fit.epoch() for fit in self._fits]

    def record(self, results: Sequence[EpochResult]) -> None:
        """Take the results of an epoch of every fold."""
        if self.kept is not None:
            self._replay(self.kept)
            return
        valid = [result.valid for result in results if result.valid is not None]
        logits = torch.cat([evaluation.logits for evaluation in valid]).double()
        is_finite = all(r.is_finite and np.isfinite(r.train.loss) for r in results)
        if not (is_finite and logits.isfinite().all()):
            self.end("diverged")
            return
        weight = self._held_out_weight()
        temperature = self._folds.temperature(logits, weight) if self.calibrate else 1.0
        losses = self._folds.losses(logits / temperature, weight)
        is_best = not losses.mean() >= self.lowest
        self.losses.append(losses)
        self.history.append(self._row(results[0]))
        for fit, evaluation in zip(self._fits, valid, strict=True):
            fit.trained(evaluation.measures.loss)
        if is_best:
            networks = [copied(fit.network) for fit in self._fits]
            divide_logits(networks, temperature)
            logits = (logits / temperature).float()
            self.best = Snapshot(len(self.losses), networks, logits, temperature)
        if len(self.losses) == self.n_epochs:
            self.end("finished")

    def _held_out_weight(self) -> Tensor | None:
        """Return the weights of what is held out, ``(n_held_out,)``, of mean 1 in each fold."""
        parts = [fit.valid for fit in self._fits if fit.valid is not None]
        weights = [part.weight[part.index] for part in parts if part.weight is not None]
        return torch.cat(weights).double() if weights else None

    def _row(self, result: EpochResult) -> dict[str, Any]:
        """Return an epoch of the first fold as a row of skorch's history."""
        assert result.valid is not None
        measures = {**result.train.named("train"), **result.valid.measures.named("valid")}
        rate = self._fits[0].last_rate
        return {"batches": [], "epoch": len(self.losses), "lr": rate, **measures, "seconds": 0.0}

    def _replay(self, kept: KeptCandidate) -> None:
        """Take the next of the losses that were kept."""
        if len(self.losses) < len(kept.losses):
            self.losses.append(kept.losses[len(self.losses)])
        if len(self.losses) == len(kept.losses):
            self.end(str(kept.state))  # type: ignore[arg-type]

    def end(self, state: State) -> None:
        """Stop training, and drop all but the best epoch."""
        self.state = state
        if self.kept is not None:
            self._restore(self.kept)
        elif state == "diverged":
            self.best = None
        self._fits = []

    def _restore(self, kept: KeptCandidate) -> None:
        """Take the best epoch and the history of a candidate that was kept."""
        self.history = kept.rows()
        if kept.counts[0]:
            networks = kept.networks([new_networks(request)[0] for request in self.requests])
            logits, temperature = torch.from_numpy(kept.logits), float(kept.temperature)
            self.best = Snapshot(int(kept.counts[0]), networks, logits, temperature)

    def to_keep(self) -> KeptCandidate:
        """Return what is to be kept of a candidate at its end."""
        best, n_outputs = self.best, self.requests[0].objective.n_outputs
        networks = [] if best is None else best.networks
        architecture = self.requests[0].architecture
        columns = [name for name in (self.history or [{}])[0] if name not in ("batches", "epoch")]

        def stacked(values: list[np.ndarray], *shape: int) -> np.ndarray:
            return np.stack(values) if values else np.zeros((0, *shape), np.float32)

        return KeptCandidate(
            state=np.array(self.state),
            losses=np.stack(self.losses) if self.losses else np.zeros((0, 0)),
            counts=np.array([best.epoch, networks[0].n_steps] if best else [0, 0]),
            parameters=stacked([n.parameters.numpy() for n in networks], architecture.n_parameters),
            statistics=stacked([n.statistics.numpy() for n in networks], architecture.n_statistics),
            streams=np.array([n.streams.states() for n in networks], np.uint64),
            logits=np.zeros((0, n_outputs), np.float32) if best is None else best.logits.numpy(),
            temperature=np.array(1.0 if best is None else best.temperature),
            columns=np.array(columns, dtype=str),
            history=np.array([[row[name] for name in columns] for row in self.history]).reshape(
                len(self.history), len(columns)
            ),
        )
