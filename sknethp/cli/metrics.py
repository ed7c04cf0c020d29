"""Metrics by the names that people use."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    get_scorer_names,
    jaccard_score,
    make_scorer,
    precision_score,
    recall_score,
)

from sknethp.cli.errors import CommandError
from sknethp.comparison.scoring import LOG_LOSS
from sknethp.hyperparameters.constraints import Choice

_ALIASES = {
    "log_loss": LOG_LOSS,
    "logloss": LOG_LOSS,
    "auc": "roc_auc",
    "mcc": "matthews_corrcoef",
    "ap": "average_precision",
}
_OF_TWO_CLASSES = {
    "f1": (f1_score, "predict"),
    "precision": (precision_score, "predict"),
    "recall": (recall_score, "predict"),
    "jaccard": (jaccard_score, "predict"),
    "average_precision": (average_precision_score, "predict_proba"),
}
_OF_NUMBERS = re.compile("error|deviance|r2|explained|absolute|squared")
_OF_MANY_CLASSES = {"roc_auc": "roc_auc_ovr"}


def metric_name(given: str, n_classes: int) -> str:
    """Return scikit-learn's name of a metric."""
    name = given.lower().replace("-", "_").replace(" ", "_")
    name = _ALIASES.get(name, name)
    names = Choice(tuple(n for n in get_scorer_names() if not _OF_NUMBERS.search(n)))
    if not names.allows(name):
        near = names.nearest(name)
        hint = f"did you mean {near!r}?" if near else "give log-loss, accuracy, auc or f1"
        raise CommandError(f"--metric {given!r} is not a metric of classification; {hint}")
    if n_classes > 2:
        name = _OF_MANY_CLASSES.get(name, name)
        if name in _OF_TWO_CLASSES:
            raise CommandError(
                f"--metric {given!r} is for two classes, but there are {n_classes}; "
                "give, say, f1_macro, auc or accuracy"
            )
    return name


def scorer(name: str, classes: np.ndarray) -> Any:
    """Return what scores by a metric; the second class is the positive one."""
    if name not in _OF_TWO_CLASSES:
        return name
    function, response = _OF_TWO_CLASSES[name]
    return make_scorer(function, response_method=response, pos_label=classes[1])


def positive_class(name: str, classes: np.ndarray) -> str | None:
    """Return the class that a metric takes for the positive one; None if it takes none."""
    return str(classes[1]) if name in _OF_TWO_CLASSES else None
