"""The context manager ``fused()``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from joblib import parallel_config

from sknethp.fusion.backend import FusedBackend
from sknethp.fusion.scheduler import Scheduler
from sknethp.fusion.summary import Summary


@contextmanager
def fused(*, max_memory: int | None = None, silent: bool = False) -> Iterator[Summary]:
    """Train every DeepNetClassifier that is fitted through joblib together with its neighbours.

    Inside the block a search, a cross-validation, a bagging or your own ``joblib.Parallel``
    trains its networks as populations: same scores, many times faster.

    Parameters
    ----------
    max_memory : int or None
        Bytes that waiting fits may hold; None for 2 GiB.
    silent : bool
        Whether to leave out the line at the end.

    Yields
    ------
    Summary
        Complete when the block has been left.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sknethp import DeepNetClassifier, fused
    >>> X, y = load_iris(return_X_y=True)
    >>> search = GridSearchCV(DeepNetClassifier(max_epochs=2), {"lr": [0.001, 0.01]}, cv=3)
    >>> with fused(silent=True) as summary:
    ...     _ = search.fit(X, y)
    >>> summary.fused
    6
    """
    scheduler = Scheduler(max_memory)
    start = time.perf_counter()
    try:
        with parallel_config(backend=FusedBackend(scheduler)):
            yield scheduler.summary
    finally:
        scheduler.summary.seconds = time.perf_counter() - start
        if not silent:
            print(scheduler.summary, file=sys.stderr)
