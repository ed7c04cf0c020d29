"""Metrics by name."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, log_loss, roc_auc_score

from sknethp.cli.metrics import metric_name, positive_class
from sknethp.cli.scoring import Scoring

TEXT = np.array(["benign", "malignant"], dtype=object)


@pytest.fixture(scope="module")
def fitted():
    X, y = load_breast_cancer(return_X_y=True)
    return LogisticRegression(max_iter=20).fit(X[::2, :3], TEXT[1 - y[::2]]), X[1::2, :3], y[1::2]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("f1", lambda y, p: f1_score(y, p > 0.5)),
        ("AUC", roc_auc_score),
        ("average-precision", average_precision_score),
        ("log-loss", lambda y, p: -log_loss(y, p)),
    ],
)
def test_scores_of_labels_that_are_text(given, expected, fitted):
    model, X, y = fitted
    scoring = Scoring.by(given, TEXT)
    scores = scoring(model, X, TEXT[1 - y])
    is_malignant, probability = 1 - y, model.predict_proba(X)[:, 1]
    assert scores[scoring.chosen] == pytest.approx(expected(is_malignant, probability))
    if given != "AUC":  # which is the same from both sides
        assert scores[scoring.chosen] != pytest.approx(expected(y, 1 - probability), abs=1e-3) or (
            given == "log-loss"
        )
    assert set(scores) >= {"accuracy", "neg_log_loss"}


def test_names_for_two_and_for_more_classes():
    assert metric_name("auc", 2) == "roc_auc"
    assert metric_name("auc", 3) == "roc_auc_ovr"
    assert metric_name("F1-macro", 3) == "f1_macro"
    assert positive_class("f1", TEXT) == "malignant"
    assert positive_class("accuracy", TEXT) is None


def test_a_score_that_does_not_exist_is_not_a_number(fitted):
    model, X, y = fitted
    scores = Scoring.by("auc", TEXT)(model, X[y == 1], TEXT[1 - y[y == 1]])
    assert np.isnan(scores["roc_auc"])
    assert np.isfinite(scores["accuracy"])
