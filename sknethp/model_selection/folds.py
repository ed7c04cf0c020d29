"""Folds that stay the same however often they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import get_routing_for_object

from sknethp.model_selection.estimators import check_is_estimator

Splits = list[tuple[np.ndarray, np.ndarray]]


class FixedFolds:
    """A splitter that splits once, and from then on gives the same folds, its `splits`."""

    def __init__(self, splitter: Any):
        self.splitter = splitter
        self.splits: Splits = []

    def split(self, X: Any, y: Any = None, **params: Any) -> Splits:
        """Return training and test indices of each fold."""
        if not self.splits:
            self.splits = list(self.splitter.split(X, y, **params))
        return self.splits

    def get_n_splits(self, X: Any = None, y: Any = None, **params: Any) -> int:
        """Return the number of folds."""
        return self.splitter.get_n_splits(X, y, **params)

    def get_metadata_routing(self) -> Any:
        """Return what the splitter asks for."""
        return get_routing_for_object(self.splitter)


@contextmanager
def fixed_folds(search: Any, y: Any) -> Iterator[FixedFolds]:
    """Let a search split its data only once while it runs; its `cv` is restored in the end."""
    check_is_estimator(search.estimator)
    given = search.cv
    search.cv = folds = FixedFolds(check_cv(given, y, classifier=is_classifier(search)))
    try:
        yield folds
    finally:
        search.cv = given


def sizes(splits: Splits) -> list[tuple[int, int]]:
    """Return the numbers of training and test samples of each fold."""
    return [(len(train), len(test)) for train, test in splits]
