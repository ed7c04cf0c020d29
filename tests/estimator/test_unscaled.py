"""Inputs far from scale are warned of, once, by the name of the worst column."""

import warnings
from functools import partial

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import OneHotEncoder, RobustScaler, minmax_scale, scale

from sknethp import UnscaledInputWarning, fused
from tests.helpers import small_net

raw_net = partial(small_net, input_scaling=None)

FRAME, y = load_breast_cancer(return_X_y=True, as_frame=True)
X = FRAME.to_numpy()


@pytest.mark.parametrize(
    ("inputs", "name"),
    [(FRAME, "column 'worst area'"), (X, "column number 23"), (sparse.csr_matrix(X), "number 23")],
)
def test_the_worst_column_is_named(inputs, name):
    with pytest.warns(UnscaledInputWarning, match=name):
        raw_net().fit(inputs, y)
    with pytest.warns(UnscaledInputWarning, match=name):
        model = raw_net().partial_fit(inputs, y)
    model.partial_fit(inputs, y)  # says nothing again: warnings are errors


def test_one_warning_in_a_fused_search():
    search = GridSearchCV(raw_net(), {"lr": [1e-3, 1e-2]}, cv=3, refit=False)
    with pytest.warns(UnscaledInputWarning) as caught, fused(silent=True):
        search.fit(FRAME, y)
    assert len(caught) == 1


def test_one_warning_for_subsets_of_columns():
    """Each has another worst column."""
    bag = BaggingClassifier(raw_net(), n_estimators=4, max_features=0.2, random_state=0)
    with pytest.warns(UnscaledInputWarning) as caught, fused(silent=True):
        bag.fit(X, y)
    assert len(caught) == 1


@pytest.mark.parametrize(
    "inputs",
    [
        scale(X),
        minmax_scale(X),
        RobustScaler().fit_transform(X),
        load_iris().data,
        load_digits().data,
        OneHotEncoder().fit_transform(X.round()),
    ],
)
def test_what_is_scaled_is_not_warned_of(inputs):
    labels = np.arange(inputs.shape[0]) % 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        raw_net().fit(inputs, labels)
