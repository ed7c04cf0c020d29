"""Which hyperparameters mattered in a search, and how much."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import check_random_state

from sknethp.display.candidates import Candidates, candidates_of
from sknethp.display.fanova import Axis, effects_of, encoded, leaves_of
from sknethp.display.scales import UNSET
from sknethp.hyperparameters.constraints import COUNT, check_allowed

Method = Literal["fanova", "permutation"]
_FEWEST = 8


@dataclass(frozen=True)
class Importance:
    """How much of the candidates' scores each hyperparameter explains.

    Attributes
    ----------
    mean : dict of str to float
        By hyperparameter, from the most important to the least, the share of the variance of
        the scores; means over the trees of a forest.
    spread : dict of str to float
        Standard deviations over the trees.
    pairs : dict of (str, str) to float
        Shares that two hyperparameters explain only together; empty unless asked for.
    r2 : float
        What share of the variance the forest predicts for candidates it was not fitted to; at 0
        or below, the importances mean nothing.
    method : {"fanova", "permutation"}
    """

    mean: dict[str, float]
    spread: dict[str, float]
    pairs: dict[tuple[str, str], float] = field(default_factory=dict)
    r2: float = float("nan")
    method: Method = "fanova"


@dataclass(frozen=True)
class _Table:
    """Candidates with a score: positions among each axis's values, -1 for no value."""

    names: list[str]
    axes: list[Axis]
    chosen: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class _Grown:
    """A tree, the points it was drawn from, and those left out of its bootstrap sample."""

    tree: DecisionTreeRegressor
    chosen: np.ndarray
    outside: np.ndarray


def hyperparameter_importance(
    search: Any,
    method: Method = "fanova",
    *,
    metric: str | None = None,
    pairs: bool = False,
    cutoff: float | None = None,
    n_trees: int = 64,
    random_state: Any = 0,
) -> Importance:
    """Return how much the score depends on each hyperparameter.

    A forest is fitted to the candidates. Functional analysis of variance divides its variance
    exactly over the whole space searched; permutation importance tells how much worse it
    predicts held-out candidates if a hyperparameter's values are permuted among them. The first
    measures each hyperparameter by itself, the second with all its interactions.

    Failed candidates are left out. Where a candidate does not have a hyperparameter, that has
    no effect: each tree draws another candidate's value there.

    Parameters
    ----------
    search : fitted search or mapping
        Anything with ``cv_results_`` as scikit-learn's searches have it, or these results.
    method : {"fanova", "permutation"}
    metric : str or None
        Which of several scores; None for the one that the search refits by.
    pairs : bool
        Whether to look at interactions of two hyperparameters; for "fanova" only.
    cutoff : float or None
        Lower scores count as this one, so that differences between bad and very bad candidates
        do not count as important.
    n_trees : int
    random_state : int, RandomState or None

    Returns
    -------
    Importance

    Raises
    ------
    ValueError
        If there are too few candidates with a score, or nothing was varied.

    References
    ----------
    Hutter, Hoos & Leyton-Brown (2014), An efficient approach for assessing hyperparameter
    importance, ICML. Breiman (2001), Random forests, Machine Learning 45.

    Examples
    --------
    >>> params = [{"lr": lr, "seed": seed} for lr in (0.1, 0.2, 0.3) for seed in range(4)]
    >>> results = {"params": params, "mean_test_score": [p["lr"] for p in params]}
    >>> importance = hyperparameter_importance(results)
    >>> importance.mean["lr"] > 0.95, importance.mean["seed"] < 0.05
    (True, True)
    """
    if method not in get_args(Method):
        raise ValueError(f"method={method!r} is not known: give 'fanova' or 'permutation'.")
    if pairs and method != "fanova":
        raise ValueError(f"pairs=True needs method='fanova', but method={method!r}.")
    check_allowed("n_trees", n_trees, COUNT)
    random = check_random_state(random_state)
    table = _table(candidates_of(search, metric), cutoff)
    forest = [_grown(table, random) for _ in range(n_trees)]
    together: dict[tuple[str, str], float] = {}
    if method == "permutation":
        shares = _permuted(table, forest, random)
    else:
        trees = [leaves_of(grown.tree, table.axes) for grown in forest]
        effects = [effects_of(leaves, table.axes, with_pairs=pairs) for leaves in trees]
        shares = np.array([each.main for each in effects])
        for i, j in effects[0].pairs:
            share = float(np.mean([each.pairs[i, j] for each in effects]))
            together[table.names[i], table.names[j]] = share
    mean, spread = (
        dict(zip(table.names, s.tolist(), strict=True)) for s in (shares.mean(0), shares.std(0))
    )
    order = sorted(mean, key=lambda name: -mean[name])
    return Importance(
        {name: mean[name] for name in order},
        {name: spread[name] for name in order},
        dict(sorted(together.items(), key=lambda item: -item[1])),
        _r2(table, forest),
        method,
    )


