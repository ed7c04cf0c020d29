"""The threads of torch and BLAS are used where they pay, and left as they were."""

import threading
import time
from itertools import pairwise

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from sknethp.training import threads
from sknethp.training.threads import Pace, one_blas_thread, one_torch_thread

WORK = 10**9
N_STEPS = 1000


@pytest.fixture
def clock(monkeypatch):
    """A clock that each step moves by what it is said to take."""

    class Clock:
        now = 0.0
        perf_counter = staticmethod(lambda: Clock.now)

    monkeypatch.setattr(threads, "time", Clock)
    return Clock


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def run(pace, clock, seconds_of):
    """Run steps, with seconds by number and threads; return the threads that each had."""
    used = []
    with one_torch_thread():
        for s in pace.steps(range(N_STEPS)):
            used.append(torch.get_num_threads())
            clock.now += seconds_of(s, used[-1])
    return used


@pytest.mark.parametrize(("seconds", "faster"), [({1: 2.0, 2: 1.0}, 2), ({1: 1.0, 2: 50.0}, 1)])
def test_the_faster_choice_wins(clock, two_threads, seconds, faster):
    """Nearly all steps have the threads that are faster; the other choice is tried now and then."""
    used = run(Pace(WORK), clock, lambda s, n: seconds[n])
    assert used.count(faster) > 0.94 * N_STEPS
    assert used.count(3 - faster) > 0
    assert torch.get_num_threads() == 2


def test_trials_that_fail_become_rare(clock, two_threads):
    """Where threads cost fifty times the work, trials of them take ever less of the time."""
    used = run(Pace(WORK), clock, lambda s, n: {1: 1.0, 2: 50.0}[n])
    trials = [s for s, n in enumerate(used) if n == 2 and used[s - 1] == 1]
    gaps = [later - earlier for earlier, later in pairwise(trials)]
    assert gaps == sorted(gaps)
    assert gaps[-1] > 3 * gaps[0]


def test_a_machine_that_becomes_busy_is_noticed_at_once(clock, two_threads):
    """Threads are given up after the second step that takes long; the first may be a hiccup."""
    used = run(Pace(WORK), clock, lambda s, n: 1.0 if n == 1 else 0.5 if s < 200 else 50.0)
    assert used[150:200].count(2) >= 48
    assert used[202:].count(2) < 8


def test_a_hiccup_changes_nothing(clock, two_threads):
    """One slow step now and then is not taken for the threads' fault."""
    used = run(Pace(WORK), clock, lambda s, n: 20.0 if s % 37 == 0 else 1.0 / n)
    assert used.count(2) > 0.9 * N_STEPS


def test_one_thread_within_a_step_that_has_all(two_threads):
    """What rounds by the number of threads has one where a step is given all, and only there."""
    with one_torch_thread():
        torch.set_num_threads(2)  # as `Pace` does
        with one_torch_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 2


def test_small_work_has_one_thread(clock, two_threads):
    """Nothing is tried where nothing can be gained."""
    assert set(run(Pace(1000), clock, lambda s, n: 1.0)) == {1}


def fail_in_a_step():
    with one_torch_thread():
        for s in Pace(WORK).steps(range(N_STEPS)):
            time.sleep(1e-4)
            if s == 20:
                raise RuntimeError("step")


def test_an_error_in_a_step_leaves_the_threads_as_they_were(two_threads):
    """What is set for a step is undone."""
    with pytest.raises(RuntimeError, match="step"):
        fail_in_a_step()
    assert torch.get_num_threads() == 2


def test_threads_of_blas_are_put_back():
    """Two threads never limit them at once: each would take the other's limit for what was."""

    def threads():
        return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]

    entered = threading.Event()

    def limit():
        with one_blas_thread():
            entered.set()

    with threadpool_limits(2, user_api="blas"):
        before = threads()
        other = threading.Thread(target=limit)
        with one_blas_thread():
            assert set(threads()) == {1}
            other.start()
            assert not entered.wait(0.1)
        other.join()
        assert entered.is_set()
        assert threads() == before
