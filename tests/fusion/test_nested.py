"""Calls of joblib inside tasks: those that train no net run in place, the others are fused."""

from joblib import Parallel, delayed, parallel_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import scale
from sklearn.svm import SVC

from sknethp import DeepNetClassifier, fused
from sknethp.fusion import FusedBackend
from sknethp.fusion.scheduler import Scheduler
from sknethp.fusion.tally import Tally

X, y = load_iris(return_X_y=True)
X = scale(X)
NET = DeepNetClassifier(max_epochs=2, hidden_units=8, random_state=0)
GRID = {"deepnetclassifier__lr": [0.001, 0.01, 0.03]}


class ColumnByColumn(TransformerMixin, BaseEstimator):
    """Calls joblib for each column, as skrub does."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        Parallel()(delayed(abs)(column[0]) for column in X.T)
        return X


def test_calls_that_train_no_net_soon_run_in_place():
    """A transformer's own calls are few tasks, however often it is called."""
    search = GridSearchCV(make_pipeline(*[ColumnByColumn()] * 5, NET), GRID, cv=10)
    expected = search.fit(X, y).cv_results_["mean_test_score"]
    with fused(silent=True) as summary:
        together = search.fit(X, y).cv_results_["mean_test_score"]
    assert (together == expected).all()
    assert summary.fits == 31  # the last, on all samples, is no task
    # 31 fits and 30 scores of 5 transformers of 4 columns would be well over a thousand.
    assert summary.not_fused["tasks that trained no DeepNetClassifier"] < 300


def test_progress_counts_fits_and_not_the_parts_of_their_preprocessing():
    tallies = {}
    for steps in ((NET,), (ColumnByColumn(), NET)):
        watcher = tallies[len(steps)] = Tally()
        with parallel_config(backend=FusedBackend(Scheduler(watcher=watcher))):
            GridSearchCV(make_pipeline(*steps), GRID, cv=4, refit=False).fit(X, y)
    for watcher in tallies.values():
        assert (watcher.tasks, watcher.done, watcher.epochs) == (12, 12, 24)
        assert round(watcher.share) == 12


def test_progress_counts_the_fits_of_a_nested_search():
    watcher = Tally()
    search = GridSearchCV(make_pipeline(NET), GRID, cv=2)
    with parallel_config(backend=FusedBackend(Scheduler(watcher=watcher))):
        cross_val_score(search, X, y, cv=3)
    assert watcher.tasks == watcher.done == 3 + 3 * 6


def test_nested_searches_stay_fused_after_others_that_train_no_net():
    """A search of other estimators, made in the same way, does not keep that of nets apart."""
    others = GridSearchCV(SVC(), {"C": [0.1, 1, 10]}, cv=5)
    nets = GridSearchCV(make_pipeline(NET), GRID, cv=3)
    expected = cross_val_score(nets, X, y, cv=3)
    with fused(silent=True) as summary:
        cross_val_score(others, X, y, cv=5)
        assert (cross_val_score(nets, X, y, cv=3) == expected).all()
    assert summary.fits == summary.fused == 30
    assert summary.largest >= 9


def test_what_leads_to_nets_is_never_run_in_place():
    """Tasks that only start tasks that train count as training, too."""

    def outer(_):
        return Parallel()(delayed(inner)(i) for i in range(20))

    def inner(_):
        return Parallel()(delayed(train)(i) for i in range(2))

    def train(i):
        return NET.fit(X, y).score(X, y)

    with fused(silent=True) as summary:
        Parallel()(delayed(outer)(i) for i in range(2))
    assert summary.fits == summary.fused == 80
    assert summary.largest == 80
