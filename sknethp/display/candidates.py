"""The results of a search that the plots need, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from skopt.space import Categorical, Integer, Real

from sknethp.display.scales import UNSET, Scale
from sknethp.hyperparameters import TABLE, Range, last_part
from sknethp.hyperparameters.constraints import as_python
from sknethp.model_selection.estimators import default_estimator, parameters, short_names
from sknethp.model_selection.manual import ManualSearchCV
from sknethp.model_selection.results import fold_scores, metric_of, metrics_of, without_failed
from sknethp.model_selection.searched import searched_spaces

_LOG_DISTRIBUTIONS = ("loguniform", "reciprocal", "lognorm")  # scipy's names


@dataclass(frozen=True)
class Candidates:
    """The candidates of a search, in the order in which they were evaluated.

    `values` has a list per hyperparameter, with `UNSET` where a candidate does not have it;
    `scores` of the folds are ``(n_candidates, n_splits)``, NaN where a fit failed. `seconds`
    ``(n_candidates,)`` cover all folds; with `wall` they add up to wall-clock time. `best` is an
    index, None if all failed; `ranges` are the hyperparameters drawn from a range, True for a log
    scale.
    """

    values: dict[str, list[Any]]
    scores: np.ndarray
    seconds: np.ndarray
    best: int | None
    metric: str = "score"
    wall: bool = False
    ranges: Mapping[str, bool] = field(default_factory=dict)

    @property
    def mean(self) -> np.ndarray:
        """Means over the folds, ``(n_candidates,)``; NaN for failed candidates."""
        return self.scores.mean(axis=1)

    @property
    def spread(self) -> np.ndarray:
        """Standard deviations over the folds, ``(n_candidates,)``."""
        return self.scores.std(axis=1)

    @property
    def failed(self) -> np.ndarray:
        """Boolean mask of the candidates without a score, ``(n_candidates,)``."""
        return ~np.isfinite(self.mean)

    @property
    def score_label(self) -> str:
        """The label of an axis of scores."""
        return f"test {self.metric}"

    @cached_property
    def scales(self) -> dict[str, Scale]:
        """Positions of each hyperparameter's values on an axis."""
        scales = {}
        for name, values in self.values.items():
            entry = TABLE.get(last_part(name))
            usual = entry.search.log if entry and isinstance(entry.search, Range) else None
            log = self.ranges.get(name, usual)
            scales[name] = Scale(values, log, drawn=name in self.ranges)
        return scales

    @cached_property
    def labels(self) -> dict[str, str]:
        """Names without the prefix of a pipeline's step, where that is unambiguous."""
        return short_names(self.values)

    def positions(self, name: str) -> np.ndarray:
        """Return the positions of a hyperparameter's values, ``(n_candidates,)``."""
        return self.scales[name].positions(self.values[name])

    def varied(self) -> list[str]:
        """Return the hyperparameters that were set to several values, or all if none was."""
        names = [
            name
            for name, scale in self.scales.items()
            if sum(value is not UNSET for value in scale.distinct()) > 1
        ]
        return names or list(self.values)

    def find(self, name: str) -> str:
        """Return the full name of a hyperparameter, which may be given without its prefix."""
        if name in self.values:
            return name
        matches = [full for full in self.values if full.endswith(f"__{name}")]
        if len(matches) != 1:
            what = "is the end of several names" if matches else "was not searched"
            raise ValueError(f"{name!r} {what}: give one of {_joined(matches or self.values)}.")
        return matches[0]

    def chosen(self, names: Sequence[str] | None) -> list[str]:
        """Return full names; if none are given, those of all that have more than one value."""
        if isinstance(names, str):
            raise ValueError(f"names={names!r} is a text: give a list of names, [{names!r}].")
        full_names = self.varied() if names is None else [self.find(name) for name in names]
        if not full_names:
            raise ValueError("There is no hyperparameter to show: the search had none.")
        return full_names


