"""Importance of features and training curves of fitted models."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknethp import DeepNetClassifier
from sknethp.report.measures import feature_importance, training_curves


@pytest.fixture(scope="module")
def told_by_one():
    """Rows whose class one column tells, another does not, and a model of them."""
    random = np.random.default_rng(0)
    X = pd.DataFrame({"noise": random.normal(size=400), "signal": random.normal(size=400)})
    y = np.where(X["signal"] + 0.2 * random.normal(size=400) > 0, "yes", "no")
    return LogisticRegression().fit(X[:200], y[:200]), X[200:], y[200:]


def test_the_feature_that_tells_the_class_comes_first(told_by_one):
    model, X, y = told_by_one
    table = feature_importance(model, X, y)
    assert table["feature"].tolist() == ["signal", "noise"]
    assert abs(table["mean"][1]) < 0.02 * table["mean"][0]


def test_importance_is_the_growth_of_the_loss(told_by_one):
    model, X, y = told_by_one
    mixed = np.random.default_rng(1).permutation(X["signal"])
    before, after = (log_loss(y, model.predict_proba(x)) for x in (X, X.assign(signal=mixed)))
    table = feature_importance(model, X, y)
    assert table["mean"][0] == pytest.approx(after - before, rel=0.2)


def test_many_features_have_no_importance(told_by_one):
    model, X, y = told_by_one
    wide = pd.DataFrame(np.zeros((len(X), 201)))
    assert feature_importance(model, wide, y) is None


def test_curves_are_the_history_of_the_net(data):
    net = DeepNetClassifier(max_epochs=4, early_stopping=True, random_state=0)
    model = make_pipeline(StandardScaler(), net).fit(*data)
    table, history = training_curves(model), model[-1].history_
    assert table["epoch"].tolist() == [1, 2, 3, 4]
    assert table["valid_loss"].tolist() == [row["valid_loss"] for row in history]
    assert table["train_loss"].tolist() == [row["train_loss"] for row in history]
    assert set(table["best"]) == {model[-1].best_epoch_}


def test_without_validation_the_loss_is_empty(data):
    table = training_curves(DeepNetClassifier(max_epochs=2, random_state=0).fit(*data))
    assert table["valid_loss"].isna().all()
    assert table["train_loss"].notna().all()
