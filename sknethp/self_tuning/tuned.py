"""From a finished race to what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sknethp.estimator.fitting import Fitted, rebuilt
from sknethp.estimator.prediction import probabilities
from sknethp.self_tuning.candidate import Candidate
from sknethp.self_tuning.ensemble import Ensemble, Member, greedy_weights, module_of
from sknethp.self_tuning.folds import Folds
from sknethp.self_tuning.results import leaderboard, search_results
from sknethp.self_tuning.scoring import Scorer
from sknethp.self_tuning.temperature import fitted_temperature, scaled


@dataclass(frozen=True)
class Tuned:
    """The ensemble, its predictions of what was held out, and the tables."""

    ensemble: Ensemble
    held_out: np.ndarray
    results: dict[str, Any]
    leaderboard: Any
    best_index: int


def tuned(
    candidates: Sequence[Candidate],
    folds: Folds,
    scorer: Scorer,
    ensemble_size: int,
    calibrate: bool,
) -> Tuned:
    """Choose the ensemble, and make the tables; a ValueError if no candidate has predictions."""
    held_out = {
        i: probabilities(folds.objective, candidate.best.logits)
        for i, candidate in enumerate(candidates)
        if candidate.best is not None
    }
    if not held_out:
        raise ValueError(
            "No candidate could be trained: the loss of all became NaN or infinite. Most likely "
            "the inputs are not scaled: put a StandardScaler in front."
        )
    scores = np.full((len(candidates), len(folds)), np.nan)
    for i, proba in held_out.items():
        scores[i] = scorer.of_folds(proba)
    likelihoods = np.stack([proba[np.arange(len(folds.y)), folds.y] for proba in held_out.values()])
    weights = np.zeros(len(candidates))
    weights[list(held_out)] = greedy_weights(likelihoods, folds.weight, ensemble_size)
    chosen = np.flatnonzero(weights).tolist()
    mean = np.sum([weights[i] * held_out[i] for i in chosen], axis=0)
    temperature = fitted_temperature(mean, folds.y, folds.weight) if calibrate else 1.0
    members = [_member(candidates[i], float(weights[i])) for i in chosen]
    results = search_results(candidates, scores)
    return Tuned(
        Ensemble(members, temperature, folds.objective),
        scaled(mean, temperature),
        results,
        leaderboard(candidates, scores, weights),
        int(np.nanargmax(results["mean_test_score"])),
    )


def _member(candidate: Candidate, weight: float) -> Member:
    assert candidate.best is not None
    modules = [module_of(network) for network in candidate.best.networks]
    return Member(candidate.number, candidate.proposal.params, weight, modules)


def best_of(candidate: Candidate) -> Fitted:
    """Return the fit of a candidate on the first fold, for a classifier of its own."""
    assert candidate.best is not None
    request, history = candidate.requests[0], candidate.history
    return rebuilt(request, candidate.best.networks[0], history, candidate.best.epoch)
