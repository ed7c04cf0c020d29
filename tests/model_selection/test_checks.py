"""What searches reject before any fit, and what they do not take for the best."""

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from sknethp import DeepNetClassifier, model_selection
from sknethp.model_selection import (
    BayesSearchCV,
    GridSearchCV,
    HalvingRandomSearchCV,
    LayerGrowthSearchCV,
    ManualSearchCV,
    RandomizedSearchCV,
)
from tests.helpers import SEARCHES, searching


def net():
    return DeepNetClassifier(max_epochs=2, hidden_units=8, random_state=0)


@pytest.fixture(scope="module")
def data():
    return load_iris(return_X_y=True)


@pytest.fixture
def unfitted(monkeypatch):
    """Make sure that nothing is fitted."""
    monkeypatch.setattr(DeepNetClassifier, "fit", lambda *_, **__: pytest.fail("fitted"))


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("memory", value) for value in ("", 5, True)),
        *(("progress", value) for value in ("x", 2)),
        *(("n_jobs", value) for value in (0, 1.5, "all", True)),
    ],
)
def test_settings_that_all_searches_have(name, setting, value, data, unfitted):
    search = getattr(model_selection, name)(net(), **{setting: value})
    with pytest.raises(ValueError, match=rf"{setting}=.* is not valid: {setting} must be \w"):
        search.fit(*data)


RANGES = [
    (1e-3, 0.1, "loguniform"),
    [1e-3, 0.1, "log_uniform"],
    (1, 5, "Uniform"),
    (np.float32(1), 9, "log"),
    ("log-uniform", 1e-3, 0.1),
]
OBJECTS = np.array([1e-3, 0.1, "loguniform"], dtype=object)


@pytest.mark.parametrize("place", [*RANGES, (1e-3, 0.1, "log-uniform", 10), OBJECTS])
@pytest.mark.parametrize(
    "search", [GridSearchCV, RandomizedSearchCV, HalvingRandomSearchCV, LayerGrowthSearchCV]
)
def test_bounds_with_a_prior_are_no_three_values(search, place, data, unfitted):
    with pytest.raises(ValueError, match=r"which would be . values to choose from: for a range"):
        search(net(), [{"lr": [0.1]}, {"dropout": [0.1], "lr": place}]).fit(*data)


@pytest.mark.parametrize("place", RANGES)
def test_a_prior_that_skopt_does_not_know(place, data, unfitted):
    with pytest.raises(ValueError, match=r"a prior is 'uniform' or 'log-uniform', in the t"):
        BayesSearchCV(net(), {"lr": place}).fit(*data)


def test_values_of_two_kinds_are_a_choice_still(data):
    space = {
        "C": (0.1, 1.0, 10),
        "warm_start": [True, False],
        "max_iter": [500, 600],
        "random_state": (1, 2, None),
    }
    search = GridSearchCV(LogisticRegression(), space, cv=2).fit(*data)
    assert len(search.cv_results_["params"]) == 36


MANY = 10**9
LR = {"lr": loguniform(1e-3, 0.1)}
GRID = {name: list(range(1, 2001)) for name in ("hidden_units", "batch_size", "max_epochs")}


@pytest.mark.parametrize(
    "search",
    [
        GridSearchCV(net(), GRID),
        RandomizedSearchCV(net(), LR, n_iter=MANY),
        RandomizedSearchCV(net(), GRID, n_iter=MANY),
        HalvingRandomSearchCV(net(), LR, n_candidates=MANY),
        LayerGrowthSearchCV(net(), LR, n_iter=MANY),
        LayerGrowthSearchCV(net(), GRID),
        BayesSearchCV(net(), {"lr": (1e-3, 0.1)}, n_iter=MANY),
        BayesSearchCV(net(), [({"lr": (1e-3, 0.1)}, MANY)]),
        BayesSearchCV(net(), {"lr": (1e-3, 0.1)}, n_iter=MANY, n_points=MANY, max_time=1),
    ],
)
def test_more_candidates_than_can_be_tried(search, data, unfitted):
    with pytest.raises(ValueError, match=r"has [\d,]+ candidates, but 1,000,000 are the most"):
        search.fit(*data)


def test_a_time_limit_takes_the_place_of_a_number(data):
    search = BayesSearchCV(net(), {"lr": (1e-3, 0.1)}, n_iter=MANY, n_points=2, max_time=1e-9, cv=2)
    with pytest.warns(UserWarning, match="1 of 1000000000 candidates took"):
        search.fit(*data)
    assert len(search.cv_results_["params"]) == 1


def failing(estimator, X, y):
    """Fail on test folds."""
    raise RuntimeError("no score")


def partly_failing(estimator, X, y):
    """Give NaN in some folds, of every candidate."""
    return np.nan if y[0] == 0 and len(y) < 100 else estimator.score(X, y)


FOLDS = {"cv": [(np.arange(30, 150), np.arange(30)), (np.arange(120), np.arange(120, 150))]}


@pytest.mark.filterwarnings("ignore:Scoring failed", "ignore:One or more of the t")
@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("scoring", [failing, partly_failing])
def test_without_any_score_nothing_is_refitted(name, scoring, data):
    folds = {} if name.startswith("Halving") else FOLDS
    search = searching(name, net(), scoring=scoring, error_score=np.nan, **folds)
    with pytest.raises(ValueError, match=r"scoring failed|see the warnings"):
        search.fit(*data)
    assert not hasattr(search, "best_estimator_")


@pytest.mark.filterwarnings("ignore:One or more of the t")
def test_the_metric_to_refit_by_decides(data):
    """Another metric may fail, and without `refit` all may."""
    metrics = {"good": "accuracy", "bad": partly_failing}
    search = GridSearchCV(net(), {"lr": [0.01, 0.02]}, scoring=metrics, refit="good", **FOLDS)
    assert search.fit(*data).best_score_ == search.cv_results_["mean_test_good"].max()
    with pytest.raises(ValueError, match="mean_test_bad is NaN for all 2"):
        search.set_params(refit="bad").fit(*data)
    manual = ManualSearchCV(net(), scoring=partly_failing, refit=False, **FOLDS).fit(*data)
    assert np.isnan(manual.cv_results_["mean_test_score"]).all()
