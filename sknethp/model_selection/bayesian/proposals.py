"""What to evaluate next: proposals by the round, at little cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import skopt
from skopt.space import Categorical, Dimension

from sknethp.model_selection.bayesian.encoding import Encoding, index_of
from sknethp.model_selection.bayesian.surrogate import GaussianProcess, Posterior
from sknethp.training.threads import one_blas_thread

_DESIGN = 8
_EVERYWHERE = 2000
_ENUMERABLE = 4000
# Places near the best: how many, how far, and which share of the dimensions moves.
_NEAR_BEST = ((500, 0.2, 0.3), (500, 0.05, 0.3), (500, 0.02, 0.5))
_NEAR_PROMISING = ((250, 0.1, 0.3), (250, 0.03, 0.3), (250, 0.01, 0.5))
_N_BEST = 5
_N_PROMISING = 10


class RoundOptimizer(skopt.Optimizer):
    """Bayesian optimisation whose proposals for a round cost little more than for one point.

    The first points are spread evenly. Then, once a round, a Gaussian process is fitted; of
    many points everywhere, near the best and near the promising, the one with the largest
    expected improvement is taken, the process is told that what it expects was found there,
    which needs no new fit, and so on for the next.

    Parameters
    ----------
    dimensions : list of skopt.space.Dimension
    first : dict or None
        The point to evaluate first, by the dimensions' names; what it lacks is drawn.
    random_state : int, RandomState or None

    Attributes
    ----------
    Xi, yi, space, models : list, list, Space, list
        As in the parent.

    References
    ----------
    Ginsbourger et al. (2010), Kriging is well-suited to parallelize optimization, for the
    Kriging believer; Snoek et al. (2012), Practical Bayesian optimization of machine learning
    algorithms, NeurIPS.
    """

    def __init__(
        self,
        dimensions: Sequence[Dimension],
        first: Mapping[str, Any] | None = None,
        random_state: Any = None,
    ):
        super().__init__(dimensions, random_state=random_state)
        self._encoding = Encoding(self.space)
        self._first = first or {}
        self._design: np.ndarray | None = None

    def ask(self, n_points=None, strategy="cl_mean"):
        """Propose points to evaluate.

        Parameters
        ----------
        n_points : int or None
            None for one, not in a list.
        strategy : str
            Has no effect.

        Returns
        -------
        list
            Fewer than `n_points` where the space has no more; none twice.

        Raises
        ------
        ValueError
            If one is asked for and the space has no more.
        """
        n = n_points or 1
        with one_blas_thread():
            places = self._designed(n) if len(self.Xi) < _DESIGN else self._promising(n)
        points = self._encoding.points(places)
        if n_points:
            return points
        if not points:
            raise ValueError(f"All {len(self.Xi)} points of the space are evaluated.")
        return points[0]

    def tell(self, x, y, fit=True):
        """Take losses.

        Parameters
        ----------
        x : list or list of list
            A point, or several.
        y : float or list of float
            Its loss, or those of all.
        fit : bool
            Whether to fit a model for the next proposals.

        Returns
        -------
        scipy.optimize.OptimizeResult
        """
        result = super().tell(x, y, fit=False)
        if fit and len(self.Xi) >= _DESIGN:
            start = self.models[-1].theta_ if self.models else None
            process = GaussianProcess(self._encoding.dimension_of, start)
            features = self._encoding.features(self._encoding.places(self.Xi))
            with one_blas_thread():
                self.models.append(process.fit(features, np.asarray(self.yi, dtype=float)))
            result = self.get_result()
        return result

    def _designed(self, n: int) -> np.ndarray:
        """Return the next places of the first design."""
        start = len(self.Xi)
        if self._design is None:
            n_design = n * math.ceil(_DESIGN / n)
            self._design = self._encoding.stratified(n_design, self.rng)
            drawn = self._encoding.points(self._design[:1])[0]
            names = [dimension.name for dimension in self.space]
            first = [self._first.get(name, value) for name, value in zip(names, drawn, strict=True)]
            self._design[:1] = self._encoding.places([first])
        more = self._encoding.everywhere(_EVERYWHERE, self.rng)
        return self._fresh(np.concatenate([self._design[start : start + n], more]))[:n]

    def _fresh(self, places: np.ndarray) -> np.ndarray:
        """Return places that are not evaluated yet, each once."""
        if self._encoding.n_points <= _ENUMERABLE:
            places = np.concatenate([places, self._encoding.all_places()])
        _, firsts = np.unique(places.round(9), axis=0, return_index=True)
        places = places[np.sort(firsts)]
        if not self.Xi:
            return places
        return places[~self._encoding.known(places, self._encoding.places(self.Xi))]

    def _promising(self, n: int) -> np.ndarray:
        """Return the places with the largest expected improvement, one after another."""
        if not self.models:
            return self._fresh(self._encoding.everywhere(_EVERYWHERE, self.rng))[:n]
        evaluated = self._encoding.places(self.Xi)
        known = self.models[-1].posterior(self._encoding.features(evaluated))
        best = float(known.mean.min())
        places, posterior = self._candidates(evaluated[known.mean.argsort()[:_N_BEST]], best)
        chosen: list[int] = []
        for _ in range(min(n, len(places))):
            improvement = posterior.expected_improvement(best)
            improvement[chosen] = -np.inf
            index = int(improvement.argmax())
            chosen.append(index)
            best = min(best, float(posterior.mean[index]))
            posterior = posterior.given(index, posterior.mean[index])
        return places[chosen]

    def _candidates(self, best_places: np.ndarray, best: float) -> tuple[np.ndarray, Posterior]:
        """Return places to choose from, and what is known of them."""
        encoding, process = self._encoding, self.models[-1]

        def near(places: np.ndarray, moves: Any) -> list[np.ndarray]:
            return [encoding.near(places, n, step, share, self.rng) for n, step, share in moves]

        drawn = encoding.everywhere(_EVERYWHERE, self.rng)
        places = self._fresh(np.concatenate([drawn, *near(best_places, _NEAR_BEST)]))
        if not len(places):
            return places, process.posterior(encoding.features(places))
        posterior = process.posterior(encoding.features(places))
        order = np.argsort(-posterior.expected_improvement(best), kind="stable")
        more = np.concatenate(near(places[order[:_N_PROMISING]], _NEAR_PROMISING))
        more = self._fresh(more)
        more = more[~encoding.known(more, places)]
        if not len(more):
            return places, posterior
        posterior = posterior.joined(process.posterior(encoding.features(more)))
        return np.concatenate([places, more]), posterior


def own_values(estimator: Any, space: Mapping[str, Dimension]) -> dict[str, Any]:
    """Return an estimator's own parameters, as far as they are in a space.

    Parameters
    ----------
    estimator : estimator
    space : dict of str to Dimension

    Returns
    -------
    dict of str to object
        Numbers beyond the bounds are put on them; values of another kind are left out.
    """
    known = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    values = {}
    for name, dimension in space.items():
        with suppress(KeyError, TypeError, ValueError):
            values[name] = _nearest(dimension, known[name])
    return values


def _nearest(dimension: Dimension, value: Any) -> Any:
    if isinstance(dimension, Categorical):
        return dimension.categories[index_of(dimension.categories, value)]
    if isinstance(value, bool):
        raise TypeError("A truth value is no number.")
    low, high = dimension.bounds
    return type(low)(min(max(value, low), high))
