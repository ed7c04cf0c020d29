"""Results as plain tables: a row per model and fold, and a row per held-out row."""

from __future__ import annotations

from typing import Any

import numpy as np

from sknethp.comparison.data import Data
from sknethp.comparison.evaluation import Result
from sknethp.self_tuning.folds import Splits

Results = dict[tuple[str, int], Result]
SEPARATOR = "; "


def pandas() -> Any:
    """Import pandas, or say how to install it."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "compare needs pandas, which is not installed: pip install 'sknethp[tables]'."
        ) from error
    return pandas


def scores_frame(results: Results, splits: Splits, metrics: list[str]) -> Any:
    """Return a row per model and fold, ordered by model."""
    rows: list[dict[str, Any]] = [
        {
            "model": model,
            "fold": fold,
            "n_train": len(splits[fold][0]),
            "n_test": len(splits[fold][1]),
            **{metric: result.scores[metric] for metric in metrics},
            "fit_seconds": result.fit_seconds,
            "predict_seconds": result.predict_seconds,
            "train_score": result.train_score,
            "n_candidates": result.n_candidates,
            "params": result.params,
            "at_edge": SEPARATOR.join(result.edges),
            "notes": SEPARATOR.join(result.notes),
            "failure": result.failure,
        }
        for (model, fold), result in results.items()
    ]
    names = list(dict.fromkeys(model for model, _ in results))
    return pandas().DataFrame(sorted(rows, key=lambda row: names.index(row["model"])))


def held_out_frame(results: Results, splits: Splits, data: Data) -> Any:
    """Return a row per model and held-out row, with a column of probabilities per class.

    `label` is the true label, and `predicted` the model's.
    """
    frame = pandas().DataFrame
    parts = []
    for model in dict.fromkeys(model for model, _ in results):
        for fold, (_, test) in enumerate(splits):
            result = results[model, fold]
            if np.isnan(result.probabilities).all():
                continue
            part = {"model": model, "fold": fold, "row": test, "label": data.y[test]}
            part |= {"predicted": data.classes[result.predicted]}
            parts.append(frame(part | named_probabilities(result.probabilities, data.classes)))
    return pandas().concat(parts, ignore_index=True)


def named_probabilities(probabilities: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of probabilities, ``(n_rows, n_classes)``, by name."""
    return {f"proba_{name}": probabilities[:, i] for i, name in enumerate(classes)}
