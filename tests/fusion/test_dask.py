"""Populations on a Dask cluster, and what becomes of a search when a worker is killed."""

import contextlib
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from sknethp import fused
from tests.helpers import METRICS, assert_same_scores, fold_scores, scaled_net

distributed = pytest.importorskip("distributed")

# Workers cannot import this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])
LRS = [1e-4, 1e-3, 1e-2, 1e-1]


@pytest.fixture(scope="module")
def large_data():
    """Return arrays that are sent to the cluster by themselves."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1400, 100))
    assert X.nbytes > 2**20
    return X, (X[:, 0] + rng.normal(size=len(X)) > 0).astype(int)


@pytest.fixture
def cluster():
    """Run two worker processes of one thread each."""
    # Dask leaves sockets to the garbage collector when processes are killed.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


class Victim(Callback):
    """Lets the process that gets there first leave its number in a file, and wait to be killed."""

    def __init__(self, file):
        self.file = file

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) != 5:
            return
        mine = Path(f"{self.file}-{os.getpid()}")
        mine.write_text(str(os.getpid()))
        with contextlib.suppress(FileExistsError):
            os.link(mine, self.file)
            time.sleep(600)


def grid(max_epochs=3, callbacks=None):
    names = {"deepnetclassifier__lr": LRS, "deepnetclassifier__dropout": [0.0, 0.3]}
    pipeline = scaled_net(max_epochs=max_epochs, callbacks=callbacks)
    return GridSearchCV(pipeline, names, cv=3, scoring=METRICS, refit="neg_log_loss")


@pytest.mark.slow
def test_same_scores_on_a_cluster(cluster, data, large_data):
    """Two workers give the scores of one fit at a time, small data or large."""
    for each in (data, large_data):
        alone = fold_scores(grid(), each)
        with fused(backend="dask", silent=True) as summary:
            spread = fold_scores(grid(), each)
        assert_same_scores(spread, alone)
        assert summary.workers == 2
        assert summary.tasks == summary.fused == summary.fits - 1 == len(LRS) * 2 * 3  # a refit


@pytest.mark.slow
@pytest.mark.parametrize("size", ["small", "large"])
def test_killed_worker(cluster, data, large_data, tmp_path, size):
    """A search ends with the scores it has without, though a worker is killed in the middle."""
    data = data if size == "small" else large_data
    with fused(silent=True):
        together = fold_scores(grid(10), data)
    file = tmp_path / "victim"
    killed = []

    def kill():
        while not file.exists() and not over.wait(0.01):
            pass
        if file.exists():
            killed.append(int(file.read_text()))
            os.kill(killed[0], signal.SIGKILL)

    over = threading.Event()
    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with fused(backend="dask", silent=True) as summary:
            spread = fold_scores(grid(10, [Victim(str(file))]), data)
    finally:
        over.set()
        killer.join()
    assert killed
    assert_same_scores(spread, together)
    assert summary.tasks == summary.fits - 1 == len(LRS) * 2 * 3  # a refit
    # Who was killed has not reported: others have done its work.
    assert killed[0] not in {pid for _, pid in summary._processes}


def test_dask_needs_a_client():
    """Joblib's own error, before anything runs."""
    with pytest.raises(ValueError, match="Client"):
        fused(backend="dask").__enter__()
