"""Worker processes of DeepNetClassifierCV: the same networks, whoever trains them."""

import os
import signal
import threading
import time
import warnings
from contextlib import nullcontext
from multiprocessing import Pipe
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from joblib import Parallel, cpu_count, delayed
from scipy.sparse import csr_matrix

from sknethp import DeepNetClassifierCV, fused
from sknethp.self_tuning import trainer as trainer_module
from sknethp.self_tuning import tuning as tuning_module
from sknethp.self_tuning.trainer import RoundTrainer
from sknethp.self_tuning.workers import pool as pool_module
from sknethp.self_tuning.workers.channel import Channel, Table
from sknethp.self_tuning.workers.dealing import deal
from sknethp.self_tuning.workers.pool import Pool, Worker, n_processes_for
from sknethp.training.population import Population
from sknethp.training.threads import torch_threads
from tests.helpers import small_net
from tests.self_tuning.test_estimator import DIGITS_X, DIGITS_Y, X, Y, tuned, weights_of


class Threads:
    """Threads of this process in place of worker processes."""

    def __init__(self, n_workers):
        pass

    def submit(self, call, ended):
        threading.Thread(target=call, daemon=True).start()

    def leave(self, are_busy):
        pass


@pytest.fixture
def pools(monkeypatch):
    """Have every fit start workers at once, and wait until they are there."""
    made = []

    class Waiting(Pool):
        def __init__(self, n_workers):
            super().__init__(n_workers)
            made.append(self)
            deadline = time.monotonic() + 60
            while len(self._joining) < n_workers:
                assert time.monotonic() < deadline
                time.sleep(0.01)

    monkeypatch.setattr(trainer_module, "Pool", Waiting)
    monkeypatch.setattr(tuning_module, "_WORTH_WORKERS", {True: 0.0, False: 0.0})
    monkeypatch.setattr(tuning_module, "_WORTH_SENDING", 0.0)
    return made


@pytest.fixture
def in_threads(pools, monkeypatch):
    monkeypatch.setattr(pool_module, "Processes", Threads)
    return pools


def assert_same(nets, others):
    for name in ("mean_test_score", "n_epochs", "best_epoch", "state"):
        np.testing.assert_array_equal(nets.cv_results_[name], others.cv_results_[name])
    np.testing.assert_array_equal(nets.oof_proba_, others.oof_proba_)
    for member, other in zip(nets.ensemble_.members, others.ensemble_.members, strict=True):
        for module, expected in zip(member.modules, other.modules, strict=True):
            np.testing.assert_array_equal(weights_of(module), weights_of(expected))


def raced(**settings):
    return tuned(estimator=small_net(max_epochs=12, dropout=0.2), n_candidates=12, **settings)


def test_processes_give_the_same(pools):
    alone = raced(n_jobs=1).fit(X, Y)
    assert not pools
    shared = raced(n_jobs=2).fit(X, Y)
    assert len(pools) == shared.summary_.fused.workers == 1
    assert shared.summary_.fused.fits == alone.summary_.fused.fits
    assert "12 candidates on 3 folds in 2 processes (" in str(shared.summary_)
    assert "12 candidates on 3 folds (" in str(alone.summary_)
    assert_same(shared, alone)


