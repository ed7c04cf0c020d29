"""The skorch net inside, its callbacks, what is printed and what is remembered."""

import re
from contextlib import nullcontext
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from joblib import Memory
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale
from skorch import NeuralNet
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    PassthroughScoring,
    TrainEndCheckpoint,
)

from sknethp import fused
from sknethp.estimator import net as net_module
from tests.helpers import small_net

X, y = load_wine(return_X_y=True)
X = scale(X)
LABELS = np.array(["barolo", "grignolino", "barbera"])


net = partial(small_net, max_epochs=4, hidden_units=16, lr=0.01)


def test_it_is_a_skorch_net():
    model = net(early_stopping=True).fit(X, y)
    assert isinstance(model.net_, NeuralNet)
    assert model.net_.history[:, "valid_loss"] == [row["valid_loss"] for row in model.history_]
    assert model.net_.module_ is model.module_
    np.testing.assert_allclose(
        model.net_.predict_proba(X.astype(np.float32)), model.predict_proba(X), atol=1e-5
    )


def test_it_is_a_skorch_net_for_two_classes():
    points, labels = load_breast_cancer(return_X_y=True)
    points = scale(points).astype(np.float32)
    model = net().fit(points, labels)
    ours, theirs = model.predict_proba(points), model.net_.predict_proba(points)
    np.testing.assert_allclose(theirs, ours, atol=1e-5)
    np.testing.assert_array_equal(model.net_.predict(points), model.predict(points))
    np.testing.assert_array_equal(model.net_.classes_, [0, 1])


def test_parameters_can_be_saved_and_loaded(tmp_path):
    model, other = net().fit(X, y), net(random_state=1).fit(X, y)
    expected = model.predict_proba(X)
    assert np.abs(other.predict_proba(X) - expected).max() > 1e-3
    model.net_.save_params(f_params=tmp_path / "net.pt", f_history=tmp_path / "history.json")
    other.net_.load_params(f_params=tmp_path / "net.pt", f_history=tmp_path / "history.json")
    np.testing.assert_array_equal(other.predict_proba(X), expected)
    assert other.net_.history[:, "train_loss"] == model.net_.history[:, "train_loss"]


def test_module_runs_without_this_package(tmp_path):
    """In a process where importing sknethp fails."""
    import subprocess
    import sys

    model = net(hidden_layers=3, residual=True, normalization="batch").fit(X, y)
    torch.save(model.module_, tmp_path / "module.pt")
    np.save(tmp_path / "X.npy", X.astype(np.float32))
    script = (
        "import sys; sys.modules['sknethp'] = None\n"
        "import numpy as np, torch\n"
        f"module = torch.load({str(tmp_path / 'module.pt')!r}, weights_only=False).eval()\n"
        f"X = torch.from_numpy(np.load({str(tmp_path / 'X.npy')!r}))\n"
        "with torch.inference_mode(): p = torch.softmax(module(X), 1)\n"
        f"np.save({str(tmp_path / 'p.npy')!r}, p.numpy())\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=100)
    np.testing.assert_allclose(np.load(tmp_path / "p.npy"), model.predict_proba(X), atol=1e-5)


class Recorder(Callback):
    """Counts what it is told."""

    def __init__(self):
        self.epochs = []

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        n_valid = None if dataset_valid is None else len(dataset_valid)
        self.epochs.append((len(net.history), len(dataset_train), n_valid))


class BatchRecorder(Callback):
    def initialize(self):
        self.events = []
        return self

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.events.append("train begin")

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        self.events.append(("begin", tuple(batch[0].shape), training))

    def on_grad_computed(self, net, named_parameters, **kwargs):
        named = dict(named_parameters)
        assert all(p.grad.shape == p.shape for p in named.values())
        assert any(p.grad.abs().max() > 0 for p in named.values())
        self.events.append("gradient")

    def on_batch_end(self, net, batch=None, training=None, loss=None, y_pred=None, **kwargs):
        assert y_pred.shape == (len(batch[0]), 3)
        self.events.append(("end", float(loss)))


def test_callback_sees_epochs():
    recorder = Recorder()
    net(callbacks=[recorder], early_stopping=True).fit(X, y)
    assert recorder.epochs == [(i, 160, 18) for i in (1, 2, 3, 4)]
    recorder = Recorder()
    net(callbacks=[("mine", recorder)]).fit(X, y)
    assert recorder.epochs == [(i, 178, None) for i in (1, 2, 3, 4)]


def test_callback_sees_batches_and_changes_nothing():
    recorder = BatchRecorder()
    model = net(callbacks=[recorder], max_epochs=2, batch_size=100).fit(X, y)
    plain = net(max_epochs=2, batch_size=100).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X), rtol=1e-6)
    events = recorder.events
    assert events[0] == "train begin"
    assert events[1::3] == [("begin", (n, 13), True) for n in (100, 78, 100, 78)]
    assert events[2::3] == ["gradient"] * 4
    losses = [event[1] for event in events[3::3]]
    mean = (losses[0] * 100 + losses[1] * 78) / 178
    assert mean == pytest.approx(model.history_[0]["train_loss"], rel=1e-4)


