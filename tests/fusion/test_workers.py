"""Populations in worker processes: the same scores, and the same troubles told."""

import pickle
import sys
import warnings
from itertools import chain

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.tree import DecisionTreeClassifier

from sknethp import fused
from sknethp.fusion import workers
from sknethp.fusion.clusters import Cluster
from sknethp.fusion.packing import pack, pickled_size, portable, unpack
from sknethp.fusion.tally import Tally
from sknethp.fusion.workers import deal, memory_of_each, run_together
from tests.helpers import METRICS, assert_same_scores, fold_scores
from tests.helpers import scaled_net as net

# Workers cannot import this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


LRS = [1e-4, 1e-3, 1e-2, 1e-1]


@pytest.fixture(scope="module", autouse=True)
def _workers():
    """Start joblib's workers, and stop them when the tests are over."""
    Parallel(2)(delayed(net)() for _ in range(2))
    yield
    get_reusable_executor().shutdown(wait=True)


def grid(**parameters):
    names = {"deepnetclassifier__" + name: values for name, values in parameters.items()}
    return GridSearchCV(net(), names, cv=3, scoring=METRICS, refit="neg_log_loss")


def test_same_scores_in_worker_processes(data):
    """Two workers give the scores of one process and of one fit at a time."""
    parameters = {"lr": LRS, "max_epochs": [1, 3], "hidden_units": [4, 9]}
    alone = fold_scores(grid(**parameters), data)
    with fused(silent=True):
        together = fold_scores(grid(**parameters), data)
    with fused(n_jobs=2, silent=True) as summary:
        spread = fold_scores(grid(**parameters), data)
    assert_same_scores(spread, alone)
    assert_same_scores(together, alone)
    assert summary.workers == 2
    assert summary.tasks == summary.fused == 4 * 2 * 2 * 3
    assert summary.fits == summary.fused + 1  # the refit
    assert "2 worker processes" in str(summary)


def test_mixed_up_tasks_would_be_noticed(data):
    """Negative control: every fold of every candidate has another log-loss."""
    parameters = {"lr": LRS, "max_epochs": [1, 3], "hidden_units": [4, 9]}
    losses = np.sort(fold_scores(grid(**parameters), data)[1].ravel())
    assert np.diff(losses).min() > 1e-5


def test_backend_alone_means_all_cores(data):
    """`backend="loky"` does without a number."""
    alone = fold_scores(grid(lr=LRS), data)
    with fused(backend="loky", silent=True) as summary:
        spread = fold_scores(grid(lr=LRS), data)
    assert_same_scores(spread, alone)
    assert (summary.fits, summary.fused) == (13, 12)  # the refit is one more


def test_large_arrays_are_mapped(data):
    """Arrays that joblib maps into memory give the same."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(4000, 40)), rng.integers(2, size=4000)
    assert X.nbytes > 2**20
    search = grid(lr=LRS[:2])
    alone = fold_scores(search, (X, y))
    with fused(n_jobs=2, silent=True) as summary:
        spread = fold_scores(search, (X, y))
    assert_same_scores(spread, alone)
    assert summary.workers == 2


def test_nested_searches_meet_in_their_worker(data):
    """The inner fits of a worker's outer folds train together."""
    alone = cross_val_score(grid(lr=LRS), *data, cv=4)
    with fused(n_jobs=2, silent=True) as summary:
        spread = cross_val_score(grid(lr=LRS), *data, cv=4)
    np.testing.assert_array_equal(spread, alone)
    assert summary.largest == 2 * len(LRS) * 3
    assert summary.tasks == 4 * (1 + len(LRS) * 3)


def test_a_single_task_needs_no_worker(data):
    """One task runs in this process."""
    with fused(n_jobs=2, silent=True) as summary:
        cross_val_score(net(), *data, cv=[(np.arange(90), np.arange(90, 190))], n_jobs=2)
    assert summary.workers == 0
    assert summary.fits == 1


def test_foreign_tasks_run_in_workers(data):
    """Other estimators run, and the summary says that they were not fused."""
    tree = DecisionTreeClassifier(random_state=0)
    alone = cross_val_score(tree, *data, cv=3)
    with fused(n_jobs=2, silent=True) as summary:
        spread = cross_val_score(tree, *data, cv=3)
    np.testing.assert_array_equal(spread, alone)
    assert sum(summary.not_fused.values()) == summary.tasks == 3


