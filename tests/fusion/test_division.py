"""Workers that join by themselves: the same scores, and only where it is worth it."""

import multiprocessing
import os
import signal
import sys
import threading

import cloudpickle
import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import get_reusable_executor
from sklearn.model_selection import GridSearchCV, cross_val_score
from skorch.callbacks import Callback

from sknethp import fused, model_selection
from sknethp.fusion import FusedBackend, division, helpers
from sknethp.fusion.division import Division, n_processes
from sknethp.fusion.estimate import Rest
from sknethp.fusion.helpers import are_ready
from sknethp.fusion.processes import joblib_processes
from sknethp.fusion.progress import Progress
from sknethp.fusion.scheduler import Scheduler
from sknethp.training.threads import torch_threads
from tests.fusion.test_interrupt import processes_of_session, start, wait_for
from tests.helpers import METRICS, fold_scores
from tests.helpers import scaled_net as net

# Workers cannot import this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

GRID = {"lr": [1e-4, 1e-3, 1e-2, 1e-1], "max_epochs": [4, 6]}
N_FITS = 4 * 2 * 3


@pytest.fixture(scope="module", autouse=True)
def _two_threads_and_no_workers_afterwards():
    n_processes = max(2, joblib_processes(-1))  # also on one core
    with torch_threads(2), pytest.MonkeyPatch.context() as patch:
        patch.setattr(division, "joblib_processes", lambda n_jobs: n_processes)
        yield
    get_reusable_executor().shutdown(wait=True)


@pytest.fixture(autouse=True)
def _workers(data):
    """Have joblib's workers ready, which some tests kill."""
    if not are_ready(1):
        with fused(n_jobs=2, silent=True):
            cross_val_score(net(), *data, cv=4)


@pytest.fixture
def _worthwhile(monkeypatch):
    """However little there is to do, workers join."""
    monkeypatch.setattr(division, "_SHORT_WORK", {True: 0.0, False: 0.0})
    monkeypatch.setattr(division, "_WORTHWHILE", np.inf)


def grid(parameters=GRID, **settings):
    names = {"deepnetclassifier__" + name: values for name, values in parameters.items()}
    return GridSearchCV(net(**settings), names, cv=3, scoring=METRICS, refit=False)


@pytest.mark.usefixtures("_worthwhile")
@pytest.mark.parametrize(
    ("ready", "choice"),
    [
        (True, "; workers that were running took a part"),
        (False, "; workers shortened the rest from about"),
    ],
)
def test_same_scores_to_the_bit_when_workers_join(data, ready, choice, monkeypatch):
    """As in one process; the summary counts all, and says what was chosen and why."""
    monkeypatch.setattr(division, "are_ready", lambda n_workers: ready)
    with fused(n_jobs=1, silent=True) as here:
        expected = fold_scores(grid(dropout=0.2), data)
    with fused(silent=True) as summary:
        shared = fold_scores(grid(dropout=0.2), data)
    np.testing.assert_array_equal(shared, expected)
    assert summary.workers >= 1
    assert here.workers == 0
    assert summary.tasks == summary.fits == summary.fused == N_FITS
    assert choice in str(summary)
    # Negative control: all of these scores differ, so that a mix-up of tasks would be seen.
    assert np.diff(np.sort(expected[1].ravel())).min() > 0


def test_estimates_decide(data, monkeypatch):
    """Where workers would not shorten the rest, none is started, and the summary says so."""
    monkeypatch.setattr(division, "_SHORT_WORK", {True: 0.0, False: 0.0})
    monkeypatch.setattr(division, "_WORTHWHILE", 0.0)
    monkeypatch.setattr(division, "are_ready", lambda n_workers: False)
    monkeypatch.setattr(division, "Helpers", None)
    with fused(silent=True) as summary:
        fold_scores(grid(), data)
    assert summary.workers == 0
    assert summary.choice.startswith("trained in this process, since the rest took about")
    assert summary.choice not in str(summary)


def test_short_work_is_not_even_measured(data, monkeypatch):
    """All fits train together, as if there were no workers."""
    monkeypatch.setattr(division, "_SHORT_WORK", dict.fromkeys([True, False], 100.0))
    monkeypatch.setattr(division, "Helpers", None)
    with fused(silent=True) as summary:
        fold_scores(grid(), data)
    assert summary.largest == N_FITS
    assert "s of work are too little to share" in summary.choice


