"""Tables of results as scikit-learn's searches have them: joined, ranked, looked up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.ma import MaskedArray
from scipy.stats import rankdata

Results = dict[str, Any]


def joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> Results:
    """Put the candidates of one ``cv_results_`` after those of another, ranked together.

    Parameters
    ----------
    first, second : dict
        Of the same folds and metrics.

    Returns
    -------
    dict
        Parameters that a candidate has not are masked.
    """
    columns = {
        key: np.concatenate([first[key], second[key]])
        for key in first
        if not key.startswith("param")
    }
    return _ranked(first, columns, [*first["params"], *second["params"]])


def with_failed(
    results: Mapping[str, Any], failed: Mapping[int, Mapping[str, Any]], error_score: float
) -> tuple[Results, np.ndarray]:
    """Put candidates without results among those with some.

    Parameters
    ----------
    results : dict
        As ``cv_results_``.
    failed : dict of int to dict
        Parameters of the failed candidates, by their place among all.
    error_score : float
        Their score in every fold.

    Returns
    -------
    results : dict
        Times of the failed ones are NaN.
    places : ndarray of int of shape (n_candidates,)
        Where each candidate that `results` had is now.
    """
    columns = [key for key in results if not key.startswith("param")]
    rows: Results = {key: np.full(len(failed), _if_failed(key, error_score)) for key in columns}
    rows["params"] = list(failed.values())
    both = joined(results, rows)
    n_all = len(both["params"])
    places = np.array([place for place in range(n_all) if place not in failed], dtype=int)
    order = np.argsort([*places, *failed])
    params = [both["params"][i] for i in order]
    return _ranked(results, {key: both[key][order] for key in columns}, params), places


def _if_failed(key: str, error_score: float) -> float:
    if key.endswith("_time"):
        return np.nan
    return 0.0 if key.startswith("std_") and not np.isnan(error_score) else error_score


def first_candidates(results: Mapping[str, Any], n: int) -> Results:
    """Return the results of the first candidates as if there had been no others.

    Parameters
    ----------
    results : dict
        As ``cv_results_``.
    n : int
        How many candidates.

    Returns
    -------
    dict
    """
    columns = {key: results[key][:n] for key in results if not key.startswith("param")}
    return _ranked(results, columns, results["params"][:n])


def _ranked(order: Iterable[str], columns: Results, params: list[Mapping[str, Any]]) -> Results:
    """Put columns in order, with those of the parameters, and rank the candidates."""
    results: Results = {}
    for key in order:
        if key == "params":
            results |= {**parameter_columns(params), "params": params}
        elif key in columns:
            results[key] = columns[key]
    for key in results:
        if key.startswith("rank_test_"):
            results[key] = ranks(results[key.replace("rank_", "mean_", 1)])
    return results


def parameter_columns(params: Sequence[Mapping[str, Any]]) -> Results:
    """Return the columns ``param_...`` of candidates, as scikit-learn makes them.

    Parameters
    ----------
    params : sequence of dict

    Returns
    -------
    dict of str to MaskedArray of shape (n_candidates,)
        Masked where a candidate has not the parameter.
    """
    columns: Results = {}
    for name in dict.fromkeys(name for candidate in params for name in candidate):
        at = [i for i, candidate in enumerate(params) if name in candidate]
        values = [params[i][name] for i in at]
        column = MaskedArray(np.empty(len(params), dtype=_kind(values)), mask=True)
        for i, value in zip(at, values, strict=True):
            column[i] = value
        columns[f"param_{name}"] = column
    return columns


def _kind(values: list[Any]) -> np.dtype:
    """Return the type of numbers; everything else stays an object."""
    try:
        array = np.array(values)
    except ValueError:  # sequences of different lengths
        return np.dtype(object)
    return array.dtype if array.ndim == 1 and array.dtype.kind != "U" else np.dtype(object)


def ranks(scores: np.ndarray) -> np.ndarray:
    """Rank candidates from 1 for the best; failed ones share the last place.

    Parameters
    ----------
    scores : ndarray of shape (n_candidates,)

    Returns
    -------
    ndarray of int32 of shape (n_candidates,)
    """
    scores = np.asarray(scores, dtype=float)
    if np.isnan(scores).all():
        return np.ones(len(scores), dtype=np.int32)
    worst = np.nan_to_num(scores, nan=np.nanmin(scores) - 1)
    return rankdata(-worst, method="min").astype(np.int32)


def fold_scores(results: Mapping[str, Any], metric: str = "score") -> np.ndarray:
    """Return the test scores of every fold.

    Parameters
    ----------
    results : dict
        As ``cv_results_``.
    metric : str

    Returns
    -------
    ndarray of shape (n_candidates, n_splits)
    """
    columns: list[np.ndarray] = []
    while (key := f"split{len(columns)}_test_{metric}") in results:
        columns.append(results[key])
    return np.stack(columns, axis=1)


def without_failed(scores: np.ndarray, error_score: Any) -> np.ndarray:
    """Return the scores of folds, NaN for candidates that failed in all of them.

    A number as `error_score` may look better than what worked, as 0 does for a log-loss.

    Parameters
    ----------
    scores : ndarray of shape (n_candidates, n_splits)
    error_score : "raise" or number
        As given to the search: the score of a fold in which a fit failed.

    Returns
    -------
    ndarray of shape (n_candidates, n_splits)
    """
    scores = np.array(scores, dtype=float)
    if not isinstance(error_score, str):
        scores[(scores == error_score).all(axis=1)] = np.nan
    return scores


def why_all_failed(error: ValueError) -> str | None:
    """Return why all fits of a round failed, where scikit-learn raises because of that.

    Parameters
    ----------
    error : ValueError
        Raised while candidates were evaluated.

    Returns
    -------
    str or None
        The last line of its traceback; None for another error.
    """
    lines = str(error).strip().splitlines()
    return lines[-1] if lines and "fits failed" in lines[0] else None


def metrics_of(results: Mapping[str, Any]) -> list[str]:
    """Return the metrics that candidates were scored by.

    Parameters
    ----------
    results : dict
        As ``cv_results_``.

    Returns
    -------
    list of str
    """
    return [key.removeprefix("mean_test_") for key in results if key.startswith("mean_test_")]


def metric_of(results: Mapping[str, Any], refit: Any) -> str:
    """Return the metric that candidates are compared by.

    Parameters
    ----------
    results : dict
        As ``cv_results_``.
    refit : bool, str or callable
        As given to the search.

    Returns
    -------
    str
        ``"score"``, or of several metrics the one to refit by, or else the first.
    """
    metrics = metrics_of(results)
    if isinstance(refit, str) and refit in metrics:
        return refit
    return metrics[0]


def best_index(results: Mapping[str, Any], refit: Any) -> int:
    """Return which candidate is best.

    Parameters
    ----------
    results : dict
        As ``cv_results_``.
    refit : bool, str or callable
        As given to the search; a callable decides itself.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If the callable returns no position.
    """
    if callable(refit):
        index, n_candidates = refit(results), len(results["params"])
        if not isinstance(index, Integral) or int(index) not in range(n_candidates):
            raise ValueError(
                f"refit returned {index!r}, but it must return the position of the best of "
                f"{n_candidates} candidates."
            )
        return int(index)
    return int(results[f"rank_test_{metric_of(results, refit)}"].argmin())
