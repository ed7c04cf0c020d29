"""Whether cross-validated scores differ by more than they vary from fold to fold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats


def corrected_paired_test(
    first: np.ndarray, second: np.ndarray, sizes: Sequence[tuple[int, int]]
) -> float:
    """Return the two-sided p-value of two candidates' scores on the same folds, (n_splits,).

    This is the corrected resampled t-test (Nadeau & Bengio, 2003); `sizes` are the numbers of
    training and test samples. For scores that are shares of the test samples, as the accuracy is,
    the variance is at least that of rounding. NaN with one fold or where a score is not finite.

    Examples
    --------
    >>> first, second = np.array([0.80, 0.82, 0.84]), np.array([0.81, 0.83, 0.84])
    >>> round(corrected_paired_test(first, second, [(80, 40)] * 3), 3)
    0.333
    """
    differences = np.asarray(second, dtype=float) - np.asarray(first, dtype=float)
    n_splits = len(differences)
    if n_splits < 2 or not np.isfinite(differences).all():
        return float("nan")
    if not differences.any():
        return 1.0
    with np.errstate(divide="ignore"):  # the same difference everywhere is beyond doubt
        t = abs(differences.mean()) / np.sqrt(_variance_of_mean(first, second, sizes))
    return float(2 * stats.t.sf(t, n_splits - 1))


def _variance_of_mean(
    first: np.ndarray, second: np.ndarray, sizes: Sequence[tuple[int, int]]
) -> float:
    """Return the variance of the mean difference, given that training parts overlap."""
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    n_train, n_test = np.mean(sizes, axis=0)
    counts = np.stack([first, second]) * np.asarray(sizes)[:, 1]
    are_shares = np.allclose(counts, counts.round(), rtol=0, atol=1e-6)
    least = 2 / 12 / n_test**2 if are_shares else 0.0
    return (1 / len(first) + n_test / n_train) * max((second - first).var(ddof=1), least)


def equivalence(
    first: np.ndarray, second: np.ndarray, sizes: Sequence[tuple[int, int]], rope: float
) -> tuple[float, float, float]:
    """Return the probabilities that the second candidate is worse, equivalent and better.

    Equivalent are two whose true difference is at most `rope`, the region of practical
    equivalence. This is the correlated Bayesian t-test (Benavoli et al., 2017), whose posterior is
    a Student t with the mean and the variance of `corrected_paired_test`. NaN as there.

    Examples
    --------
    >>> first, second = np.array([0.80, 0.82, 0.84]), np.array([0.81, 0.83, 0.84])
    >>> [round(p, 2) for p in equivalence(first, second, [(80, 40)] * 3, rope=0.01)]
    [0.04, 0.66, 0.3]
    """
    differences = np.asarray(second, dtype=float) - np.asarray(first, dtype=float)
    if len(differences) < 2 or not np.isfinite(differences).all():
        return float("nan"), float("nan"), float("nan")
    scale = max(np.sqrt(_variance_of_mean(first, second, sizes)), np.finfo(float).tiny)
    posterior = stats.t(len(differences) - 1, differences.mean(), scale)
    worse, better = float(posterior.cdf(-rope)), float(posterior.sf(rope))
    return worse, max(0.0, 1 - worse - better), better


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Return p-values of several tests, corrected for their number (Holm, 1979); NaN stays.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    corrected = np.full_like(p, np.nan)
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def standard_error(scores: np.ndarray) -> float:
    """Return the standard error of the mean of the folds' scores; NaN with one fold."""
    if len(scores) < 2:
        return float("nan")
    return float(np.std(scores, ddof=1) / np.sqrt(len(scores)))
