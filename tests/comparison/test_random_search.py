"""The random search that ends in time: candidates, folds, and the clock, which is a counted one."""

import numpy as np
import pytest
from scipy.stats import loguniform, randint, uniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from skopt.space import Categorical, Real

from sknethp import DeepNetClassifier
from sknethp.comparison import peers, random_search
from sknethp.comparison.edges import at_edge
from sknethp.comparison.random_search import Space, TimedRandomSearch
from sknethp.model_selection import BayesSearchCV, RandomizedSearchCV, search_space

X, y = load_breast_cancer(return_X_y=True)
X, y = X[::3], y[::3]
SPLITS = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))


class Clock:
    """Time that passes only while something is fitted."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


class Slow(ClassifierMixin, BaseEstimator):
    """Naive Bayes that takes `cost` seconds for each of its `size` parts, of a counted clock."""

    clock: Clock

    def __init__(self, size=10, cost=0.1, smoothing=1.0, warm_start=False):
        self.size = size
        self.cost = cost
        self.smoothing = smoothing
        self.warm_start = warm_start

    def fit(self, X, y):
        n_done = getattr(self, "n_done_", 0) if self.warm_start else 0
        Slow.clock.now += (self.size - n_done) * self.cost * len(y) / len(globals()["y"])
        self.n_done_ = self.size
        self.inner_ = GaussianNB(var_smoothing=self.smoothing).fit(X, y)
        self.classes_ = self.inner_.classes_
        return self

    def predict_proba(self, X):
        return self.inner_.predict_proba(X)

    def predict(self, X):
        return self.inner_.predict(X)


@pytest.fixture
def clock(monkeypatch):
    clock = Slow.clock = Clock()
    monkeypatch.setattr(random_search, "time", clock)
    return clock


SPACE = Space(
    {"smoothing": loguniform(1e-12, 1), "cost": uniform(0.05, 0.15)},
    "size",
    lambda values, n: values["size"],
)


def searched(max_time, space=SPACE, **settings):
    search = TimedRandomSearch(
        Slow(**settings), space, splits=SPLITS, max_time=max_time, random_state=0
    )
    return search.fit(X, y)


@pytest.mark.parametrize("max_time", [4, 10, 25, 60, 300])
def test_it_uses_its_time_and_no_more(clock, max_time):
    searched(max_time)
    assert clock.now <= 1.1 * max_time
    if max_time >= 25:
        assert clock.now >= 0.8 * max_time


def test_more_time_tries_more_candidates_and_the_default_first(clock):
    few, many = searched(25), searched(300)
    assert 1 < few.n_candidates_ < many.n_candidates_
    assert many.best_score_ >= few.best_score_
    worse = searched(300, Space({"smoothing": [1e9]}, "size", lambda values, n: values["size"]))
    assert worse.n_candidates_ == 2
    assert worse.best_params_ == {}


def test_the_best_candidate_is_the_best_by_cross_validation(clock):
    search = searched(100)
    assert search.best_params_
    best = clone(search.best_estimator_)
    score = cross_val_score(best, X, y, cv=SPLITS, scoring="neg_log_loss").mean()
    assert search.best_score_ == pytest.approx(score, rel=1e-6)
    default = cross_val_score(Slow(), X, y, cv=SPLITS, scoring="neg_log_loss").mean()
    assert score > default


def test_less_time_means_fewer_folds_and_then_a_smaller_default(clock):
    assert searched(100).notes_ == []
    assert searched(18).notes_ == ["3 of 5 folds"]
    assert searched(4).notes_ == ["1 of 5 folds"]
    clock.now = 0
    search = searched(5, size=100)
    assert search.notes_ == ["no tuning", "size below 100"]
    assert 10 < search.best_estimator_.size < 50
    assert clock.now <= 5.5


@pytest.mark.parametrize("kind", ["boosting", "forest", "linear"])
def test_every_drawn_candidate_of_the_built_in_spaces_can_be_fitted(kind):
    space = getattr(peers, kind.upper())
    estimator = getattr(peers, kind)(0, 1)
    search = TimedRandomSearch(estimator, space, splits=SPLITS, max_time=1.5, random_state=0)
    with np.errstate(all="raise"):
        search.fit(X, y)
    assert search.score(X, y) > 0.9
    assert (search.predict(X) == search.classes_[search.predict_proba(X).argmax(1)]).all()
    names = set(estimator.get_params())
    assert set(space.distributions) <= names
    if space.size:
        assert space.size in names
        assert space.work(estimator.get_params(), 30) > 0


def test_log_integers_cover_their_range_evenly_by_logarithm():
    draws = [peers.LogInteger(1, 200).rvs(random_state=i) for i in range(400)]
    assert min(draws) == 1
    assert 190 < max(draws) <= 200
    assert 0.35 < np.mean(np.array(draws) <= 10) < 0.65  # linear would be 0.05


class Fitted:
    """What a search looks like when it is done."""

    def __init__(self, best, **space):
        self.best_params_ = best
        vars(self).update(space)


@pytest.mark.parametrize(
    ("best", "space", "expected"),
    [
        ({"lr": 0.0099}, {"param_distributions": {"lr": loguniform(1e-5, 1e-2)}}, ["lr high"]),
        ({"lr": 1.1e-5}, {"param_distributions": [{"lr": loguniform(1e-5, 1e-2)}]}, ["lr low"]),
        ({"lr": 1e-4}, {"param_distributions": {"lr": loguniform(1e-5, 1e-2)}}, []),
        ({"net__lr": 0.1}, {"param_grid": {"net__lr": [0.001, 0.01, 0.1]}}, ["lr high"]),
        ({"net__lr": 0.1}, {"param_grid": {"net__lr": [0.01, 0.1]}}, []),  # too few to have edges
        ({"a": "x"}, {"param_grid": {"a": ["x", "y", "z"]}}, []),
        ({"lr": 0.1}, {"space_": {"lr": Real(1e-4, 0.1, prior="log-uniform")}}, ["lr high"]),
        (
            {"batch_size": 32},
            {"space_": {"batch_size": Categorical([32, 64, 128])}},
            ["batch_size low"],
        ),
        ({"batch_size": 64}, {"space_": {"batch_size": Categorical([32, 64])}}, []),
        (
            {"activation": "relu"},
            {"space_": {"activation": Categorical(["relu", "selu", "silu"])}},
            [],
        ),
        (
            {"min_samples_leaf": 1},
            {"param_distributions": {"min_samples_leaf": randint(1, 20)}},
            [],
        ),
        ({"n": 19}, {"param_distributions": {"n": randint(1, 20)}}, ["n high"]),
        ({}, {"param_grid": {}}, []),
    ],
)
def test_edges(best, space, expected):
    assert at_edge(Fitted(best, **space)) == expected


@pytest.mark.parametrize(
    "search",
    [
        RandomizedSearchCV(DeepNetClassifier()),  # whose space is the default one
        BayesSearchCV(DeepNetClassifier(), {"lr": (1e-4, 1e-2, "log-uniform")}),
    ],
    ids=lambda search: type(search).__name__,
)
def test_edges_of_our_own_searches(search):
    search.best_params_ = {"lr": 0.01}
    assert at_edge(search) == ["lr high"]
    search.best_params_ = {"lr": 0.001}
    assert at_edge(search) == []


@pytest.mark.parametrize(
    ("method", "attribute"),
    [("grid", "param_grid"), ("random", "param_distributions"), ("bayes", "space_")],
)
def test_every_hyperparameter_of_our_own_spaces_may_be_at_an_edge(method, attribute):
    space = search_space(DeepNetClassifier(), method, X=X)
    best = {name: values_of(domain)[0] for name, domain in space.items()}
    found = at_edge(Fitted(best, **{attribute: space}))
    assert "lr low" in found
    assert {each.split()[0] for each in found} <= set(space)


def values_of(domain):
    """Return some values of a domain, the lowest first where they have an order."""
    if isinstance(domain, list):
        return domain
    if hasattr(domain, "categories"):
        return domain.categories
    if hasattr(domain, "support"):
        return domain.support()
    return domain.bounds if hasattr(domain, "bounds") else [domain.rvs(random_state=0)]


def test_default_estimators_are_scikit_learns():
    assert isinstance(peers.boosting(0, 1), HistGradientBoostingClassifier)
    forest = peers.forest(0, 2)
    assert isinstance(forest, RandomForestClassifier)
    assert forest.get_params() == RandomForestClassifier(n_jobs=2, random_state=0).get_params()
