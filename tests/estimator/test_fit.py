"""What is learned, from which data, and what a fit leaves behind."""

import copy
import pickle
import tempfile
from functools import partial
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, recall_score
from sklearn.preprocessing import scale
from sklearn.utils import estimator_html_repr

from sknethp import DeepNetClassifier
from sknethp.hyperparameters import TABLE
from sknethp.hyperparameters.automatic import by_samples
from sknethp.hyperparameters.constraints import AnyOf, Choice, PerLayer
from tests.helpers import small_net

X, y = load_wine(return_X_y=True)
X = scale(X)
CANCER_X, CANCER_Y = load_breast_cancer(return_X_y=True)
CANCER_X = scale(CANCER_X)
MAJORITY = np.bincount(y).max() / len(y)


PLAIN = {
    "activation": "relu",
    "dropout": 0.2,
    "label_smoothing": 0.0,
    "input_scaling": None,  # which differs between dense and sparse columns
    "embedding": None,
}
net = partial(small_net, max_epochs=5, hidden_units=32, lr=0.01, **PLAIN)


LABELS = {
    "int": np.array([0, 1, 2]),
    "negative": np.array([-7, -1, 30]),
    "whole floats": np.array([-1.0, 0.0, 2.0]),
    "str": np.array(["barolo", "grignolino", "barbera"]),
    "object": np.array(["barolo", "grignolino", "barbera"], object),
    "uint8": np.array([3, 5, 250], np.uint8),
    "bool": np.array([False, True, True]),
    "two strings": np.array(["no", "yes", "yes"]),
    "-1 and 1": np.array([1, -1, -1]),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_of_any_type(labels):
    model = net().fit(X, labels[y])
    np.testing.assert_array_equal(model.classes_, np.unique(labels))
    predicted = model.predict(X)
    assert predicted.dtype == labels.dtype
    assert (predicted == labels[y]).mean() > 0.9
    probability = model.predict_proba(X)
    assert probability.shape == (len(X), len(model.classes_))
    np.testing.assert_array_equal(model.classes_[probability.argmax(1)], predicted)
    np.testing.assert_allclose(probability.sum(1), 1)


LABEL_CONTAINERS = {
    "list": list,
    "pandas": pd.Series,
    "polars": pl.Series,
    "categories": lambda v: pd.Series(v, dtype="category"),
    "nullable": lambda v: pd.Series(v).convert_dtypes(),
    "arrow in pandas": lambda v: pd.Series(v).convert_dtypes(dtype_backend="pyarrow"),
    "dictionary in pandas": lambda v: pd.Series(
        pa.array(v).dictionary_encode(), dtype=pd.ArrowDtype(pa.array(v).dictionary_encode().type)
    ),
    "arrow": lambda v: pa.chunked_array([v[:50], v[50:]]),
}


@pytest.mark.parametrize("kind", LABEL_CONTAINERS.values(), ids=LABEL_CONTAINERS)
@pytest.mark.parametrize("name", ["int", "str", "bool"])
def test_labels_in_any_container(kind, name):
    labels = LABELS[name]
    model = net().fit(X, kind(labels[y].tolist()))
    np.testing.assert_array_equal(model.predict(X), net().fit(X, labels[y]).predict(X))


def named(X):
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])


def memory_mapped(X):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder, "table.npy")
        np.save(file, X)
        return np.load(file, mmap_mode="r")


CONTAINERS = {
    "float64": lambda X: X.astype(np.float64),
    "fortran": np.asfortranarray,
    "list": lambda X: X.tolist(),
    "csr_matrix": sparse.csr_matrix,
    "csr_array": sparse.csr_array,
    "csc_array": sparse.csc_array,
    "pandas": named,
    "nullable": lambda X: named(X).convert_dtypes(),
    "arrow in pandas": lambda X: named(X).astype("float32[pyarrow]"),
    "arrow": lambda X: pa.table(named(X)),
    "polars": lambda X: pl.DataFrame(X, schema=[f"x{i}" for i in range(X.shape[1])]),
    "tensor": torch.from_numpy,
    "read-only": lambda X: np.frombuffer(X.tobytes(), X.dtype).reshape(X.shape),
    "memory-mapped": memory_mapped,
    "big-endian": lambda X: X.astype(">f4"),
    "backwards": lambda X: X[::-1].copy()[::-1],
    "long double": lambda X: X.astype(np.longdouble),
    "objects": lambda X: X.astype(object),
}


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_tables_of_any_type(container):
    some = np.where(np.abs(X) < 0.5, 0, X).astype(np.float32)
    expected = net(early_stopping=True).fit(some, y).predict_proba(some)
    table = container(some)
    model = net(early_stopping=True).fit(table, y)
    np.testing.assert_array_equal(model.predict_proba(table), expected)
    assert model.n_features_in_ == X.shape[1]
    assert hasattr(model, "feature_names_in_") == hasattr(table, "columns")
    if hasattr(table, "columns"):
        np.testing.assert_array_equal(model.feature_names_in_, named(some).columns)


