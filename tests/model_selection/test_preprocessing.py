"""Preprocessing once for all candidates: as few fits of steps, and the same scores to the bit."""

import random

import numpy as np
import pandas as pd
import pytest
from joblib import Memory
from sklearn import model_selection as theirs
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from sknethp import fused
from sknethp.model_selection import BayesSearchCV, GridSearchCV, preprocessing
from tests.helpers import scores, small_net

X, y = load_iris(return_X_y=True)
PREFIX = "deepnetclassifier__"
LR = {f"{PREFIX}lr": [1e-3, 1e-2, 0.1, 0.3]}
CALLS = {"fit": 0, "transform": 0}


class Step(TransformerMixin, BaseEstimator):
    """Divides by a number, and counts its calls."""

    def __init__(self, by=2.0, random_state=0):
        self.by = by
        self.random_state = random_state

    def fit(self, X, y=None):
        CALLS["fit"] += 1
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        CALLS["transform"] += 1
        return X / self.by


class GlobalNoise(Step):
    """Draws from NumPy's global stream."""

    def transform(self, X):
        return super().transform(X) + np.random.normal(size=X.shape)  # noqa: NPY002


class PythonNoise(Step):
    """Draws from Python's global stream."""

    def transform(self, X):
        return super().transform(X) + random.random()


class InPlace(Step):
    """Writes into the rows that it is given."""

    def transform(self, X):
        CALLS["transform"] += 1
        X /= self.by
        return X


class Uncomparable(float):
    """A number that cannot be pickled, and so not compared."""

    def __new__(cls):
        return super().__new__(cls, 2.0)

    def __deepcopy__(self, memo):
        return self

    def __reduce_ex__(self, protocol):
        raise TypeError("no pickle")


@pytest.fixture(autouse=True)
def _start_counting():
    CALLS.update(fit=0, transform=0)


def searched(*steps, grid=LR, data=(X, y), search=GridSearchCV, **settings):
    pipeline = make_pipeline(*steps, small_net())
    return search(pipeline, grid, **{"cv": 3, "return_train_score": True, **settings}).fit(*data)


@pytest.fixture
def without(monkeypatch):
    """Return a function that makes searches fit the steps of every candidate."""

    def switch_off():
        monkeypatch.setattr(preprocessing, "_key", lambda step: None)

    return switch_off


def table():
    frame = load_wine(as_frame=True).data.iloc[::2, :3]
    kind = pd.Series(["a", "b", "c"], dtype=object).iloc[np.arange(len(frame)) % 3].to_numpy()
    return frame.assign(kind=kind), load_wine().target[::2]


ENCODE = make_column_transformer(
    (OneHotEncoder(sparse_output=False), ["kind"]), remainder=StandardScaler()
)


@pytest.mark.parametrize(
    ("steps", "data"),
    [
        ((Step(),), (X, y)),
        ((Step(), StandardScaler(copy=False), Step(3.0)), (X, y)),
        ((InPlace(), StandardScaler()), (X, y)),
        ((StandardScaler(), InPlace(3.0), Step()), (X, y)),
        ((ENCODE, PCA(3)), table()),
        ((OneHotEncoder(), Step()), (X.round(), y)),
    ],
)
def test_the_same_scores_to_the_bit(steps, data, without):
    search = searched(*steps, data=data)
    n_fits = CALLS["fit"]
    predicted = search.predict_proba(data[0])
    without()
    CALLS.update(fit=0)
    other = searched(*steps, data=data)
    assert (scores(search) == scores(other)).all()
    assert (predicted == other.predict_proba(data[0])).all()
    assert search.best_params_ == other.best_params_
    assert n_fits <= CALLS["fit"]


def test_sharing_rows_that_differ_would_change_scores(monkeypatch):
    """Negative control: the comparison of rows matters."""
    search = searched(StandardScaler())
    monkeypatch.setattr(preprocessing, "same", lambda a, b: a is None or len(a) == len(b))
    assert (scores(searched(StandardScaler())) != scores(search)).any()


@pytest.mark.parametrize("block", [False, True])
def test_steps_are_fitted_once_a_fold(block):
    if block:
        with fused(silent=True):
            search = searched(Step(), Step(3.0))
    else:
        search = searched(Step(), Step(3.0))
    assert CALLS["fit"] == 2 * (3 + 1)
    assert CALLS["transform"] == 2 * (3 * 3 + 1)  # to fit, and for the rows of both scores
    assert search.best_estimator_.get_params()["memory"] is search.estimator.memory is None
    assert "transform" not in vars(search.best_estimator_[0])