class Unpicklable(Exception):  # noqa: N818
    """An exception that takes more to be made than it keeps."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def fit_or_raise(model, X, y, error):
    if error is not None:
        raise error("a task's", "own")
    return model.fit(X, y).predict_proba(X)


@pytest.mark.parametrize(
    ("error", "kind"),
    [(ValueError, ValueError), (Unpicklable, RuntimeError)],
)
def test_error_of_a_task_reaches_the_caller(data, error, kind):
    """What a task raises in a worker is raised, and the next search works."""
    models = [net(lr=lr) for lr in LRS]
    errors = [None, None, error, None]
    with fused(n_jobs=2, silent=True), pytest.raises(kind, match=r"a task's.* .*own") as caught:
        Parallel()(
            delayed(fit_or_raise)(model, *data, wrong)
            for model, wrong in zip(models, errors, strict=True)
        )
    assert any("in fit_or_raise" in note for note in caught.value.__notes__)
    with fused(n_jobs=2, silent=True) as summary:
        cross_val_score(net(), *data, cv=3)
    assert summary.fused >= 2


def test_error_of_a_task_keeps_its_neighbours(data):
    """The outcomes of other tasks of a batch are there, as without the one that fails."""
    X, y = data
    tasks = [
        lambda lr=lr, error=error: fit_or_raise(net(lr=lr), X, y, error)
        for lr, error in zip(LRS, [None, ValueError, None, None], strict=True)
    ]
    outcomes = run_together(tasks, 10**9, Tally()).outcomes
    assert isinstance(outcomes[1][1], ValueError)
    for i in (0, 2, 3):
        np.testing.assert_array_equal(outcomes[i][0], tasks[i]())


def test_lost_batches_are_told_of(data, monkeypatch):
    """A batch that comes back without its results is an error, not a result."""
    monkeypatch.setattr(workers, "run_packed", lambda *args: None)
    with fused(n_jobs=2, silent=True), pytest.raises(RuntimeError, match="lost with its worker"):
        cross_val_score(net(), *data, cv=3)


def interrupt():
    raise KeyboardInterrupt


# Loky's thread may fail when its workers are stopped while they start.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.slow
def test_interrupt_in_a_worker(data):
    """A task that interrupts ends the call and the workers, and the next call works."""
    with fused(n_jobs=2, silent=True) as summary:
        with pytest.raises(KeyboardInterrupt):
            Parallel()(delayed(interrupt)() for _ in range(4))
        scores = cross_val_score(net(), *data, cv=3)
    np.testing.assert_array_equal(scores, cross_val_score(net(), *data, cv=3))
    assert summary.fits == 3


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_failing_candidates_leave_others_alone(data, n_jobs):
    """One that diverges, one that fails and one that stops at once change nothing for others."""
    with fused(n_jobs, silent=True):
        calm = fold_scores(grid(lr=[1e-3, 1e-2, 1e-1]), data)
    with warnings.catch_warnings(), fused(n_jobs, silent=True):
        warnings.simplefilter("ignore")
        wild = fold_scores(
            GridSearchCV(
                net(),
                [
                    {"deepnetclassifier__lr": [1e-3, 1e9, 1e-2, 1e-1]},
                    {"deepnetclassifier__max_epochs": [1]},
                    {"deepnetclassifier__dropout": [2.0]},
                ],
                cv=3,
                scoring=METRICS,
                refit=False,
            ),
            data,
        )
    np.testing.assert_array_equal(wild[..., [0, 2, 3]], calm)
    assert np.isnan(wild[..., [1, 5]]).all()
    assert np.isfinite(wild[..., 4]).all()


def test_unknown_backend():
    """Joblib's own error, before anything runs."""
    with pytest.raises(ValueError, match="nonesuch"):
        fused(backend="nonesuch").__enter__()


def test_generator_is_refused_clearly(data):
    """``return_as="generator"`` is not supported, and joblib says so."""
    for n_jobs in (None, 2):
        with fused(n_jobs=n_jobs, silent=True), pytest.raises(ValueError, match="return_as"):
            Parallel(return_as="generator")(delayed(abs)(i) for i in range(3))


def test_deal_is_a_partition():
    """Each task is in one batch, and batches differ by at most one task."""
    for n_tasks in (2, 3, 63, 64, 65, 200, 1001):
        for n_workers in (2, 3, 16):
            batches = deal(n_tasks, n_workers, 64)
            assert sorted(chain(*batches)) == list(range(n_tasks))
            sizes = [len(batch) for batch in batches]
            assert max(sizes) - min(sizes) <= 1
            assert batches == deal(n_tasks, n_workers, 64)


def test_deal_spreads_what_comes_at_regular_distances():
    """No batch gets much more than its share of every second, third ... task."""
    for period in (2, 3, 4, 5, 8, 10):
        for batch in deal(400, 2, 64):
            shares = np.bincount(np.array(batch) % period, minlength=period) / len(batch)
            assert shares.max() < 2 / period


def test_memory_is_divided():
    """Workers share the memory, less what the processes themselves take."""
    gib = 2**30
    assert 2 * memory_of_each(2 * gib, 2) < 1.5 * gib
    for n_workers in (1, 2, 100):
        for memory in (1, gib, 1000 * gib):
            assert memory // 2 - n_workers < n_workers * memory_of_each(memory, n_workers) < memory


def test_clusters_get_as_many_tasks_as_wait_in_one_process():
    """Hundreds of tasks for each worker are one batch for each, or a few of hundreds."""
    for n_tasks, n_batches in [(100, 2), (700, 2), (1000, 4)]:
        assert len(deal(n_tasks, 2, Cluster.tasks_of_a_batch)) == n_batches


def test_what_batches_share_is_packed_once():
    """An array or a table of several batches is apart from them; that of one goes with it."""
    small, large, table = np.arange(50.0), np.arange(5000.0), pd.DataFrame({"a": ["x", "y"]})
    owns = [np.arange(4000.0), np.arange(3000.0)]
    batches = [[lambda i=i, own=own: (small, large, table, own, i) for i in (0, 1)] for own in owns]
    parcels, shared = pack(batches, large.nbytes // 2)
    assert list(map(id, shared.values())) == [id(large), id(table)]
    for parcel, kept in zip(parcels, owns, strict=True):
        first, second = (function() for function in unpack(parcel, shared))
        np.testing.assert_array_equal(first[0], small)
        assert all(one is other for one, other in zip(first[:4], second[:4], strict=True))
        assert first[1] is large
        assert first[2] is table
        np.testing.assert_array_equal(first[3], kept)


def test_size_of_a_pickle():
    """Arrays count, without being copied."""
    array = np.arange(5000.0)
    assert array.nbytes < pickled_size([array, array]) < array.nbytes + 500


def test_portable_errors():
    """An error keeps its type if it can be pickled, and its text in any case."""
    assert type(portable(KeyError("x"))) is KeyError
    stand_in = pickle.loads(pickle.dumps(portable(Unpicklable(1, 2))))
    assert type(stand_in) is RuntimeError
    assert "1 and 2" in str(stand_in)
