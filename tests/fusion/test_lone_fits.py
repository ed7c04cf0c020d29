"""Fits inside a fused() block that are none of its tasks: alone, and counted."""

import asyncio
import contextvars
import threading

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from sknethp import DeepNetClassifier, fused
from sknethp.session import LoneSession, current_session

X, y = load_iris(return_X_y=True)
X = scale(X)
WITHOUT_JOBLIB = "fitted without joblib (such as a refit)"
OTHER_THREAD = "fitted in another thread"


def fit(seed=0, **parameters):
    net = DeepNetClassifier(max_epochs=2, hidden_units=8, random_state=seed, **parameters)
    return net.fit(X, y)


def fit_together(n):
    return Parallel()(delayed(fit)(seed) for seed in range(n))


def in_thread(function, *args):
    """Return what a function returns in a new thread."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args)))
    thread.start()
    thread.join()
    return results[0]


def in_thread_with_context(function, *args):
    """Do so in a copy of the context, as asyncio does and, of late, Python by default."""
    return in_thread(contextvars.copy_context().run, function, *args)


def test_fits_without_joblib_are_counted():
    with fused(silent=True) as summary:
        fit_together(3)
        fit()
        GridSearchCV(fit(1), {"lr": [0.01, 0.1]}, cv=2).fit(X, y)
    assert (summary.fits, summary.fused) == (3 + 1 + 1 + 4 + 1, 3 + 4)
    assert summary.not_fused == {WITHOUT_JOBLIB: 3}
    assert str(summary).endswith(f"not fused: 3 × {WITHOUT_JOBLIB}")


@pytest.mark.parametrize("start", [in_thread, in_thread_with_context])
def test_fits_of_other_threads_are_counted(start):
    with fused(silent=True) as summary:
        fit_together(2)
        probabilities = start(fit).predict_proba(X)
        start(fit, 1)
    assert (summary.fits, summary.fused) == (4, 2)
    assert summary.not_fused == {OTHER_THREAD: 2}
    np.testing.assert_array_equal(probabilities, fit().predict_proba(X))
    assert summary.fits == 4  # the block is over


def test_many_threads_at_once():
    together = threading.Barrier(8)

    def work(seed):
        together.wait()
        fit(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    with fused(silent=True) as summary:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (summary.fits, summary.not_fused) == (8, {OTHER_THREAD: 8})


def test_recalled_fits_are_counted(tmp_path):
    fit(memory=tmp_path)
    with fused(silent=True) as summary:
        fit(memory=tmp_path)
        in_thread(lambda: fit(memory=tmp_path))
    assert (summary.found, summary.fits, summary.not_fused) == (2, 0, {})


@pytest.mark.parametrize("start", [in_thread, in_thread_with_context])
def test_a_thread_with_a_block_counts_its_own(start):
    def block():
        with fused(silent=True) as summary:
            fit()
        return summary

    with fused(silent=True) as outer:
        fit()
        inner = start(block)
        with fused(silent=True) as nested:
            fit()
            start(fit)
    assert (outer.fits, inner.fits, nested.fits) == (1, 1, 2)
    assert outer.not_fused == inner.not_fused == {WITHOUT_JOBLIB: 1}
    assert nested.not_fused == {WITHOUT_JOBLIB: 1, OTHER_THREAD: 1}


def test_fits_that_go_on_are_counted_as_inside_tasks():
    def go_on(seed=0):
        fit(seed).partial_fit(X, y)

    with fused(silent=True) as summary:
        go_on()
        Parallel()(delayed(go_on)(seed) for seed in range(3))
    assert (summary.fits, summary.fused) == (2 + 3 * 2, 3 * 2)


def context_thread(seed):
    return in_thread_with_context(fit, seed)


def event_loop_thread(seed):
    async def work():
        return await asyncio.to_thread(fit, seed)

    return asyncio.run(work())


@pytest.mark.parametrize("kind", [context_thread, event_loop_thread])
def test_threads_inside_tasks(kind):
    """A thread does not use the session of the task whose context it has a copy of."""
    expected = [fit(seed).predict_proba(X) for seed in range(3)]
    with fused(silent=True) as summary:
        models = Parallel()(delayed(kind)(seed) for seed in range(3))
    np.testing.assert_array_equal([model.predict_proba(X) for model in models], expected)
    assert (summary.fits, summary.fused) == (3, 0)
    assert summary.not_fused[OTHER_THREAD] == 3


def test_an_event_loop_inside_a_task():
    """Its coroutines are the task's own code, though they have copies of its context."""

    async def work():
        return fit()

    with fused(silent=True) as summary:
        Parallel()([delayed(asyncio.run)(work()), delayed(fit)(1)])
    assert (summary.fits, summary.fused) == (2, 2)


def test_a_context_that_outlives_its_task():
    with fused(silent=True) as summary:
        (context,) = Parallel()(delayed(contextvars.copy_context)() for _ in range(1))
        assert isinstance(context.run(current_session), LoneSession)
        model = context.run(fit)
    np.testing.assert_array_equal(model.predict_proba(X), fit().predict_proba(X))
    assert summary.not_fused[WITHOUT_JOBLIB] == 1


def test_a_context_of_a_task_within_that_of_a_nested_block():
    """The outer session is not current where tasks of an inner block run."""

    def nested():
        context = contextvars.copy_context()
        assert not isinstance(context.run(current_session), LoneSession)
        with fused(silent=True):
            return Parallel()(delayed(context.run)(fit, seed) for seed in range(1))[0]

    with fused(silent=True):
        models = Parallel()(delayed(nested)() for _ in range(2))
    for model in models:
        np.testing.assert_array_equal(model.predict_proba(X), fit().predict_proba(X))