def test_half_precision():
    half = X.astype(np.float16)
    expected = net().fit(half.astype(float), y).predict_proba(half.astype(float))
    np.testing.assert_array_equal(net().fit(half, y).predict_proba(half), expected)
    assert np.abs(net().fit(X, y).predict_proba(X) - expected).max() > 1e-6


def test_sparse_indices_of_64_bits():
    wide = sparse.csr_matrix(X)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    np.testing.assert_array_equal(
        net().fit(wide, y).predict_proba(wide), net().fit(X, y).predict_proba(X)
    )


def test_validation_part_of_ones_own():
    train, valid = np.arange(0, len(X), 2), np.arange(1, len(X), 2)
    model = net(early_stopping=True, patience=50, calibrate=False)
    model.fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
    best = model.history_[model.best_epoch_ - 1]
    assert best["valid_loss"] == min(row["valid_loss"] for row in model.history_)
    assert best["valid_loss"] == pytest.approx(
        log_loss(y[valid], model.predict_proba(X[valid])), rel=1e-5
    )
    assert best["valid_accuracy"] == pytest.approx(model.score(X[valid], y[valid]))


@pytest.mark.parametrize("monitor", ["valid_loss", "valid_accuracy", "neg_log_loss"])
@pytest.mark.parametrize("normalization", [None, "batch"])
def test_restore_best_gives_the_best_epochs_weights(monitor, normalization):
    train, valid = np.arange(0, len(X), 3), np.flatnonzero(np.arange(len(X)) % 3)
    settings = {
        "lr": 0.05,
        "l1": 0.0,  # or it learns less of the noise
        "lr_schedule": "constant",
        "max_epochs": 25,
        "normalization": normalization,
        "monitor": monitor,
        "calibrate": False,
    }
    noisy = np.random.RandomState(0).permutation(y[train])
    restored, last = (
        net(restore_best=flag, **settings).fit(X[train], noisy, X_val=X[valid], y_val=y[valid])
        for flag in (True, False)
    )
    losses = [row["valid_loss"] for row in restored.history_]
    assert losses == [row["valid_loss"] for row in last.history_]
    assert restored.n_iter_ == 25
    assert restored.best_epoch_ == last.best_epoch_ < 25

    def loss(model):
        return log_loss(y[valid], model.predict_proba(X[valid]))

    assert loss(restored) == pytest.approx(losses[restored.best_epoch_ - 1], rel=1e-4)
    assert loss(last) == pytest.approx(losses[-1], rel=1e-4)
    assert loss(last) != pytest.approx(loss(restored), rel=0.01)


def test_early_stopping_stops():
    noise = np.random.RandomState(0).permutation(y)
    model = net(early_stopping=True, patience=3, max_epochs=200, lr=0.01).fit(X, noise)
    assert model.n_iter_ < 100
    assert model.n_iter_ - model.best_epoch_ == 3
    assert len(model.history_) == model.n_iter_


def test_minimal_improvement_stops_earlier():
    settings = {"early_stopping": True, "patience": 2, "max_epochs": 30}
    assert net(min_improvement=10.0, **settings).fit(X, y).n_iter_ == 3
    assert net(**settings).fit(X, y).n_iter_ > 5


def test_validation_samples_are_held_out():
    """Labels that can only be learned by heart are not learned in the validation part."""
    rng = np.random.RandomState(0)
    points, labels = rng.normal(size=(200, 50)), rng.permutation(np.repeat([0, 1], 100))
    model = net(
        early_stopping=True, validation_fraction=0.5, restore_best=False, dropout=0, max_epochs=30
    ).fit(points, labels)
    assert model.history_[-1]["train_accuracy"] > 0.95
    assert model.history_[-1]["valid_accuracy"] < 0.7


