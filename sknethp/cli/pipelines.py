"""Preprocessing in front of a classifier, and the pipelines that a run fits."""

from __future__ import annotations

import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sknethp.cli.errors import CommandError
from sknethp.comparison.tables import imputer, needs_only_conversion
from sknethp.hyperparameters import last_part

try:
    from skrub import DatetimeEncoder, SquashingScaler, TableVectorizer
except (OSError, RuntimeError) as error:
    raise CommandError(
        f"skrub cannot make its data folder ({error}); set HOME or SKB_DATA_DIRECTORY to a folder "
        "that you can write to"
    ) from error

STEP = "net"


def make_net_pipeline(net: BaseEstimator, X: pd.DataFrame, seed: int) -> Pipeline:
    """Put a net, which scales its inputs itself, behind an encoder of tables."""
    steps = [("encode", _encoder(X)), ("impute", imputer())]
    pipeline = Pipeline([("preprocess", Pipeline(steps)), (STEP, net)])
    seeded = [name for name in pipeline.get_params() if last_part(name) == "random_state"]
    return pipeline.set_params(**dict.fromkeys(seeded, seed))


def make_baselines(X: pd.DataFrame) -> dict[str, Pipeline]:
    """Return the models that a tuned net has to beat."""
    baselines = {
        "logistic regression": make_pipeline(SquashingScaler(), LogisticRegression(max_iter=1000)),
        # It predicts the most frequent class, with the classes' shares as probabilities.
        "most frequent class": DummyClassifier(strategy="prior"),
    }
    return {
        title: make_pipeline(_encoder(X), imputer(), model) for title, model in baselines.items()
    }


def _encoder(X: pd.DataFrame) -> BaseEstimator:
    """Return a transformer of a table to numbers, as `sknethp.compare` has it.

    It keeps the columns' names, by which the next step notices another order.
    """
    if needs_only_conversion(X):
        return FunctionTransformer(pd.DataFrame.astype, kw_args={"dtype": "float32"})
    return TableVectorizer(datetime=DatetimeEncoder(periodic_encoding="spline"))
