"""The ensemble's weights and the temperature, by small examples and against other ways."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from sknethp.estimator import calibration
from sknethp.self_tuning import ensemble as ensemble_module
from sknethp.self_tuning.ensemble import greedy_weights
from sknethp.self_tuning.temperature import fitted_temperature, scaled


def random_likelihoods(n_candidates, n_samples, seed=0):
    return np.random.default_rng(seed).uniform(0.05, 1, (n_candidates, n_samples))


def test_one_is_enough_if_it_is_always_the_best():
    likelihoods = np.array([[0.5, 0.5], [0.9, 0.9], [0.6, 0.6]])
    np.testing.assert_array_equal(greedy_weights(likelihoods, None, 8), [0, 1, 0])


def test_those_that_complement_each_other_share():
    likelihoods = np.array([[0.9, 0.1], [0.1, 0.9], [0.3, 0.3]])
    np.testing.assert_allclose(greedy_weights(likelihoods, None, 8), [0.5, 0.5, 0])


def test_no_worse_than_the_best_and_near_the_optimum():
    from scipy.optimize import minimize

    likelihoods = random_likelihoods(4, 200)
    weights = greedy_weights(likelihoods, None, 4)

    def loss(weights):
        return -np.log(weights @ likelihoods).mean()

    assert loss(weights) <= min(loss(row) for row in np.eye(4))
    found = minimize(lambda z: loss(np.exp(z) / np.exp(z).sum()), np.zeros(4), method="Nelder-Mead")
    assert loss(weights) == pytest.approx(found.fun, abs=2e-3)


def test_at_most_so_many_members():
    weights = greedy_weights(random_likelihoods(30, 100), None, 3)
    assert 0 < (weights > 0).sum() <= 3
    assert weights.sum() == pytest.approx(1)


def test_weights_of_samples_count():
    likelihoods = np.array([[0.9, 0.1], [0.1, 0.9]])
    weights = greedy_weights(likelihoods, np.array([9.0, 1.0]), 8)
    assert weights[0] > 0.8


def test_many_samples_are_thinned(monkeypatch):
    likelihoods = random_likelihoods(5, 1000)
    monkeypatch.setattr(ensemble_module, "_MOST_SAMPLES", 100)
    expected = greedy_weights(likelihoods[:, ::10], None, 5)
    np.testing.assert_array_equal(greedy_weights(likelihoods, None, 5), expected)


def overconfident(n, factor, seed=0):
    """Labels of two classes, and probabilities whose log-odds are too large by a factor."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-logits))).astype(int)
    positive = 1 / (1 + np.exp(-factor * logits))
    return np.column_stack([1 - positive, positive]), y


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_the_temperature_undoes_what_made_them_overconfident(factor):
    probabilities, y = overconfident(20_000, factor)
    assert fitted_temperature(probabilities, y, None) == pytest.approx(factor, rel=0.05)


def test_few_samples_change_little():
    probabilities, y = overconfident(20_000, 3.0)
    few = fitted_temperature(probabilities[:10], y[:10], None)
    many = fitted_temperature(probabilities, y, None)
    assert abs(np.log(few)) < 0.7 * abs(np.log(many))


def test_weighted_samples_are_like_repeated_ones(monkeypatch):
    monkeypatch.setattr(calibration, "_SPREAD", 1e3)
    probabilities, y = overconfident(300, 2.0)
    times = np.random.default_rng(0).integers(1, 4, 300)
    repeated = fitted_temperature(np.repeat(probabilities, times, axis=0), y.repeat(times), None)
    assert fitted_temperature(probabilities, y, times) == pytest.approx(repeated, rel=1e-3)


def test_scaling_keeps_order_and_sum():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), 50)
    soft = scaled(probabilities, 3.0)
    np.testing.assert_array_equal(soft.argsort(axis=1), probabilities.argsort(axis=1))
    np.testing.assert_allclose(soft.sum(axis=1), 1)
    assert scaled(probabilities, 1.0) is probabilities
    y = probabilities.argmax(axis=1)
    assert log_loss(y, soft) > log_loss(y, probabilities)