def test_candidates_that_change_a_step_have_their_own():
    grid = {**LR, "step__by": [2.0, 3.0]}
    searched(Step(), grid=grid, refit=False)
    assert CALLS["fit"] == 2 * 3


def test_rounds_share_steps():
    space = {f"{PREFIX}lr": (1e-3, 0.1)}
    searched(Step(), grid=space, search=BayesSearchCV, n_iter=12, n_points=4, random_state=0)
    assert CALLS["fit"] == 3 + 1


def test_pipelines_deeper_down():
    inner = make_pipeline(Step(), small_net())
    ovr = OneVsRestClassifier(inner)
    grid = {"estimator__deepnetclassifier__lr": [1e-3, 1e-2, 0.1]}
    search = GridSearchCV(ovr, grid, cv=3, refit=False).fit(X, y)
    assert CALLS["fit"] == 3 * 3  # for each fold and class
    assert (scores(search) == scores(theirs.GridSearchCV(ovr, grid, cv=3).fit(X, y))).all()
    calibrated = CalibratedClassifierCV(inner, cv=2)
    CALLS.update(fit=0)
    search = GridSearchCV(calibrated, grid, cv=3).fit(X, y)
    assert CALLS["fit"] == 3 + 2  # the halves of the rows to train on are the same three thirds
    assert all(
        each.estimator.memory is None for each in search.best_estimator_.calibrated_classifiers_
    )


@pytest.mark.parametrize(
    "step",
    [
        GlobalNoise(),
        PythonNoise(),
        Step(random_state=None),
        InPlace(),
        Step(by=Uncomparable()),
    ],
)
def test_what_could_change_a_result_is_left_alone(step):
    searched(step, refit=False)
    assert CALLS["fit"] == 4 * 3


def test_a_memory_of_ones_own_is_used(tmp_path):
    pipeline = make_pipeline(Step(), small_net(), memory=Memory(tmp_path, verbose=0))
    search = GridSearchCV(pipeline, LR, cv=3).fit(X, y)
    assert search.best_estimator_.memory.location == tmp_path
    assert list(tmp_path.iterdir())


def test_other_estimators_are_left_alone():
    GridSearchCV(make_pipeline(Step(), SVC()), {"svc__C": [1, 2, 3]}, cv=3, refit=False).fit(X, y)
    assert CALLS["fit"] == 9
    CALLS.update(fit=0)
    searched(Step(), grid={"deepnetclassifier": [small_net(), SVC()]}, refit=False)
    assert CALLS["fit"] == 6


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(preprocessing, "_MAX_BYTES", 0)
    search = searched(Step(), refit=False)
    assert CALLS["fit"] == 4 * 3
    monkeypatch.undo()
    assert (scores(search) == scores(searched(Step()))).all()


def test_nothing_is_kept_after_fit(monkeypatch):
    caches = []
    made = preprocessing.PreprocessingCache.__init__

    def remember(self):
        made(self)
        caches.append(self)

    monkeypatch.setattr(preprocessing.PreprocessingCache, "__init__", remember)
    searched(Step())
    assert [(cache.is_open, cache._entries) for cache in caches] == [(False, [])]


def test_worker_processes():
    search = searched(StandardScaler())
    with fused(2, silent=True):
        other = searched(StandardScaler())
    assert other.fused_summary_.workers == 2
    assert (scores(search) == scores(other)).all()
    assert other.best_estimator_.memory is None


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (X[:9].copy(), X[:9].copy(), True),
        (X, -X, False),
        (X, X.astype(np.float32), False),
        (X, np.asfortranarray(X), False),  # its sums may round differently
        (np.zeros(3), -np.zeros(3), False),
        (np.array(["a", "b"], dtype=object), np.array(list("ab"), dtype=object), True),
        (np.array(["a", "b"], dtype=object), np.array(["a", "c"], dtype=object), False),
        (np.array([1, "b"], dtype=object), np.array([True, "b"], dtype=object), False),
        (table()[0], table()[0].copy(), True),
        (table()[0], table()[0].reset_index(drop=True), False),
        (pd.Series(y), pd.Series(y + 1), False),
        ([1, 2], [1, 2], True),
        ([1, 2], (1, 2), False),
        (None, None, True),
    ],
)
def test_same(a, b, expected):
    assert preprocessing.same(a, b) is expected
