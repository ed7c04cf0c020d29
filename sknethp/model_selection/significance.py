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
    n_train, n_test = np.mean(sizes, axis=0)
    counts = np.stack([first, second]) * np.asarray(sizes)[:, 1]
    are_shares = np.allclose(counts, counts.round(), rtol=0, atol=1e-6)
    least = 2 / 12 / n_test**2 if are_shares else 0.0
    variance = (1 / n_splits + n_test / n_train) * max(differences.var(ddof=1), least)
    with np.errstate(divide="ignore"):  # the same difference everywhere is beyond doubt
        t = abs(differences.mean()) / np.sqrt(variance)
    return float(2 * stats.t.sf(t, n_splits - 1))


def standard_error(scores: np.ndarray) -> float:
    """Return the standard error of the mean of the folds' scores; NaN with one fold."""
    if len(scores) < 2:
        return float("nan")
    return float(np.std(scores, ddof=1) / np.sqrt(len(scores)))
