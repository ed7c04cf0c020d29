"""Fused blocks in threads of the user's own and in an event loop, as servers have them."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from joblib.parallel import get_active_backend
from sklearn import model_selection as parents
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from sknethp import DeepNetClassifier, fused
from sknethp.model_selection import GridSearchCV

X, y = load_iris(return_X_y=True)
X = scale(X)


def searched(kind, seed):
    net = DeepNetClassifier(hidden_units=8, max_epochs=3, random_state=seed)
    search = kind(net, {"lr": [0.003, 0.03]}, cv=3, scoring="neg_log_loss", refit=False)
    return search.fit(X, y).cv_results_["mean_test_score"]


def in_a_block(seed):
    with fused(silent=True) as summary:
        scores = searched(parents.GridSearchCV, seed)
    assert summary.fused == summary.fits == 6
    return scores


def our_search(seed):
    return searched(GridSearchCV, seed)


@pytest.fixture(scope="module")
def expected():
    scores = [searched(parents.GridSearchCV, seed) for seed in range(3)]
    assert len(np.unique(scores)) == 6
    return scores


@pytest.mark.parametrize("work", [in_a_block, our_search])
def test_blocks_in_threads(work, expected):
    """Each thread has a block of its own, all open at the same time."""
    together = threading.Barrier(3)

    def start(seed):
        together.wait()
        return work(seed)

    with ThreadPoolExecutor(3) as pool:
        np.testing.assert_array_equal(list(pool.map(start, range(3))), expected)
    assert type(get_active_backend()[0]).__name__ == "LokyBackend"


@pytest.mark.parametrize("work", [in_a_block, our_search])
def test_in_an_event_loop_and_in_its_threads(work, expected):
    async def fits():
        first = work(0)
        rest = await asyncio.gather(*(asyncio.to_thread(work, seed) for seed in (1, 2)))
        return [first, *rest]

    np.testing.assert_array_equal(asyncio.run(fits()), expected)
    assert type(get_active_backend()[0]).__name__ == "LokyBackend"
