"""Fits of chosen candidates to all samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from joblib import Parallel, delayed

from sknethp.estimator.calibration import divide_logits
from sknethp.estimator.fitting import Fitted, fit_network, rebuilt
from sknethp.estimator.request import FitRequest, Samples, request_on
from sknethp.fusion import fused
from sknethp.self_tuning.candidate import Candidate, copied
from sknethp.self_tuning.clock import Clock, step_work
from sknethp.training.epoch import n_steps


def refitted(
    candidates: Sequence[Candidate], samples: Samples, clock: Clock, seed: int
) -> dict[int, Fitted]:
    """Fit candidates to all samples, each for its best number of epochs, all together.

    The first ones are fitted, as many as fit the time that is left; given by number.
    """
    chosen: dict[int, FitRequest] = {}
    work = 0
    for candidate in candidates:
        request = _request(candidate, samples, seed)
        work += _work(request)
        if clock.seconds_for(work) <= clock.left_in_all:
            chosen[candidate.number] = request
    with fused(n_jobs=1, silent=True, progress=False):
        fits = Parallel()(delayed(fit_network)(request, None) for request in chosen.values())
    temperatures = {c.number: c.best.temperature for c in candidates if c.best is not None}
    return {
        number: _calibrated(request, fitted, temperatures[number])
        for (number, request), fitted in zip(chosen.items(), fits, strict=True)
    }


def _calibrated(request: FitRequest, fitted: Fitted, temperature: float) -> Fitted:
    """Return a fit with its logits divided by what suited the networks of the folds."""
    networks = [copied(network) for network in fitted.networks]
    divide_logits(networks, temperature)
    calibrated = rebuilt(request, networks, list(fitted.net.history), fitted.best_epoch)
    calibrated.net.temperature_ = temperature
    return calibrated


def _request(candidate: Candidate, samples: Samples, seed: int) -> FitRequest:
    assert candidate.best is not None
    index = np.arange(len(samples.y), dtype=np.int32)
    embedded = candidate.requests[0].embedded_columns
    parameters, n_epochs = candidate.proposal.parameters, candidate.best.epoch
    return request_on(parameters, samples, index, samples, None, seed, n_epochs, embedded)


def _work(request: FitRequest) -> int:
    """Return the multiplications of a fit."""
    batch_size = request.settings.batch_size
    steps = request.n_epochs * n_steps(len(request.train.index), batch_size)
    return steps * step_work(batch_size, request.architecture.n_parameters)
