"""What a user's code has set in torch around a net changes no result."""

import pickle
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_wine
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import scale
from skorch.callbacks import GradientNormClipping

from sknethp import DeepNetClassifier, fused

X, y = load_wine(return_X_y=True)
X = scale(X)


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def default_device(name):
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


AROUND = {
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "meta": lambda: default_device("meta"),
    "cpu": lambda: default_device("cpu"),
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
}
NETS = {
    "plain": {},
    "batch normalization": {
        "normalization": "batch",
        "residual": True,
        "input_dropout": 0.1,
        "optimizer": "sgd",
        "max_norm": 1.0,
        "gradient_clip": 1.0,
        "early_stopping": True,
        "class_weight": "balanced",
        "batch_size": 25,  # a last batch of one row
    },
    "layer normalization": {"normalization": "layer", "activation": "mish"},
    "callbacks": {"callbacks": [GradientNormClipping(1.0)], "early_stopping": True},
}


def results(settings):
    """Fit, predict, copy and go on, fused and alone."""
    basic = {"max_epochs": 2, "hidden_units": 16, "random_state": 0}
    model = DeepNetClassifier(**basic, **settings)
    first = model.fit(X, y).predict_proba(X)
    copied = pickle.loads(pickle.dumps(model))
    unpickled = copied.predict_proba(X)
    more = copied.partial_fit(X, y).predict_proba(X)
    rows = sparse.csr_matrix(X)
    from_sparse = model.fit(rows, y).predict_proba(rows)
    with fused(progress=False):
        together = cross_val_predict(model, X, y, cv=2, method="predict_proba")
    return first, unpickled, more, from_sparse, together


@pytest.mark.parametrize("settings", NETS.values(), ids=NETS)
def test_torchs_defaults_change_nothing(settings):
    expected = results(settings)
    for name, around in AROUND.items():
        with around():
            found = results(settings)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_nets_from_inside_are_as_any_other(around):
    model = DeepNetClassifier(max_epochs=2, random_state=0)
    expected = model.fit(X, y).partial_fit(X, y).predict_proba(X)
    kept = pickle.dumps(model.fit(X, y))
    with around():
        unpickled = pickle.loads(kept)
        model.fit(X, y)
    model.module_(torch.zeros(2, 13)).sum().backward()
    assert model.module_.output.weight.grad.dtype == torch.float32
    for net in (model, unpickled):
        np.testing.assert_array_equal(net.partial_fit(X, y).predict_proba(X), expected)