CASES = {
    "batch normalization": (small_net(normalization="batch", dropout=0.3), X, {}),
    "SGD without momentum": (small_net(optimizer="sgd", momentum=0.0), X, {}),
    "embedding, residual": (small_net(embedding="periodic", residual=True), X, {}),
    "sparse": (small_net(input_scaling="standard"), csr_matrix(X), {}),
    "weights": (small_net(), X, {"sample_weight": np.linspace(0.5, 2, len(Y))}),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("n_jobs", [2, 4])
def test_the_same_whatever_is_trained(name, n_jobs, in_threads):
    net, table, weights = CASES[name]
    alone = tuned(estimator=net, n_jobs=1).fit(table, Y, **weights)
    shared = tuned(estimator=net, n_jobs=n_jobs).fit(table, Y, **weights)
    assert len(in_threads) == 1
    assert_same(shared, alone)


@pytest.mark.slow
def test_moments_move_with_their_networks(in_threads, monkeypatch):
    """Without them the result is another: the other tests would see that they are missing."""
    own, n_moved = Worker.fetch_moments, []

    def lost(self, networks):
        own(self, networks)
        n_moved.append(len(networks))
        for network in networks:
            network.moments = [torch.zeros_like(moment) for moment in network.moments]

    monkeypatch.setattr(Worker, "fetch_moments", lost)
    alone, shared = (raced(n_jobs=n).fit(X, Y) for n in (1, 2))
    assert sum(n_moved) > 0
    assert not np.array_equal(alone.oof_proba_, shared.oof_proba_)


@pytest.mark.slow
def test_a_worker_that_joins_late_takes_networks_over(in_threads, monkeypatch):
    own, n_rounds, n_processes = RoundTrainer.train, [], []

    def late(self, epochs):
        n_rounds.append(len(epochs))
        if len(n_rounds) < 5 and self._pool:
            hidden, self._pool = self._pool, None
            try:
                return own(self, epochs)
            finally:
                self._pool = hidden
        results = own(self, epochs)
        n_processes.append(len(set(self._processes)))
        return results

    monkeypatch.setattr(RoundTrainer, "train", late)
    shared = raced(n_jobs=2).fit(X, Y)
    assert n_processes.count(2) > 5
    monkeypatch.setattr(RoundTrainer, "train", own)
    assert_same(shared, raced(n_jobs=1).fit(X, Y))


@pytest.mark.slow
def test_a_worker_that_is_killed_takes_its_candidates_along(pools, monkeypatch):
    own, n_rounds = Worker.begin, []

    def killed(self, *order):
        n_rounds.append(self.process)
        if len(n_rounds) == 5:
            os.kill(self.process[1], signal.SIGKILL)
        own(self, *order)

    monkeypatch.setattr(Worker, "begin", killed)
    with pytest.warns(UserWarning, match="A worker process has ended early"):
        nets = raced(n_jobs=2).fit(X, Y)
    states = dict(nets.summary_.states)
    assert 0 < states.pop("lost with a worker process") < 12
    assert len(nets.leaderboard_) == 12
    assert "finished" in states
    assert len(n_rounds) == 5
    assert "lost with a worker process" in str(nets.summary_)
    n_rounds.extend(range(100))
    assert_same(raced(n_jobs=2).fit(X, Y), raced(n_jobs=1).fit(X, Y))


def test_what_ends_a_population_there_is_raised_here(in_threads, monkeypatch):
    own = Population.run

    def fail(self, epochs):
        if threading.current_thread() is not threading.main_thread():
            raise ValueError("no such thing")
        return own(self, epochs)

    monkeypatch.setattr(Population, "run", fail)
    with pytest.raises(ValueError, match="no such thing"):
        tuned(n_jobs=2).fit(X, Y)
    assert not in_threads[0]._is_open


def test_ctrl_c_with_workers(in_threads, monkeypatch):
    own, n_rounds = Worker.end, []

    def interrupted(self):
        n_rounds.append(self)
        if len(n_rounds) == 14:
            raise KeyboardInterrupt
        return own(self)

    monkeypatch.setattr(Worker, "end", interrupted)
    nets = raced(n_jobs=2).fit(X, Y)
    assert nets.summary_.states["interrupted"] > 0
    assert nets.score(X, Y) < 0
    assert len(n_rounds) == 14
    assert_same(raced(n_jobs=2).fit(X, Y), raced(n_jobs=1).fit(X, Y))
    assert len(in_threads) == 2


@pytest.mark.slow
def test_workers_join_within_the_time(in_threads):
    nets = DeepNetClassifierCV(small_net(max_epochs=50), max_time=4.0, n_jobs=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        nets.fit(DIGITS_X, DIGITS_Y)
    assert nets.summary_.fused.workers == 1
    assert nets.score(DIGITS_X, DIGITS_Y) > -2.0


def test_what_is_kept_by_one_is_found_by_two(in_threads, tmp_path):
    alone = tuned(n_jobs=1, n_candidates=8, memory=tmp_path).fit(X, Y)
    for file in sorted(tmp_path.rglob("*.npz"))[:5]:
        file.unlink()
    for n_found in (3, 8):
        shared = tuned(n_jobs=2, n_candidates=8, memory=tmp_path).fit(X, Y)
        assert shared.summary_.fused.found == shared.summary_.n_folds * n_found
        assert_same(shared, alone)


@pytest.mark.slow
def test_short_work_stays_here(monkeypatch):
    started = []
    monkeypatch.setattr(RoundTrainer, "start_workers", started.append)
    for is_ready in (False, True):
        monkeypatch.setattr(
            tuning_module, "are_ready", lambda n_workers, is_ready=is_ready: is_ready
        )
        tuned(n_jobs=2).fit(X, Y)
        tuned(n_jobs=2, n_candidates=None, max_time=2.0).fit(X, Y)
    assert not started


@pytest.mark.slow
@pytest.mark.parametrize("is_ready", [False, True])
def test_those_that_are_ready_join_sooner(is_ready, monkeypatch):
    started = []
    monkeypatch.setattr(tuning_module, "_WORTH_SENDING", 0.0)
    monkeypatch.setattr(tuning_module, "are_ready", lambda n_workers: is_ready)
    monkeypatch.setattr(RoundTrainer, "start_workers", lambda self, n_workers: started.append(1))
    tuned(n_jobs=2, n_candidates=None, max_time=4.0).fit(X, Y)
    assert bool(started) == is_ready


def test_without_sockets_one_process_trains_alone(pools, monkeypatch):
    def refused(**settings):
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr(pool_module, "Listener", refused)
    with pytest.warns(UserWarning, match="No worker processes can be started.*too long"):
        nets = tuned(n_jobs=2).fit(X, Y)
    assert nets.summary_.fused.workers == 0


def test_how_many_processes():
    with torch_threads(3):
        assert n_processes_for(None, X) == min(3, cpu_count())
    with torch_threads(1):
        assert n_processes_for(None, X) == 1
    assert [n_processes_for(n_jobs, X) for n_jobs in (1, 3)] == [1, 3]
    assert n_processes_for(-1, X) == cpu_count()
    large = SimpleNamespace(nbytes=500_000 * 2_000 * 4)
    assert n_processes_for(8, large) == 1
    large = SimpleNamespace(nbytes=500_000 * 200 * 4)
    assert n_processes_for(8, large) == 4
    found = Parallel(2, backend="threading")(delayed(n_processes_for)(None, X) for _ in range(2))
    assert found == [1, 1]


@pytest.mark.parametrize("n_candidates", [1, 4])
def test_a_network_by_itself_has_all_threads(n_candidates, in_threads, monkeypatch):
    n_limited = []

    def limited():
        n_limited.append(1)
        return nullcontext()

    monkeypatch.setattr(trainer_module, "steps_on_one_thread", limited)
    samples = np.random.default_rng(0).permutation(len(Y))
    one_fold = [(samples[:130], samples[130:])]
    nets = tuned(n_candidates=n_candidates, cv=one_fold, refit=False, n_jobs=2).fit(X, Y)
    assert len(in_threads) == 1
    assert bool(n_limited) == (n_candidates > 1)
    assert nets.summary_.n_folds == 1


def test_one_process_in_a_fused_block(in_threads):
    with fused(silent=True):
        Parallel(1)(delayed(tuned(n_jobs=2).fit)(X, Y) for _ in range(2))
    assert not in_threads


@pytest.mark.parametrize("n_jobs", [0, 1.5, "all"])
def test_what_is_no_number_of_jobs(n_jobs):
    with pytest.raises(ValueError, match=r"n_jobs=.* is not valid"):
        tuned(n_jobs=n_jobs).fit(X, Y)


def test_tables_are_sent_once_and_never_taken_for_others():
    here, there = map(Channel, Pipe())
    table, other = np.arange(3.0), torch.ones(2)
    here.send_table(table)
    there.keep(there.receive())
    here.send_table(table)  # which sends nothing
    here.send([table, table, other])
    first, second, tensor = there.receive()
    assert first is second
    np.testing.assert_array_equal(first, table)
    assert torch.equal(tensor, other)
    # An object there whose id is that of a table here.
    there.keep(Table(id(other), table))
    there.send(other)
    assert torch.equal(here.receive(), other)
    here.close()
    with pytest.raises(EOFError):
        there.receive()
    there.close()


def epochs_of(monkeypatch, *sizes):
    """Stand-ins for epochs in populations of these sizes, each network of which costs 1."""
    epochs = [SimpleNamespace(network=(i, k)) for i, n in enumerate(sizes) for k in range(n)]
    groups, start = [], 0
    for n in sizes:
        groups.append(list(range(start, start + n)))
        start += n
    dealing = "sknethp.self_tuning.workers.dealing"
    monkeypatch.setattr(f"{dealing}.plan", lambda epochs: groups)
    monkeypatch.setattr(f"{dealing}._costs", lambda epochs, groups, seconds: [1.0] * len(epochs))
    return epochs


@pytest.mark.parametrize("n_processes", [2, 3, 4])
def test_populations_stay_together_where_that_is_balanced(n_processes, monkeypatch):
    epochs = epochs_of(monkeypatch, *[5] * 2 * n_processes)
    dealt = deal(epochs, {}, [0] * len(epochs), n_processes)
    for i in range(2 * n_processes):
        assert len(set(dealt[5 * i : 5 * i + 5])) == 1
    assert {dealt.count(p) for p in range(n_processes)} == {10}


def test_a_large_population_is_divided(monkeypatch):
    epochs = epochs_of(monkeypatch, 12, 4)
    dealt = deal(epochs, {}, [0] * 16, 4)
    assert sorted(dealt.count(p) for p in range(4)) == [4, 4, 4, 4]
    assert deal(epochs_of(monkeypatch, 1), {}, [0], 4) == [0]


def test_networks_stay_where_they_are_if_that_is_as_good(monkeypatch):
    epochs = epochs_of(monkeypatch, 5, 5, 5, 5)
    homes = [1] * 5 + [0] * 5 + [1] * 5 + [0] * 5
    assert deal(epochs, {}, homes, 2) == homes
    assert deal(epochs, {}, [1] * 20, 2).count(0) == 10