def test_batches_on_another_device_are_not_seen(monkeypatch):
    monkeypatch.setattr(
        "sknethp.estimator.request.resolve_device", lambda name: torch.device("meta")
    )
    with pytest.raises(ValueError, match=r"BatchRecorder .* on meta they stay there: set device='"):
        net(callbacks=[BatchRecorder()]).fit(X, y)


def test_gradient_clipping_by_callback_equals_our_own():
    limit = 0.05
    theirs = net(callbacks=[GradientNormClipping(limit)]).fit(X, y).predict_proba(X)
    ours = net(gradient_clip=limit).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(theirs, ours, rtol=1e-3)
    assert np.abs(ours - net().fit(X, y).predict_proba(X)).max() > 1e-3


def test_skorchs_early_stopping_ends_training():
    stop = EarlyStopping(monitor="valid_loss", patience=2, threshold=0.5, sink=lambda text: None)
    model = net(callbacks=[stop], early_stopping=True, max_epochs=50).fit(X, y)
    assert 2 < model.n_iter_ < 50
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize("caching", [True, False])
def test_epoch_scoring(caching):
    names = {"accuracy": "valid_accuracy", "neg_log_loss": "valid_loss"}
    scorings = [
        EpochScoring(
            name,
            lower_is_better=False,
            use_caching=caching,
            on_train=on_train,
            name=f"{name}_{on_train}",
        )
        for name in names
        for on_train in (False, True)
    ]
    model = net(callbacks=scorings, early_stopping=True).fit(X, LABELS[y])
    history = pd.DataFrame(model.history_)
    for name, ours in names.items():
        np.testing.assert_allclose(history[f"{name}_False"].abs(), history[ours], rtol=1e-4)
    assert history["accuracy_True"].iloc[-1] > 0.9
    plain = net(early_stopping=True).fit(X, LABELS[y])
    np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X), rtol=1e-5)


def test_epoch_scoring_of_two_classes():
    points, labels = load_breast_cancer(return_X_y=True)
    scoring = EpochScoring("roc_auc", lower_is_better=False, name="auc")
    model = net(callbacks=[scoring], early_stopping=True, monitor="roc_auc")
    model.fit(scale(points), labels)
    assert [row["auc"] for row in model.history_] == pytest.approx(
        [row["roc_auc"] for row in model.history_]
    )


def test_skorchs_early_stopping_can_load_the_best_epoch():
    stop = EarlyStopping(patience=50, load_best=True, sink=lambda text: None)
    settings = {"lr": 0.3, "lr_schedule": "constant", "early_stopping": True, "max_epochs": 10}
    theirs = net(callbacks=[stop], restore_best=False, **settings).fit(X, y)
    ours = net(**settings).fit(X, y)
    assert ours.best_epoch_ < 10
    np.testing.assert_allclose(theirs.predict_proba(X), ours.predict_proba(X), rtol=1e-6)
    last = net(restore_best=False, **settings).fit(X, y)
    assert np.abs(last.predict_proba(X) - ours.predict_proba(X)).max() > 1e-3


