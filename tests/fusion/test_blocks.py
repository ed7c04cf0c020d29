"""fused() blocks that are nested, interleaved, in threads, used twice, or blocked."""

import asyncio
import contextlib
import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from joblib import Parallel, delayed
from joblib.parallel import get_active_backend
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from sknethp import DeepNetClassifier, fused
from sknethp.fusion import deadlock

X, y = load_iris(return_X_y=True)
X = scale(X)


def fit(seed):
    return DeepNetClassifier(max_epochs=2, hidden_units=8, random_state=seed).fit(X, y)


def fit_all(n=3):
    return Parallel()(delayed(fit)(seed) for seed in range(n))


@pytest.fixture(autouse=True)
def backend_is_left():
    before, _ = get_active_backend()
    yield
    assert type(get_active_backend()[0]) is type(before)


def test_nested_blocks_count_their_own():
    with fused(silent=True) as outer:
        fit_all(2)
        with fused(silent=True) as inner:
            fit_all(3)
        fit_all(4)
    assert (outer.fits, inner.fits) == (6, 3)


async def fit_in_a_block(entered, go_on):
    with fused(silent=True) as summary:
        entered.set()
        await go_on.wait()
        fit_all()
    return summary.fits


def test_interleaved_tasks_of_asyncio_are_refused():
    async def both():
        events = [asyncio.Event() for _ in range(4)]
        first = asyncio.create_task(fit_in_a_block(*events[:2]))
        await events[0].wait()
        with pytest.raises(RuntimeError, match="another asyncio task is open"):
            await fit_in_a_block(*events[2:])
        events[1].set()
        return await first

    assert asyncio.run(both()) == 3


def test_tasks_of_asyncio_within_a_block_are_no_order_either():
    async def both():
        with fused(silent=True):
            events = [asyncio.Event() for _ in range(4)]
            first = asyncio.create_task(fit_in_a_block(*events[:2]))
            second = asyncio.create_task(fit_in_a_block(*events[2:]))
            await events[0].wait()
            with pytest.raises(RuntimeError, match="another asyncio task is open"):
                await second
            events[1].set()
            return await first

    assert asyncio.run(both()) == 3


def test_blocks_one_after_the_other_or_in_threads_may_be_in_tasks_of_asyncio():
    def in_thread():
        with fused(silent=True) as summary:
            fit_all()
        return summary.fits

    async def all_of_them():
        set_ = asyncio.Event()
        set_.set()
        fits = [await fit_in_a_block(set_, set_) for _ in range(2)]
        with fused(silent=True) as around:
            fits += await asyncio.gather(*[asyncio.to_thread(in_thread) for _ in range(3)])
            fit_all(2)
        return [*fits, around.fits]

    assert asyncio.run(all_of_them()) == [3, 3, 3, 3, 3, 2]


def test_a_block_left_before_a_later_one_leaves_no_backend_behind():
    outside, _ = get_active_backend()

    def generator():
        with fused(silent=True) as summary:
            yield summary

    first = generator()
    summary = next(first)
    fit_all(2)
    with fused(silent=True) as later:
        first.close()
        fit_all(3)
    assert (summary.fits, later.fits) == (2, 3)
    assert type(get_active_backend()[0]) is type(outside)


def test_threads_with_blocks_of_their_own():
    summaries = {}

    def work(seed):
        with fused(silent=True) as summaries[seed]:
            fitted[seed] = fit_all(seed + 2)

    fitted = {}
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [summaries[seed].fits for seed in range(3)] == [2, 3, 4]
    alone = fit(1).predict_proba(X)
    assert all((fitted[seed][1].predict_proba(X) == alone).all() for seed in range(3))


def test_a_block_may_be_used_again_but_not_within_itself():
    block = fused(silent=True)
    for _ in range(2):
        with block as summary:
            fit_all()
            with pytest.raises(RuntimeError, match="open already"), block:
                pass
        assert summary.fits == 3


def test_a_block_decorates():
    assert [net.n_features_in_ for net in fused(silent=True)(fit_all)(2)] == [4, 4]


def test_a_decorated_function_may_call_itself_and_run_in_threads():
    """Each call has a block of its own."""

    @fused(silent=True)
    def fit_some(depth):
        return fit_some(depth - 1) if depth else fit_all(2)

    assert len(fit_some(2)) == 2
    with ThreadPoolExecutor(3) as threads:
        assert list(map(len, threads.map(fit_some, [0, 0, 0, 1]))) == [2] * 4


@contextlib.contextmanager
def acquired(lock):
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


LOCKS = {
    "lock": threading.Lock,
    "acquired": threading.Lock,
    "semaphore": lambda: threading.Semaphore(1),
    "of processes": multiprocessing.Lock,
}


@pytest.mark.usefixtures("can_be_interrupted")
@pytest.mark.parametrize("kind", LOCKS)
def test_a_lock_held_around_fits_is_an_error(kind, monkeypatch):
    monkeypatch.setattr(deadlock, "SECONDS_BEFORE_ERROR", 1.0)
    lock = LOCKS[kind]()

    def task(seed):
        with acquired(lock) if kind == "acquired" else lock:
            fit(seed)

    message = r"waited 1 s for a lock in (task|acquired) \(.*test_blocks.py, line"
    with pytest.raises(RuntimeError, match=message), fused(silent=True):
        Parallel()(delayed(task)(seed) for seed in range(3))
    assert lock.acquire(timeout=5)


def test_a_thread_that_nothing_can_interrupt_warns_of_a_lock(monkeypatch):
    monkeypatch.setattr(deadlock, "SECONDS_BEFORE_ERROR", 1.0)
    lock = threading.Lock()

    def task(seed):
        with lock:
            fit(seed)

    def work():
        with fused(silent=True), contextlib.suppress(RuntimeError):
            Parallel()(delayed(task)(seed) for seed in range(2))

    warned = threading.Event()
    monkeypatch.setattr(deadlock.warnings, "warn", lambda *_, **__: warned.set())
    thread = threading.Thread(target=work)
    thread.start()
    assert warned.wait(60)
    lock.release()  # the task's own release then fails, which ends it
    thread.join(60)
    assert not thread.is_alive()


def test_tasks_that_wait_for_anything_else_are_left_alone(monkeypatch):
    monkeypatch.setattr(deadlock, "SECONDS_BEFORE_ERROR", 0.2)

    def task(seed):
        if seed == 1:
            time.sleep(1)
        if seed == 2:
            event = threading.Event()
            threading.Timer(1, event.set).start()
            event.wait()
        fit(seed)
        return seed

    with fused(silent=True):
        assert Parallel()(delayed(task)(seed) for seed in range(3)) == [0, 1, 2]
