"""The training of one network of a candidate, an epoch at a time."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from sknethp.estimator.fitting import new_networks
from sknethp.estimator.request import FitRequest
from sknethp.estimator.stopping import Progress
from sknethp.self_tuning.clock import epoch_work
from sknethp.self_tuning.folds import Folds
from sknethp.training.epoch import Epoch, n_steps
from sknethp.training.network import Network


class NetworkFit:
    """A network, made for its first epoch, and what it needs for each epoch.

    `fold` is the number of the fold that it is trained on, None for all samples.
    """

    def __init__(self, request: FitRequest, folds: Folds, fold: int | None = None):
        self.request, self._folds, self._fold = request, folds, fold
        self.train = folds.part(request.train)
        self.valid = None if request.valid is None else folds.part(request.valid)
        self.n_steps = n_steps(len(self.train), request.settings.batch_size)
        self.last_rate = 0.0
        self._progress = Progress(
            patience=np.inf,
            min_improvement=request.parameters["min_improvement"],
            drop_epochs=request.parameters["lr_drop_epochs"],
            keep_best=False,
        )

    @cached_property
    def network(self) -> Network:
        """The network, which a candidate that there is no time for never has."""
        request = self.request
        (network,) = new_networks(request, self._folds.statistics(self._fold, request))
        return network

    @property
    def epoch_work(self) -> int:
        """Multiplications of an epoch."""
        settings, n_parameters = self.request.settings, self.request.architecture.n_parameters
        n_held_out = 0 if self.valid is None else len(self.valid)
        return epoch_work(settings.batch_size, n_parameters, self.n_steps, n_held_out)

    def epoch(self) -> Epoch:
        """Request the next epoch."""
        progress, request = self._progress, self.request
        rates = request.schedule.rates(progress.epoch, self.n_steps, progress.drops)
        self.last_rate = float(rates[-1])
        return Epoch(self.network, self.train, self.valid, rates, request.objective, request.device)

    def trained(self, loss: float) -> None:
        """Take the loss after an epoch, which some schedules go by."""
        self._progress.update(-loss, [self.network])


def copied(network: Network) -> Network:
    """Return a network as it is now, without moments."""
    return replace(
        network,
        moments=[],
        parameters=network.parameters.clone(),
        statistics=network.statistics.clone(),
    )
