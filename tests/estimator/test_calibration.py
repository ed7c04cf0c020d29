"""The temperature: fitted on the validation part, cautious, and part of the module."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import log_loss

from sknethp.estimator.calibration import OF_BAGS, fitted_temperature
from sknethp.estimator.prediction import forward_in_double
from sknethp.estimator.request import Samples, fit_request
from sknethp.hyperparameters import check_hyperparameters, hyperparameters_of
from sknethp.training.module import members_of
from sknethp.training.objectives import classification
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


def test_members_hold_out_shares_of_their_own():
    """Each is trained without a tenth of the samples, and the temperature comes from these."""
    X, y = DIGITS
    settings = {"input_scaling": "standard", "ensemble_size": 3, "max_epochs": 30}
    model = small_net(**settings, calibrate=True).fit(X[:200], y[:200])
    assert model.temperature_ != 1
    parameters = check_hyperparameters(hyperparameters_of(model))
    samples = Samples(X[:200].astype(np.float32), y[:200], None, np.arange(10))
    seed = int(np.random.RandomState(0).randint(2**31 - 1))  # as of random_state=0
    request = fit_request(parameters, samples, None, seed)
    held_out = [part.subset.index for part in request.held_out]
    assert [len(index) for index in held_out] == [20, 20, 20]
    assert len(set(np.concatenate(held_out).tolist())) == 60
    for index, kept in zip(held_out, request.member_indices, strict=True):
        assert sorted([*index, *kept]) == list(range(200))
    targets = request.objective.encode(y[:200])
    pieces = []
    for member, index in zip(members_of(model.module_), held_out, strict=True):
        logits = model.temperature_ * forward_in_double(member, samples.X[index])
        pieces.append((logits[None], torch.from_numpy(targets[index]).double(), None))
    expected = OF_BAGS * fitted_temperature(request.objective, pieces)
    assert model.temperature_ == pytest.approx(expected, rel=1e-3)
    plain = small_net(**settings, calibrate=False).fit(X[:200], y[:200])
    losses = [log_loss(y[200:], m.predict_proba(X[200:])) for m in (plain, model)]
    assert losses[1] < losses[0]


def test_without_held_out_samples_there_is_none():
    X, y = DIGITS
    assert small_net(calibrate=True, input_scaling="standard").fit(X, y).temperature_ == 1
