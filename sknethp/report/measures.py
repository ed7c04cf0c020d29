"""What a report needs of a fitted pipeline, as tables to be written beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.inspection import permutation_importance

from sknethp.display import TrainingDisplay

_MOST_FEATURES = 200
_MOST_ROWS = 1000
_PREDICTIONS = 150
_REPEATS = (2, 10)


def training_curves(model: Any) -> pd.DataFrame:
    """Return a row per net in a fitted model and epoch, as ``curves.csv`` has it."""
    display = TrainingDisplay.from_estimator(model)
    tables = [
        pd.DataFrame(
            {
                "net": str(number),
                "epoch": np.arange(1, len(history) + 1),
                "train_loss": [row.get("train_loss", np.nan) for row in history],
                "valid_loss": [row.get("valid_loss", np.nan) for row in history],
                "best": best,
            }
        )
        for number, (history, best) in enumerate(
            zip(display.histories, display.best_epochs, strict=True), start=1
        )
    ]
    return pd.concat(tables, ignore_index=True)


def feature_importance(
    model: Any, X: pd.DataFrame, y: np.ndarray, random_state: Any = 0
) -> pd.DataFrame | None:
    """Return the permutation importance of each feature on held-out rows, most important first.

    That is by how much the log-loss grows; None for more features than anybody would look at.
    With many features there are fewer repetitions.
    """
    if X.shape[1] > _MOST_FEATURES:
        return None
    found = permutation_importance(
        model,
        X,
        y,
        scoring="neg_log_loss",
        n_repeats=int(np.clip(_PREDICTIONS // X.shape[1], *_REPEATS)),
        max_samples=min(len(X), _MOST_ROWS),
        random_state=random_state,
    )
    table = pd.DataFrame(
        {
            "feature": [str(name) for name in X.columns],
            "mean": found.importances_mean,
            "std": found.importances_std,
        }
    )
    return table.sort_values("mean", ascending=False, kind="stable", ignore_index=True)
