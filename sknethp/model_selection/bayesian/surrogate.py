"""A Gaussian process that models scores: small, and quick to fit again and again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import ndtr

_JITTER = 1e-8
_MAX_STEPS = 40
_LEAST_SPREAD = 1e-12  # below the median, of that above it
# Of logarithms. The bounds matter only where the data say nothing, or all the same.
_LENGTH_BOUNDS = (math.log(0.03), math.log(50.0))
_AMPLITUDE_BOUNDS = (math.log(0.05), math.log(50.0))
_NOISE_BOUNDS = (math.log(1e-5), math.log(1.5))
_LENGTH_SPREAD = 1.0
_AMPLITUDE_PRIOR = (0.0, 0.7)
_NOISE_PRIOR = (math.log(0.01), 1.5)


@dataclass(frozen=True)
class Squashing:
    """A scale on which losses worse than the median grow as a logarithm.

    Otherwise networks that diverge would dominate how rough the model is. `middle` is the median,
    `spread` its distance from the least loss, or a small share of that from the greatest.
    """

    middle: float
    spread: float

    @classmethod
    def of(cls, losses: np.ndarray) -> Squashing:
        """Return the scale for some losses, (n_samples,)."""
        middle = float(np.median(losses))
        above = float(losses.max()) - middle
        below = middle - float(losses.min())
        spread = max(below, _LEAST_SPREAD * above) if below else above
        return cls(middle, spread or 1.0)

    def squash(self, losses: np.ndarray) -> np.ndarray:
        """Return losses on this scale."""
        scaled = (losses - self.middle) / self.spread
        return np.where(scaled > 0, np.log1p(np.maximum(scaled, 0)), scaled)

    def stretch(self, squashed: np.ndarray) -> np.ndarray:
        """Return the losses that `squash` turned into these."""
        scaled = np.where(squashed > 0, np.expm1(np.maximum(squashed, 0)), squashed)
        return self.middle + self.spread * scaled

    def slope(self, squashed: np.ndarray) -> np.ndarray:
        """Return the derivative of `stretch`."""
        return self.spread * np.exp(np.maximum(squashed, 0))


class GaussianProcess:
    """A Gaussian process with a Matérn 5/2 kernel and one length scale for each dimension.

    Length scales, amplitude and noise maximize the posterior under log-normal priors; those of the
    length scales grow with the square root of the number of dimensions (Hvarfner et al., 2024).
    Inputs are (n_samples, n_features) in the unit cube; `dimension_of` is the dimension of each
    feature. The logarithms `theta_`, (n_dimensions + 2,), may be the `start` of another fit.
    """

    def __init__(self, dimension_of: np.ndarray, start: np.ndarray | None = None):
        self.dimension_of = dimension_of
        self.start = start

    def fit(self, X: np.ndarray, losses: np.ndarray) -> GaussianProcess:
        """Fit to losses, (n_samples,)."""
        self._scale = Squashing.of(losses)
        squashed = self._scale.squash(losses)
        self._mean = squashed.mean()
        self._spread = squashed.std() or 1.0
        self.X_ = X
        self.y_ = (squashed - self._mean) / self._spread
        distances = self._distances(X)
        n_dims = len(distances)
        # A length scale of one half suits four dimensions.
        lengths = np.full(n_dims, math.log(0.25 * math.sqrt(n_dims)))
        self._prior = np.array([*lengths, _AMPLITUDE_PRIOR[0], _NOISE_PRIOR[0]])
        self._width = np.array([_LENGTH_SPREAD] * n_dims + [_AMPLITUDE_PRIOR[1], _NOISE_PRIOR[1]])
        self.theta_ = self._best_theta(distances)
        covariance = self._matern(np.exp(-2 * self.theta_[:-2]) @ distances.reshape(n_dims, -1))
        covariance = covariance.reshape(len(X), len(X)) + self.noise_ * np.eye(len(X))
        self._factor = cholesky(covariance, lower=True)
        self._weights = cho_solve((self._factor, True), self.y_)
        return self

    @property
    def amplitude_(self) -> float:
        """Variance before any data."""
        return float(np.exp(self.theta_[-2]))

    @property
    def noise_(self) -> float:
        """Variance of the noise."""
        return float(np.exp(self.theta_[-1])) + _JITTER

    def _distances(self, X: np.ndarray) -> np.ndarray:
        """Return squared distances of shape (n_dimensions, n_samples, n_samples)."""
        columns = X.T
        squared = (columns[:, :, None] - columns[:, None, :]) ** 2
        starts = np.flatnonzero(np.diff(self.dimension_of, prepend=-1))
        return np.add.reduceat(squared, starts, axis=0)

    def _matern(self, squared: np.ndarray) -> np.ndarray:
        """Return the covariance at squared distances in length scales."""
        root = np.sqrt(5 * squared)
        return self.amplitude_ * (1 + root + root**2 / 3) * np.exp(-root)

    def _best_theta(self, distances: np.ndarray) -> np.ndarray:
        """Maximise the posterior from one start or two."""
        n_dims = len(distances)
        bounds = [_LENGTH_BOUNDS] * n_dims + [_AMPLITUDE_BOUNDS, _NOISE_BOUNDS]
        starts = [self._prior] + ([] if self.start is None else [self.start])
        found = [
            minimize(
                self._negative_log_posterior,
                np.clip(start, *np.transpose(bounds)),
                (distances,),
                jac=True,
                method="L-BFGS-B",
                bounds=bounds,
                options={"maxiter": _MAX_STEPS},
            )
            for start in starts
        ]
        return min(found, key=lambda result: result.fun).x

    def _negative_log_posterior(
        self, theta: np.ndarray, distances: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Return the value, but for a constant, and its gradient (n_dimensions + 2,)."""
        inverse = np.exp(-2 * theta[:-2])
        amplitude, noise = np.exp(theta[-2:])
        eye = np.eye(len(self.y_))
        root = np.sqrt(5 * np.tensordot(inverse, distances, 1))
        decay = amplitude * np.exp(-root)
        signal = decay * (1 + root + root**2 / 3)
        factor = cholesky(signal + (noise + _JITTER) * eye, lower=True)
        weights = cho_solve((factor, True), self.y_)
        # The gradient is half the trace of this with the derivative of the covariance.
        pull = cho_solve((factor, True), eye) - np.outer(weights, weights)
        by_length = inverse * np.tensordot(distances, pull * decay * (1 + root) * 5 / 3, 2)
        by_scale = [np.sum(pull * signal), noise * np.trace(pull)]
        off = (theta - self._prior) / self._width
        value = 0.5 * (self.y_ @ weights + off @ off) + np.log(np.diag(factor)).sum()
        return value, 0.5 * np.array([*by_length, *by_scale]) + off / self._width

    def covariance(self, A: np.ndarray, B: np.ndarray) -> np.ndarray:
        """Return the prior covariance of points, (n, m)."""
        scale = np.exp(-self.theta_[self.dimension_of])
        A, B = A * scale, B * scale
        squared = (A**2).sum(1)[:, None] + (B**2).sum(1) - 2 * A @ B.T
        return self._matern(np.maximum(squared, 0))

    def posterior(self, X: np.ndarray) -> Posterior:
        """Return the posterior at some points, on the scale of the fit."""
        covariance = self.covariance(X, self.X_)
        explained = solve_triangular(self._factor, covariance.T, lower=True)
        variance = self.amplitude_ - (explained**2).sum(0)
        return Posterior(self, X, covariance @ self._weights, variance, explained)

    def predict(self, X, return_std=False):
        """Predict losses, and their standard deviations, for the plots of scikit-optimize."""
        known = self.posterior(np.asarray(X, dtype=float))
        squashed = self._mean + self._spread * known.mean
        mean = self._scale.stretch(squashed)
        if not return_std:
            return mean
        std = self._spread * np.sqrt(np.maximum(known.variance, 0))
        return mean, std * self._scale.slope(squashed)