# From candidates to a table.


def _table(candidates: Candidates, cutoff: float | None) -> _Table:
    good = np.flatnonzero(~candidates.failed)
    if len(good) < _FEWEST:
        raise ValueError(
            f"The search has {len(good)} candidates with a score, too few to tell what matters: "
            f"give one of at least {_FEWEST}."
        )
    scores = candidates.mean[good] if cutoff is None else np.maximum(candidates.mean[good], cutoff)
    columns = [(name, *_column(candidates, name, good)) for name in candidates.values]
    varied = [column for column in columns if len(column[1].weights) > 1]
    if not varied:
        raise ValueError("No hyperparameter has more than one value: there is nothing to compare.")
    names, axes, chosen = zip(*varied, strict=True)
    return _Table(list(names), list(axes), np.stack(chosen, axis=1), scores)


def _column(candidates: Candidates, name: str, good: np.ndarray) -> tuple[Axis, np.ndarray]:
    """Return a hyperparameter's values, and which of them each candidate has, -1 for none."""
    has = np.array([candidates.values[name][i] is not UNSET for i in good], dtype=bool)
    at = candidates.positions(name)[good]
    positions, chosen = np.unique(at[has], return_inverse=True)
    everyone = np.full(len(good), -1)
    everyone[has] = chosen
    scale = candidates.scales[name]
    is_number = (positions >= 0) & (scale.kind != "categories")
    indicators = np.eye(len(positions))[:, ~is_number]
    numbers = np.where(is_number, positions, -1.0)[:, None]
    codes = np.concatenate([numbers[:, : int(is_number.any())], indicators], axis=1)
    if not scale.is_range or is_number.sum() < 2:
        return Axis(codes, np.full(len(positions), 1 / max(1, len(positions)))), everyone
    # Numbers drawn from a range count by the part of it that is nearest to them, so that a part
    # that the search has explored closely does not count more.
    shares = np.bincount(chosen) / len(chosen)
    drawn = positions[is_number]
    widths = np.diff([drawn[0], *(drawn[1:] + drawn[:-1]) / 2, drawn[-1]])
    shares[is_number] = shares[is_number].sum() * widths / widths.sum()
    return Axis(codes, shares), everyone


# The forest.


def _grown(table: _Table, random: np.random.RandomState) -> _Grown:
    """Grow a tree on a bootstrap sample, with values drawn where there are none."""
    chosen = table.chosen.copy()
    for column in chosen.T:
        has = column >= 0
        column[~has] = random.choice(column[has], (~has).sum())
    n = len(chosen)
    inside = random.randint(n, size=n)
    tree = DecisionTreeRegressor(random_state=random.randint(2**31 - 1))
    tree.fit(encoded(table.axes, chosen[inside]), table.scores[inside])
    return _Grown(tree, chosen, np.setdiff1d(np.arange(n), inside))


def _r2(table: _Table, forest: list[_Grown]) -> float:
    """Return how well candidates are predicted by the trees that were not fitted to them."""
    total, count = np.zeros((2, len(table.scores)))
    for grown in forest:
        points = encoded(table.axes, grown.chosen[grown.outside])
        if len(points):
            total[grown.outside] += grown.tree.predict(points)
            count[grown.outside] += 1
    seen = count > 0
    scores = table.scores[seen]
    variance = np.sum((scores - scores.mean()) ** 2) if len(scores) else 0.0
    if variance == 0:
        return 0.0
    return float(1 - np.sum((scores - total[seen] / count[seen]) ** 2) / variance)


def _permuted(table: _Table, forest: list[_Grown], random: np.random.RandomState) -> np.ndarray:
    """Return by how much each tree's error on held-out candidates grows, ``(n_trees, n_axes)``.

    In units of twice the variance of the scores: a hyperparameter that explains everything has 1.
    """
    variance = table.scores.var()
    shares = np.zeros((len(forest), len(table.axes)))
    for row, grown in zip(shares, forest, strict=True):
        outside = grown.outside
        if len(outside) < 2 or variance == 0:
            continue
        points, scores = grown.chosen[outside], table.scores[outside]
        before = _error(grown, table, points, scores)
        for i in range(len(table.axes)):
            moved = points.copy()
            at = np.flatnonzero(table.chosen[outside, i] >= 0)
            moved[at, i] = random.permutation(moved[at, i])
            row[i] = (_error(grown, table, moved, scores) - before) / (2 * variance)
    return shares


def _error(grown: _Grown, table: _Table, points: np.ndarray, scores: np.ndarray) -> float:
    return float(np.mean((grown.tree.predict(encoded(table.axes, points)) - scores) ** 2))
