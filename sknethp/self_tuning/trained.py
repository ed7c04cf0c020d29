"""What was trained of a candidate: the networks that predict together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sknethp.estimator.fitting import Fitted, rebuilt
from sknethp.estimator.request import FitRequest
from sknethp.self_tuning.candidate import Candidate
from sknethp.self_tuning.network_fit import copied
from sknethp.self_tuning.refit import Refit
from sknethp.training.network import Network


@dataclass(frozen=True)
class Trained:
    """The networks of a candidate, and the history of the first of them."""

    request: FitRequest
    networks: list[Network]
    history: list[dict[str, Any]]
    epoch: int
    temperature: float

    def fitted(self) -> Fitted:
        """Return them as the fit of one classifier."""
        networks = [copied(network) for network in self.networks]
        fitted = rebuilt(self.request, networks, self.history, self.epoch)
        fitted.net.temperature_ = self.temperature
        return fitted


def trained(candidate: Candidate, refit: Refit | None, instead: bool) -> Trained:
    """Return the folds' networks and those fitted to all samples, or `instead` the latter alone.

    Where there are none of the latter, they are the folds'.
    """
    best = candidate.best
    assert best is not None
    of_folds = Trained(
        candidate.requests[0], best.networks, candidate.history, best.epoch, best.temperature
    )
    if refit is None:
        return of_folds
    if instead:
        return replace(
            of_folds, request=refit.request, networks=refit.networks, history=refit.history
        )
    return replace(of_folds, networks=[*best.networks, *refit.networks])
