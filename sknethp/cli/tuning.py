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
    SIZE,
    STEP,
    Split,
    baseline_scores,
    expected_warnings_ignored,
    make_search,
    net_scores,
    run_search,
    split,
)
from sknethp.hyperparameters.constraints import as_python
from sknethp.model_selection.results import fold_scores
from sknethp.model_selection.spaces import SIZES

_PACKAGES = (
    "sknethp", "torch", "skorch", "scikit-learn", "scikit-optimize", "skrub", "numpy", "scipy",
    "pandas",
)  # fmt: skip


def tune(arguments: argparse.Namespace) -> None:
    """Run ``sknethp tune``."""
    start = time.monotonic()
    out, cv, seed = arguments.out, arguments.cv, arguments.seed
    with output_folder(out, force=arguments.force) as memory:
        data = load_dataset(arguments.data, arguments.target)
        parts = split(data, test_fraction=arguments.test_fraction, cv=cv, seed=seed)
        with expected_warnings_ignored():
            search = _search(arguments, data, parts, memory)
            scores = {"tuned net": net_scores(search, parts)} | baseline_scores(parts, cv, seed)
        parameters = search.best_estimator_[STEP].get_params()
        best = {name: as_python(parameters[name]) for name in SIZES[SIZE]}
        settings = {
            "arguments": {**vars(arguments), "out": str(out)},
            "data": {
                "name": data.name,
                "target": data.target,
                "columns": [str(name) for name in data.X.columns],
                "classes": np.unique(data.y).tolist(),
                "n_train": len(parts[0]),
                "n_held_out": len(parts[1]),
            },
            "best_hyperparameters": best,
            "scores": scores,
            "seconds": round(time.monotonic() - start, 1),
            "versions": {"python": platform.python_version()} | {p: version(p) for p in _PACKAGES},
        }
        write_results(out, search.best_estimator_, _results_table(search), settings)
    show(
        best_table(best),
        "",
        score_table(scores),
        "",
        f"{out / PIPELINE_FILE}  the fitted pipeline, for joblib.load",
        f"{out / RESULTS_FILE}  every candidate with its scores",
        f"{out / SETTINGS_FILE}  arguments, versions and scores",
    )


def _search(arguments: argparse.Namespace, data: Dataset, parts: Split, memory: Path) -> Any:
    """Run the search, and print what it is about and what was unusual."""
    X, X_test, y, _ = parts
    asked = {name: getattr(arguments, name) for name in ("method", "candidates", "cv", "seed")}
    search, n_candidates = make_search(X=X, memory=memory, **asked)
    show(
        f"{data.name}: {len(X)} rows to tune on, {len(X_test)} held out, "
        f"{data.X.shape[1]} columns, {len(np.unique(data.y))} classes"
    )
    if empty := empty_columns(data.X):
        show(f"ignored because they are empty: {listed(empty)}")
    show(f"{arguments.method} search: {n_candidates} candidates x {arguments.cv} folds")
    run_search(search, X, y)
    if n_found := search.fused_summary_.found:
        show(f"finished in an earlier run: {n_found}")
    if n_failed := np.isnan(fold_scores(search.cv_results_, SELECTED_BY)).sum():
        n_fits = n_candidates * arguments.cv
        show(f"{n_failed} of {n_fits} fits failed; their scores are left blank")
    return search


def _results_table(search: Any) -> pd.DataFrame:
    table = pd.DataFrame(search.cv_results_).drop(columns="params")
    first = [f"rank_test_{SELECTED_BY}", "mean_test_accuracy", "mean_test_neg_log_loss"]
    return table[first + [name for name in table.columns if name not in first]].sort_values(
        f"rank_test_{SELECTED_BY}", kind="stable"
    )
