"""Populations on clusters of Dask and Ray: the same scores, also when workers die or join."""

import os
import signal
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from unittest import mock

import cloudpickle
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from sknethp import fused
from sknethp.fusion import clusters
from tests.helpers import METRICS, fold_scores, scaled_net

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

# Workers cannot import this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])
N_TASKS = 4 * 2 * 3
OBJECT_STORE = 80 * 2**20

# Both leave files and sockets to the garbage collector when processes are killed.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.mark.parametrize(
    ("name", "says"), [("dask", "needs a client"), ("ray", r"needs a cluster: ray\.init")]
)
def test_cluster_must_run(name, says):
    """Said before anything runs, like a package that is not installed."""
    pytest.importorskip(name)
    with pytest.raises(ValueError, match=says):
        fused(backend=name).__enter__()


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_package_is_missing(name, monkeypatch):
    """One sentence says what to install."""
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf"needs {name}, .* pip install 'sknethp\[{name}\]'\.$"):
        fused(backend=name).__enter__()


def test_clusters_use_all_their_workers():
    """A number of workers is refused."""
    with pytest.raises(ValueError, match="n_jobs=2 is not possible"):
        fused(2, backend="ray").__enter__()


class DaskWorkers:
    """Two worker processes of one thread each."""

    name = "dask"

    @contextmanager
    def running(self):
        with (
            # Else copies that no task needs at one of its looks, every 2 s, are dropped.
            dask.config.set({"distributed.scheduler.active-memory-manager.start": False}),
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=None
            ) as self.cluster,
            distributed.Client(self.cluster) as self.client,
        ):
            yield self

    def add_worker(self):
        self.cluster.scale(3)

    def remove_worker(self):
        self.cluster.scale(2)
        self.wait_for(2)

    def wait_for(self, n_workers):
        while len(self.client.nthreads()) != n_workers:
            time.sleep(0.05)

    @contextmanager
    def without_second_chance(self):
        scheduler = self.cluster.scheduler
        before, scheduler.allowed_failures = scheduler.allowed_failures, 0
        yield
        scheduler.allowed_failures = before
        self.wait_for(2)


class RayWorkers:
    """A machine with two worker processes."""

    name = "ray"

    @contextmanager
    def running(self):
        ray = pytest.importorskip("ray")
        from ray.cluster_utils import Cluster

        self.cluster = Cluster()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RAY_worker_niceness", "0")  # 15 is too nice beside other tests
            self.cluster.add_node(
                num_cpus=2, include_dashboard=False, object_store_memory=OBJECT_STORE
            )
            ray.init(self.cluster.address, log_to_driver=False)
            try:
                yield self
            finally:
                ray.shutdown()
                self.cluster.shutdown()

    def add_worker(self):
        self.node = self.cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE)

    def remove_worker(self):
        self.cluster.remove_node(self.node)

    @contextmanager
    def without_second_chance(self):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clusters, "_RETRIES", 0)
            yield


@pytest.fixture(scope="module", params=[DaskWorkers, RayWorkers], ids=["dask", "ray"])
def cluster(request):
    # Dask and Ray set variables of the environment for their processes, and leave them set.
    with mock.patch.dict(os.environ), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with request.param().running() as cluster:
            yield cluster


def grid(callback=None, max_epochs=3, **settings):
    names = {
        "deepnetclassifier__lr": [1e-4, 1e-3, 1e-2, 1e-1],
        "deepnetclassifier__dropout": [0.0, 0.3],
    }
    pipeline = scaled_net(max_epochs=max_epochs, callbacks=callback and [callback])
    return GridSearchCV(pipeline, names, cv=3, scoring=METRICS, refit="neg_log_loss", **settings)


def outgoing_bytes(dask_worker):
    return sum(entry["total"] for entry in dask_worker.transfer_outgoing_log)


@pytest.fixture(scope="module")
def together(data):
    """Scores of one process."""
    with fused(silent=True):
        return fold_scores(grid(), data)


class At(Callback):
    """Does something in the second epoch of a fit."""

    def __init__(self, path):
        self.path = path

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 2:
            self.act()

    def wait_until(self, happened):
        for _ in range(6000):
            if happened():
                return
            time.sleep(0.01)
        raise TimeoutError("nothing has happened for a minute")


class KillFirst(At):
    """Kills the first process that gets here, after it has left its number."""

    def act(self):
        try:
            with self.path.open("x") as file:
                file.write(str(os.getpid()))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


