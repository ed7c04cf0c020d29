"""What ``sknethp tune`` does: search, compare with baselines, write the results."""

import argparse
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sknethp.cli.data import Dataset, empty_columns, listed, load_dataset
from sknethp.cli.output import (
    PIPELINE_FILE,
    RESULTS_FILE,
    SETTINGS_FILE,
    output_folder,
    write_results,
)
from sknethp.cli.report import best_table, score_table, show
from sknethp.cli.search import (
    SELECTED_BY,
    Split,
    baselines,
    best_hyperparameters,
    count_failed,
    cross_validated_scores,
    expected_warnings_ignored,
    folds,
    held_out_scores,
    make_search,
    run_search,
    split,
)
from sknethp.hyperparameters.constraints import as_python

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
    """Run ``sknethp tune``."""
    start = time.monotonic()
    with output_folder(arguments.out, force=arguments.force) as memory:
        data = load_dataset(arguments.data, arguments.target)
        parts = split(
            data, test_fraction=arguments.test_fraction, cv=arguments.cv, seed=arguments.seed
        )
        with expected_warnings_ignored():
            search, scores = _search(arguments, data, parts, memory)
            scores |= _baseline_scores(arguments, parts)
        best = {name: as_python(value) for name, value in best_hyperparameters(search).items()}
        settings = {
            "arguments": {**vars(arguments), "out": str(arguments.out)},
            "data": _describe(data, parts),
            "best_hyperparameters": best,
            "scores": scores,
            "seconds": round(time.monotonic() - start, 1),
            "versions": {"python": platform.python_version()} | {p: version(p) for p in _PACKAGES},
        }
        write_results(arguments.out, search.best_estimator_, _results_table(search), settings)
    show(
        best_table(best),
        "",
        score_table(scores),
        "",
        f"{arguments.out / PIPELINE_FILE}  the fitted pipeline, for joblib.load",
        f"{arguments.out / RESULTS_FILE}  every candidate with its scores",
        f"{arguments.out / SETTINGS_FILE}  arguments, versions and scores",
    )


def _search(
    arguments: argparse.Namespace, data: Dataset, parts: Split, memory: Path
) -> tuple[Any, dict[str, dict[str, float]]]:
    X_train, X_test, y_train, y_test = parts
    search, n_candidates = make_search(
        arguments.method,
        X_train,
        n_candidates=arguments.candidates,
        cv=arguments.cv,
        seed=arguments.seed,
        memory=memory,
    )
    empty = empty_columns(data.X)
    show(
        f"{data.name}: {len(X_train)} rows to tune on, {len(X_test)} held out, "
        f"{data.X.shape[1]} columns, {len(np.unique(data.y))} classes",
        *([f"ignored, since without values: {listed(empty)}"] if empty else []),
        f"{arguments.method} search: {n_candidates} candidates x {arguments.cv} folds",
    )
    scores = run_search(search, X_train, y_train)
    if n_found := search.fused_summary_.found:
        show(f"finished in an earlier run: {n_found}")
    if n_failed := count_failed(search):
        n_fits = n_candidates * arguments.cv
        show(f"{n_failed} of {n_fits} fits failed; their scores are left blank")
    return search, {"tuned net": scores | held_out_scores(search.best_estimator_, X_test, y_test)}


def _baseline_scores(arguments: argparse.Namespace, parts: Split) -> dict[str, dict[str, float]]:
    X_train, X_test, y_train, y_test = parts
    cv = folds(arguments.cv, arguments.seed)
    result = {}
    for name, pipeline in baselines(X_train, arguments.seed).items():
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
