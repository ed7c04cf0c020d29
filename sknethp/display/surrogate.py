"""A random forest that knows a search's candidates, for asking which hyperparameters matter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from sknethp.display.candidates import Candidates
from sknethp.display.scales import UNSET

_MOST_PLACES = 64
_LEAF = -1  # scikit-learn's mark of a node without children


@dataclass(frozen=True)
class Table:
    """Candidates as numbers.

    Attributes
    ----------
    places : ndarray of shape (n_candidates, n_hyperparameters)
        On each one's scale; NaN where a candidate does not have it.
    scores : ndarray of shape (n_candidates,)
    grids : list of ndarray
        For each hyperparameter the places over which its effect is averaged, all alike.
    """

    places: np.ndarray
    scores: np.ndarray
    grids: list[np.ndarray]


def table_of(found: Candidates, names: list[str]) -> Table:
    """Return the candidates that did not fail.

    Parameters
    ----------
    found : Candidates
    names : list of str
        Hyperparameters.

    Returns
    -------
    Table
    """
    good = ~found.failed
    columns = []
    for name in names:
        places = found.positions(name)
        places[[value is UNSET for value in found.values[name]]] = np.nan
        columns.append(places[good])
    grids = []
    for places in columns:
        known = np.unique(places[np.isfinite(places)])
        if len(known) > _MOST_PLACES:
            edges = np.linspace(known[0], known[-1], _MOST_PLACES + 1)
            known = (edges[1:] + edges[:-1]) / 2
        grids.append(known if len(known) else np.zeros(1))
    return Table(np.stack(columns, axis=1), found.mean[good], grids)


def grown(
    table: Table, n_trees: int, rng: np.random.Generator
) -> Iterator[tuple[DecisionTreeRegressor, np.ndarray, np.ndarray]]:
    """Grow trees on bootstrap samples.

    A missing value is replaced, anew for every tree, by one that another candidate has, so that
    the value tells nothing: what a candidate lacks is decided by other hyperparameters.

    Parameters
    ----------
    table : Table
    n_trees : int
    rng : numpy.random.Generator

    Yields
    ------
    tree : DecisionTreeRegressor
    places : ndarray of shape (n_candidates, n_hyperparameters)
        With the missing values replaced.
    left_out : ndarray of int
        Candidates on which it was not grown.
    """
    n = len(table.scores)
    for _ in range(n_trees):
        places = table.places.copy()
        for column in places.T:
            missing = np.isnan(column)
            known = column[~missing]
            column[missing] = rng.choice(known, missing.sum()) if len(known) else 0.0
        drawn = rng.integers(n, size=n)
        tree = DecisionTreeRegressor(min_samples_leaf=2, random_state=int(rng.integers(2**31)))
        tree.fit(places[drawn], table.scores[drawn])
        yield tree, places, np.setdiff1d(np.arange(n), drawn)


def boxes(tree: DecisionTreeRegressor, grids: list[np.ndarray]) -> tuple[list, np.ndarray]:
    """Return which places of each grid every leaf of a tree covers, and what it predicts.

    Parameters
    ----------
    tree : DecisionTreeRegressor
    grids : list of ndarray

    Returns
    -------
    covers : list of ndarray of bool of shape (n_leaves, n_places)
        One per hyperparameter.
    predictions : ndarray of shape (n_leaves,)
    """
    nodes = tree.tree_
    leaves: list[tuple[list[np.ndarray], float]] = []
    pending = [(0, [np.ones(len(grid), dtype=bool) for grid in grids])]
    while pending:
        node, covers = pending.pop()
        if nodes.children_left[node] == _LEAF:
            leaves.append((covers, float(nodes.value[node].ravel()[0])))
            continue
        feature = nodes.feature[node]
        below = grids[feature].astype(np.float32) <= nodes.threshold[node]
        for child, side in (
            (nodes.children_left[node], below),
            (nodes.children_right[node], ~below),
        ):
            own = list(covers)
            own[feature] = covers[feature] & side
            pending.append((child, own))
    stacked = [np.stack([covers[j] for covers, _ in leaves]) for j in range(len(grids))]
    return stacked, np.array([prediction for _, prediction in leaves])


def main_effects(tree: DecisionTreeRegressor, grids: list[np.ndarray]) -> np.ndarray:
    """Return the share of a tree's variance that each hyperparameter explains by itself.

    Parameters
    ----------
    tree : DecisionTreeRegressor
    grids : list of ndarray
        Places of each hyperparameter; the variance is that over all their combinations.

    Returns
    -------
    ndarray of shape (n_hyperparameters,)
        NaN for a tree that predicts the same everywhere.

    References
    ----------
    Hutter, Hoos & Leyton-Brown (2014), An efficient approach for assessing hyperparameter
    importance, ICML.
    """
    covers, predictions = boxes(tree, grids)
    widths = np.stack([cover.mean(axis=1) for cover in covers])
    volumes = widths.prod(axis=0)
    mean = volumes @ predictions
    variance = volumes @ (predictions - mean) ** 2
    if variance <= 1e-12 * max(1.0, mean**2):
        return np.full(len(grids), np.nan)
    shares = []
    for j, cover in enumerate(covers):
        others = np.delete(widths, j, axis=0).prod(axis=0)
        marginal = (others * predictions) @ cover
        shares.append(((marginal - mean) ** 2).mean() / variance)
    return np.array(shares)


def permuted(
    tree: DecisionTreeRegressor,
    places: np.ndarray,
    scores: np.ndarray,
    rng: np.random.Generator,
    variance: float,
) -> np.ndarray:
    """Return by how much worse a tree predicts with each hyperparameter's values mixed up.

    Parameters
    ----------
    tree : DecisionTreeRegressor
    places : ndarray of shape (n_candidates, n_hyperparameters)
        Of candidates on which it was not grown.
    scores : ndarray of shape (n_candidates,)
    rng : numpy.random.Generator
    variance : float
        Of the scores of all candidates.

    Returns
    -------
    ndarray of shape (n_hyperparameters,)
        Half of the mean squared error added, as a share of the variance: what the values tell,
        by themselves and together with others. Below 0 by chance.

    References
    ----------
    Breiman (2001), Random forests, Machine Learning 45.
    """
    error = ((tree.predict(places) - scores) ** 2).mean()
    added = []
    for j in range(places.shape[1]):
        mixed = places.copy()
        mixed[:, j] = rng.permutation(mixed[:, j])
        added.append(((tree.predict(mixed) - scores) ** 2).mean() - error)
    return np.array(added) / (2 * variance)