class InWorker(Callback):
    """Does something at the beginning of the second epoch, if it is in a worker."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 2 and multiprocessing.parent_process() is not None:
            self.act()

    def act(self):
        raise ValueError("in a worker")


class Killed(InWorker):
    def act(self):
        os.kill(os.getpid(), signal.SIGKILL)


class Interrupted(InWorker):
    def act(self):
        raise KeyboardInterrupt


class NotToBeSent(Callback):
    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        raise TypeError("not to be sent")


class BadThere(Callback):
    """Can be pickled, but not restored in another process."""

    def __reduce__(self):
        return restored, (os.getpid(),)


def restored(pid):
    if os.getpid() != pid:
        raise ImportError("no such module here")
    return BadThere()


@pytest.mark.slow
@pytest.mark.usefixtures("_worthwhile")
def test_prepared_tasks_are_not_lost_between_results(data, monkeypatch):
    """Joblib asks for one result after the other; some tasks may neither run nor wait then."""
    monkeypatch.setattr(division, "are_ready", lambda n_workers: False)
    monkeypatch.setattr(helpers, "are_ready", lambda n_workers: False)
    for submit in (None, keep):
        if submit is not None:
            monkeypatch.setattr(helpers.Helpers, "_dispatch", submit)
        with fused(silent=True) as summary:
            scores = fold_scores(grid(), data)
        np.testing.assert_array_equal(scores, fold_scores(grid(), data))
        assert summary.tasks == N_FITS
    assert summary.workers == 0
    assert "all was done before the workers had started" in summary.choice


def keep(self, ended=None):
    """No worker starts in time."""


@pytest.mark.slow
@pytest.mark.usefixtures("_worthwhile")
@pytest.mark.parametrize(
    ("callback", "reason"),
    [
        (Killed, "TerminatedWorkerError"),
        (NotToBeSent, "not to be sent"),
        (BadThere, "no such module here"),
    ],
)
def test_what_workers_cannot_do_is_done_here(data, callback, reason):
    """A worker that dies, and fits that cannot be sent: the same scores, and the reason is told."""
    expected = fold_scores(grid(), data)
    with fused(silent=True) as summary:
        scores = fold_scores(grid(callbacks=[callback()]), data)
        assert "a worker process could not take part" in summary.choice
        assert reason in summary.choice
        again = fold_scores(grid(), data)
    np.testing.assert_array_equal(scores, expected)
    np.testing.assert_array_equal(again, expected)
    assert summary.tasks == summary.fused == 2 * N_FITS


@pytest.mark.slow
@pytest.mark.usefixtures("_worthwhile")
def test_error_in_a_worker_is_raised(data):
    with fused(silent=True), pytest.raises(ValueError, match="in a worker") as caught:
        fold_scores(grid(callbacks=[InWorker()]).set_params(error_score="raise"), data)
    assert any("In a worker process" in note for note in caught.value.__notes__)
    with fused(silent=True) as summary:
        fold_scores(grid(), data)
    assert summary.tasks == summary.fused == N_FITS


@pytest.mark.slow
@pytest.mark.usefixtures("_worthwhile")
def test_interrupt_in_a_worker_ends_the_call(data):
    with fused(silent=True):
        with pytest.raises(KeyboardInterrupt):
            fold_scores(grid(callbacks=[Interrupted()]), data)
        scores = fold_scores(grid(), data)
    np.testing.assert_array_equal(scores, fold_scores(grid(), data))


@pytest.mark.usefixtures("_worthwhile")
def test_progress_counts_all(data):
    progress = Progress()
    scheduler = Scheduler(None, progress, Division(2))
    with parallel_config(backend=FusedBackend(scheduler)):
        search = grid().set_params(scoring="accuracy", refit=False).fit(*data)
    assert scheduler.summary.workers >= 1
    assert progress.tasks == progress.done == N_FITS
    assert progress.epochs == N_FITS * 5
    assert progress.share == pytest.approx(N_FITS)
    assert progress._best.best == pytest.approx(search.cv_results_["mean_test_score"].max())


SCRIPT = """
import signal, sys, threading, time
from pathlib import Path
print("runs", flush=True)
import numpy as np
from joblib.parallel import get_active_backend
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback
from sknethp import DeepNetClassifier, fused
from sknethp.fusion import division

division._SHORT_WORK = {True: 0.0, False: 0.0}
division._WORTHWHILE = np.inf
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background

class Started(Callback):
    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 12 and division.multiprocessing.parent_process() is not None:
            Path(sys.argv[2]).touch()

