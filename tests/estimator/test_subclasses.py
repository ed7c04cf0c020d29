"""Subclasses with parameters of their own, by scikit-learn's rules."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from sknethp import DeepNetClassifier, fused
from sknethp import model_selection as ours

X, y = load_wine(return_X_y=True)
X = scale(X)


class Wider(DeepNetClassifier):
    """Has a parameter more, and does what it says before the fit."""

    def __init__(self, *, widening=2, lr=0.01, random_state=0):
        super().__init__(lr=lr, random_state=random_state, max_epochs=3)
        self.widening = widening

    def fit(self, X, y):
        self.hidden_units = 8 * self.widening
        return super().fit(X, y)


class Small(DeepNetClassifier):
    """Hides all parameters but one."""

    def __init__(self, lr=0.01):
        super().__init__(lr=lr, max_epochs=3, hidden_units=16, random_state=0)


class Bare(DeepNetClassifier):
    """Sets nothing but what it takes."""

    def __init__(self, lr=0.01):
        self.lr = lr


PLAIN = {"lr": 0.01, "max_epochs": 3, "hidden_units": 16, "random_state": 0}
ALIKE = {
    "a parameter more": (Wider(), PLAIN),
    "another value of it": (Wider(widening=1), PLAIN | {"hidden_units": 8}),
    "parameters hidden": (Small(), PLAIN),
}
SEARCHES = [ours.GridSearchCV, ours.RandomizedSearchCV, ours.BayesSearchCV]


@pytest.mark.parametrize(("model", "settings"), ALIKE.values(), ids=ALIKE)
def test_subclass_trains_as_its_values_say(model, settings):
    expected = DeepNetClassifier(**settings).fit(X, y).predict_proba(X)
    model = clone(model)
    np.testing.assert_array_equal(model.fit(X, y).predict_proba(X), expected)
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.predict_proba(X), expected)
    plain = DeepNetClassifier(**settings).partial_fit(X, y).predict_proba(X)
    again = clone(model).set_params(**model.get_params())
    again.hidden_units = settings["hidden_units"]
    np.testing.assert_array_equal(again.partial_fit(X, y).predict_proba(X), plain)


@pytest.mark.parametrize(("model", "settings"), ALIKE.values(), ids=ALIKE)
def test_subclass_in_searches(model, settings):
    lrs = {"lr": [0.01, 0.1]}
    expected = GridSearchCV(DeepNetClassifier(**settings), lrs, cv=2).fit(X, y)
    alone = GridSearchCV(model, lrs, cv=2).fit(X, y)
    with fused(progress=False):
        together = GridSearchCV(model, lrs, cv=2).fit(X, y)
    for search in (alone, together):
        np.testing.assert_array_equal(
            search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"]
        )


def test_what_a_subclass_does_not_set_is_at_its_default():
    model = Bare().fit(X, y)
    assert model.score(X, y) > 0.9
    model.random_state = 0  # by its own name, as any other value
    expected = DeepNetClassifier(lr=0.01, random_state=0).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(model.fit(X, y).predict_proba(X), expected)


def test_wrong_values_of_a_subclass_are_named():
    with pytest.raises(ValueError, match=r"^lr=-1 is not valid"):
        Small(lr=-1).fit(X, y)
    model = Small()
    model.dropout = 2
    with pytest.raises(ValueError, match=r"^dropout=2 is not valid"):
        model.fit(X, y)


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("model", [Wider(), Small(), Bare()], ids=lambda model: str(type(model)))
def test_subclass_in_searches_of_ours(search, model):
    few = {} if search is ours.GridSearchCV else {"n_iter": 2, "random_state": 0}
    found = search(model, {"lr": [0.01, 0.03, 0.1]}, cv=2, **few).fit(X[::3], y[::3])
    assert isinstance(found.best_estimator_, type(model))
    assert found.best_score_ > 0.7
