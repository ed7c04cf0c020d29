"""What the tables of scikit-learn's searches say: scores, metrics, the best, failures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.model_selection import GridSearchCV

Results = dict[str, Any]


def frame_of(rows: list[dict[str, Any]]) -> Any:
    """Return a pandas data frame, or the rows as they are where pandas is not installed."""
    try:
        from pandas import DataFrame
    except ImportError:
        return rows
    return DataFrame(rows)


def ranks_of(scores: np.ndarray) -> np.ndarray:
    """Return the rank of each score, ``(n_candidates,)``, 1 for the best; NaN is the worst."""
    return rankdata(-np.nan_to_num(scores, nan=-np.inf), method="min")


def fold_scores(results: Mapping[str, Any], metric: str = "score") -> np.ndarray:
    """Return the test scores of every fold, (n_candidates, n_splits)."""
    columns: list[np.ndarray] = []
    while (key := f"split{len(columns)}_test_{metric}") in results:
        columns.append(results[key])
    return np.stack(columns, axis=1)


def without_failed(scores: np.ndarray, error_score: Any) -> np.ndarray:
    """Return scores (n_candidates, n_splits), NaN for candidates that failed in all folds.

    A number as `error_score` may look better than what worked, as 0 does for a log-loss.
    """
    scores = np.array(scores, dtype=float)
    if not isinstance(error_score, str):
        scores[(scores == error_score).all(axis=1)] = np.nan
    return scores


_ALL_FAILED = "All fits failed: "


def why_all_failed(error: ValueError) -> str | None:
    """Return the reason, if scikit-learn raised an error because all fits of a round failed."""
    lines = str(error).strip().splitlines()
    return lines[-1].removeprefix(_ALL_FAILED) if lines and "fits failed" in lines[0] else None


@contextmanager
def without_tracebacks() -> Iterator[None]:
    """Leave the tracebacks out where scikit-learn says that all fits have failed."""
    try:
        yield
    except ValueError as error:
        if reason := why_all_failed(error):
            raise ValueError(_ALL_FAILED + reason) from None
        raise


def metrics_of(results: Mapping[str, Any]) -> list[str]:
    """Return the metrics that candidates were scored by."""
    return [key.removeprefix("mean_test_") for key in results if key.startswith("mean_test_")]


def metric_of(results: Mapping[str, Any], refit: Any) -> str:
    """Return the metric that candidates are compared by: that of `refit`, or else the first."""
    metrics = metrics_of(results)
    return refit if isinstance(refit, str) and refit in metrics else metrics[0]


def best_index(results: Mapping[str, Any], refit: Any) -> int:
    """Return which candidate is best; a callable `refit` decides itself."""
    if callable(refit):
        index, n_candidates = refit(results), len(results["params"])
        if not isinstance(index, Integral) or int(index) not in range(n_candidates):
            raise ValueError(
                f"refit returned {index!r}, but it must return the position of the best of "
                f"{n_candidates} candidates."
            )
        return int(index)
    return int(results[f"rank_test_{metric_of(results, refit)}"].argmin())


class _SearchWithFits(GridSearchCV):
    """Keeps what scikit-learn makes its results of."""

    def _format_results(self, candidate_params, n_splits, out, more_results=None):
        self.fits_ = list(out)
        return super()._format_results(candidate_params, n_splits, out, more_results)


def fits_of(search: Any, candidate: Mapping[str, Any], X: Any, y: Any, params: Any) -> list[Any]:
    """Return what scikit-learn knows of the fits of one more candidate on a search's folds."""
    kept = ("scoring", "n_jobs", "verbose", "pre_dispatch", "error_score", "return_train_score")
    inner = _SearchWithFits(
        search.estimator,
        {name: [value] for name, value in candidate.items()},
        refit=False,
        cv=search.splits_,
        **{name: getattr(search, name) for name in kept},
    )
    return inner.fit(X, y, **params).fits_


def without_groups(params: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is for the splitter only."""
    return {name: value for name, value in params.items() if name != "groups"}
