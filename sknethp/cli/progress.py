"""Progress of a search: a bar on a terminal, a plain line now and then elsewhere."""

import time
from types import TracebackType
from typing import Self

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sklearn.base import BaseEstimator
from sklearn.metrics import log_loss

_SECONDS_BETWEEN_LINES = 5.0


class FitProgress:
    """Count fits as they are scored.

    An instance is the search's ``scoring``: scikit-learn calls it once for each fit,
    which is the one moment of a fit that every search tells of.

    Parameters
    ----------
    n_fits : int
        How many fits are expected.
    console : rich.console.Console
        Where progress is shown.

    Attributes
    ----------
    n_scored : int
        How many fits have been scored.
    """

    def __init__(self, n_fits: int, console: Console) -> None:
        self.n_fits = n_fits
        self.n_scored = 0
        self._console = console
        self._start = self._last_line = time.monotonic()
        self._bar = Progress(
            TextColumn("tuning"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("fits"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("tuning", total=n_fits)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def __call__(self, estimator: BaseEstimator, X: object, y: np.ndarray) -> dict[str, float]:
        """Score a fitted classifier and count it.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier with ``predict_proba``.
        X : array-like of shape (n_samples, n_features)
            The test part.
        y : array-like of shape (n_samples,)
            Its labels.

        Returns
        -------
        dict of str to float
            See `scores`.
        """
        result = scores(estimator, X, y)
        self.n_scored += 1
        self._show()
        return result

    def _show(self) -> None:
        self._bar.update(self._task, completed=self.n_scored)
        now = time.monotonic()
        due = now - self._last_line >= _SECONDS_BETWEEN_LINES or self.n_scored == self.n_fits
        if due and not self._console.is_terminal:
            self._last_line = now
            seconds = now - self._start
            self._console.print(f"{self.n_scored} of {self.n_fits} fits, {seconds:.0f} s")


def scores(estimator: BaseEstimator, X: object, y: np.ndarray) -> dict[str, float]:
    """Score a fitted classifier, larger being better.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier with ``predict_proba``.
    X : array-like of shape (n_samples, n_features)
        The test part.
    y : array-like of shape (n_samples,)
        Its labels.

    Returns
    -------
    dict of str to float
        ``accuracy``, and ``neg_log_loss`` in nats.
    """
    classes = estimator.classes_
    probabilities = np.asarray(estimator.predict_proba(X), dtype=np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    predicted = classes[probabilities.argmax(axis=1)]
    return {
        "accuracy": float(np.mean(predicted == np.asarray(y))),
        "neg_log_loss": -float(log_loss(y, probabilities, labels=classes)),
    }
