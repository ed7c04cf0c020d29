"""DeepNetClassifier inside scikit-learn's (and scikit-optimize's) other tools, on real data."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, recall_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    train_test_split,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from skopt import BayesSearchCV
from skopt.space import Categorical, Real

from tests.helpers import small_net

IRIS = load_iris(return_X_y=True, as_frame=True)
WINE = load_wine(return_X_y=True)
CANCER = load_breast_cancer(return_X_y=True)
DIGITS = tuple(part[:600] for part in load_digits(return_X_y=True))


PLAIN = {"activation": "relu", "dropout": 0.2, "label_smoothing": 0.0}
net = partial(small_net, max_epochs=25, hidden_units=32, lr=0.01, **PLAIN)


def scaled(**settings):
    return Pipeline([("scale", StandardScaler()), ("net", net(**settings))])


def majority(y):
    return np.unique(y, return_counts=True)[1].max() / len(y)


def halves(data):
    X, y = data
    return train_test_split(X, y, test_size=0.4, random_state=0, stratify=y)


@pytest.mark.parametrize(
    ("data", "wanted"), [(IRIS, 0.88), (WINE, 0.94), (CANCER, 0.93), (DIGITS, 0.85)]
)
def test_pipeline(data, wanted):
    X, X_test, y, y_test = halves(data)
    pipeline = scaled().fit(X, y)
    assert pipeline.score(X_test, y_test) > wanted > majority(y)
    np.testing.assert_array_equal(pipeline.classes_, np.unique(y))


def test_set_output_gives_the_net_names():
    X, y = IRIS
    pipeline = scaled().set_output(transform="pandas").fit(X, y)
    np.testing.assert_array_equal(pipeline["net"].feature_names_in_, X.columns)
    with config_context(transform_output="polars"):
        other = scaled().fit(X, y)
        np.testing.assert_array_equal(other.predict(X), pipeline.predict(X))
    np.testing.assert_array_equal(other["net"].feature_names_in_, X.columns)


@pytest.mark.parametrize("sparse_output", [True, False])
def test_columns_that_are_categorical_or_missing(sparse_output):
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    rng = np.random.RandomState(0)
    mixed = pd.DataFrame(
        {
            "size": pd.qcut(X["mean area"], 4, labels=["S", "M", "L", "XL"]),
            "shape": pd.qcut(X["mean concavity"], 3, labels=["flat", "dented", "deep"])
            .astype(object)
            .mask(rng.rand(len(X)) < 0.2),
            "texture": X["mean texture"].mask(rng.rand(len(X)) < 0.3),
            "smoothness": X["mean smoothness"],
        }
    )
    columns = make_column_transformer(
        (
            make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=sparse_output),
            make_column_selector(dtype_exclude="number"),
        ),
        sparse_threshold=1.0,
    )
    labels = np.where(y == 1, "benign", "malignant")
    score = cross_val_score(make_pipeline(columns, net()), mixed, labels, cv=3)
    assert score.mean() > majority(y) + 0.2


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(method):
    X, X_test, y, y_test = halves(CANCER)
    model = CalibratedClassifierCV(scaled(), method=method, cv=3).fit(X, y)
    assert model.score(X_test, y_test) > 0.92
    base = np.mean(y) * np.ones(len(y_test))
    brier = brier_score_loss(y_test, model.predict_proba(X_test)[:, 1])
    assert brier < 0.3 * brier_score_loss(y_test, base)


def test_stacking_and_voting():
    X, X_test, y, y_test = halves(WINE)
    members = [("net", scaled()), ("tree", DecisionTreeClassifier(max_depth=2, random_state=0))]
    stack = StackingClassifier(members, LogisticRegression(), cv=3).fit(X, y)
    assert stack.score(X_test, y_test) > 0.85 > majority(y) + 0.4
    assert stack.stack_method_ == ["predict_proba", "predict_proba"]
    vote = VotingClassifier(members, voting="soft").fit(X, y)
    assert vote.score(X_test, y_test) > 0.9


FROZEN = {
    "calibrated by a sigmoid": lambda frozen: CalibratedClassifierCV(frozen, method="sigmoid"),
    "calibrated monotonically": lambda frozen: CalibratedClassifierCV(frozen, method="isotonic"),
    "stacked": lambda frozen: StackingClassifier(
        [("net", frozen), ("linear", LogisticRegression())], cv=2
    ),
    "voting": lambda frozen: VotingClassifier(
        [("net", frozen), ("linear", LogisticRegression())], voting="soft"
    ),
}


@pytest.mark.parametrize("wrapped", FROZEN.values(), ids=FROZEN)
def test_a_frozen_net_is_used_as_it_is(wrapped):
    """Nothing around it trains it, not even on labels that are wrong."""
    X, X_test, y, y_test = halves(IRIS)
    names = np.array(["setosa", "versicolor", "virginica"])
    fitted = scaled().fit(X, names[y])
    before = fitted.predict_proba(X_test)
    model = wrapped(FrozenEstimator(fitted)).fit(X, names[y])
    assert model.score(X_test, names[y_test]) > 0.85 > majority(y_test) + 0.4
    wrapped(FrozenEstimator(fitted)).fit(X, np.roll(names[y], 7))
    np.testing.assert_array_equal(fitted.predict_proba(X_test), before)


def test_a_stack_of_what_is_fitted_already():
    X, X_test, y, y_test = halves(WINE)
    fitted = scaled().fit(X, y)
    before = fitted.predict_proba(X_test)
    stack = StackingClassifier([("net", fitted)], cv="prefit").fit(X, y)
    assert stack.score(X_test, y_test) > 0.9
    assert stack.named_estimators_["net"] is fitted
    np.testing.assert_array_equal(fitted.predict_proba(X_test), before)


def test_net_as_the_last_estimator_of_a_stack():
    X, X_test, y, y_test = halves(WINE)
    trees = [(f"{d}", DecisionTreeClassifier(max_depth=d, random_state=0)) for d in (1, 3)]
    stack = StackingClassifier(trees, net(max_epochs=20), cv=3).fit(X, y)
    assert stack.score(X_test, y_test) > 0.8


def test_bagging():
    X, X_test, y, y_test = halves(WINE)
    model = BaggingClassifier(
        scaled(), n_estimators=4, max_samples=0.6, max_features=0.7, oob_score=False, random_state=0
    ).fit(X, y)
    assert model.score(X_test, y_test) > 0.9
    seeds = {member["net"].random_state for member in model.estimators_}
    assert len(seeds) == 4
    assert len({member.predict_proba(X[:, :9]).tobytes() for member in model.estimators_}) == 4


def test_boosting_with_sample_weights():
    X, X_test, y, y_test = halves(CANCER)
    X, X_test = StandardScaler().fit(X).transform(X), StandardScaler().fit(X).transform(X_test)
    weak = net(hidden_layers=0, max_epochs=1, lr=0.002, dropout=0)
    model = AdaBoostClassifier(weak, n_estimators=5, random_state=0).fit(X, y)
    assert len(model.estimators_) > 1
    assert len(set(np.round(model.estimator_weights_, 6))) > 1
    assert model.score(X_test, y_test) > majority(y_test) + 0.2


@pytest.mark.parametrize("kind", [OneVsRestClassifier, OneVsOneClassifier])
def test_one_class_against_others(kind):
    X, X_test, y, y_test = halves(WINE)
    model = kind(scaled()).fit(X, np.array(["a", "b", "c"])[y])
    assert model.score(X_test, np.array(["a", "b", "c"])[y_test]) > 0.93


def test_multilabel_by_one_against_rest():
    X, y = WINE
    labels = np.column_stack([y == 0, y != 1]).astype(int)
    model = OneVsRestClassifier(scaled()).fit(X, labels)
    assert (model.predict(X) == labels).mean() > 0.95


def test_feature_selection():
    X, y = WINE
    noise = np.random.RandomState(0).normal(size=(len(X), 2))
    X = np.hstack([noise, X[:, [6, 9, 12]]])
    selector = SequentialFeatureSelector(scaled(hidden_units=8), n_features_to_select=2, cv=2)
    chosen = selector.fit(X, y).get_support(indices=True)
    assert set(chosen) <= {2, 3, 4}


def test_permutation_importance():
    X, y = WINE
    X = np.column_stack([np.random.RandomState(0).normal(size=len(X)), X[:, [6, 9, 12]]])
    model = scaled(max_epochs=20).fit(X, y)
    importance = permutation_importance(model, X, y, n_repeats=3, random_state=0).importances_mean
    assert importance[0] < 0.05 < importance[1:].min()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_logarithms_of_probabilities_through_others(n_classes):
    """Where predict_log_proba is asked for, scaled, across folds, and along a chain."""
    X, y = (part[WINE[1] < n_classes] for part in WINE)
    model = scaled(max_epochs=5).fit(X, y)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(model.predict_proba(X)))
    across, plain = (
        cross_val_predict(scaled(max_epochs=5), X, y, cv=2, method=method)
        for method in ("predict_log_proba", "predict_proba")
    )
    np.testing.assert_allclose(across, np.log(plain))
    labels = np.column_stack([y == 0, y == 1])
    chain = ClassifierChain(scaled(), cv=2, chain_method="predict_log_proba").fit(X, labels)
    assert (chain.predict(X) == labels).mean() > 0.95


def test_learning_curve():
    X, y = DIGITS
    sizes, train, test = learning_curve(
        scaled(), X, y, train_sizes=[30, 300], cv=2, shuffle=True, random_state=0
    )
    assert sizes.tolist() == [30, 300]
    assert test[0].mean() + 0.1 < test[1].mean()
    assert (train >= test - 0.05).all()


def test_incremental_learning_curve():
    X, y = WINE
    _, _, test = learning_curve(
        net(lr=0.02),
        StandardScaler().fit_transform(X),
        y,
        train_sizes=[0.3, 1.0],
        cv=2,
        exploit_incremental_learning=True,
        shuffle=True,
        random_state=0,
    )
    assert test[1].mean() > majority(y)


def test_validation_curve():
    _, test = validation_curve(
        scaled(), *WINE, param_name="net__max_epochs", param_range=[1, 10], cv=2
    )
    assert test[1].mean() > test[0].mean()


def test_threshold():
    X, X_test, y, y_test = halves(CANCER)
    weak = scaled(hidden_layers=0, max_epochs=8)
    tuned = TunedThresholdClassifierCV(weak, scoring="balanced_accuracy", cv=3).fit(X, y)
    assert tuned.score(X_test, y_test) > 0.9
    low = FixedThresholdClassifier(weak, threshold=0.05).fit(X, y)
    high = FixedThresholdClassifier(weak, threshold=0.95).fit(X, y)
    assert recall_score(y_test, low.predict(X_test)) > recall_score(y_test, high.predict(X_test))


def worth_it(search, data, *, bad):
    """Assert that a search found better settings than the bad ones that it was offered."""
    X, X_test, y, y_test = halves(data)
    search.fit(X, y)
    assert search.best_score_ > 0.87
    assert search.score(X_test, y_test) > 0.87
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    for name, value in bad.items():
        mask = np.array([params[name] == value for params in search.cv_results_["params"]])
        assert scores[mask].max() < search.best_score_
        assert search.best_params_[name] != value


def test_grid_search():
    grid = {
        "net__lr": [1e-5, 0.01],
        "net__hidden_units": [8, (16, 8)],
        "scale": [StandardScaler(), MinMaxScaler()],
    }
    worth_it(GridSearchCV(scaled(), grid, cv=2), WINE, bad={"net__lr": 1e-5})


def test_grid_search_over_layers():
    grid = [
        {"hidden_layers": [0]},
        {"hidden_layers": [1, 2], "activation": ["tanh"], "normalization": [None, "batch"]},
    ]
    X, y = WINE
    search = GridSearchCV(net(), grid, cv=2, scoring="neg_log_loss", n_jobs=1)
    search.fit(StandardScaler().fit_transform(X), y)
    assert search.best_score_ > -0.3
    assert search.best_estimator_.n_iter_ == 25


def test_randomized_search():
    space = {
        "net__lr": stats.loguniform(1e-4, 1e-1),
        "net__dropout": stats.uniform(0, 0.5),
        "net__hidden_layers": stats.randint(0, 3),
        "net__batch_size": [16, 32],
        "net__optimizer": ["adam", "sgd"],
    }
    search = RandomizedSearchCV(scaled(), space, n_iter=5, cv=2, random_state=0)
    worth_it(search, WINE, bad={})
    assert len(set(search.cv_results_["mean_test_score"])) > 1


def test_halving_search_over_epochs():
    search = HalvingGridSearchCV(
        scaled(),
        {"net__lr": [1e-5, 1e-3, 0.02]},
        resource="net__max_epochs",
        min_resources=2,
        max_resources=18,
        cv=2,
        random_state=0,
    ).fit(*WINE)
    assert search.n_resources_ == [2, 6]
    assert search.best_params_ == {"net__lr": 0.02, "net__max_epochs": 6}
    assert search.best_estimator_["net"].n_iter_ == 6


def test_bayesian_search():
    search = BayesSearchCV(
        scaled(max_epochs=4),
        {
            "net__lr": Real(1e-5, 1e-1, prior="log-uniform"),
            "net__hidden_units": (4, 32),
            "net__activation": Categorical(["relu", "tanh"]),
        },
        n_iter=6,
        optimizer_kwargs={"n_initial_points": 4},
        cv=2,
        random_state=0,
    )
    worth_it(search, WINE, bad={})
    assert type(search.best_params_["net__hidden_units"]).__module__ in {"builtins", "numpy"}


def test_predictions_across_folds():
    X, y = DIGITS
    probability = cross_val_predict(scaled(), X, y, cv=3, method="predict_proba")
    assert probability.shape == (600, 10)
    assert (probability.argmax(1) == y).mean() > 0.8
    np.testing.assert_array_equal(probability.argmax(1), cross_val_predict(scaled(), X, y, cv=3))


@pytest.mark.slow
def test_processes_give_the_same():
    X, y = WINE
    one, two = (
        cross_val_score(scaled(early_stopping=True), X, y, cv=2, n_jobs=n) for n in (None, 2)
    )
    np.testing.assert_array_equal(one, two)


def test_sample_weight_is_routed():
    """Samples with wrong labels have weight zero, in the pipeline within each fold."""
    X, y = CANCER
    bad = np.random.RandomState(0).rand(len(y)) < 0.6
    wrong, weight = np.where(bad, 1 - y, y), np.where(bad, 0.0, 1.0)
    with config_context(enable_metadata_routing=True):
        asks = Pipeline(
            [("scale", StandardScaler().set_fit_request(sample_weight=False)), ("net", net())]
        )
        refuses = clone(asks)
        asks["net"].set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        refuses["net"].set_fit_request(sample_weight=False).set_score_request(sample_weight=True)
        with_weight, without = (
            cross_validate(model, X, wrong, cv=3, params={"sample_weight": weight})["test_score"]
            for model in (asks, refuses)
        )
    assert with_weight.min() > 0.85
    assert without.max() < 0.6


def test_validation_part_is_routed():
    X, X_val, y, y_val = halves(WINE)
    with config_context(enable_metadata_routing=True):
        model = net(early_stopping=True).set_fit_request(X_val=True, y_val=True)
        pipeline = Pipeline(
            [("scale", StandardScaler()), ("net", model)], transform_input=["X_val"]
        )
        pipeline.fit(X, y, X_val=X_val, y_val=y_val)
    assert pipeline["net"].history_[-1]["valid_accuracy"] == pytest.approx(
        pipeline.score(X_val, y_val), abs=0.05
    )
