"""The temperature: fitted on the validation part, cautious, and part of the module."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss

from sknethp import DeepNetClassifier
from sknethp.estimator.calibration import fitted_temperature
from sknethp.estimator.fitting import new_networks
from sknethp.estimator.prediction import forward_in_double
from sknethp.estimator.request import Samples, fit_request
from sknethp.hyperparameters import check_hyperparameters, hyperparameters_of
from sknethp.self_tuning.ensemble import module_of
from sknethp.training.epoch import Epoch, n_steps
from sknethp.training.module import members_of
from sknethp.training.objectives import classification
from sknethp.training.rows import Part
from sknethp.training.trainer import LoneTrainer
from tests.helpers import DIGITS, small_net


def sharpened(n_samples, n_classes, factor, seed=0):
    """Draw logits, and labels from their probabilities; return the logits times a factor."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.standard_normal((n_samples, n_classes))
    labels = np.array([rng.choice(n_classes, p=p) for p in softmax(logits, axis=1)])
    objective = classification(n_classes)
    own = logits[:, 1:] - logits[:, :1] if n_classes == 2 else logits
    targets = torch.from_numpy(objective.encode(labels)).double()
    return objective, [(torch.from_numpy(own * factor)[None], targets, None)]


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_many_samples_show_the_temperature(n_classes, factor):
    assert fitted_temperature(*sharpened(5000, n_classes, factor)) == pytest.approx(factor, rel=0.1)


def test_a_few_samples_hardly_move_it():
    few, many = (fitted_temperature(*sharpened(n, 3, 20.0)) for n in (2, 3000))
    assert few < 4 < 15 < many


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_it_is_bounded(factor):
    assert 1 / 20 <= fitted_temperature(*sharpened(2000, 3, factor)) <= 20


def test_weights_count():
    """Samples of weight zero change nothing, and pieces count together."""
    objective, [(logits, targets, _)] = sharpened(400, 3, 2.0)
    weight = torch.cat([torch.ones(200), torch.zeros(200)])
    found = fitted_temperature(objective, [(logits, targets, weight)])
    half = fitted_temperature(objective, [(logits[:, :200], targets[:200], None)])
    assert found == pytest.approx(half, rel=1e-6)
    parts = [(logits[:, rows], targets[rows], None) for rows in (slice(0, 90), slice(90, 400))]
    whole = fitted_temperature(objective, [(logits, targets, None)])
    assert fitted_temperature(objective, parts) == pytest.approx(whole, rel=1e-6) != found


@pytest.mark.parametrize("ensemble_size", [1, 3])
def test_it_is_part_of_the_module(ensemble_size):
    X, y = DIGITS
    settings = {"input_scaling": "standard", "ensemble_size": ensemble_size, "max_epochs": 20}
    validation = {"X_val": X[150:], "y_val": y[150:]}
    plain = small_net(**settings, calibrate=False).fit(X[:150], y[:150], **validation)
    model = small_net(**settings, calibrate=True).fit(X[:150], y[:150], **validation)
    temperature = model.temperature_
    assert plain.temperature_ == 1
    assert temperature != 1
    losses = [log_loss(y[150:], m.predict_proba(X[150:])) for m in (plain, model)]
    assert losses[1] < losses[0]
    one, other = (m.module_.state_dict() for m in (plain, model))
    prefix = "member_1." if ensemble_size > 1 else ""
    torch.testing.assert_close(
        one[f"{prefix}output.weight"], other[f"{prefix}output.weight"] * temperature
    )
    assert torch.equal(one[f"{prefix}linear_0.weight"], other[f"{prefix}linear_0.weight"])


def request_of(model, X, y):
    """Return the request of a model's fit."""
    parameters = check_hyperparameters(hyperparameters_of(model))
    samples = Samples(X.astype(np.float32), y, None, np.arange(10))
    seed = int(np.random.RandomState(0).randint(2**31 - 1))  # as of random_state=0
    return fit_request(parameters, samples, None, seed)


