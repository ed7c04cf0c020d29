"""Preprocessing in front of a classifier, and the pipelines that a run fits."""

from __future__ import annotations

import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from sknethp.cli.errors import CommandError
from sknethp.comparison.models import seeded
from sknethp.comparison.tables import encoder, imputer

try:
    from skrub import SquashingScaler
except (OSError, RuntimeError) as error:
    raise CommandError(
        f"skrub cannot make its data folder ({error}); set HOME or SKB_DATA_DIRECTORY to a folder "
        "that you can write to"
    ) from error

STEP = "net"


def make_net_pipeline(net: BaseEstimator, X: pd.DataFrame, seed: int) -> Pipeline:
    """Put a net, which scales its inputs itself, behind an encoder of tables."""
    steps = [("encode", encoder(X)), ("impute", imputer())]
    return seeded(Pipeline([("preprocess", Pipeline(steps)), (STEP, net)]), seed)


def make_baselines(X: pd.DataFrame) -> dict[str, Pipeline]:
    """Return the models that a tuned net has to beat."""
    baselines = {
        "logistic regression": make_pipeline(SquashingScaler(), LogisticRegression(max_iter=1000)),
        # It predicts the most frequent class, with the classes' shares as probabilities.
        "most frequent class": DummyClassifier(strategy="prior"),
    }
    return {
        title: make_pipeline(encoder(X), imputer(), model) for title, model in baselines.items()
    }
