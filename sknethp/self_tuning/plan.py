"""The plan: fewer folds, larger batches and fewer epochs where data is too large for the time."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sknethp.fusion.helpers import are_ready
from sknethp.self_tuning.candidate import Candidate
from sknethp.self_tuning.clock import Clock, step_work, work_of
from sknethp.self_tuning.folds import Splits
from sknethp.self_tuning.trainer import RoundTrainer
from sknethp.training.threads import steps_on_one_thread

# So many candidates like the first should fit the time: with few of them on all folds the ensemble
# is better than with many on one.
_WANTED = 1.5
_LARGEST_BATCH = 256
_FEWEST_STEPS = 64
_FEWEST_EPOCHS = 4
_FEWEST_ROWS = 256
_FEWEST_HELD_OUT = 1000
_SAFE = 0.7
_NEARLY = 0.9
# Seconds that worker processes take to start, and what each adds to the pace of one thread.
_STARTING = 4.0
_GAIN = 0.75
_PROBED_STEPS = 8
_PROBES = 6


@dataclass(frozen=True)
class Plan:
    """How much less than asked for is trained.

    Batches are at least `batch_size`, epochs are multiplied by `epoch_share`, and each network is
    trained on at most `max_rows` samples.
    """

    n_folds: int
    batch_size: int = 1
    epoch_share: float = 1.0
    max_rows: int | None = None

    def adapted(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return what changes in a candidate's parameters.

        The learning rate rises with the square root of the batch (Krizhevsky, 2014).
        """
        changed: dict[str, Any] = {}
        if parameters["batch_size"] < self.batch_size:
            growth = self.batch_size / parameters["batch_size"]
            changed = {"batch_size": self.batch_size, "lr": parameters["lr"] * growth**0.5}
        if self.epoch_share < 1:
            changed["max_epochs"] = max(1, round(parameters["max_epochs"] * self.epoch_share))
        return changed

    def splits(self, splits: Splits, seed: int) -> Splits:
        """Return the folds that are trained, with no more samples than planned."""
        kept = splits[: self.n_folds]
        if self.max_rows is None:
            return kept
        rng = np.random.default_rng(seed)
        most_held_out = max(_FEWEST_HELD_OUT, self.max_rows // 4)
        return [
            (_drawn(train, self.max_rows, rng), _drawn(test, most_held_out, rng))
            for train, test in kept
        ]

    def notes(self, n_folds: int, n_train: int) -> list[str]:
        """Say what is less than asked for."""
        notes = []
        if self.n_folds < n_folds:
            notes.append(
                "one hold-out part in place of folds"
                if self.n_folds == 1
                else f"{self.n_folds} of {n_folds} folds"
            )
        if self.batch_size > 1:
            notes.append(f"batches of at least {self.batch_size}")
        if self.epoch_share < 1:
            notes.append(f"{self.epoch_share:.0%} of the epochs")
        if self.max_rows is not None:
            notes.append(f"{self.max_rows:,} of {n_train:,} training samples")
        return notes


def _drawn(samples: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    return samples if len(samples) <= n else np.sort(rng.choice(samples, n, replace=False))


def make_plan(candidate: Candidate, clock: Clock, n_folds: int, n_processes: int) -> Plan:
    """Return a plan by which several candidates like this one fit the time that is left.

    Its pace is measured on a few steps of networks that are not used any further.
    """
    epochs = [
        replace(
            epoch,
            valid=None,
            train=replace(epoch.train, index=epoch.train.index[: _PROBED_STEPS * batch]),
            rates=epoch.rates[:_PROBED_STEPS],
        )
        for epoch in candidate.epochs()
        for batch in (epoch.network.settings.batch_size,)
    ]
    trainer = RoundTrainer()
    seconds: list[float] = []
    # With workers there is one thread for each process.
    with steps_on_one_thread() if n_processes > 1 else nullcontext():
        while len(seconds) < 2 or (len(seconds) < _PROBES and sum(seconds) < 0.01 * clock.max_time):
            start = clock.elapsed
            trainer.train(epochs)
            seconds.append(clock.elapsed - start)
    clock.measured(min(seconds), work_of(epochs))  # the first also made the population
    return planned(candidate, clock, n_folds, n_processes)


def planned(candidate: Candidate, clock: Clock, n_folds: int, n_processes: int) -> Plan:
    """Return a plan by the pace that was measured in one process."""
    first = candidate.epochs()[0]
    n_train, settings = len(first.train), first.network.settings
    n_parameters = first.network.architecture.n_parameters
    start = 0.0 if are_ready(n_processes - 1) else _STARTING

    def fits(plan: Plan) -> float:
        """Return how many candidates fit the time."""
        batch = max(settings.batch_size, plan.batch_size)
        rows = min(n_train, plan.max_rows or n_train)
        steps = -(-rows // batch) * max(1, candidate.n_epochs * plan.epoch_share)
        work = plan.n_folds * steps * step_work(batch, n_parameters)
        at_once = _WANTED * plan.n_folds / math.ceil(_WANTED * plan.n_folds / n_processes)
        seconds = max(0.0, clock.left - start) * (1 + _GAIN * (at_once - 1))
        return max(clock.left, seconds) / max(clock.seconds_for(work), 1e-9)

    plan = Plan(n_folds)
    for reduced in (_fewer_folds, _larger_batches, _fewer_epochs, _fewer_rows):
        plan = reduced(plan, fits, n_train, candidate.n_epochs)
    return plan


_Fits = Callable[[Plan], float]


def _fewer_folds(plan: Plan, fits: _Fits, n_train: int, n_epochs: int) -> Plan:
    for n_folds in (3, 1):
        if fits(plan) < _WANTED:
            plan = replace(plan, n_folds=min(plan.n_folds, n_folds))
    return plan


def _larger_batches(plan: Plan, fits: _Fits, n_train: int, n_epochs: int) -> Plan:
    for batch_size in (64, 128, _LARGEST_BATCH):
        if fits(plan) < _WANTED and n_train / batch_size >= _FEWEST_STEPS:
            plan = replace(plan, batch_size=batch_size)
    return plan


def _fewer_epochs(plan: Plan, fits: _Fits, n_train: int, n_epochs: int) -> Plan:
    share = fits(plan) / _WANTED
    if share >= _NEARLY:
        return plan
    return replace(plan, epoch_share=max(share, min(1.0, _FEWEST_EPOCHS / n_epochs)))


def _fewer_rows(plan: Plan, fits: _Fits, n_train: int, n_epochs: int) -> Plan:
    """Only if not even one candidate fits otherwise, with some time to spare."""
    share = _SAFE * fits(plan)
    if share >= 1 or n_train <= _FEWEST_ROWS:
        return plan
    return replace(plan, max_rows=max(_FEWEST_ROWS, int(share * n_train)))