@dataclass
class Posterior:
    """What a Gaussian process predicts for some points: `mean` and `variance`, (n_points,).

    The data's share in the covariance of two points is the product of their columns in `explained`,
    (n_samples, n_points).
    """

    process: GaussianProcess
    X: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    explained: np.ndarray

    def joined(self, other: Posterior) -> Posterior:
        """Return the posterior of these points and some others, of the same process."""
        return Posterior(
            self.process,
            np.concatenate([self.X, other.X]),
            np.concatenate([self.mean, other.mean]),
            np.concatenate([self.variance, other.variance]),
            np.concatenate([self.explained, other.explained], axis=1),
        )

    def given(self, index: int, loss: float) -> Posterior:
        """Return the posterior if the point at an index had a loss."""
        prior = self.process.covariance(self.X, self.X[[index]])[:, 0]
        shared = prior - self.explained.T @ self.explained[:, index]
        std = math.sqrt(max(self.variance[index], 0) + self.process.noise_)
        share = shared / std
        return Posterior(
            self.process,
            self.X,
            self.mean + share * (loss - self.mean[index]) / std,
            self.variance - share**2,
            np.vstack([self.explained, share]),
        )

    def expected_improvement(self, best: float) -> np.ndarray:
        """Return how far each point is expected to be below a loss (Jones, 1998), (n_points,)."""
        std = np.sqrt(np.maximum(self.variance, 1e-12))
        z = (best - self.mean) / std
        return std * (z * ndtr(z) + np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi))