def _joined(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "nothing"


def candidates_of(
    search: Any, metric: str | None = None, seconds: float | None = None
) -> Candidates:
    """Read a search or its ``cv_results_``; `seconds` by the clock where single fits have none."""
    results = search if isinstance(search, Mapping) else getattr(search, "cv_results_", None)
    if not isinstance(results, Mapping) or "params" not in results:
        raise ValueError(
            f"{type(search).__name__} has no cv_results_: give a search after its fit, or its "
            "cv_results_."
        )
    metrics = metrics_of(results)
    if not metrics or metric not in (None, *metrics):
        raise ValueError(
            f"metric={metric!r} was not computed: give one of {_joined(metrics)}."
            if metrics
            else "The results have no column mean_test_…: give those of a search with test scores."
        )
    default = metric_of(results, getattr(search, "refit", None))
    metric = metric or default
    scores = _scores(results, metric, getattr(search, "error_score", np.nan))
    mean = scores.mean(axis=1)
    best = getattr(search, "best_index_", None) if metric == default else None
    if best is None or not np.isfinite(mean[best]):
        best = np.nanargmax(mean) if np.isfinite(mean).any() else None
    best = None if best is None else int(best)
    values = _values(search, results)
    spent, wall = _seconds(search, results, scores.shape[1], seconds)
    return Candidates(values, scores, spent, best, metric, wall, _ranges(search))


def _ranges(search: Any) -> dict[str, bool]:
    """Return the hyperparameters that a search drew from ranges; True for a log scale."""
    ranges = {}
    for space in searched_spaces(search):
        for name, dimension in space.items():
            if isinstance(dimension, (Real, Integer)):
                ranges[name] = dimension.prior == "log-uniform"
            elif hasattr(dimension, "rvs") and not isinstance(dimension, Categorical):
                kind = getattr(getattr(dimension, "dist", dimension), "name", "")
                ranges[name] = kind in _LOG_DISTRIBUTIONS
    return ranges


def _values(search: Any, results: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the candidates' values by name; of one tried by hand, all else is the estimator's.

    A net that tunes itself has in its columns what a candidate does not set, too.
    """
    is_manual = isinstance(search, ManualSearchCV)
    default = parameters(search.estimator or default_estimator()) if is_manual else {}
    values = {}
    for name in dict.fromkeys(name for candidate in results["params"] for name in candidate):
        own = [default.get(name, UNSET)] * len(results["params"])
        if isinstance(column := results.get(f"param_{name}"), np.ma.MaskedArray):
            own = [own[i] if value is np.ma.masked else value for i, value in enumerate(column)]
        pairs = zip(results["params"], own, strict=True)
        values[name] = [as_python(candidate.get(name, value)) for candidate, value in pairs]
    return values


def _scores(results: Mapping[str, Any], metric: str, error_score: Any) -> np.ndarray:
    """Return scores of all folds, NaN for candidates whose folds all have the error's score."""
    if f"split0_test_{metric}" in results:
        scores = fold_scores(results, metric)
    else:
        scores = np.asarray(results[f"mean_test_{metric}"], dtype=float)[:, None]
    scores = without_failed(scores, error_score)
    scores[~np.isfinite(scores).all(axis=1)] = np.nan
    return scores


def _seconds(
    search: Any, results: Mapping[str, Any], n_splits: int, total: float | None
) -> tuple[np.ndarray, bool]:
    """Return the seconds of each candidate, and whether these add up to time by the clock."""
    zeros = np.zeros(len(results["params"]))
    spent = n_splits * sum(
        np.nan_to_num(np.asarray(results.get(f"mean_{part}_time", zeros), dtype=float))
        for part in ("fit", "score")
    )
    ends = np.asarray(getattr(search, "evaluated_at_", []), dtype=float)
    if total:
        ends = np.full(len(spent), float(total))
    if len(ends) != len(spent):
        return spent, False
    # Fits that train together each take the time of all: only their shares mean something.
    shares = np.zeros(len(spent))
    start = 0.0
    for end in np.unique(ends):
        together = ends == end
        total_spent = spent[together].sum()
        shares[together] = spent[together] / total_spent if total_spent > 0 else 1 / together.sum()
        shares[together] *= end - start
        start = end
    return shares, True
