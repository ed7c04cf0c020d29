"""What ``compare`` computes: against scikit-learn's cross-validation, on real tables."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    RepeatedStratifiedKFold,
    StratifiedKFold,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sknethp import compare
from sknethp.comparison import MODELS
from tests.comparison.conftest import FAST

FOLDS = StratifiedKFold(4, shuffle=True, random_state=3)


def test_scores_are_those_of_cross_validate(iris):
    X, y = iris
    model = LogisticRegression(C=0.01, max_iter=500)
    comparison = compare(X, y, {"linear": model}, cv=FOLDS, n_jobs=1, random_state=0)
    metrics = ["neg_log_loss", "accuracy"]
    expected = cross_validate(model, X.astype(np.float32), y, cv=FOLDS, scoring=metrics)
    for metric in metrics:
        found = comparison.fold_scores(metric)["linear"]
        np.testing.assert_allclose(found, expected[f"test_{metric}"], rtol=1e-5)
    other = cross_validate(clone(model).set_params(C=1), X, y, cv=FOLDS, scoring=metrics)
    assert np.abs(found - other["test_accuracy"]).max() > 0.01  # another model would be seen


def test_held_out_predictions_are_those_that_were_scored(fast, iris):
    y = iris[1]
    held_out = fast.held_out_
    assert list(held_out) == ["model", "fold", "row", "label", "predicted"] + [
        f"proba_{name}" for name in (0, 1, 2)
    ]
    np.testing.assert_array_equal(fast.y_, y)
    np.testing.assert_array_equal(np.sort(np.concatenate(fast.folds_)), np.arange(len(y)))
    for model in FAST:
        probabilities = fast.probabilities(model)
        assert probabilities.shape == (150, 3)
        losses = [-log_loss(y[rows], probabilities[rows], labels=[0, 1, 2]) for rows in fast.folds_]
        np.testing.assert_allclose(losses, fast.fold_scores()[model], rtol=1e-9)
        own = held_out[held_out["model"] == model]
        accuracies = [
            accuracy_score(part["label"], part["predicted"]) for _, part in own.groupby("fold")
        ]
        np.testing.assert_allclose(accuracies, fast.fold_scores("accuracy")[model])


def test_the_same_seed_gives_the_same_and_another_other_folds(fast, iris):
    again = compare(*iris, FAST, cv=4, random_state=0)
    columns = ["model", "fold", "neg_log_loss", "accuracy"]
    pd.testing.assert_frame_equal(fast.scores_[columns], again.scores_[columns])
    other = compare(*iris, FAST, cv=4, random_state=1)
    assert not fast.scores_["neg_log_loss"].equals(other.scores_["neg_log_loss"])


@pytest.mark.slow
def test_all_built_in_models_on_a_mixed_table_keep_to_the_time(mixed):
    comparison = compare(*mixed, max_time=3, cv=2, random_state=0)
    assert set(comparison.models_) == set(MODELS)
    scores = comparison.scores_[["neg_log_loss", "accuracy", "train_score"]].to_numpy()
    assert np.isfinite(scores).all()
    tuned = comparison.scores_[comparison.scores_["model"] != "DeepNetClassifier"]
    assert tuned["n_candidates"].min() >= 1
    assert (comparison.fold_scores("accuracy")["DeepNetClassifierCV"] > 0.6).all()
    text = str(comparison)
    assert text.startswith("5 models on 2 folds, 3 s for each fit; higher is better\n")
    assert comparison.sentence_ in text
    html = comparison._repr_html_()
    assert html.count("<tr") == 6
    assert "<table" in html


def test_a_mixed_table_is_encoded_for_all_and_a_pipeline_gets_it_as_it_is(mixed):
    X, y = mixed
    seen = {}

    class Looking(DecisionTreeClassifier):
        def fit(self, X, y):
            seen[type(X).__name__] = X.shape[1]
            return super().fit(X, y)

    skrub = pytest.importorskip("skrub")
    own = make_pipeline(skrub.TableVectorizer(), Looking(max_depth=3, random_state=0))
    comparison = compare(X, y, {"array": Looking(max_depth=3), "own": own}, cv=3, random_state=0)
    assert set(seen) == {"ndarray", "DataFrame"}
    assert seen["ndarray"] > X.shape[1]
    assert (comparison.fold_scores("accuracy")["array"] > 0.7).all()


def test_searches_of_the_users_tune_on_groups(iris):
    X, y = iris
    groups = np.arange(150) // 3
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"logisticregression__C": [1e-3, 1e-2, 0.1]},
        cv=GroupKFold(3),
    )
    comparison = compare(X, y, {"grid": search}, cv=3, groups=groups, n_jobs=1, random_state=0)
    assert (comparison.scores_["n_candidates"] == 3).all()
    assert comparison.scores_["params"][0].startswith('{"logisticregression__C": 0.1')
    assert comparison.warnings_ == [
        "The best C of grid was at the high end of its range in 3 of 3 folds: values beyond it "
        "may be better."
    ]
    for rows in comparison.folds_:
        assert not set(groups[rows]) & set(groups[np.setdiff1d(np.arange(150), rows)])


def test_rows_that_are_held_out_twice_are_averaged(iris):
    cv = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    comparison = compare(*iris, {"bayes": FAST["bayes"]}, cv=cv, random_state=0)
    assert len(comparison.held_out_) == 300
    assert comparison.probabilities("bayes").shape == (150, 3)
    np.testing.assert_allclose(comparison.probabilities("bayes").sum(axis=1), 1)


def test_the_first_metric_decides(iris):
    models = {"never": DummyClassifier(strategy="prior"), "bayes": FAST["bayes"]}
    by_loss = compare(*iris, models, cv=3, random_state=0)
    assert by_loss.leader_ == "bayes"
    worst = compare(
        *iris, models, cv=3, random_state=0, scoring={"bad": negative, "acc": "accuracy"}
    )
    assert worst.leader_ == "never"
    assert list(worst.to_frame().columns[:4]) == ["bad", "bad_se", "acc", "acc_se"]
    assert worst.to_frame("acc").index[0] == "bayes"


def negative(estimator, X, y):
    return -accuracy_score(y, estimator.predict(X))


def test_a_model_that_fails_does_not_stop_the_others(iris):
    broken = DecisionTreeClassifier(max_depth=-1)
    comparison = compare(*iris, {"broken": broken, **FAST}, cv=3, random_state=0)
    assert comparison.models_[-1] == "broken"
    assert comparison.warnings_[0].startswith("broken has no scores: The 'max_depth' parameter")
    assert set(comparison.held_out_["model"]) == set(FAST)
    with pytest.raises(ValueError, match="No model could be fitted \\(broken: The 'max_depth'"):
        compare(*iris, {"broken": broken}, cv=3)


def test_nothing_global_changes(iris):
    import random
    import warnings

    import torch

    def state():
        return (
            random.getstate(),
            np.random.get_state()[1].tolist(),  # noqa: NPY002
            torch.get_num_threads(),
            torch.random.get_rng_state().tolist(),
            list(warnings.filters),
        )

    before = state()
    compare(*iris, ["RandomForest"], max_time=0.3, cv=2, n_jobs=1, random_state=0)
    assert state() == before


def peer(module, name, **settings):
    return getattr(pytest.importorskip(module), name)(**settings)


PEERS = {
    "XGBoost": ("xgboost", "XGBClassifier", {"n_estimators": 20}),
    "LightGBM": ("lightgbm", "LGBMClassifier", {"n_estimators": 20, "verbose": -1}),
    "CatBoost": (
        "catboost",
        "CatBoostClassifier",
        {"iterations": 20, "verbose": False, "allow_writing_files": False},
    ),
    "RealMLP": ("pytabkit", "RealMLP_TD_Classifier", {"n_epochs": 4, "device": "cpu"}),
    "TabPFN": ("tabpfn", "TabPFNClassifier", {"device": "cpu"}),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PEERS)
def test_other_libraries(name):
    """Labels are text, columns have gaps; each must beat the shares of the classes."""
    module, kind, settings = PEERS[name]
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X, y = X.iloc[::3, :8], y[::3].map({0: "malignant", 1: "benign"})
    X = X.mask(np.random.default_rng(0).random(X.shape) < 0.05)
    models = {name: peer(module, kind, **settings), "prior": DummyClassifier(strategy="prior")}
    comparison = compare(X, y, models, cv=2, random_state=0)
    assert comparison.warnings_ == []
    assert comparison.models_ == [name, "prior"]
    assert set(comparison.held_out_["predicted"]) == {"malignant", "benign"}
