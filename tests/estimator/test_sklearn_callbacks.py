"""scikit-learn's callbacks (release 1.9 and later) are told of fits and epochs, and change none."""

import pickle
from collections import Counter

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import sknethp.model_selection as searches
from sknethp import DeepNetClassifierCV, fused
from sknethp.model_selection import BayesSearchCV, LayerGrowthSearchCV, ManualSearchCV
from tests.helpers import small_net

callbacks = pytest.importorskip("sklearn.callback")


class Recorder:
    """Records what has begun and ended; asks to stop after some epochs."""

    max_propagation_depth = None

    def __init__(self, n_epochs=None):
        self.n_epochs, self.begun, self.ended = n_epochs, [], []

    def setup(self, estimator, context):
        self.begun.append("setup")

    def teardown(self, estimator, context):
        self.ended.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(f"{context.estimator_name} {context.task_name}")

    def on_fit_task_end(self, estimator, context):
        self.ended.append(f"{context.estimator_name} {context.task_name}")
        return context.task_name == "epoch" and context.task_id + 1 == self.n_epochs


def test_each_epoch_is_scored_by_a_net_that_predicts(data):
    monitor = callbacks.ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    net = small_net(dropout=0.0, label_smoothing=0.0).set_callbacks(monitor)
    net.fit(*data)
    log = monitor.get_logs().data_as_pandas
    epochs = log[log.task_name == "epoch"]
    for n_epochs, accuracy in zip((1, 2, 3), epochs.accuracy, strict=True):
        stopped = clone(net).set_callbacks(Recorder(n_epochs)).fit(*data)
        assert stopped.n_iter_ == n_epochs
        assert stopped.score(*data) == accuracy
    assert epochs.neg_log_loss.is_monotonic_increasing
    assert len(set(epochs.neg_log_loss)) == 3


def test_a_net_is_the_same_with_callbacks_and_keeps_nothing_of_them(data):
    recorder = Recorder()
    watched, plain = small_net().set_callbacks(recorder), small_net()
    proba = watched.fit(*data).predict_proba(data[0])
    np.testing.assert_array_equal(proba, plain.fit(*data).predict_proba(data[0]))
    assert recorder.begun[:2] == ["setup", "DeepNetClassifier fit"]
    assert recorder.ended == [*["DeepNetClassifier epoch"] * 3, "DeepNetClassifier fit", "teardown"]
    assert not any(name.startswith("_callback") for name in vars(watched))
    watched.set_callbacks()
    assert len(pickle.dumps(watched)) == len(pickle.dumps(plain))


def test_callbacks_are_torn_down_after_an_error(data):
    recorder = Recorder()
    with pytest.raises(ValueError, match=r"(loss|weights) became"):
        small_net(lr=1e30, optimizer="sgd").set_callbacks(recorder).fit(*data)
    assert recorder.ended == ["teardown"]


def test_a_fused_search_tells_of_every_epoch_of_every_fit(data):
    recorder = Recorder()
    search = GridSearchCV(small_net(), {"lr": [0.01, 0.02]}, cv=3)
    watched = clone(search).set_callbacks(recorder)
    with fused(silent=True) as summary:
        watched.fit(*data)
    counts = Counter(recorder.ended)
    assert counts["DeepNetClassifier epoch"] == 7 * 3
    assert counts["DeepNetClassifier fit"] == 7
    assert counts["GridSearchCV search"] == counts["teardown"] == 1
    assert summary.fused == 6
    scores = (s.cv_results_["mean_test_score"] for s in (watched, search.fit(*data)))
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize(
    "search",
    [
        BayesSearchCV(
            small_net(), {"lr": (0.01, 0.02)}, n_iter=3, n_points=2, cv=3, random_state=0
        ),
        LayerGrowthSearchCV(small_net(), max_layers=3, cv=3),
        ManualSearchCV(small_net(), {"slow": {"lr": 0.01}, "fast": {"lr": 0.02}}, cv=3),
        searches.GridSearchCV(small_net(), {"lr": [0.01, 0.02, 0.03]}, cv=3, max_time=1000),
    ],
    ids=lambda search: type(search).__name__,
)
def test_every_search_tells_of_every_epoch_of_every_fit(data, search):
    recorder = Recorder()
    watched = clone(search).set_callbacks(recorder).fit(*data)
    n_fits = 3 * len(watched.evaluated_at_) + 1
    counts = Counter(recorder.ended)
    assert counts == Counter(recorder.begun) - Counter(["setup"]) + Counter(["teardown"])
    assert counts["DeepNetClassifier epoch"] == n_fits * 3
    assert counts["DeepNetClassifier fit"] == n_fits
    assert counts[f"{type(search).__name__} search"] == counts["teardown"] == 1
    scores = (s.cv_results_["mean_test_score"] for s in (watched, clone(search).fit(*data)))
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("wrong", [{"max_time": -1}, {"cv": 1}, {"scoring": "nonsense"}])
def test_callbacks_of_a_net_that_tunes_itself_learn_of_no_fit_that_cannot_begin(data, wrong):
    recorder = Recorder()
    nets = DeepNetClassifierCV(small_net(), random_state=0).set_params(**wrong)
    with pytest.raises(ValueError, match=r"max_time|cv|n_splits|scoring"):
        nets.set_callbacks(recorder).fit(*data)
    assert recorder.begun == []


def test_a_net_that_tunes_itself_is_one_task(data):
    recorder = Recorder()
    nets = DeepNetClassifierCV(small_net(), n_candidates=2, cv=2, random_state=0)
    nets.set_callbacks(recorder).fit(*data)
    assert recorder.begun == ["setup", "DeepNetClassifierCV fit"]
    assert recorder.ended == ["DeepNetClassifierCV fit", "teardown"]
