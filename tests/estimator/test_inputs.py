"""Scaling and embeddings of the inputs: raw columns do as well as columns behind a scaler."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler

import sknethp.training.inputs as inputs_module
from sknethp.exceptions import UnscaledInputWarning
from sknethp.training.inputs import Inputs, many_valued, measured
from tests.helpers import BREAST_CANCER, small_net

WINE = load_wine(return_X_y=True)
EMBEDDINGS = ["periodic", "piecewise_linear", "both"]


@pytest.mark.parametrize("embedding", [None, *EMBEDDINGS])
def test_standard_scaling_is_that_of_a_scaler(embedding):
    """A net on raw columns is the net behind a StandardScaler, up to rounding."""
    X, y = WINE
    own = small_net(input_scaling="standard", embedding=embedding).fit(X, y)
    behind = make_pipeline(StandardScaler(), small_net(embedding=embedding)).fit(X, y)
    np.testing.assert_allclose(own.predict_proba(X), behind.predict_proba(X), atol=1e-4)
    other = small_net(input_scaling="robust", embedding=embedding).fit(X, y)
    assert not np.allclose(other.predict_proba(X), behind.predict_proba(X), atol=1e-3)


def test_robust_scaling_is_that_of_a_scaler_within_its_limit():
    X, y = WINE
    small = 0.01 * RobustScaler().fit_transform(X)  # far below the limit
    statistics = measured(Inputs("robust"), small)
    np.testing.assert_allclose(
        (small - statistics["inputs.center"]) * statistics["inputs.scale"],
        RobustScaler().fit_transform(X),
        atol=1e-4,
    )
    model = small_net(input_scaling="robust", hidden_layers=0, max_epochs=1).fit(X, y)
    inputs = model.module_.get_submodule("inputs")
    assert inputs(1e4 * inputs.center[None] + 1e6).abs().max() <= 3


def test_unscaled_columns_are_warned_of_only_without_scaling():
    X, y = BREAST_CANCER
    with pytest.warns(UnscaledInputWarning):
        small_net(input_scaling=None).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small_net(input_scaling="standard").fit(X, y).partial_fit(X, y)
        small_net(input_scaling="standard").partial_fit(X, y)


COLUMNS = np.array([[0.0, 5, 1, 7], [0, 5, 2, 7], [1, 5, 3, 9], [1, 5, 6, 9]], np.float32)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("scaling", ["standard", "robust"])
def test_columns_are_measured_some_at_a_time_as_all_at_once(scaling, order, monkeypatch):
    X = np.asarray(BREAST_CANCER[0], np.float32, order=order)
    index = np.arange(0, len(X), 2)
    wanted = Inputs(scaling, (0, 7, 29), n_bins=8)
    at_once = measured(wanted, X, index), many_valued(X, index)
    monkeypatch.setattr(inputs_module, "_NUMBERS_AT_A_TIME", 100)
    pieces = [columns for columns, _ in inputs_module._by_columns(X, index)]
    assert len(pieces) > 3
    assert all(piece.stop - piece.start > 1 for piece in pieces)
    some = measured(wanted, X, index), many_valued(X, index)
    np.testing.assert_equal(some, at_once)
    assert (some[0]["inputs.center"] != measured(wanted, X)["inputs.center"]).any()


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csr_array])
def test_columns_of_more_than_two_values(kind):
    assert many_valued(kind(COLUMNS)).tolist() == [2]
    only_zeros_and_ones = kind(COLUMNS[:, :1] - 2 * COLUMNS[::-1, :1])
    assert many_valued(only_zeros_and_ones).tolist() == []


@pytest.mark.parametrize("scaling", ["standard", "robust"])
def test_two_valued_and_constant_columns_are_only_centred(scaling):
    statistics = measured(Inputs(scaling), COLUMNS)
    assert statistics["inputs.scale"][[0, 1, 3]].tolist() == [1, 1, 1]
    assert statistics["inputs.scale"][2] != 1
    np.testing.assert_allclose(statistics["inputs.center"][[0, 1, 3]], [0.5, 5, 8])


@pytest.mark.parametrize("scaling", ["standard", "robust"])
def test_sparse_columns_are_not_centred(scaling):
    statistics = measured(Inputs(scaling), sparse.csr_matrix(COLUMNS))
    assert not statistics["inputs.center"].any()
    expected = COLUMNS[:, 2].std() if scaling == "standard" else 2.5
    np.testing.assert_allclose(statistics["inputs.scale"], [1, 1, 1 / expected, 1])


def test_bins_lie_between_quantiles():
    """Each value is as far in the bins as its rank; equal quantiles make no bin."""
    x = np.sort(np.random.default_rng(0).exponential(size=41)).astype(np.float32)[:, None]
    statistics = measured(Inputs(None, (0,), n_bins=8), x)
    start, slope = statistics["inputs.start"][0], statistics["inputs.slope"][0]
    encoded = np.clip((x - start) * slope, 0, 1)
    np.testing.assert_allclose(encoded.sum(1)[::5], np.arange(9), atol=1e-5)
    few = np.array([0, 0, 0, 0, 0, 0, 1, 2], np.float32)[:, None]
    statistics = measured(Inputs(None, (0,), n_bins=4), few)
    np.testing.assert_allclose(statistics["inputs.slope"], [[1, 1, 0, 0]])


def test_bins_of_mostly_equal_values_lie_where_the_others_are():
    """Nine in ten have no capital gain; the bins tell the gains of the others apart."""
    gains = np.random.default_rng(0).lognormal(8, 1, 100)
    x = np.concatenate([np.zeros(900), gains]).astype(np.float32)[:, None]
    statistics = measured(Inputs(None, (0,), n_bins=8), x)
    start = statistics["inputs.start"][0]
    assert np.count_nonzero(statistics["inputs.slope"]) == 8
    shares = [(gains > edge).mean() for edge in start[1:]]
    np.testing.assert_allclose(shares, np.linspace(0.93, 0.1, 7), atol=0.1)


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_only_columns_of_many_values_are_embedded(embedding):
    X, y = WINE
    X = np.hstack([X[:, :3], X[:, :2] > X[:, :2].mean(0), np.ones((len(X), 1))])
    model = small_net(input_scaling="standard", embedding=embedding, max_epochs=30).fit(X, y)
    assert model.module_.get_submodule("inputs").columns.tolist() == [0, 1, 2]
    size = {"periodic": 3, "piecewise_linear": 8, "both": 11}[embedding]
    assert model.module_.linear_0.in_features == 6 + 3 * size
    assert model.history_[-1]["train_loss"] < model.history_[0]["train_loss"]
    binary = small_net(embedding=embedding).fit(X[:, 3:], y)
    assert binary.module_.linear_0.in_features == 3


def test_samples_of_weight_zero_do_not_count():
    X, y = WINE
    far = np.vstack([X, X + 1e4])
    weight = np.repeat([1.0, 0.0], len(X))
    model = small_net(input_scaling="standard").fit(far, np.tile(y, 2), weight)
    np.testing.assert_allclose(model.module_.get_submodule("inputs").center, X.mean(0), rtol=1e-5)


@pytest.mark.parametrize("embedding", [None, *EMBEDDINGS])
def test_later_fits_keep_scaling_and_columns(embedding):
    """What a net has learned of its inputs holds when it goes on with other samples."""
    X, y = WINE
    first = X.copy()
    first[:, 0] = X[:, 0] > X[:, 0].mean()
    model = small_net(input_scaling="standard", embedding=embedding).fit(first, y)
    before = {n: b.clone() for n, b in model.module_.named_buffers()}
    model.partial_fit(X, y)
    model.set_params(warm_start=True).fit(X, y)
    assert before.keys() == dict(model.module_.named_buffers()).keys()
    for name, values in model.module_.named_buffers():
        np.testing.assert_array_equal(values, before[name])
    model.set_params(embedding="periodic" if embedding is None else None)
    with pytest.raises(ValueError, match="another structure"):
        model.fit(X, y)
