"""Real tables, and models that are fitted in milliseconds."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris, load_wine
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from sknethp import compare

FAST = {"bayes": GaussianNB(), "tree": DecisionTreeClassifier(max_depth=3)}


@pytest.fixture(scope="session")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="session")
def mixed():
    """Wine as a person might record it: text, dates, categories and gaps."""
    wine = load_wine(as_frame=True).frame.sample(frac=1, random_state=0, ignore_index=True)
    days = pd.to_timedelta(wine["proline"], unit="D")
    X = pd.DataFrame(
        {
            "alcohol": wine["alcohol"],
            "ash": wine["ash"].mask(wine.index % 5 == 0),
            "shade": pd.cut(wine["color_intensity"], [0, 3, 6, 20], labels=["pale", "mid", "deep"]),
            "bottled": (pd.Timestamp("2019-01-01") + days).mask(wine.index % 11 == 0),
            "taste": np.where(wine["flavanoids"] > 2, "round", "sharp"),
        }
    )
    return X, wine["target"].map({0: "barolo", 1: "grignolino", 2: "barbera"})


@pytest.fixture(scope="session")
def fast(iris):
    """A comparison of two models that take no time."""
    return compare(*iris, FAST, cv=4, random_state=0)