def test_checkpoints(tmp_path):
    best = Checkpoint(dirname=tmp_path / "best")
    end = TrainEndCheckpoint(dirname=tmp_path / "end")
    settings = {"early_stopping": True, "calibrate": False}  # files are written before that
    model = net(callbacks=[best, end], **settings).fit(X, y)
    expected = model.predict_proba(X)
    plain = net(**settings).fit(X, y)
    np.testing.assert_allclose(expected, plain.predict_proba(X), rtol=1e-6)
    flags = [row["valid_loss_best"] for row in model.history_]
    assert flags.index(True) == 0
    assert max(i for i, flag in enumerate(flags, start=1) if flag) == model.best_epoch_
    for where in ("best/params.pt", "end/train_end_params.pt"):
        other = net(random_state=1).fit(X, y)
        other.net_.load_params(f_params=tmp_path / where)
        np.testing.assert_allclose(other.predict_proba(X), expected, rtol=1e-6)


def test_the_checkpoint_at_the_end_is_calibrated(tmp_path):
    end = TrainEndCheckpoint(dirname=tmp_path)
    model = net(callbacks=[end], early_stopping=True, calibrate=True).fit(X, y)
    assert model.temperature_ != 1
    expected = model.predict_proba(X)
    model.net_.load_params(f_params=tmp_path / "train_end_params.pt")
    np.testing.assert_array_equal(model.predict_proba(X), expected)


@pytest.mark.parametrize(
    ("column", "sign"),
    [
        ("train_loss", -1),
        ("train_accuracy", 1),
        ("valid_loss", -1),
        ("valid_accuracy", 1),
        ("balanced_accuracy", 1),
    ],
)
def test_checkpoint_at_the_best_of_any_number(column, sign, tmp_path):
    checkpoint = Checkpoint(f"{column}_best", dirname=tmp_path)
    settings = {"early_stopping": True, "monitor": "balanced_accuracy", "max_epochs": 8}
    rows = net(callbacks=[checkpoint], lr=0.1, **settings).fit(X, y).history_
    numbers = [sign * row[column] for row in rows]
    best = [number > max(numbers[:i], default=-np.inf) for i, number in enumerate(numbers)]
    assert [row["event_cp"] for row in rows] == best
    assert not all(best)


@pytest.mark.parametrize("data", [load_wine, load_breast_cancer])
@pytest.mark.parametrize("batch_size", [7, 500])
def test_batch_scoring_on_validation(data, batch_size):
    points, labels = data(return_X_y=True)
    scorings = [
        BatchScoring("accuracy", name="by_batch", lower_is_better=False),
        BatchScoring("accuracy", name="in_training", lower_is_better=False, on_train=True),
        PassthroughScoring("valid_loss"),
    ]
    settings = {"early_stopping": True, "batch_size": batch_size}
    rows = net(callbacks=scorings, **settings).fit(scale(points), labels).history_
    plain = net(**settings).fit(scale(points), labels).history_
    for row, other in zip(rows, plain, strict=True):
        assert row["by_batch"] == pytest.approx(row["valid_accuracy"])
        assert row["in_training"] > 0.3
        assert row["valid_loss"] == pytest.approx(other["valid_loss"], rel=1e-5)


def test_callback_sees_validation_batches():
    class Sizes(Callback):
        def initialize(self):
            self.seen = []
            return self

        def on_batch_end(self, net, batch=None, training=None, loss=None, y_pred=None, **kwargs):
            assert len(y_pred) == len(batch[0]) == len(batch[1])
            self.seen.append((len(batch[0]), training))

    sizes = Sizes()
    net(callbacks=[sizes], max_epochs=1, batch_size=100).fit(X, y, X_val=X, y_val=y)
    assert sizes.seen == [(100, True), (78, True), (100, False), (78, False)]


@pytest.mark.parametrize(
    ("callback", "words"),
    [
        (EarlyStopping(), "EarlyStopping looks for 'valid_loss' in the history, .*early_stopping="),
        (EarlyStopping("valid_acc"), "EarlyStopping looks for 'valid_acc' .* train_accuracy, "),
        (Checkpoint(f_params=None), "Checkpoint looks for 'valid_loss_best'"),
        (Checkpoint(lambda net: net.history[-1, "f1"]), "A callback looks for 'f1' in the history"),
    ],
)
def test_a_column_that_the_history_does_not_have(callback, words):
    with pytest.raises(ValueError, match=words):
        net(callbacks=[callback]).fit(X, y)


