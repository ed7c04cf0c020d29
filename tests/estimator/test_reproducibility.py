"""The same seed gives the same result, and a fit leaves no traces outside."""

import random
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine
from sklearn.preprocessing import scale

from sknethp import DeepNetClassifier

X, y = load_wine(return_X_y=True)
X = scale(X)
VARIANTS = {
    "plain": {},
    "noise": {"dropout": 0.3, "input_dropout": 0.1, "early_stopping": True},
    "batch_norm": {"normalization": "batch", "residual": True, "hidden_layers": 3},
}

SCRIPT = """
import sys
from sklearn.datasets import load_wine
from sklearn.preprocessing import scale
from sknethp import DeepNetClassifier
X, y = load_wine(return_X_y=True)
model = DeepNetClassifier(max_epochs=3, hidden_units=16, random_state=5).fit(scale(X), y)
sys.stdout.write(model.predict_proba(scale(X)).tobytes().hex())
"""

IMPORT = """
import random, warnings
import joblib, numpy as np, pandas, sklearn.model_selection, skopt, skorch, torch

def state():
    return (torch.get_num_threads(), torch.get_rng_state().tolist(), torch.get_default_dtype(),
            random.getstate(), repr(np.random.get_state()), list(warnings.filters),
            type(joblib.parallel.get_active_backend()[0]),
            "HalvingRandomSearchCV" in vars(sklearn.model_selection))

before = state()
import sknethp, sknethp.display, sknethp.model_selection
for one, other in zip(before, state(), strict=True):
    assert one == other, (one, other)
"""


def probabilities(seed, **settings):
    model = DeepNetClassifier(max_epochs=3, hidden_units=16, random_state=seed, **settings)
    return model.fit(X, y).predict_proba(X)


def run(script):
    return subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=100
    ).stdout


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_same_seed_same_result_other_seed_another(settings):
    first = probabilities(5, **settings)
    np.testing.assert_array_equal(first, probabilities(5, **settings))
    np.testing.assert_array_equal(first, probabilities(np.int64(5), **settings))
    assert np.abs(first - probabilities(6, **settings)).max() > 1e-4


@pytest.mark.slow
def test_same_result_in_another_process():
    here = probabilities(5)
    there = np.frombuffer(bytes.fromhex(run(SCRIPT))).reshape(here.shape)
    np.testing.assert_array_equal(here, there)


@pytest.mark.slow
def test_import_leaves_no_traces():
    run(IMPORT)


def test_no_seed_draws_from_numpys_global_state():
    np.random.seed(3)  # noqa: NPY002
    first = probabilities(None)
    second = probabilities(None)
    np.random.seed(3)  # noqa: NPY002
    np.testing.assert_array_equal(first, probabilities(None))
    assert (first != second).any()


def test_random_state_object_is_used_up():
    rng = np.random.RandomState(3)
    first, second = probabilities(rng), probabilities(rng)
    assert (first != second).any()
    np.testing.assert_array_equal(first, probabilities(np.random.RandomState(3)))


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_fit_leaves_no_traces(settings):
    def state():
        return (
            random.getstate(),
            repr(np.random.get_state()),  # noqa: NPY002
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            list(warnings.filters),
            np.geterr(),
        )

    before = state()
    probabilities(5, **settings)
    assert state() == before


def test_fit_leaves_the_data_alone():
    own, labels, weight = X.astype(np.float32), y.copy(), np.ones(len(y))
    model = DeepNetClassifier(max_epochs=2, random_state=0, class_weight={0: 2.0})
    model.fit(own, labels, weight)
    np.testing.assert_array_equal(own, X.astype(np.float32))
    np.testing.assert_array_equal(labels, y)
    np.testing.assert_array_equal(weight, 1)


def test_rows_predicted_alone_or_together_agree():
    model = DeepNetClassifier(max_epochs=2, random_state=0).fit(X, y)
    alone = np.vstack([model.predict_proba(X[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(model.predict_proba(X)[:20], alone, rtol=1e-9)
