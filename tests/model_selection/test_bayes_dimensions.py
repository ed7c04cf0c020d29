"""Dimensions, stoppers and plots of scikit-optimize, as they come in use with a net."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale
from skopt.callbacks import DeadlineStopper
from skopt.space import Categorical, Integer, Real

from sknethp import DeepNetClassifier
from sknethp.model_selection import BayesSearchCV

X, y = load_iris(return_X_y=True)
X = scale(X)
NET = DeepNetClassifier(hidden_units=8, max_epochs=1, lr=0.01, random_state=0)


def searched(space, n_iter=10, fit=None, **settings):
    search = BayesSearchCV(NET, space, n_iter=n_iter, cv=2, random_state=0, **settings)
    return search.fit(X, y, **(fit or {}))


def values(search, name):
    return [params[name] for params in search.cv_results_["params"]]


def test_numbers_keep_their_type_and_their_bounds():
    """Whole bounds with a logarithmic prior stay whole where they are meant to be."""
    search = searched({"hidden_units": (4, 32, "log-uniform"), "lr": (0.001, 1, "log-uniform")})
    units, rates = values(search, "hidden_units"), values(search, "lr")
    assert {type(value) for value in units} == {int}
    assert all(isinstance(value, float) for value in rates)
    assert 4 <= min(units) < max(units) <= 32
    assert 0.001 <= min(rates) < max(rates) <= 1


def test_dimensions_that_are_not_transformed():
    space = {
        "optimizer": Categorical(["adam", "sgd", "adamw"], transform="identity"),
        "lr": Real(0.001, 0.1, transform="identity"),
        "hidden_layers": Integer(1, 3, transform="identity"),
    }
    search = searched(space)
    assert set(values(search, "optimizer")) == {"adam", "sgd", "adamw"}
    assert set(values(search, "hidden_layers")) == {1, 2, 3}
    assert all(0.001 <= value <= 0.1 for value in values(search, "lr"))


def test_a_list_of_one_is_a_constant():
    search = searched({"optimizer": ["sgd"], "lr": (0.01, 0.1)})
    assert set(values(search, "optimizer")) == {"sgd"}
    assert len(set(values(search, "lr"))) == 10


def test_categories_alone_are_never_tried_twice():
    space = {
        "optimizer": ["adam", "sgd", "adamw"],
        "activation": ["relu", "tanh", "selu"],
        "normalization": [None, "batch", "layer"],
        "residual": [True, False],
    }
    tried = [tuple(params.items()) for params in searched(space, 24).cv_results_["params"]]
    assert len(set(tried)) == 24


def test_a_deadline_ends_the_search_after_its_round():
    stopped = searched({"lr": (0.001, 0.1)}, 24, {"callback": [DeadlineStopper(1e-6)]})
    assert len(stopped.cv_results_["params"]) == 8


def test_scores_that_are_all_equal():
    search = searched({"lr": (0.001, 0.1)}, 20, scoring=lambda estimator, X, y: 0.5)
    assert search.best_score_ == 0.5
    assert len(set(values(search, "lr"))) == 20


def test_scikit_optimizes_plots():
    """They draw from what the search keeps of its optimizer, with or without its own model."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    from skopt import plots

    space = {
        "lr": (0.001, 0.1, "log-uniform"),
        "hidden_layers": (1, 3),
        "optimizer": ["adam", "sgd", "adamw"],
    }
    result = searched(space, 16).optimizer_results_[0]
    backend = pyplot.get_backend()
    pyplot.switch_backend("Agg")
    try:
        for axes in (
            plots.plot_evaluations(result),
            plots.plot_objective(result, n_points=3, n_samples=3),
        ):
            labels = {ax.get_xlabel() for ax in axes.figure.axes}
            assert labels >= set(space), labels
        drawn = plots.plot_convergence(result, ax=pyplot.figure().subplots())
        drawn = drawn.get_lines()[0].get_ydata()
        np.testing.assert_array_equal(drawn, np.minimum.accumulate(result.func_vals))
    finally:
        pyplot.close("all")
        pyplot.switch_backend(backend)