class WaitForThree(At):
    """Waits until three processes are here."""

    def act(self):
        (self.path / str(os.getpid())).touch()
        self.wait_until(lambda: len(list(self.path.iterdir())) >= 3)


class WaitForEnd(At):
    """Says that it is here, and waits until it may go on."""

    def act(self):
        (self.path / "here").touch()
        self.wait_until((self.path / "end").exists)


class Fail(At):
    """Raises an error."""

    def act(self):
        raise ValueError("a fit's own")


@pytest.mark.slow
def test_same_scores_and_populations(cluster, data, together):
    """Two workers give the scores of one process, bit for bit; each trains its half at once."""
    with fused(backend=cluster.name, silent=True) as summary:
        spread = fold_scores(grid(), data)
    np.testing.assert_array_equal(spread, together)
    assert summary.workers == 2
    assert summary.tasks == summary.fused == summary.fits - 1 == N_TASKS  # a refit
    assert summary.largest == N_TASKS / 2
    assert "sent per fit" in str(summary)


@pytest.mark.slow
def test_data_goes_to_each_place_once(cluster, data, monkeypatch):
    """Six batches and a second search send the data of one."""
    monkeypatch.setattr(clusters.Cluster, "tasks_of_a_batch", 2)
    X = np.tile(data[0], (1, 40))
    n_places = 2 if cluster.name == "dask" else 1
    with fused(backend=cluster.name, silent=True) as summary:
        grid().set_params(refit=False).fit(X, data[1])
        assert summary.populations >= 6
        first = summary.bytes_sent
        grid().set_params(refit=False).fit(X.copy(), data[1])
    assert X.nbytes < first / n_places < 1.5 * X.nbytes
    assert summary.bytes_sent - first < X.nbytes / 2
    if cluster.name == "dask":  # its own count of what workers have got from each other
        copied = cluster.client.run(outgoing_bytes)
        assert X.nbytes < sum(copied.values()) < 2 * X.nbytes


@pytest.mark.slow
def test_killed_worker(cluster, data, together, tmp_path):
    """Its batch is done by another."""
    path = tmp_path / "killed"
    with fused(backend=cluster.name, silent=True) as summary:
        spread = fold_scores(grid(KillFirst(path)), data)
    np.testing.assert_array_equal(spread, together)
    assert summary.tasks == summary.fits - 1 == N_TASKS
    assert int(path.read_text()) not in {pid for _, pid in summary._processes}


@pytest.mark.slow
def test_lost_batch(cluster, data, together, tmp_path):
    """A batch that is given up is an error, and the next search works."""
    with (
        cluster.without_second_chance(),
        fused(backend=cluster.name, silent=True),
        pytest.raises(RuntimeError, match="lost with its worker"),
    ):
        grid(KillFirst(tmp_path / "killed")).fit(*data)
    with fused(backend=cluster.name, silent=True):
        np.testing.assert_array_equal(fold_scores(grid(), data), together)


@pytest.mark.slow
def test_error_of_a_fit(cluster, data, together, tmp_path):
    """It is raised as it is, and the next search works."""
    with fused(backend=cluster.name, silent=True):
        with pytest.raises(ValueError, match="a fit's own"):
            grid(Fail(tmp_path), error_score="raise").fit(*data)
        np.testing.assert_array_equal(fold_scores(grid(), data), together)


@pytest.mark.slow
@pytest.mark.usefixtures("can_be_interrupted")
def test_interrupt(cluster, data, together, tmp_path):
    """Ctrl-C ends the search, not the workers."""

    def interrupt():
        At(tmp_path).wait_until((tmp_path / "here").exists)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with fused(backend=cluster.name, silent=True):
        with pytest.raises(KeyboardInterrupt):
            grid(WaitForEnd(tmp_path)).fit(*data)
        thread.join()
        (tmp_path / "end").touch()
        np.testing.assert_array_equal(fold_scores(grid(), data), together)


@pytest.mark.slow
def test_worker_that_joins_late(cluster, data, together, tmp_path, monkeypatch):
    """It gets a share of the batches: all wait for three workers."""
    monkeypatch.setattr(clusters.Cluster, "tasks_of_a_batch", 2)
    callback = WaitForThree(tmp_path)

    def search():
        with fused(backend=cluster.name, silent=True) as summary:
            return fold_scores(grid(callback), data), summary

    with ThreadPoolExecutor(1) as pool:  # Ray adds machines in the main thread only
        result = pool.submit(search)
        callback.wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
        cluster.add_worker()
        spread, summary = result.result()
    cluster.remove_worker()
    np.testing.assert_array_equal(spread, together)
    assert summary.workers == 3
