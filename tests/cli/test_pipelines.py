"""Preprocessing in front of the net and of the baselines."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer
from skrub import TableVectorizer

from sknethp.cli.pipelines import make_baselines, make_net_pipeline


def test_numbers_skip_the_vectorizer_with_the_same_result():
    X = load_wine(as_frame=True).data
    X = X.mask(np.random.default_rng(0).random(X.shape) < 0.1).assign(number=np.arange(len(X)))
    assert not X.drop(columns="number").isna().sum().eq(0).any()
    fast = make_net_pipeline(LogisticRegression(max_iter=5000), X, 0)
    full = make_net_pipeline(LogisticRegression(max_iter=5000), X.assign(text="a"), 0)
    assert isinstance(full[0][0], TableVectorizer)
    assert isinstance(fast[0][0], FunctionTransformer)
    fast[0].fit(X), full[0].fit(X)
    np.testing.assert_array_equal(fast[0].transform(X), full[0].transform(X))
    with pytest.raises(ValueError, match="feature names should match"):
        fast[0].transform(X.rename(columns={"ash": "cinders"}))
    with pytest.raises(ValueError, match="in the same order"):
        fast[0].transform(X[X.columns[::-1]])


@pytest.mark.parametrize(
    "change",
    [
        {"alcohol": "strong"},
        {"alcohol": True},
        {"alcohol": np.nan},
        {"alcohol": pd.Series([1, None] * 89, dtype="float")},
        {"alcohol": pd.Series([1] * 178, dtype="Int64")},
        {"alcohol": pd.Timestamp("2020-01-01")},
    ],
)
def test_other_columns_need_the_vectorizer(change):
    X = load_wine(as_frame=True).data.assign(**change)
    assert isinstance(make_net_pipeline(LogisticRegression(), X, 0)[0][0], TableVectorizer)


def test_baselines_take_any_table(mixed_wine):
    X, y = mixed_wine.drop(columns="cultivar"), mixed_wine["cultivar"]
    scores = {name: model.fit(X, y).score(X, y) for name, model in make_baselines(X).items()}
    assert scores["most frequent class"] == y.value_counts(normalize=True).max()
    assert scores["logistic regression"] > scores["most frequent class"] + 0.2
