"""Failures, interrupts and foreign tasks under fusion."""

import gc
import threading
import time
import warnings
import weakref

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed, parallel_config
from joblib.parallel import get_active_backend
from sklearn import config_context, get_config
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.preprocessing import scale
from sklearn.tree import DecisionTreeClassifier
from skorch.callbacks import Callback

from sknethp import fused
from sknethp.training.rounds import Rounds
from tests.helpers import small_net as net


@pytest.fixture(scope="module")
def data():
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X[::3]), y[::3]


def state():
    """Return all that must be as it was before."""
    return (
        torch.get_num_threads(),
        list(warnings.filters),
        get_config(),
        type(get_active_backend()[0]).__name__,
        {thread for thread in threading.enumerate() if thread.name.startswith("sknethp")},
    )


class TimeIsUp(BaseException):
    """As time limits raise it from the handler of an alarm."""


class Interrupting(Callback):
    """Behaves like Ctrl-C in an early epoch."""

    def __init__(self, error=KeyboardInterrupt):
        self.error = error

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 2:
            raise self.error


class Raising(Callback):
    """Fails in an early epoch."""

    def on_epoch_end(self, net, **kwargs):
        raise ValueError("from a callback")


def probabilities(models, X):
    return [model.predict_proba(X) for model in models]


def test_neighbours_of_a_diverging_network_are_untouched(data):
    """A network that becomes infinite leaves the others bit for bit as they were."""
    X, y = data

    def neighbours(lr):
        search = GridSearchCV(net(), {"lr": [1e-3, lr, 1e-2]}, cv=2, refit=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with fused(silent=True):
                return search.fit(X, y).cv_results_

    calm, wild = neighbours(1e-1), neighbours(1e9)
    assert np.isnan(wild["mean_test_score"][1])
    assert not np.isnan(calm["mean_test_score"][1])
    for fold in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(wild[fold][[0, 2]], calm[fold][[0, 2]])


@pytest.mark.parametrize("trouble", [{"max_epochs": 1}, {"callbacks": [Raising()]}])
def test_neighbours_of_one_that_leaves_are_untouched(data, trouble):
    """Nor does it matter that one stops or fails before the others."""
    X, y = data
    alone = [net(lr=lr).fit(X, y).predict_proba(X) for lr in (1e-3, 1e-2)]

    def fit(model):
        try:
            return model.fit(X, y)
        except ValueError:
            return None

    with fused(silent=True):
        first, _, last = Parallel()(
            delayed(fit)(model) for model in (net(lr=1e-3), net(**trouble), net(lr=1e-2))
        )
    np.testing.assert_allclose(probabilities([first, last], X), alone, atol=1e-6)


def test_interrupt_ends_the_search_and_the_next_works(data):
    """Ctrl-C leaves no thread, no setting and no half-finished task behind."""
    before = state()
    search = GridSearchCV(net(callbacks=[Interrupting()]), {"lr": [1e-3, 1e-2]}, cv=2)
    with pytest.raises(KeyboardInterrupt), fused(silent=True):
        search.fit(*data)
    assert state() == before
    with fused(silent=True) as summary:
        cross_val_score(net(), *data, cv=3)
    assert summary.fused == 3
    assert state() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, TimeIsUp])
def test_what_is_no_failure_ends_all_at_once(data, error):
    """Whichever task raises it, the others are not trained to their end first."""
    nets = [net(max_epochs=10**6), net(max_epochs=10**6, callbacks=[Interrupting(error)])]
    with pytest.raises(error), fused(silent=True):
        Parallel()(delayed(model.fit)(*data) for model in 2 * nets)


class Held:
    """Something that a task holds."""


