"""What to evaluate next: proposals by the round, at little cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import skopt
from skopt.space import Categorical, Dimension

from sknethp.hyperparameters import last_part
from sknethp.hyperparameters.automatic import AUTO, by_samples
from sknethp.model_selection.bayesian.encoding import Encoding, index_of
from sknethp.model_selection.bayesian.surrogate import GaussianProcess, Posterior
from sknethp.training.threads import one_blas_thread

N_DESIGN = 8
_EVERYWHERE = 2000
_ENUMERABLE = 4000
# Places near the best: how many, how far, and which share of the dimensions moves.
_NEAR_BEST = ((500, 0.2, 0.3), (500, 0.05, 0.3), (500, 0.02, 0.5))
_NEAR_PROMISING = ((250, 0.1, 0.3), (250, 0.03, 0.3), (250, 0.01, 0.5))
_N_BEST = 5
_N_PROMISING = 10


class RoundOptimizer(skopt.Optimizer):
    """Bayesian optimization whose proposals for a round cost little more than for one point.

    The first points, of which one may be given by the dimensions' names, are spread evenly. Then a
    Gaussian process is fitted once a round; of many points, the one with the largest expected
    improvement is taken, and, for the next, the process is conditioned on its own prediction there,
    without a new fit (the Kriging believer of Ginsbourger et al., 2010).
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
        """Propose points, none twice, as far as the space has more; None for one, not in a list."""
        n = n_points or 1
        with one_blas_thread():
            encoded = self._designed(n) if len(self.Xi) < N_DESIGN else self._promising(n)
        points = self._encoding.decode(encoded)
        if n_points:
            return points
        if not points:
            raise ValueError(f"All {len(self.Xi)} points of the space are evaluated.")
        return points[0]

    def tell(self, x, y, fit=True):
        """Take the loss of a point, or of several, and fit a model for the next proposals."""
        result = super().tell(x, y, fit=False)
        if fit and len(self.Xi) >= N_DESIGN:
            start = self.models[-1].theta_ if self.models else None
            process = GaussianProcess(self._encoding.dimension_of, start)
            features = self._encoding.features(self._encoding.encode(self.Xi))
            with one_blas_thread():
                self.models.append(process.fit(features, np.asarray(self.yi, dtype=float)))
            result = self.get_result()
        return result

    def _designed(self, n: int) -> np.ndarray:
        """Return the next encoded points of the first design."""
        start = len(self.Xi)
        if self._design is None:
            n_design = n * math.ceil(N_DESIGN / n)
            self._design = self._encoding.stratified(n_design, self.rng)
            drawn = self._encoding.decode(self._design[:1])[0]
            names = [dimension.name for dimension in self.space]
            first = [self._first.get(name, value) for name, value in zip(names, drawn, strict=True)]
            self._design[:1] = self._encoding.encode([first])
        more = self._encoding.everywhere(_EVERYWHERE, self.rng)
        return self._fresh(np.concatenate([self._design[start : start + n], more]))[:n]

    def _fresh(self, encoded: np.ndarray) -> np.ndarray:
        """Return those of encoded points that are not evaluated yet, each once."""
        if self._encoding.n_points <= _ENUMERABLE:
            encoded = np.concatenate([encoded, self._encoding.all_points()])
        _, firsts = np.unique(encoded.round(9), axis=0, return_index=True)
        encoded = encoded[np.sort(firsts)]
        if not self.Xi:
            return encoded
        return encoded[~self._encoding.known(encoded, self._encoding.encode(self.Xi))]

    def _promising(self, n: int) -> np.ndarray:
        """Return the encoded points with the largest expected improvement, one after another."""
        if not self.models:
            return self._fresh(self._encoding.everywhere(_EVERYWHERE, self.rng))[:n]
        evaluated = self._encoding.encode(self.Xi)
        known = self.models[-1].posterior(self._encoding.features(evaluated))
        best = float(known.mean.min())
        encoded, posterior = self._candidates(evaluated[known.mean.argsort()[:_N_BEST]], best)
        chosen: list[int] = []
        for _ in range(min(n, len(encoded))):
            improvement = posterior.expected_improvement(best)
            improvement[chosen] = -np.inf
            index = int(improvement.argmax())
            chosen.append(index)
            best = min(best, float(posterior.mean[index]))
            posterior = posterior.given(index, posterior.mean[index])
        return encoded[chosen]

    def _candidates(self, best_encoded: np.ndarray, best: float) -> tuple[np.ndarray, Posterior]:
        """Return encoded points to choose from, and what is known of them."""
        encoding, process = self._encoding, self.models[-1]

        def near(encoded: np.ndarray, moves: Any) -> list[np.ndarray]:
            return [encoding.near(encoded, n, step, share, self.rng) for n, step, share in moves]

        drawn = encoding.everywhere(_EVERYWHERE, self.rng)
        encoded = self._fresh(np.concatenate([drawn, *near(best_encoded, _NEAR_BEST)]))
        if not len(encoded):
            return encoded, process.posterior(encoding.features(encoded))
        posterior = process.posterior(encoding.features(encoded))
        order = np.argsort(-posterior.expected_improvement(best), kind="stable")
        more = np.concatenate(near(encoded[order[:_N_PROMISING]], _NEAR_PROMISING))
        more = self._fresh(more)
        more = more[~encoding.known(more, encoded)]
        if not len(more):
            return encoded, posterior
        posterior = posterior.joined(process.posterior(encoding.features(more)))
        return np.concatenate([encoded, more]), posterior


def own_values(
    estimator: Any, space: Mapping[str, Dimension], n_samples: int = 0
) -> dict[str, Any]:
    """Return an estimator's own parameters that are of a type in a space, within its bounds.

    A net's "auto" is what it stands for with so many samples.
    """
    known = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    automatic = by_samples(n_samples)
    values = {}
    for name, dimension in space.items():
        with suppress(KeyError, TypeError, ValueError):
            value = known[name]
            if isinstance(value, str) and value == AUTO:
                value = automatic.get(last_part(name), AUTO)
            values[name] = _nearest(dimension, value)
    return values


def _nearest(dimension: Dimension, value: Any) -> Any:
    if isinstance(dimension, Categorical):
        return dimension.categories[index_of(dimension.categories, value)]
    if isinstance(value, bool):
        raise TypeError("A boolean is not a number.")
    low, high = dimension.bounds
    return type(low)(min(max(value, low), high))
