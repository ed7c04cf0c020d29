"""``sknethp tune``: search, compare with baselines, write the results."""

import argparse
import platform
import time
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from sknethp.cli.data import Dataset, load_dataset
from sknethp.cli.output import (
    PIPELINE_FILE,
    RESULTS_FILE,
    SETTINGS_FILE,
    check_folder,
    write_results,
)
from sknethp.cli.progress import FitProgress
from sknethp.cli.report import print_best, print_scores
from sknethp.cli.search import (
    SELECTED_BY,
    Split,
    baselines,
    best_hyperparameters,
    cross_validated_scores,
    expected_warnings_ignored,
    folds,
    held_out_scores,
    make_search,
    run_search,
    split,
)

_PACKAGES = (
    "sknethp",
    "torch",
    "skorch",
    "scikit-learn",
    "scikit-optimize",
    "skrub",
    "numpy",
    "scipy",
    "pandas",
)


def tune(arguments: argparse.Namespace) -> None:
    """Run ``sknethp tune``.

    Parameters
    ----------
    arguments : argparse.Namespace
        From the command line.

    Raises
    ------
    CommandError
        If the data, the folder or the search is at fault.
    """
    console = Console()
    start = time.monotonic()
    check_folder(arguments.out, force=arguments.force)
    data = load_dataset(arguments.data, arguments.target)
    parts = split(data, test_fraction=arguments.test_fraction, cv=arguments.cv, seed=arguments.seed)
    with expected_warnings_ignored():
        search, scores = _search(arguments, data, parts, console)
        scores |= _baseline_scores(arguments, parts)
    best = {name: _plain(value) for name, value in best_hyperparameters(search).items()}
    print_best(best, console)
    print_scores(scores, console)
    settings = {
        "arguments": {**vars(arguments), "out": str(arguments.out)},
        "data": _describe(data, parts),
        "best_hyperparameters": best,
        "scores": scores,
        "seconds": round(time.monotonic() - start, 1),
        "versions": {"python": platform.python_version()} | {p: version(p) for p in _PACKAGES},
    }
    write_results(arguments.out, search.best_estimator_, _results_table(search), settings)
    _print_written(arguments, console)


def _search(
    arguments: argparse.Namespace, data: Dataset, parts: Split, console: Console
) -> tuple[Any, dict[str, dict[str, float]]]:
    X_train, X_test, y_train, y_test = parts
    search, n_candidates = make_search(
        arguments.method,
        X_train,
        n_candidates=arguments.candidates,
        cv=arguments.cv,
        seed=arguments.seed,
    )
    console.print(
        f"{data.name}: {len(X_train)} rows to tune on, {len(X_test)} held out, "
        f"{data.X.shape[1]} columns, {len(np.unique(data.y))} classes",
        f"{arguments.method} search: {n_candidates} candidates x {arguments.cv} folds",
        sep="\n",
        markup=False,
    )
    progress = FitProgress(n_candidates * arguments.cv, console)
    scores = run_search(search, X_train, y_train, progress)
    n_failed = progress.n_fits - progress.n_scored
    if n_failed:
        console.print(f"{n_failed} of {progress.n_fits} fits failed; their scores are left blank")
    return search, {"tuned net": scores | held_out_scores(search.best_estimator_, X_test, y_test)}


def _baseline_scores(arguments: argparse.Namespace, parts: Split) -> dict[str, dict[str, float]]:
    X_train, X_test, y_train, y_test = parts
    cv = folds(arguments.cv, arguments.seed)
    result = {}
    for name, pipeline in baselines(arguments.seed).items():
        scores = cross_validated_scores(pipeline, X_train, y_train, cv)
        fitted = pipeline.fit(X_train, y_train)
        result[name] = scores | held_out_scores(fitted, X_test, y_test)
    return result


def _results_table(search: Any) -> pd.DataFrame:
    table = pd.DataFrame(search.cv_results_).drop(columns="params")
    first = [f"rank_test_{SELECTED_BY}", "mean_test_accuracy", "mean_test_neg_log_loss"]
    return table[first + [name for name in table.columns if name not in first]].sort_values(
        f"rank_test_{SELECTED_BY}", kind="stable"
    )


def _describe(data: Dataset, parts: Split) -> dict[str, Any]:
    return {
        "name": data.name,
        "target": data.target,
        "columns": [str(name) for name in data.X.columns],
        "classes": np.unique(data.y).tolist(),
        "n_train": len(parts[0]),
        "n_held_out": len(parts[1]),
    }


def _print_written(arguments: argparse.Namespace, console: Console) -> None:
    folder = arguments.out
    console.print(
        f"{folder / PIPELINE_FILE}  the fitted pipeline, for joblib.load",
        f"{folder / RESULTS_FILE}  every candidate with its scores",
        f"{folder / SETTINGS_FILE}  arguments, versions and scores",
        sep="\n",
        markup=False,
        soft_wrap=True,
    )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
