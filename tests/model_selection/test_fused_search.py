"""The mixin that every search of ours has: fusion, defaults, memory."""

import pickle

import numpy as np
import pytest
from joblib import Memory, Parallel, delayed, parallel_config
from sklearn import model_selection as theirs
from sklearn.base import clone, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknethp import DeepNetClassifier, fused, model_selection
from sknethp.model_selection.estimators import default_estimator, networks_in, with_memory
from sknethp.model_selection.fused_search import FusedSearchMixin, backend_is_chosen


class Search(FusedSearchMixin, theirs.GridSearchCV):
    """The least that a search of ours is."""

    _space_parameter = "param_grid"

    def __init__(self, estimator=None, param_grid=None, *, cv=None, refit=True, memory=None,
                 progress=None):  # fmt: skip
        super().__init__(estimator, param_grid, cv=cv, refit=refit)
        self.memory = memory
        self.progress = progress

    def _default_space(self, estimator, X):
        return {f"{next(iter(networks_in(estimator)))}max_epochs": [1, 2]}


@pytest.fixture(scope="module")
def data():
    X, y = load_iris(return_X_y=True)
    return X[::2], y[::2]


def small(**parameters):
    return DeepNetClassifier(hidden_units=4, max_epochs=2, random_state=0, **parameters)


GRID = {"lr": [1e-3, 1e-2, 0.1]}


def test_fits_are_fused_and_score_as_the_parents(data):
    search = Search(small(), GRID, cv=3).fit(*data)
    parent = theirs.GridSearchCV(small(), GRID, cv=3).fit(*data)
    assert search.fused_summary_.fused == 9
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], parent.cv_results_["mean_test_score"], atol=1e-12
    )
    assert len(set(parent.cv_results_["mean_test_score"])) > 1


def test_none_stands_for_defaults_and_stays_none(data):
    search = Search(cv=2)
    assert is_classifier(search)
    assert hasattr(search, "predict_proba")
    with pytest.raises(NotFittedError):
        search.predict(data[0])
    search.fit(*data)
    assert search.estimator is None
    assert search.param_grid is None
    assert len(search.cv_results_["params"]) == 2
    assert search.predict_proba(data[0]).shape == (len(data[1]), 3)
    assert clone(search).get_params(deep=False) == search.get_params(deep=False)
    assert "Search" in search._repr_html_()
    assert "Search" in Search()._repr_html_()
    assert pickle.loads(pickle.dumps(search)).best_params_ == search.best_params_


def test_without_refit_there_is_no_predict():
    assert not hasattr(Search(refit=False), "predict")
    assert not hasattr(Search(LogisticRegression(), GRID, refit=False), "predict_proba")
    assert hasattr(Search(LogisticRegression(), GRID), "predict_proba")


def test_parameters_come_back_after_a_failed_fit(data):
    search = Search(memory="unused")
    with pytest.raises(ValueError, match="inconsistent"):
        search.fit(data[0], data[1][:-1])
    assert search.estimator is None
    assert search.param_grid is None


def test_a_fused_block_around_the_search_is_used(data):
    with fused(silent=True) as summary:
        search = Search(small(), GRID, cv=3).fit(*data)
        other = Search(small(), GRID, cv=2).fit(*data)
    assert summary.tasks == 9 + 6
    assert search.fused_summary_ is summary
    assert other.fused_summary_ is summary


@pytest.mark.parametrize("backend", ["threading", "sequential", "loky"])
def test_another_backend_is_respected(backend):
    assert not backend_is_chosen()
    with parallel_config(n_jobs=2):
        assert not backend_is_chosen()
    with parallel_config(prefer="threads"):
        assert not backend_is_chosen()
    with parallel_config(backend=backend):
        assert backend_is_chosen()
    with parallel_config("sknethp"):
        assert backend_is_chosen()
    assert not backend_is_chosen()


def test_without_fusion_there_is_no_summary(data):
    with parallel_config(backend="sequential"):
        search = Search(small(), GRID, cv=2).fit(*data)
    assert search.fused_summary_ is None


def test_workers_of_another_call():
    """A worker process is free for fusion; a thread beside others is not."""
    call = [delayed(backend_is_chosen)()] * 2
    assert Parallel(n_jobs=2, prefer="threads")(call) == [True, True]
    assert Parallel(n_jobs=1)(call) == [False, False]


@pytest.mark.slow
def test_in_a_worker_process_fits_are_fused():
    call = [delayed(backend_is_chosen)()] * 2
    assert Parallel(n_jobs=2, backend="loky")(call) == [False, False]


ESTIMATORS = {
    "bare": (small(), [""]),
    "pipeline": (default_estimator(), ["deepnetclassifier__"]),
    "nested": (
        make_pipeline(StandardScaler(), default_estimator()),
        ["pipeline__deepnetclassifier__"],
    ),
    "columns": (
        make_pipeline(ColumnTransformer([("scale", StandardScaler(), [0, 1])]), small()),
        ["deepnetclassifier__"],
    ),
    "one_vs_rest": (OneVsRestClassifier(small()), ["estimator__"]),
    "voting": (VotingClassifier([("a", small()), ("b", small())]), ["a__", "b__"]),
    "passthrough": (make_pipeline("passthrough", small()), ["deepnetclassifier__"]),
    "none": (LogisticRegression(), []),
    "no_estimator": ("text", []),
    "a_class": (DeepNetClassifier, []),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_nets_are_found(name):
    estimator, prefixes = ESTIMATORS[name]
    assert list(networks_in(estimator)) == prefixes


def test_memory_reaches_clones_of_all_nets(data, tmp_path):
    estimator = VotingClassifier([("a", small()), ("b", small())])
    memory = Memory(tmp_path, verbose=0)
    equipped = with_memory(estimator, memory)
    assert equipped.get_params()["b__memory"].location == memory.location
    assert estimator.get_params()["b__memory"] is None
    assert with_memory(estimator, None) is estimator
    search = Search(small(), GRID, cv=2, memory=tmp_path).fit(*data)
    assert search.estimator.memory is None
    kept = sum(1 for path in tmp_path.rglob("*.npz"))
    assert kept == 2 * 3 + 1
    again = Search(small(), GRID, cv=2, memory=tmp_path).fit(*data)
    assert again.fused_summary_.fits == 0
    assert again.best_score_ == search.best_score_


@pytest.mark.parametrize("name", ["GridSearchCV", "ManualSearchCV", "LayerGrowthSearchCV"])
def test_nested_in_a_fused_block(name, data):
    """The inner searches of all outer folds train together, with the scores they have alone."""
    space = {
        "GridSearchCV": {"param_grid": GRID},
        "ManualSearchCV": {"candidates": {"a": {}, "b": {"lr": 0.1}, "c": {"lr": 0.01}}},
        "LayerGrowthSearchCV": {"patience": 2},
    }
    search = getattr(model_selection, name)(small(), cv=2, **space[name])
    alone = theirs.cross_val_score(search, *data, cv=3)
    with fused(silent=True) as summary:
        together = theirs.cross_val_score(search, *data, cv=3)
    np.testing.assert_allclose(together, alone, atol=1e-12)
    per_depth = 3 if name == "LayerGrowthSearchCV" else 1
    assert summary.largest >= 3 * 2 * 3 / per_depth