@pytest.mark.parametrize("monitor", ["roc_auc", "neg_log_loss", "f1_macro", "balanced_accuracy"])
def test_monitors_that_are_scorers(monitor):
    model = net(early_stopping=True, monitor=monitor).fit(CANCER_X, CANCER_Y)
    scores = [row[monitor] for row in model.history_]
    assert scores[model.best_epoch_ - 1] == max(scores)
    if monitor == "neg_log_loss":
        np.testing.assert_allclose(scores, [-row["valid_loss"] for row in model.history_], 1e-5)


@pytest.mark.parametrize("monitor", ["roc_auc_ovr", "f1_macro", "neg_log_loss"])
def test_scorers_of_three_classes_of_strings(monitor):
    model = net(early_stopping=True, monitor=monitor).fit(X, LABELS["str"][y])
    assert model.score(X, LABELS["str"][y]) > 0.9


def test_weight_zero_rescues_from_wrong_labels():
    wrong = CANCER_Y.copy()
    bad = np.random.RandomState(0).permutation(len(wrong)) < len(wrong) * 0.6
    wrong[bad] = 1 - wrong[bad]
    weight = np.where(bad, 0.0, 1.0)
    for settings in ({}, {"early_stopping": True}):
        model = net(**settings)
        assert clone(model).fit(CANCER_X, wrong).score(CANCER_X, CANCER_Y) < 0.5
        assert clone(model).fit(CANCER_X, wrong, weight).score(CANCER_X, CANCER_Y) > 0.93


@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}, {"class_weight": "balanced"}])
def test_only_ratios_of_weights_matter(settings):
    weight = np.random.RandomState(0).uniform(0.5, 2, len(y))
    one, other = (net(**settings).fit(X, y, scale * weight) for scale in (1, 1024))
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), rtol=1e-4)
    plain = net(**settings).fit(X, y)
    assert np.abs(one.predict_proba(X) - plain.predict_proba(X)).max() > 1e-3
    equal = net(**settings).fit(X, y, np.full(len(y), 3.0))
    np.testing.assert_allclose(equal.predict_proba(X), plain.predict_proba(X), rtol=1e-4)


@pytest.mark.parametrize("class_weight", ["balanced", {"rare": 10}])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_class_weight_finds_more_of_a_rare_class(class_weight, early_stopping):
    rng = np.random.RandomState(0)
    rare = rng.rand(1500) < 0.08
    points = rng.normal(size=(1500, 4)) + rare[:, None] * 0.8
    labels = np.where(rare, "rare", "common")

    def recall(weights):
        model = net(class_weight=weights, early_stopping=early_stopping)
        return recall_score(labels, model.fit(points, labels).predict(points), pos_label="rare")

    assert recall(class_weight) > recall(None) + 0.2


@pytest.mark.parametrize("own_part", [False, True])
def test_validation_loss_has_class_weights(own_part):
    """Or else the epoch that is restored would be the best at another task."""
    weight = {0: 1000.0, 1: 1e-4, 2: 1e-4}
    given = {"X_val": X[::3], "y_val": y[::3]} if own_part else {}
    model = net(class_weight=weight, early_stopping=True, max_epochs=15, restore_best=False)
    model.fit(X, y, **given)
    assert model.history_[-1]["valid_loss"] < 0.1
    if own_part:
        weights = [weight[label] for label in y[::3]]
        loss = log_loss(y[::3], model.predict_proba(X[::3]), sample_weight=weights)
        assert model.history_[-1]["valid_loss"] == pytest.approx(loss, rel=0.02)


def test_partial_fit():
    model, order = net(), np.random.RandomState(0).permutation(len(X))
    for _ in range(8):
        for part in np.array_split(order, 3):
            model.partial_fit(X[part], y[part], classes=[0, 1, 2])
    assert model.score(X, y) > 0.95
    assert model.n_iter_ == len(model.history_) == 24
    assert len({row["lr"] for row in model.history_}) == 1
    model.partial_fit(X[:1], y[:1])
    assert model.n_iter_ == 25


def test_partial_fit_learns_classes_that_come_later():
    model = net().partial_fit(X[y == 0], y[y == 0], classes=[0, 1, 2])
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    for _ in range(20):
        model.partial_fit(X[y > 0], y[y > 0], sample_weight=np.ones((y > 0).sum()))
    assert model.score(X[y > 0], y[y > 0]) > 0.9


