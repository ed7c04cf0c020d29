"""What is said about real tables, and that nothing is said about sound ones."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_wine

from sknethp.comparison.data import checked
from sknethp.comparison.findings import about_data


def said(X, y, n_folds=5):
    return about_data(checked(X, y, None), n_folds)


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
def test_sound_tables(load):
    assert said(*load(return_X_y=True, as_frame=True)) == []


def test_identifiers_are_found_and_measurements_are_not():
    X, y = load_wine(return_X_y=True, as_frame=True)
    order = np.random.default_rng(0).permutation(len(X))
    odd = X.assign(number=order, code=[f"w-{i}" for i in order], half=order / 2, shade="red")
    (sentence,) = said(odd, y)
    assert sentence.startswith("Columns 'number', 'code' have another value in nearly every row")
    assert said(odd.drop(columns=["number", "code"]), y) == []


@pytest.mark.parametrize(
    "leak",
    [
        lambda y: y * 2.0,
        lambda y: y.map({0: "x", 1: "y", 2: "z"}),
        lambda y: pd.Series(pd.Categorical(y.map({0: "x", 1: "y", 2: None}))),
    ],
)
def test_leaks_are_found(leak):
    X, y = load_wine(return_X_y=True, as_frame=True)
    (sentence,) = said(X.assign(leak=leak(y)), y)
    assert sentence.startswith("Column 'leak' alone predicts 9") or "100.0%" in sentence
    shuffled = leak(y).sample(frac=1, random_state=0).to_numpy()
    assert said(X.assign(leak=shuffled), y) == []


def test_gaps_of_all_kinds_are_taken():
    X, y = load_wine(return_X_y=True, as_frame=True)
    gaps = {
        "integer": pd.array([None, 1] * 89, "Int64"),
        "text": pd.array([None, "a"] * 89, "string"),
        "day": pd.to_datetime([None, "2020-01-01"] * 89),
        "empty": [None] * 178,
    }
    assert said(X.assign(**gaps), y) == []


def test_the_position_in_a_file_that_is_sorted_by_class_is_found():
    X, y = load_breast_cancer(return_X_y=True)
    order = np.argsort(y, kind="stable")
    position = np.arange(len(y)) + 0.5
    (sentence,) = said(np.c_[X[order], position], y[order])
    assert sentence.startswith("Column '30' alone predicts 99")
    assert said(np.c_[X, position], y) == []  # the same column, in a file in another order


def test_small_classes_are_counted():
    X, y = load_wine(return_X_y=True)
    keep = np.r_[np.flatnonzero(y != 2), np.flatnonzero(y == 2)[:6]]
    (sentence,) = said(X[keep], y[keep])
    assert sentence.startswith("Class 2 has only 6 rows, about 1 in a fold")