def search(max_epochs):
    net = DeepNetClassifier(hidden_units=4, max_epochs=max_epochs, random_state=0)
    net.set_params(callbacks=[Started()])
    return GridSearchCV(net, {"lr": [1e-4, 1e-3, 1e-2, 1e-1] * 4}, cv=3, refit=False)

def scores(max_epochs):
    return search(max_epochs).fit(*load_iris(return_X_y=True)).cv_results_["mean_test_score"]

with fused(2, silent=True):
    expected = scores(10)  # the workers are ready then
try:
    with fused(silent=True) as summary:
        np.testing.assert_array_equal(scores(eval(sys.argv[1])), expected)
    print(summary.choice, flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
assert "fused" not in type(get_active_backend()[0]).__name__.lower()
with fused(silent=True) as summary:
    np.testing.assert_array_equal(scores(10), expected)
print("the next search works", flush=True)
"""


def started_script(tmp_path, max_epochs):
    """Start the script, which has no ``if __name__ == "__main__"``, on two threads."""
    script, started = tmp_path / "script.py", tmp_path / "started"
    script.write_text(SCRIPT)
    process = start(script, max_epochs, started, OMP_NUM_THREADS="2")
    assert process.stdout.readline() == "runs\n"
    return process, started


@pytest.mark.slow
def test_plain_script_without_a_guard(tmp_path):
    """Workers do not run it again, and none is left when it ends."""
    process, _ = started_script(tmp_path, 10)
    output, errors = process.communicate()
    assert output.startswith("workers that were running took a part"), errors
    assert output.splitlines()[1:] == ["the next search works"]
    assert wait_for(lambda: not processes_of_session(process.pid), 10)


@pytest.mark.slow
@pytest.mark.parametrize("whole_group", [False, True])
def test_interrupt_while_workers_help(tmp_path, whole_group):
    """Ctrl-C ends a search that would take hours, and the next one works."""
    process, started = started_script(tmp_path, 1_000_000)
    try:
        assert wait_for(lambda: started.exists() or process.poll() is not None, 50)
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=50)
        assert output.splitlines() == ["interrupted", "the next search works"], errors
        assert wait_for(lambda: not processes_of_session(process.pid), 10)
    finally:
        for left in processes_of_session(process.pid):
            os.kill(left, signal.SIGKILL)
        process.communicate()


def test_nested_contexts_start_no_processes():
    """A thread, a worker, and a process whose torch has one thread stay alone."""
    assert n_processes(None) > 1
    assert n_processes(2**20) == 1
    found = []
    thread = threading.Thread(target=lambda: found.append(n_processes(None)))
    thread.start()
    thread.join()
    assert found == [1]
    with torch_threads(1):
        assert n_processes(None) == 1
    assert Parallel(2)(delayed(n_processes)(None) for _ in range(2)) == [1, 1]


@pytest.mark.slow
@pytest.mark.usefixtures("_worthwhile")
def test_inner_fits_stay_here(data):
    """Fits that tasks start belong to these."""
    nested = grid({"lr": [1e-3, 1e-2]}).set_params(refit="accuracy")
    with fused(silent=True) as summary:
        scores = cross_val_score(nested, *data, cv=9)
    assert summary.workers == 0
    assert summary.choice == "trained in this process, since fits have started others"
    np.testing.assert_array_equal(scores, cross_val_score(nested, *data, cv=9))


@pytest.mark.usefixtures("_worthwhile")
def test_time_limit_keeps_fits_here(data):
    """It is told by what single fits take."""
    search = model_selection.GridSearchCV(
        net(), {"deepnetclassifier__lr": GRID["lr"] * 4}, cv=3, max_time=60
    )
    search.fit(*data)
    assert search.fused_summary_.workers == 0
    assert search.fused_summary_.choice == "trained in this process, since there is a time limit"


def test_estimate():
    """More is gained the more there is to do, the more processes, and beside the training."""
    rest = Rest(n_fits=100, training=10.0, on_one_thread=20.0, others=1.0, batch=0.1)
    assert rest.here == 11
    ready = rest.shared(2, are_ready=True)
    assert 10.5 < ready < 11
    assert ready < rest.shared(2, are_ready=False) < ready + 5
    assert rest.shared(4, are_ready=True) < 6
    # What ends before a worker has started gains nothing, but takes no longer.
    assert Rest(10, 1.0, 2.0, 0.1).shared(2, are_ready=False) == pytest.approx(2.1)
    # A fit takes 0.21 s on one thread, so that ten of these take five times the overhead of 0.1 s.
    assert rest.smallest_batch(0.05) == 10
