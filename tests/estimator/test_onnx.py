"""``module_`` as ONNX computes the same logits, of any number of raw rows."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_wine

from sknethp import DeepNetClassifier

runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

CASES = {
    "one net": (load_breast_cancer, {}),
    "an ensemble": (load_breast_cancer, {"ensemble_size": 2}),
    "three classes, everything else": (
        load_wine,
        {
            "ensemble_size": 2,
            "input_scaling": "robust",
            "embedding": "both",
            "normalization": "batch",
            "residual": True,
            "activation": "mish",
        },
    ),
}


def exported(net, X, file):
    """Return a function from rows to logits, by the runtime."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's exporter, about torch
        torch.onnx.export(
            net.module_,
            (torch.tensor(X[:2], dtype=torch.float32),),
            file,
            input_names=["X"],
            output_names=["logits"],
            dynamic_shapes=[{0: torch.export.Dim("rows")}],
            verbose=False,
        )
    session = runtime.InferenceSession(file)
    return lambda rows: session.run(None, {"X": rows.astype(np.float32)})[0]


@pytest.mark.parametrize("case", CASES)
def test_logits_are_the_same(case, tmp_path):
    load, settings = CASES[case]
    X, y = load(return_X_y=True)
    settings = {"hidden_units": 16, "max_epochs": 15, "lr": 0.01, "random_state": 0, **settings}
    net = DeepNetClassifier(**settings).fit(X, y)
    logits = exported(net, X, tmp_path / "net.onnx")
    extreme = np.vstack([X, 50 * X])  # whose probabilities are 0 and 1
    with torch.inference_mode():
        expected = net.module_(torch.tensor(extreme, dtype=torch.float32)).numpy()
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(logits(extreme), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(logits(X[:1]), expected[:1], rtol=1e-4, atol=1e-4)
    other = net.set_params(random_state=1).fit(X, y)
    with torch.inference_mode():
        different = other.module_(torch.tensor(extreme, dtype=torch.float32)).numpy()
    assert np.abs(expected - different).max() > 0.01
