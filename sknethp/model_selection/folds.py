"""Folds that stay the same however often they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

Splits = list[tuple[np.ndarray, np.ndarray]]


class FixedFolds:
    """A splitter that splits once, and then gives the same folds.

    Parameters
    ----------
    splitter : splitter
        One of scikit-learn's, or with the same ``split``.

    Attributes
    ----------
    splits : list of tuple
        Training and test indices of each fold; empty before the first ``split``.
    """

    def __init__(self, splitter: Any):
        self._splitter = splitter
        self.splits: Splits = []

    def split(self, X: Any, y: Any = None, **params: Any) -> Splits:
        """Return training and test indices of each fold.

        Parameters
        ----------
        X, y : array-like
        **params : object
            For the splitter, such as groups.

        Returns
        -------
        list of tuple of ndarray
        """
        if not self.splits:
            self.splits = list(self._splitter.split(X, y, **params))
        return self.splits


def sizes(splits: Splits) -> list[tuple[int, int]]:
    """Return the numbers of training and test samples of each fold.

    Parameters
    ----------
    splits : list of tuple of ndarray

    Returns
    -------
    list of tuple of int
    """
    return [(len(train), len(test)) for train, test in splits]