def test_other_errors_of_callbacks_are_theirs():
    class Broken(Callback):
        def on_epoch_end(self, net, **kwargs):
            return {}["mine"]

    with pytest.raises(KeyError, match="mine"):
        net(callbacks=[Broken()]).fit(X, y)


EVENTS = ["on_train_begin", "on_epoch_begin", "on_batch_end", "on_epoch_end", "on_train_end"]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("around", [nullcontext, fused])
def test_ctrl_c_inside_a_callback_ends_fit_and_search(event, around):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    pressed = type("Pressed", (Callback,), {event: interrupt})()
    model = net(callbacks=[EarlyStopping("train_loss"), pressed])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert not hasattr(model, "net_")
    search = GridSearchCV(model, {"lr": [0.1, 0.01]}, cv=2)
    with around(), pytest.raises(KeyboardInterrupt):
        search.fit(X, y)


def test_callbacks_are_not_shared_between_fits():
    recorder = Recorder()
    model = net(callbacks=[recorder])
    model.fit(X, y)
    model.fit(X, y)
    assert len(model.history_) == 4


@pytest.mark.parametrize("verbose", [1, True])
def test_verbose_prints_a_line_per_epoch(verbose, capsys):
    net(verbose=verbose, early_stopping=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all(re.match(r"epoch +\d+  lr .*train_loss .*valid_accuracy .*", line) for line in lines)


def test_silence_is_the_default(capsys):
    net(callbacks=[Recorder()]).fit(X, y)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.fixture
def n_trainings(monkeypatch):
    """Count fits that train."""
    count = []
    train_epochs = net_module.EpochNet.train_epochs

    def counted(self, plan):
        count.append(1)
        return train_epochs(self, plan)

    monkeypatch.setattr(net_module.EpochNet, "train_epochs", counted)
    return count


@pytest.mark.parametrize("kind", [str, lambda path: path, lambda path: Memory(path, verbose=0)])
def test_memory_spares_a_second_fit(kind, tmp_path, n_trainings):
    first = net(memory=kind(tmp_path), early_stopping=True).fit(X, y)
    second = net(memory=kind(tmp_path), early_stopping=True).fit(X.copy(), y.copy())
    assert len(n_trainings) == 1
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert first.history_ == second.history_
    assert first.best_epoch_ == second.best_epoch_
    plain = net(early_stopping=True).fit(X, y)
    np.testing.assert_array_equal(first.predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize("other", [{"lr": 0.5}, {"random_state": 1}, {"hidden_units": 8}])
def test_memory_tells_settings_apart(other, tmp_path, n_trainings):
    net(memory=tmp_path).fit(X, y)
    net(memory=tmp_path, **other).fit(X, y)
    assert len(n_trainings) == 2


def test_memory_tells_data_apart(tmp_path, n_trainings):
    model = net(memory=tmp_path)
    model.fit(X, y)
    model.fit(X + 1e-3, y)
    model.fit(X, y, np.linspace(0.5, 2, len(y)))
    model.fit(X, y, X_val=X, y_val=y)
    model.fit(X, (y + 1) % 3)
    model.fit(X, y + 10)
    assert len(n_trainings) == 6
    np.testing.assert_array_equal(model.classes_, [10, 11, 12])


def test_memory_and_warm_start(tmp_path, n_trainings):
    fits = [net(memory=tmp_path, warm_start=True).fit(X, y).fit(X, y) for _ in range(2)]
    assert len(n_trainings) <= 3
    assert [model.n_iter_ for model in fits] == [8, 8]
    np.testing.assert_array_equal(*(model.predict_proba(X) for model in fits))


def test_memory_with_callbacks_always_trains(tmp_path, n_trainings):
    for _ in range(2):
        recorder = Recorder()
        net(memory=tmp_path, callbacks=[recorder]).fit(X, y)
        assert len(recorder.epochs) == 4
    assert len(n_trainings) == 2
