"""Prediction only reads the fitted net: in threads, in forked children, on wide sparse rows."""

import multiprocessing
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_digits, make_classification

from sknethp import DeepNetClassifier
from sknethp.estimator.prediction import _blocks
from sknethp.training import threads

X, y = load_digits(return_X_y=True)
X = X / 16


@pytest.mark.parametrize("structure", [{}, {"residual": True, "normalization": "batch"}])
def test_threads_predict_with_one_net(structure):
    """Web servers do: every answer is right, and the net is as it was."""
    model = DeepNetClassifier(max_epochs=2, hidden_units=64, random_state=0, **structure)
    expected = model.fit(X, y).predict_proba(X)
    before = {name: value.clone() for name, value in model.module_.state_dict().items()}

    def ask(i):
        part = slice(7 * i, 7 * i + 300)
        return np.abs(model.predict_proba(X[part]) - expected[part]).max()

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(ask, range(200))) < 1e-12
    after = model.module_.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    np.testing.assert_array_equal(model.predict_proba(X), expected)


def test_hooks_see_the_forward_pass():
    """What a user has hung on the module is called."""
    model = DeepNetClassifier(max_epochs=1, hidden_units=8, random_state=0).fit(X, y)
    seen = []
    model.module_.linear_0.register_forward_hook(lambda *call: seen.append(call[-1].shape))
    model.predict(X[:5])
    assert seen == [(5, 8)]


def child(queue, action, model, data):
    queue.put(action(model, *data))


def fit(model, X, y):
    return model.fit(X, y).score(X, y)


def ask(model, X, y):
    return model.score(X, y)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
@pytest.mark.parametrize("then", [fit, ask])
@pytest.mark.parametrize("n_samples", [200, 3000])
def test_a_forked_child_fits_and_predicts(n_samples, then):
    """Torch's threads are not there after a fork: a child does without them."""
    data = make_classification(n_samples, 20, random_state=0)
    model = DeepNetClassifier(max_epochs=2, random_state=0).fit(*data)
    expected = then(model, *data)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue, then, model, data))
    process.start()
    try:
        assert queue.get(timeout=60) == expected
    finally:
        process.kill()
        process.join()


def test_a_lock_held_at_the_fork_is_free_in_the_child():
    """Whoever held it is not there: the child's state is new, and the parent's as it was."""
    before = threads._state
    before.lock.acquire()
    try:
        threads._after_fork()
        assert not threads._state.lock.locked()
        assert threads.most_threads() == 1
    finally:
        before.lock.release()
        threads._state = before


@pytest.mark.parametrize("input_scaling", [None, "standard", "robust"])
def test_wide_sparse_rows_stay_sparse(input_scaling):
    """Thousands of documents of many words take no gigabytes, and score as dense ones do."""
    rng = np.random.default_rng(0)
    wide = sparse.random(3000, 20_000, 0.001, "csr", np.float32, random_state=rng)
    labels = rng.integers(0, 2, 3000)
    model = DeepNetClassifier(
        hidden_units=8, max_epochs=1, random_state=0, input_scaling=input_scaling, embedding=None
    )
    model.fit(wide[:300], labels[:300])
    tracemalloc.start()
    sparse_answer = model.predict_proba(wide)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6  # dense in float64: 480e6
    np.testing.assert_allclose(
        sparse_answer[:200], model.predict_proba(wide[:200].toarray()), rtol=1e-9
    )
    model.fit(wide[:300].toarray(), labels[:300])  # centred
    np.testing.assert_allclose(
        model.predict_proba(wide[:200]), model.predict_proba(wide[:200].toarray()), rtol=1e-9
    )


@pytest.mark.parametrize("n_classes", [2, 10])
def test_logarithms_of_probabilities(n_classes):
    """They are those of predict_proba, and finite far from the boundary."""
    some = y < n_classes
    model = DeepNetClassifier(max_epochs=3, hidden_units=16, random_state=0).fit(X[some], y[some])
    np.testing.assert_allclose(
        model.predict_log_proba(X[some]), np.log(model.predict_proba(X[some])), rtol=1e-9
    )
    assert np.isfinite(model.predict_log_proba(1e6 * X[some])).all()


def test_pieces_of_a_block_end_where_the_block_does():
    """Within a block they are multiples of what rounds alike; without need there are none."""
    ends = [(rows.start, rows.stop) for rows in _blocks(90, 50, 40)]
    assert ends == [(0, 32), (32, 50), (50, 82), (82, 90)]
    assert [(rows.start, rows.stop) for rows in _blocks(90, 50, 50)] == [(0, 50), (50, 90)]
