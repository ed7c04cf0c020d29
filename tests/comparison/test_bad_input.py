"""What is not valid is rejected in a sentence, before any model is fitted."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC

from sknethp import compare

X = np.random.default_rng(0).standard_normal((60, 3))
y = np.arange(60) % 3
TABLE = pd.DataFrame(X, columns=list("abc"))


def rare(n):
    labels = np.array(["common"] * 60, dtype=object)
    labels[:n] = "rare"
    return labels


CASES = {
    "one class": (X, np.zeros(60, int), {}, "y has only one class, 0"),
    "all different": (X, np.arange(60), {}, "60 labels, all different: it names the rows"),
    "a class with one row": (X, rare(1), {}, "y has a single row of class 'rare'"),
    "continuous": (X, X[:, 0], {}, "Unknown label type: continuous"),
    "missing labels": (X, [None, *y[1:]], {}, "y contains missing labels"),
    "labels of kinds": (X, ["a", *y[1:].tolist()], {}, "y contains labels of several kinds"),
    "lengths": (X, y[:50], {}, "inconsistent numbers of samples"),
    "two-dimensional labels": (X, y[:, None], {}, "y has 2 dimensions"),
    "one-dimensional table": (X[:, 0], y, {}, "X has 1 dimensions"),
    "no columns": (X[:, :0], y, {}, "X has no columns"),
    "sparse": (sparse.csr_matrix(X), y, {}, r"X is a sparse matrix.*toarray"),
    "infinity": (TABLE.replace(TABLE.iloc[3, 1], np.inf), y, {}, "infinite.*in 'b'"),
    "too large": (TABLE.assign(b=1e300), y, {}, "too large for 32-bit floats, in 'b'"),
    "names": (TABLE.set_axis(["a", "b", "a"], axis=1), y, {}, "several columns named 'a'"),
    "folds": (X, y, {"cv": 1}, "cv=1 is not valid: it must be at least 2"),
    "one group": (X, y, {"groups": np.zeros(60)}, "groups has one group"),
    "no time": (X, y, {"max_time": 0}, "max_time=0 is not valid.*greater than 0"),
    "n_jobs": (X, y, {"n_jobs": "all"}, "n_jobs='all' is not valid"),
    "rope": (X, y, {"rope": -1}, "rope=-1 is not valid"),
    "metric": (X, y, {"scoring": "acuracy"}, "acuracy.*did you mean 'accuracy'"),
    "no metric": (X, y, {"scoring": ()}, r"scoring=\(\) is not valid"),
    "unknown model": (X, y, {"models": ["RandomForst"]}, "Did you mean 'RandomForest'"),
    "no model": (X, y, {"models": []}, "is empty"),
    "nameless": (X, y, {"models": [LogisticRegression()]}, "without a name: give a list of"),
    "not in a list": (X, y, {"models": LogisticRegression()}, "is not valid: give a list"),
    "class": (X, y, {"models": {"a": LogisticRegression}}, "is not an estimator"),
    "no probabilities": (X, y, {"models": {"a": SVC()}}, "SVC without predict_proba"),
    "regression": (X, y, {"models": {"a": LinearRegression()}}, "LinearRegression without"),
    "number as a name": (X, y, {"models": {1: LogisticRegression()}}, "names must be text"),
    "twice": (X, y, {"models": ["RandomForest", "RandomForest"]}, "'RandomForest' twice"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_sentence(case, monkeypatch):
    from sknethp.comparison import run

    monkeypatch.setattr(run, "evaluated", None)  # nothing is fitted
    table, labels, settings, message = CASES[case]
    with pytest.raises(ValueError, match=message) as raised:
        compare(table, labels, **{"models": ["LogisticRegression"], **settings})
    assert "\n" not in str(raised.value)


def test_few_rows_of_a_class_mean_fewer_folds_and_are_warned_of():
    comparison = compare(
        X, rare(3), {"linear": LogisticRegression()}, cv=5, random_state=0, scoring="accuracy"
    )
    assert comparison.scores_["fold"].nunique() == 3
    small, fewer = comparison.warnings_
    assert small.startswith("Class 'rare' has only 3 rows, about 1 in a fold")
    assert fewer.startswith("Class 'rare' has only 3 rows, so that there are 3 folds in place of 5")


def test_lists_and_objects_are_tables_too():
    from sklearn.tree import DecisionTreeClassifier

    text = np.array([["low", "high"][i % 2] for i in range(60)], dtype=object)
    table = np.column_stack([text, X[:, 0]]).astype(object)
    models = {"tree": DecisionTreeClassifier(max_depth=2)}
    comparison = compare(table, np.arange(60) % 2, models, cv=3, random_state=0)
    assert (comparison.fold_scores("accuracy")["tree"] == 1).all()
    assert "Column 'column 0' alone predicts 100.0% of the labels" in comparison.warnings_[0]
