"""Folds that stay the same however often they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import get_routing_for_object

from sknethp.model_selection.nets import check_is_estimator

Splits = list[tuple[np.ndarray, np.ndarray]]


class FixedFolds:
    """A splitter that splits once, and then gives the same folds.

    Parameters
    ----------
    splitter : splitter
        One of scikit-learn's, or with the same methods.

    Attributes
    ----------
    splits : list of tuple
        Training and test indices of each fold; empty before the first ``split``.
    """

    def __init__(self, splitter: Any):
        self.splitter = splitter
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
            self.splits = list(self.splitter.split(X, y, **params))
        return self.splits

    def get_n_splits(self, X: Any = None, y: Any = None, **params: Any) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y : array-like
        **params : object
            For the splitter, such as groups.

        Returns
        -------
        int
        """
        return self.splitter.get_n_splits(X, y, **params)

    def get_metadata_routing(self) -> Any:
        """Return what the splitter asks for.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRequest
        """
        return get_routing_for_object(self.splitter)


@contextmanager
def fixed_folds(search: Any, y: Any) -> Iterator[FixedFolds]:
    """Let a search split its data only once while it runs.

    Parameters
    ----------
    search : estimator
        Has `cv`, which is put back in the end.
    y : array-like of shape (n_samples,) or None

    Yields
    ------
    FixedFolds

    Raises
    ------
    TypeError
        If the search has no estimator to tell a classifier by.
    """
    check_is_estimator(search.estimator)
    given = search.cv
    search.cv = folds = FixedFolds(check_cv(given, y, classifier=is_classifier(search)))
    try:
        yield folds
    finally:
        search.cv = given


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