def test_warm_start_goes_on():
    model = net(warm_start=True, max_epochs=2).fit(X, y)
    first = model.history_
    model.set_params(max_epochs=3, lr=1e-4).fit(X, y)
    assert model.n_iter_ == 5
    assert model.history_[:2] == first
    assert model.history_[2]["train_loss"] < first[-1]["train_loss"]
    assert net(max_epochs=2).fit(X, y).fit(X, y).n_iter_ == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"dropout": 0}, {"dropout": 0.3}),
        ({"dropout": 0.3}, {"dropout": 0}),
        ({"dropout": 0}, {"input_dropout": 0.2}),
        ({"optimizer": "sgd"}, {"optimizer": "adam"}),
        ({"optimizer": "sgd", "dropout": 0}, {"optimizer": "rmsprop", "dropout": 0.1}),
        ({"batch_size": 32}, {"batch_size": 64, "early_stopping": True}),
    ],
)
def test_warm_start_with_other_settings(before, after):
    model = net(warm_start=True, normalization="batch", **before).fit(X, y)
    loss = model.history_[-1]["train_loss"]
    model.set_params(**after, max_epochs=10).fit(X, y)
    assert model.n_iter_ == 15
    assert model.history_[-1]["train_loss"] < loss


def test_history():
    plain = net().fit(X, y)
    assert plain.n_iter_ == plain.best_epoch_ or plain.best_epoch_ < 5
    assert len(plain.history_) == plain.n_iter_ == 5
    columns = {"epoch", "lr", "train_loss", "train_accuracy", "seconds"}
    assert all(set(row) == columns for row in plain.history_)
    assert [row["epoch"] for row in plain.history_] == [1, 2, 3, 4, 5]
    rates = [row["lr"] for row in plain.history_]
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < rates[0] <= 0.01
    assert plain.history_[-1]["train_loss"] < plain.history_[0]["train_loss"]
    valid = net(early_stopping=True, monitor="f1_macro").fit(X, y)
    assert set(valid.history_[0]) == columns | {"valid_loss", "valid_accuracy", "f1_macro"}
    assert pd.DataFrame(valid.history_).shape == (5, 8)


def choices(constraint):
    match constraint:
        case Choice(options):
            return list(options)
        case PerLayer(each):
            return choices(each)
        case AnyOf(parts):
            return [option for part in parts for option in choices(part)]
    return []


CHOICES = [(name, option) for name, entry in TABLE.items() for option in choices(entry.allowed)]
# Where the plain settings of this test learn nothing, and should not.
SPECIAL = {
    ("weight_init", "zero"): {"activation": "sigmoid", "normalization": None},
    ("optimizer", "adadelta"): {"lr": 1.0},
    ("lr", "auto"): {"max_epochs": 60},
    ("optimizer", "adagrad"): {"lr": 0.02},
    ("optimizer", "sgd"): {"lr": 0.05},
    ("activation", "softmax"): {"lr": 0.02},
    ("activation", "sigmoid"): {"lr": 0.01},
    ("activation", "hard_sigmoid"): {"lr": 0.02},
}


@pytest.mark.parametrize(("name", "option"), CHOICES)
def test_every_choice_learns(name, option):
    settings = {"max_epochs": 15, "lr": 3e-3, name: option} | SPECIAL.get((name, option), {})
    model = net(**settings).fit(X, y)
    score = model.score(X, y)
    if option == "zero":
        # Equal units stay equal: nothing but the biases of the last layer is learned at first.
        assert score >= MAJORITY - 0.01
    else:
        assert score > 0.9, score


@pytest.mark.parametrize(("times", "n_samples"), [(5, 890), (6, 1068), (20, 3560), (45, 8010)])
def test_auto_follows_the_samples(times, n_samples):
    """What was "auto" is known of the fit; what was given stays."""
    model = DeepNetClassifier(max_epochs=1, hidden_units=2, lr=0.01)
    model.fit(np.tile(X, (times, 1)), np.tile(y, times))
    assert model.net_.resolved_ == {**by_samples(n_samples), "lr": 0.01}
    assert model.net_.batch_size == by_samples(n_samples)["batch_size"]


