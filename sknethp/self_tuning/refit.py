"""Networks of the chosen candidates that are trained on all samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sknethp.estimator.calibration import divide_logits
from sknethp.estimator.request import FitRequest
from sknethp.self_tuning.candidate import Candidate
from sknethp.self_tuning.clock import Clock
from sknethp.self_tuning.folds import Folds
from sknethp.self_tuning.network_fit import NetworkFit, copied
from sknethp.self_tuning.trainer import RoundTrainer
from sknethp.training.epoch import EpochResult
from sknethp.training.network import Network


@dataclass
class Refit:
    """The networks of a candidate that were trained on all samples, and the first one's history."""

    request: FitRequest
    networks: list[Network] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)


def _on_all_samples(candidate: Candidate, folds: Folds, seed: int) -> NetworkFit:
    """Return the training of a candidate's network on all samples for its best number of epochs.

    "auto" stands for what suited the folds' size, and nothing is left out, as there.
    """
    assert candidate.best is not None
    first = candidate.requests[0]
    parameters = {**first.parameters, "calibrate": False}
    columns, n_epochs = first.embedded_columns, candidate.best.epoch
    return NetworkFit(folds.request_on_all(parameters, seed, n_epochs, columns), folds)


def work_on_all(candidate: Candidate, folds: Folds) -> int:
    """Return the multiplications of training a candidate's network on all samples."""
    fit = _on_all_samples(candidate, folds, 0)
    return fit.request.n_epochs * fit.epoch_work


class _Training:
    """A network in training, for as many epochs as suited its candidate best."""

    def __init__(self, candidate: Candidate, folds: Folds, seed: int):
        assert candidate.best is not None
        self.number = candidate.number
        self.fit = _on_all_samples(candidate, folds, seed)
        self.request = self.fit.request
        self.history: list[dict[str, Any]] = []
        self._temperature = candidate.best.temperature

    @property
    def is_finished(self) -> bool:
        return len(self.history) == self.request.n_epochs

    @property
    def work_left(self) -> int:
        """Multiplications to the last epoch."""
        return (self.request.n_epochs - len(self.history)) * self.fit.epoch_work

    def record(self, result: EpochResult) -> bool:
        """Take the result of an epoch; return whether the network is still sound."""
        loss = result.train.loss
        row = {"batches": [], "epoch": len(self.history) + 1, "lr": self.fit.last_rate}
        self.history.append({**row, **result.train.named("train"), "seconds": 0.0})
        self.fit.trained(loss)
        return bool(result.is_finite and np.isfinite(loss))

    def network(self) -> Network:
        """Return the network, calibrated as those of the folds."""
        network = copied(self.fit.network)
        divide_logits([network], self._temperature)
        return network


def refitted(
    candidates: Sequence[Candidate],
    folds: Folds,
    trainer: RoundTrainer,
    clock: Clock,
    seed: int,
    most: int,
    watch: Callable[[int], None] = lambda n: None,
) -> dict[int, Refit]:
    """Train networks of candidates on all samples, all side by side; return them by candidate.

    There are as many of each as folds, which differ by seed: the first candidate's come first, and
    the first of each before the second of any, as far as they fit the time that is left, and at
    most `most`. After an interrupt, those that have ended. `watch` is called in each round with the
    number of those in training.
    """
    seeds = [(seed + len(folds) + copy) % 2**31 for copy in range(len(folds))]
    trainings = [_Training(candidate, folds, own) for own in seeds for candidate in candidates]
    running = trainings[:most]
    finished: list[_Training] = []
    try:
        while running := _affordable(running, clock):
            watch(len(running))
            running = _round(running, trainer, clock)
            finished += [training for training in running if training.is_finished]
            running = [training for training in running if not training.is_finished]
    except KeyboardInterrupt:
        pass
    refits: dict[int, Refit] = {}
    for training in sorted(finished, key=trainings.index):
        refit = refits.setdefault(training.number, Refit(training.request, [], training.history))
        refit.networks.append(training.network())
    return refits


def _affordable(running: list[_Training], clock: Clock) -> list[_Training]:
    """Leave out those that there is no time for."""
    fitting = those_that_fit([training.work_left for training in running], clock, clock.left_in_all)
    return [running[i] for i in fitting]


def those_that_fit(work: Sequence[int], clock: Clock, seconds: float) -> list[int]:
    """Return which pieces of work fit into so many seconds together, the first ones first."""
    chosen: list[int] = []
    total = 0
    for i, own in enumerate(work):
        if clock.seconds_for(total + own) <= seconds:
            chosen.append(i)
            total += own
    return chosen


def _round(running: list[_Training], trainer: RoundTrainer, clock: Clock) -> list[_Training]:
    """Train an epoch of each network; return those that are neither lost nor have diverged."""
    start = clock.elapsed
    results = trainer.train([training.fit.epoch() for training in running])
    clock.measured(clock.elapsed - start, sum(training.fit.epoch_work for training in running))
    pairs = zip(running, results, strict=True)
    return [
        training for training, result in pairs if result is not None and training.record(result)
    ]
