"""Searches with a time limit, by a clock that only fits and epochs move on."""

import re
import warnings
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknethp import fused
from sknethp.fusion import scheduler, time_limit
from sknethp.model_selection import (
    BayesSearchCV,
    GridSearchCV,
    LayerGrowthSearchCV,
    RandomizedSearchCV,
    evaluations,
)
from sknethp.training import rounds
from sknethp.training.population import Population
from tests.helpers import small_net

X, y = load_iris(return_X_y=True)


class Clock:
    """Tells the seconds that were added to it."""

    now = 0.0

    def perf_counter(self):
        return self.now

    time = perf_counter


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(Timed, "clock", clock)
    for module in (time_limit, evaluations, rounds, scheduler):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def epochs(clock, monkeypatch):
    """Let each epoch of a network take a second, fused or not; return how many there were."""
    count = SimpleNamespace(n=0)
    run = Population.run

    def slow(self, epochs):
        count.n += len(epochs)
        clock.now += len(epochs)
        return run(self, epochs)

    monkeypatch.setattr(Population, "run", slow)
    return count


class Timed(ClassifierMixin, BaseEstimator):
    """Guesses the first class, after `seconds` of training by the clock."""

    clock = Clock()

    def __init__(self, seconds=1.0, fails=False):
        self.seconds = seconds
        self.fails = fails

    def fit(self, X, y):
        self.clock.now += self.seconds
        if self.fails:
            raise ValueError("This one fails.")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def fitted(search, message=None):
    """Fit a search, which must give a warning with a message, or none at all of its time."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, y)
    about_time = [str(each.message) for each in caught if "max_time=" in str(each.message)]
    assert len(about_time) == (message is not None), about_time
    assert message is None or re.search(message, about_time[0])
    return search


def n_candidates(search):
    results = search.cv_results_
    assert len(search.evaluated_at_) == len(results["rank_test_score"]) == len(results["params"])
    assert np.isfinite(results["mean_test_score"]).all()
    return len(results["params"])


# Other estimators ----------------------------------------------------------------------------

MANY = {"seconds": np.linspace(1, 1.001, 50).tolist()}


@pytest.mark.parametrize("backend", [None, "sequential", "threading"])
@pytest.mark.parametrize("refit", [True, False])
def test_a_grid_ends_in_time(clock, backend, refit):
    search = GridSearchCV(Timed(), MANY, cv=4, max_time=40, refit=refit)
    with parallel_config(backend, n_jobs=1) if backend else nullcontext():
        fitted(
            search, "max_time=40 ended the search after 9 of 50 candidates" if refit else "of 50"
        )
    assert n_candidates(search) == 9
    assert [each["seconds"] for each in search.cv_results_["params"]] == MANY["seconds"][:9]
    assert clock.now == pytest.approx(36 + refit, abs=0.1)
    assert search.best_index_ == 0


def test_enough_time_changes_nothing(clock):
    given = {"param_grid": MANY, "cv": 4}
    search = fitted(GridSearchCV(Timed(), **given, max_time=1000))
    other = GridSearchCV(Timed(), **given).fit(X, y)
    assert n_candidates(search) == 50
    assert search.cv_results_["params"] == other.cv_results_["params"]
    assert search.cv_results_["split1_test_score"].tolist() == [
        *other.cv_results_["split1_test_score"]
    ]


def test_without_enough_time_one_is_evaluated(clock):
    search = fitted(
        GridSearchCV(Timed(10), {"fails": [False, False]}, cv=3, max_time=5),
        "1 of 2 candidates took 40.0 s",
    )
    assert n_candidates(search) == 1
    assert clock.now == 40
    message = "max_time=5 is too short: 1 of 1 candidates took 40.0 s"
    fitted(GridSearchCV(Timed(10), {"fails": [False]}, cv=3, max_time=5), message)


def test_a_costly_candidate_is_not_begun_again(clock):
    """Folds are not begun when those before show that there is no time for them."""
    seconds = [1, 1, 1, 100, 1, 1]
    search = GridSearchCV(Timed(), {"seconds": seconds}, cv=3, max_time=50, refit=False)
    fitted(search, "after 3 of 6")
    assert clock.now == 3 * 3 + 100
    assert [each["seconds"] for each in search.cv_results_["params"]] == [1, 1, 1]


@pytest.mark.parametrize("max_time", [12, 1000])
def test_failed_candidates_keep_their_places(clock, max_time):
    space = [{"fails": [True]}, {"fails": [False, True, False]}, {"fails": [True] * 4}]
    search = RandomizedSearchCV(Timed(), space, n_iter=8, cv=2, max_time=max_time, random_state=0)
    fitted(search, None if max_time == 1000 else "after 4 of 8")
    fails = [each["fails"] for each in search.cv_results_["params"]]
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == fails
    assert not fails[search.best_index_]
    assert len(fails) == len(search.evaluated_at_) == (8 if max_time == 1000 else 4)


def test_all_failed(clock):
    search = GridSearchCV(Timed(fails=True), {"seconds": [1, 2, 3]}, cv=2, max_time=100)
    with pytest.raises(ValueError, match="All the 4 fits failed"):
        fitted(search)
    with pytest.raises(ValueError, match="This one fails"):
        GridSearchCV(Timed(fails=True), MANY, max_time=100, error_score="raise").fit(X, y)


def test_bayes(clock):
    space = {"seconds": (1.0, 1.001)}
    search = BayesSearchCV(
        Timed(), space, n_iter=200, n_points=4, cv=4, max_time=60, random_state=0
    )
    fitted(search, "after 14 of 200")
    assert n_candidates(search) == len(search.optimizer_results_[0].x_iters) == 14
    assert clock.now == pytest.approx(57, abs=0.1)
    assert n_candidates(fitted(search.set_params(n_iter=3))) == 3


# Networks ------------------------------------------------------------------------------------


def net(**settings):
    return make_pipeline(StandardScaler(), small_net(**settings))


PREFIX = "deepnetclassifier__"
DROPOUTS = {f"{PREFIX}dropout": np.linspace(0, 0.5, 30).tolist()}


@pytest.mark.parametrize("block", [False, True])
@pytest.mark.parametrize("wrap", [lambda net: net, OneVsRestClassifier])
def test_networks_end_in_time(clock, epochs, block, wrap):
    prefix = "estimator__" if wrap is OneVsRestClassifier else ""
    grid = {prefix + name: values for name, values in DROPOUTS.items()}
    search = GridSearchCV(wrap(net(max_epochs=2)), grid, cv=2, max_time=100)
    if block:
        with fused(silent=True):
            fitted(search, "of 30")
    else:
        fitted(search, "of 30")
    assert 4 <= n_candidates(search) < 30
    assert 50 < clock.now <= 100
    unlimited = GridSearchCV(wrap(net(max_epochs=2)), grid, cv=2).fit(X, y)
    for i in range(2):
        name = f"split{i}_test_score"
        scores = search.cv_results_[name]
        assert scores.tolist() == unlimited.cv_results_[name][: len(scores)].tolist()


def test_the_costliest_are_given_up_as_they_run(clock, epochs):
    """Of a round that would not end in time, those with the most epochs left are not trained."""
    n_epochs = [2, 2, 2, 500, 2, 2, 2, 2]
    grid = {f"{PREFIX}max_epochs": n_epochs}
    search = fitted(GridSearchCV(net(), grid, cv=2, max_time=60), "after 7 of 8")
    assert [each[f"{PREFIX}max_epochs"] for each in search.cv_results_["params"]] == [2] * 7
    assert epochs.n <= 60
    unlimited = GridSearchCV(net(), {f"{PREFIX}max_epochs": [2]}, cv=2).fit(X, y)
    assert (search.cv_results_["mean_test_score"] == unlimited.best_score_).all()


def test_time_is_left_for_the_refit(clock, epochs):
    """A candidate that could not be trained once more is given up."""
    grid = {f"{PREFIX}max_epochs": [2, 2, 30]}
    assert n_candidates(fitted(GridSearchCV(net(), grid, cv=2, max_time=90), "after 2 of 3")) == 2
    search = GridSearchCV(net(), grid, cv=2, max_time=90, refit=False)
    assert n_candidates(fitted(search)) == 3


def test_fits_that_may_stop_early_are_ended_by_the_clock(clock, epochs):
    grid = {f"{PREFIX}max_epochs": [2, 400]}
    stopping = net(early_stopping=True, patience=500)
    search = fitted(GridSearchCV(stopping, grid, cv=2, max_time=50), "after 1 of 2")
    assert n_candidates(search) == 1
    assert 25 < clock.now <= 52


def test_bayes_with_networks(clock, epochs):
    space = {f"{PREFIX}max_epochs": (1, 300)}
    search = BayesSearchCV(net(max_epochs=2), space, n_iter=50, cv=2, max_time=500, random_state=0)
    fitted(search, "of 50")
    points = search.optimizer_results_[0].x_iters
    assert [[each[f"{PREFIX}max_epochs"]] for each in search.cv_results_["params"]] == points
    assert n_candidates(search) > 2
    assert clock.now <= 500


def test_growth(clock, epochs):
    space = {"dropout": [0.0, 0.1, 0.2]}
    search = LayerGrowthSearchCV(net(), space, cv=2, max_time=60, patience=8)
    fitted(search, "candidates")
    depths = [depth["n_layers"] for depth in search.growth_]
    assert depths == list(range(1, len(depths) + 1))
    assert len(search.evaluated_at_) == len(search.cv_results_["params"]) < 24
    assert clock.now <= 60


def test_worker_processes():
    """Fits in other processes end by the same limit, whatever it is by then."""
    grid = {f"{PREFIX}max_epochs": [2, 2, 10**12]}
    search = GridSearchCV(net(), grid, cv=2, max_time=10**6)
    with fused(2, silent=True):
        fitted(search, "after 2 of 3")
    assert search.fused_summary_.workers == 2


@pytest.mark.parametrize("max_time", [0, -1, "60", np.nan])
def test_values_that_are_not_valid(max_time):
    with pytest.raises(ValueError, match="max_time="):
        GridSearchCV(Timed(), MANY, max_time=max_time).fit(X, y)
