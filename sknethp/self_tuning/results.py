"""What was found, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sknethp.model_selection.results import frame_of, ranks_of
from sknethp.self_tuning.candidate import Candidate


def search_results(
    candidates: Sequence[Candidate], scores: np.ndarray, own: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the results in the form of scikit-learn's searches.

    `scores` are ``(n_candidates, n_folds)``, NaN for candidates without predictions; `own` has the
    value of each hyperparameter that a candidate does not set.
    """
    n_folds = scores.shape[1]
    mean = scores.mean(axis=1)
    seconds = np.array([candidate.seconds for candidate in candidates]) / n_folds
    zeros = np.zeros(len(candidates))
    results: dict[str, Any] = {
        "mean_fit_time": seconds,
        "std_fit_time": zeros,
        "mean_score_time": zeros,
        "std_score_time": zeros,
    }
    params = [candidate.proposal.params for candidate in candidates]
    for name in dict.fromkeys(name for each in params for name in each):
        column = np.ma.empty(len(params), dtype=object)
        for i, each in enumerate(params):
            column[i] = each.get(name, own[name])
        results[f"param_{name}"] = column
    results["params"] = params
    results |= {f"split{i}_test_score": scores[:, i] for i in range(n_folds)}
    results |= {
        "mean_test_score": mean,
        "std_test_score": scores.std(axis=1),
        "rank_test_score": ranks_of(mean).astype(np.int32),
        "n_epochs": np.array([len(candidate.losses) for candidate in candidates]),
        "best_epoch": np.array([candidate.best_epoch for candidate in candidates]),
        "max_epochs": np.array([candidate.n_epochs for candidate in candidates]),
        "state": np.array([candidate.state for candidate in candidates], dtype=object),
    }
    return results


def leaderboard(candidates: Sequence[Candidate], scores: np.ndarray, weights: np.ndarray) -> Any:
    """Return a row per candidate, the best first: a data frame, or dicts where pandas is missing.

    `weights` are those in the ensemble, ``(n_candidates,)``.
    """
    mean = scores.mean(axis=1)
    order = np.argsort(-np.nan_to_num(mean, nan=-np.inf), kind="stable")
    rows = [
        {
            "candidate": candidates[i].number,
            "score": float(mean[i]),
            "std": float(scores[i].std()),
            "epochs": len(candidates[i].losses),
            "state": candidates[i].state,
            "seconds": candidates[i].seconds,
            "weight": float(weights[i]),
            "origin": candidates[i].proposal.origin,
            "params": candidates[i].proposal.params,
        }
        for i in order
    ]
    return frame_of(rows)