@pytest.mark.parametrize("data", [(X, y), (CANCER_X, CANCER_Y)], ids=["wine", "breast_cancer"])
def test_no_hidden_layers_is_logistic_regression(data):
    points, labels = data
    c = 0.1
    model = net(
        hidden_layers=0,
        dropout=0,
        weight_decay=1 / (c * len(labels)),
        lr=0.02,
        max_epochs=150,
        batch_size=64,
        calibrate=False,
    ).fit(points, labels)
    peer = LogisticRegression(C=c, tol=1e-8).fit(points, labels)
    np.testing.assert_allclose(model.predict_proba(points), peer.predict_proba(points), atol=0.03)
    assert (model.predict(points) == peer.predict(points)).mean() > 0.99
    assert [name for name, _ in model.module_.named_children()] == ["output"]


@pytest.mark.parametrize("kind", [tuple, list, np.array])
def test_one_value_per_layer(kind):
    model = net(
        hidden_layers=3,
        hidden_units=kind([8, 6, 4]),
        activation=kind(["relu", "tanh", "elu"]),
        dropout=kind([0.1, 0.0, 0.2]),
        weight_init=kind(["he_normal", "orthogonal", "zero"]),
    ).fit(X, y)
    shapes = [tuple(w.shape) for n, w in model.module_.named_parameters() if "weight" in n]
    assert shapes == [(8, 13), (6, 8), (4, 6), (3, 4)]
    rates = [part.p for part in model.module_.modules() if isinstance(part, torch.nn.Dropout)]
    assert rates == [0.1, 0.2]
    assert [n for n, _ in model.module_.named_children() if n.startswith(("relu", "tanh"))] == [
        "relu_0",
        "tanh_1",
    ]
    np.testing.assert_array_equal(clone(model).fit(X, y).predict(X), model.predict(X))


def test_one_value_for_all_layers_is_the_same_as_one_each():
    one = net(hidden_units=8, activation="tanh", dropout=0.1, weight_init="he_normal")
    each = net(
        hidden_units=(8, 8),
        activation=("tanh", "tanh"),
        dropout=(0.1, 0.1),
        weight_init=("he_normal",) * 3,
    )
    np.testing.assert_array_equal(*(m.fit(X, y).predict_proba(X) for m in (one, each)))


def through_joblib(model, mmap_mode=None):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        joblib.dump(model, Path(folder, "model"))
        return joblib.load(Path(folder, "model"), mmap_mode=mmap_mode)


COPIES = {
    "deepcopy": copy.deepcopy,
    "joblib": through_joblib,
    "joblib, memory-mapped": lambda model: through_joblib(model, "r"),
    "cloudpickle": lambda model: pickle.loads(cloudpickle.dumps(model)),
    **{
        f"pickle {protocol}": lambda model, p=protocol: pickle.loads(pickle.dumps(model, p))
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize(
    "settings", [{}, {"normalization": "batch", "residual": True, "early_stopping": True}]
)
def test_copies_predict_the_same_and_go_on(copied, settings):
    model = net(warm_start=True, **settings).fit(X, y)
    other = copied(model)
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    assert other.history_ == model.history_
    before = model.predict_proba(X)
    other.fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    np.testing.assert_array_equal(other.predict_proba(X), model.fit(X, y).predict_proba(X))


def test_clone_is_unfitted():
    model = net().fit(X, y)
    assert not hasattr(clone(model), "net_")
    assert not hasattr(clone(model), "module_")


def test_html_representation():
    model = net(lr=0.125)
    for page in (estimator_html_repr(model), estimator_html_repr(clone(model).fit(X, y))):
        assert "DeepNetClassifier" in page
        assert "0.125" in page


@pytest.mark.parametrize("data", [(X, y), (CANCER_X, CANCER_Y)], ids=["three", "two"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"normalization": "batch"}, {"normalization": "layer", "residual": True}],
    ids=["plain", "batch", "residual"],
)
def test_module_agrees(data, settings):
    points, labels = data
    model = net(hidden_layers=3, **settings).fit(points, labels)
    model.module_.eval()
    with torch.inference_mode():
        logits = model.module_(torch.tensor(points, dtype=torch.float32))
    expected = model.predict_proba(points)
    if logits.shape[1] == 1:
        np.testing.assert_allclose(torch.sigmoid(logits)[:, 0], expected[:, 1], atol=1e-5)
    else:
        np.testing.assert_allclose(torch.softmax(logits, 1), expected, atol=1e-5)


def test_three_layers_on_iris():
    points, labels = load_iris(return_X_y=True)
    model = net(hidden_layers=3, max_epochs=30).fit(scale(points), labels)
    assert model.score(scale(points), labels) > 0.93
