"""The same seed gives the same net, bit for bit: fused or alone, on idle cores or busy ones."""

import os
import subprocess
import sys

import cloudpickle
import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from scipy import sparse
from sklearn.datasets import load_digits, load_iris
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

from sknethp import DeepNetClassifier, fused

# Workers cannot import this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def fitted(settings, X, y, sample_weight=None):
    """Return the history without times, and probabilities, of a fit."""
    model = DeepNetClassifier(**{"random_state": 0, **settings}).fit(X, y, sample_weight)
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in model.history_]
    return rows, model.predict_proba(X)


def assert_same(found, expected):
    for (rows, probability), (expected_rows, expected_probability) in zip(
        found, expected, strict=True
    ):
        assert rows == expected_rows
        np.testing.assert_array_equal(probability, expected_probability)


def drawn(rng):
    """Draw settings, and data to fit them on."""

    def pick(*values):
        return values[rng.integers(len(values))]

    settings = {
        "activation": pick("relu", "silu", "tanh", "gelu", "softmax"),
        "hidden_units": pick(16, 16, 24, (17, 5)),
        "dropout": pick(0.0, 0.1, 0.3),
        "input_dropout": pick(0.0, 0.1),
        "embedding_lr_factor": pick(0.1, 1.0),
        "normalization": pick(None, None, "batch", "layer"),
        "optimizer": pick("adam", "sgd", "adamw", "nadam", "adamax", "adagrad", "adadelta"),
        "lr": float(10 ** rng.uniform(-3, -2)),
        "lr_schedule": pick("constant", "step", "exponential", "cosine", "one_cycle", "plateau"),
        "weight_decay": pick(0.0, 1e-3),
        "l1": pick(0.0, 1e-3),
        "max_norm": pick(None, 2.0),
        "gradient_clip": pick(None, 0.5),
        "class_weight": pick(None, "balanced"),
        "max_epochs": pick(1, 3, 5),
        "shuffle": pick(True, False),
        "random_state": pick(0, 1, 2),
        "early_stopping": pick(True, False),
        "patience": pick(1, 2),
        "monitor": pick("valid_loss", "f1_macro"),
        "batch_size": pick(16, 32),
    }
    X, y = load_iris(return_X_y=True)
    rows = pick(np.arange(150), rng.permutation(150)[:65])
    X = pick(np.asarray, sparse.csr_matrix)(scale(X)[rows])
    return settings, X, y[rows], pick(None, rng.random(len(rows)))


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"input_scaling": "standard", "embedding": "piecewise_linear"},
        {"input_scaling": "robust", "embedding": "both", "embedding_bins": 7},
    ],
    ids=str,
)
def test_nets_drawn_at_random(inputs):
    """Dense, sparse and weighted data, and whatever settings train beside each other."""
    rng = np.random.default_rng(len(inputs))
    draws = [drawn(rng) for _ in range(24)]
    draws = [(settings | inputs, *data) for settings, *data in draws]
    with fused(silent=True) as summary:
        together = Parallel()(delayed(fitted)(*draw) for draw in draws)
    alone = [fitted(*draw) for draw in draws]
    assert_same(together, alone)
    assert summary.fused >= 2
    assert len({probability.tobytes() for _, probability in alone}) == 24


DIGITS = tuple(part[:900] for part in load_digits(return_X_y=True))
WIDE = np.random.default_rng(0).standard_normal((700, 333))
NOISY = WIDE, (WIDE[:, 0] + WIDE[:, 1] ** 2 > 1).astype(int)
LARGE = {
    "two layers": ({"hidden_units": 256}, DIGITS),
    "odd sizes": ({"hidden_units": (255, 130), "batch_size": 100}, NOISY),
    "softmax": ({"activation": ("softmax", "gelu"), "hidden_units": (100, 37)}, DIGITS),
    "batch normalisation": (
        {"normalization": "batch", "residual": True, "hidden_units": 130, "batch_size": 201},
        DIGITS,
    ),
    "layer normalisation": (
        {"normalization": "layer", "hidden_units": 130, "batch_size": 512, "gradient_clip": 0.5},
        DIGITS,
    ),
    "embedded": (
        {"input_scaling": "robust", "embedding": "periodic", "hidden_units": 150},
        NOISY,
    ),
    "embedded, odd sizes": (
        {
            "embedding": "periodic",
            "embedding_size": 5,
            "embedding_frequencies": 7,
            "hidden_units": (255, 30),
            "batch_size": 99,
        },
        DIGITS,
    ),
    "embedded, with bins": ({"embedding": "both", "hidden_units": 256, "batch_size": 64}, DIGITS),
    "bins": ({"input_scaling": "robust", "embedding": "piecewise_linear"}, NOISY),
    "orthogonal": ({"weight_init": "orthogonal", "hidden_units": (600, 500)}, NOISY),
    "penalties": (
        {"hidden_units": 700, "hidden_layers": 1, "batch_size": 600, "l1": 1e-3, "max_norm": 1.0},
        NOISY,
    ),
}


def alone():
    return [fitted({"max_epochs": 1, **settings}, *data) for settings, data in LARGE.values()]


def among_others(n_jobs=None):
    """Fit each between two that differ from it in what does not keep them apart."""
    others = {"lr": 3e-3}, {}, {"dropout": 0.1}
    with fused(n_jobs, silent=True) as summary:
        found = Parallel()(
            delayed(fitted)({"max_epochs": 1, **settings, **other}, *data)
            for settings, data in LARGE.values()
            for other in others
        )
    assert summary.fused > len(LARGE)
    return found[1::3]


@pytest.fixture(scope="module")
def idle():
    """Return what the fits give before the cores are kept busy."""
    return alone()


@pytest.fixture(scope="module")
def _busy_cores(idle):
    """Keep every core busy with another process."""
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(os.cpu_count() or 1)
    ]
    yield
    for process in busy:
        process.kill()
        process.wait()
    get_reusable_executor().shutdown(wait=True)


@pytest.mark.slow
@pytest.mark.usefixtures("_busy_cores")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_on_busy_cores(idle, n_threads):
    """Threads that share the work otherwise, step by step, change no bit."""
    before = torch.get_num_threads()
    with threadpool_limits(n_threads, user_api="blas"):
        torch.set_num_threads(n_threads)
        try:
            assert_same(alone(), idle)
            assert_same(among_others(), idle)
        finally:
            torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("_busy_cores")
def test_in_worker_processes_on_busy_cores(idle):
    """Joblib gives a worker another number of threads than this process has."""
    assert_same(among_others(n_jobs=2), idle)