def test_interrupt_while_training(data, monkeypatch):
    """Ctrl-C between the tasks cancels them all: nothing that they hold is kept."""
    before = state()
    held = []

    def fit():
        mine = Held()
        held.append(weakref.ref(mine))
        return net().fit(*data), mine

    def interrupted(self, epochs, groups):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, fused(silent=True):
        patch.setattr(Rounds, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Parallel()(delayed(fit)() for _ in range(3))
    gc.collect()
    assert [reference() for reference in held] == [None] * 3
    assert state() == before


def test_exception_reaches_the_caller(data):
    """What a task raises is raised, and its neighbours are cancelled."""
    before = state()
    with pytest.raises(ValueError, match="from a callback"), fused(silent=True):
        Parallel()(
            delayed(model.fit)(*data) for model in (net(), net(callbacks=[Raising()]), net())
        )
    assert state() == before


def test_same_block_after_an_exception(data):
    """A block goes on working after a search in it has failed."""
    with fused(silent=True) as summary:
        with pytest.raises(ValueError, match="from a callback"):
            Parallel()(delayed(net(callbacks=[Raising()]).fit)(*data) for _ in range(3))
        fits = summary.fits
        scores = cross_val_score(net(), *data, cv=3)
    np.testing.assert_array_equal(scores, cross_val_score(net(), *data, cv=3))
    assert summary.fits == fits + 3


def test_settings_of_others_survive(data):
    """Configuration and filters that tasks see and set do not leak."""
    before = state()
    with config_context(assume_finite=True), fused(silent=True):
        inside = Parallel()(delayed(get_config)() for _ in range(2))
        cross_val_score(net(), *data, cv=3)
    assert len(inside) == 2
    assert state() == before


def in_surroundings(data, transform_output, action, n_jobs):
    """Fit in settings of one's own; return those found before and after."""
    with (
        config_context(transform_output=transform_output),
        warnings.catch_warnings(),
        parallel_config("threading", n_jobs=n_jobs),
    ):
        warnings.simplefilter(action)
        found = [
            (get_config()["transform_output"], warnings.filters[0][0], get_active_backend()[1])
        ]
        net().fit(*data)
        found += [
            (get_config()["transform_output"], warnings.filters[0][0], get_active_backend()[1])
        ]
    return found


def test_settings_of_a_task_are_its_own(data):
    """What a task sets while it trains is set for no other, and for nobody afterwards."""
    before = state()
    settings = [("default", "error", 2), ("pandas", "ignore", 3), ("default", "always", 4)]
    with fused(silent=True) as summary:
        found = Parallel()(delayed(in_surroundings)(data, *setting) for setting in settings)
        assert type(get_active_backend()[0]).__name__ == "FusedBackend"
    assert found == [[setting, setting] for setting in settings]
    assert summary.largest == 3
    assert state() == before


def test_foreign_tasks_simply_run(data):
    """Other estimators run, and the summary says that they were not fused."""
    alone = cross_val_score(DecisionTreeClassifier(random_state=0), *data, cv=3)
    with fused(silent=True) as summary:
        together = cross_val_score(DecisionTreeClassifier(random_state=0), *data, cv=3)
    np.testing.assert_array_equal(together, alone)
    assert summary.fits == 0
    assert sum(summary.not_fused.values()) == 3


def test_batch_callbacks_are_not_fused_and_said_so(data):
    """A callback that follows batches trains alone, with the same result."""

    class Counting(Callback):
        def on_batch_end(self, net, **kwargs):
            self.count = getattr(self, "count", 0) + 1

    alone = cross_val_score(net(), *data, cv=2)
    with fused(silent=True) as summary:
        together = cross_val_score(net(callbacks=[Counting()]), *data, cv=2)
    np.testing.assert_array_equal(together, alone)
    assert summary.fused == 0
    assert summary.not_fused == {"callbacks that follow single batches": 2}


def test_summary_line(data, capsys):
    """The block prints one line to standard error."""
    with fused() as summary:
        cross_val_score(net(), *data, cv=3)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [str(summary)]
    assert lines[0].startswith("sknethp: 3 fits, 3 of them fused")


def test_threads_of_the_user(data):
    """Fits in threads of the user's own train alone, at the same time."""
    results = {}

    def work(lr):
        results[lr] = net(lr=lr).fit(*data).predict_proba(data[0])

    with fused(silent=True):
        threads = [threading.Thread(target=work, args=(lr,)) for lr in (1e-3, 1e-2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for lr, found in results.items():
        np.testing.assert_array_equal(found, net(lr=lr).fit(*data).predict_proba(data[0]))


def test_time_is_measured(data):
    """The summary's seconds cover the block."""
    start = time.perf_counter()
    with fused(silent=True) as summary:
        cross_val_score(net(), *data, cv=3)
    assert 0 < summary.seconds_training < summary.seconds <= time.perf_counter() - start
