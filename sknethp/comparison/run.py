"""``compare``: models on identical folds, in the same time each."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
from sklearn.utils import check_random_state

from sknethp.comparison.data import Data, Prepared, checked, inner_folds, outer_folds, prepared
from sknethp.comparison.evaluation import Result, Rows, evaluated
from sknethp.comparison.findings import about_data
from sknethp.comparison.frames import Results, held_out_frame, pandas, scores_frame
from sknethp.comparison.kept import Kept
from sknethp.comparison.models import Job, Model, chosen
from sknethp.comparison.progress import Progress
from sknethp.comparison.result import Comparison
from sknethp.comparison.scoring import LOG_LOSS, scorers
from sknethp.fusion.arguments import PROGRESS
from sknethp.hyperparameters import TABLE
from sknethp.hyperparameters.constraints import Number, check_allowed


def compare(
    X,
    y,
    models=None,
    *,
    max_time=60.0,
    cv=5,
    scoring=(LOG_LOSS, "accuracy"),
    groups=None,
    n_jobs=None,
    memory=None,
    random_state=None,
    rope=0.01,
    progress=None,
):
    """Compare classifiers by cross-validation, all on the same folds and in the same time.

    Each model is fitted to the training rows of each fold, within `max_time` if it tunes itself,
    and scored on the rows that are held out. A comparison of `k` models takes about ``k * cv *
    max_time`` seconds. Models run one after another, fold by fold.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_samples, n_features)
        Numbers, text, categories, dates and missing values. Tables are encoded by skrub's
        ``TableVectorizer``, fitted to each fold's training rows, and missing values are imputed for
        models that cannot take them; both are the same for all models and not part of their time. A
        pipeline is given the table as it is.
    y : array-like of shape (n_samples,)
        Labels of any type.
    models : list, dict or None
        Names of built-in models, a dict of scikit-learn estimators or searches by name, or a list
        of both; None for all that are built in. These are "DeepNetClassifierCV", which tunes
        itself; "DeepNetClassifier", with its defaults; and "HistGradientBoosting", "RandomForest"
        and "LogisticRegression", tuned by a random search that starts with their defaults.
    max_time : float
        Seconds for each fit of a model that is tuned: its candidates on inner folds, and the final
        fit. Estimators of your own, and the default net, take the time that they take.
    cv : int, splitter or iterable
        The outer folds, stratified and shuffled if it is a number.
    scoring : str, callable, list or dict
        Metrics of scikit-learn, for which higher is better. Models are tuned by the first, and it
        decides which one leads.
    groups : array-like of shape (n_samples,) or None
        Rows of the same group stay together, in outer and in inner folds.
    n_jobs : int or None
        Threads that each built-in model may use, and the most of BLAS, OpenMP and torch for all;
        None for one on each core.
    memory : path, joblib.Memory or None
        Where each model's result on each fold is kept, so that the same script goes on where it was
        killed; `random_state` must then be a number.
    random_state : int, RandomState or None
        Seed of folds and models.
    rope : float
        Region of practical equivalence: up to this difference in a metric, two models are as good
        as each other in practice.
    progress : bool or None
        Whether to print a line for each finished model and fold on standard error; None for only on
        a terminal.

    Returns
    -------
    Comparison
        Print it, or see ``to_frame()``, ``plot()`` and ``warnings_``.

    Raises
    ------
    ValueError
        If an argument or the data are not valid, or no model could be fitted.

    References
    ----------
    Nadeau & Bengio (2003), Inference for the generalization error, Machine Learning.
    Benavoli et al. (2017), Time for a change: a tutorial for comparing multiple classifiers through
    Bayesian analysis, JMLR.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknethp import compare
    >>> X, y = load_iris(return_X_y=True)
    >>> models = ["RandomForest", "LogisticRegression"]
    >>> comparison = compare(X, y, models, max_time=0.5, cv=3, random_state=0)
    >>> comparison.to_frame().shape
    (2, 10)
    """
    check_allowed("max_time", max_time, Number(0, low_open=True))
    check_allowed("memory", memory, TABLE["memory"].allowed)
    check_allowed("rope", rope, Number(0))
    check_allowed("progress", progress, PROGRESS)
    pandas()  # missing, it should be known before an hour has passed
    wanted, metrics = chosen(models), scorers(scoring)
    data = checked(X, y, groups)
    if memory is not None and random_state is None:
        warnings.warn(
            "memory finds a result again only if it has the same seed: set random_state to a "
            "number, or a comparison that was killed starts anew.",
            UserWarning,
            stacklevel=2,
        )
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    splits, notes = outer_folds(cv, data, seed)
    n_threads = _n_threads(n_jobs)
    first = next(iter(metrics))
    kept = Kept(
        memory, data.X, data.y, data.groups, splits, seed, scoring, float(max_time), n_threads
    )
    shown = Progress(progress, len(wanted), len(splits), first)
    results: Results = {}
    for fold, split in enumerate(splits):
        inner = inner_folds(data, split[0], seed + fold)
        job = Job(inner, metrics[first], float(max_time), n_threads, seed + fold)
        for model, result in _fold(wanted, job, data, split, metrics, kept, fold):
            results[model.name, fold] = result
            shown.show(model.name, fold, result)
    _check_any(results)
    return Comparison(
        scores_frame(results, splits, list(metrics)),
        held_out_frame(results, splits, data),
        metrics=list(metrics),
        classes=data.classes,
        max_time=float(max_time),
        rope=float(rope),
        findings=[*about_data(data, len(splits)), *notes],
    )


def _n_threads(n_jobs: Any) -> int:
    if n_jobs is not None and not Number(integer=True).allows(n_jobs):
        raise ValueError(f"n_jobs={n_jobs!r} is not valid: it must be an integer or None.")
    if n_jobs is None:
        return joblib.cpu_count()
    return joblib.effective_n_jobs(n_jobs)


def _fold(
    models: list[Model],
    job: Job,
    data: Data,
    split: tuple[np.ndarray, np.ndarray],
    metrics: dict[str, Any],
    kept: Kept,
    fold: int,
) -> Iterator[tuple[Model, Result]]:
    """Yield the result of each model on a fold, recalled or new."""
    train, test = split
    tables: Prepared | None = None
    for model in models:
        result = kept.recall(model.given, fold)
        if result is None:
            tables = tables or prepared(data, train, test)
            X_train, X_test = tables[model.table]
            groups = None if data.groups is None else data.groups[train]
            rows = Rows(X_train, data.y[train], X_test, data.y[test], groups, data.classes)
            result = evaluated(model, job, rows, metrics)
            kept.keep(result, model.given, fold)
        yield model, result


def _check_any(results: Results) -> None:
    """Raise an error if all fits failed."""
    if all(np.isnan(list(result.scores.values())).all() for result in results.values()):
        reasons = {f"{name}: {result.failure}" for (name, _), result in results.items()}
        raise ValueError(f"No model could be fitted ({'; '.join(sorted(reasons))}).")