@pytest.mark.parametrize("ensemble_size", [1, 3])
def test_each_network_leaves_out_a_share_of_half_of_the_epochs(ensemble_size):
    """Trained by hand: half of the epochs without the shares, a temperature, then all samples."""
    X, y = (part[:200] for part in DIGITS)
    settings = {
        "input_scaling": None,
        "embedding": None,
        "lr_schedule": "constant",
        "lr": 3e-3,
        "ensemble_size": ensemble_size,
    }
    X = X / 16
    model = small_net(**settings, max_epochs=40).fit(X, y)
    assert model.temperature_ != 1
    request = request_of(small_net(**settings, max_epochs=40), X, y)
    assert request.n_epochs_left_out == 20
    assert [len(share) for share in request.left_out] == [20] * ensemble_size
    assert len(set(np.concatenate(request.left_out).tolist())) == 20 * ensemble_size
    networks, objective, pieces = new_networks(request), request.objective, []
    trainer = LoneTrainer()
    whole = Part(
        trainer.rows(X.astype(np.float32)),
        torch.from_numpy(objective.encode(y)),
        np.arange(200, dtype=np.int32),
    )
    for network, share in zip(networks, request.left_out, strict=True):
        kept = np.setdiff1d(whole.index, share)
        for epoch in range(40):
            part = replace(whole, index=kept) if epoch < 20 else whole
            rates = np.full(n_steps(len(part), 32), 3e-3)
            trainer.train([Epoch(network, part, None, rates, objective)])
            if epoch == 19:
                logits = forward_in_double(module_of(network), X[share])
                targets = whole.targets[torch.from_numpy(share).long()].double()
                pieces.append((logits[None], targets, None))
    expected = fitted_temperature(objective, pieces)
    assert model.temperature_ == pytest.approx(expected, rel=1e-3)
    for member, network in zip(members_of(model.module_), networks, strict=True):
        own, by_hand = (dict(m.named_parameters()) for m in (member, module_of(network)))
        torch.testing.assert_close(own["linear_0.weight"], by_hand["linear_0.weight"])
        torch.testing.assert_close(
            own["output.weight"] * model.temperature_, by_hand["output.weight"]
        )


@pytest.mark.slow
@pytest.mark.parametrize("share_of_wrong_labels", [0.0, 0.3])
def test_it_lowers_the_log_loss(share_of_wrong_labels):
    """Where it is not sure enough (labels are smoothed), and where it is too sure."""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    y = np.where(rng.random(len(y)) < share_of_wrong_labels, rng.permutation(y), y)
    losses = [
        log_loss(y[800:], net.fit(X[:800], y[:800]).predict_proba(X[800:]))
        for net in (
            DeepNetClassifier(calibrate=calibrate, embedding=None, random_state=0)
            for calibrate in (False, True)
        )
    ]
    assert losses[1] < 0.95 * losses[0]


@pytest.mark.parametrize("fraction", [0.05, 0.3, 0.7, 0.99])
def test_at_most_half_is_left_out(fraction):
    X, y = (part[:100] for part in DIGITS)
    (share,) = request_of(small_net(validation_fraction=fraction, max_epochs=20), X, y).left_out
    assert 1 <= len(share) <= 50
    assert share.tolist() == sorted(set(share.tolist()))


def test_a_fit_that_goes_on_is_not_calibrated():
    """Its networks have seen all samples."""
    X, y = DIGITS
    model = small_net(max_epochs=20, warm_start=True).fit(X, y)
    assert model.temperature_ != 1
    assert model.fit(X, y).temperature_ == 1
    assert model.partial_fit(X, y).temperature_ == 1


@pytest.mark.parametrize("settings", [{"calibrate": False, "max_epochs": 20}, {"max_epochs": 19}])
def test_without_shares_there_is_none(settings):
    X, y = DIGITS
    assert small_net(**settings).fit(X, y).temperature_ == 1
    assert small_net(**settings | {"max_epochs": 20, "calibrate": True}).fit(X, y).temperature_ != 1


def test_too_few_samples_for_a_share():
    X, y = DIGITS
    assert small_net(max_epochs=20).fit(X[:9], y[:9]).temperature_ == 1


@pytest.mark.parametrize("size", [10, 11, 33])
def test_few_samples_have_shares_too(size):
    X, y = DIGITS
    model = small_net(max_epochs=20).fit(X[:size], y[:size])
    assert model.temperature_ > 0
    assert model.n_iter_ == 20
