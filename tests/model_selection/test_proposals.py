"""The surrogate model and its proposals: right, valid, never twice, and better than chance."""

import pickle

import numpy as np
import pytest
import skopt
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from skopt.benchmarks import hart6
from skopt.space import Categorical, Integer, Real, Space
from skopt.utils import normalize_dimensions

from sknethp.model_selection.bayesian.dimensions import Choices, subspaces
from sknethp.model_selection.bayesian.encoding import Encoding
from sknethp.model_selection.bayesian.proposals import RoundOptimizer, own_values
from sknethp.model_selection.bayesian.surrogate import GaussianProcess, Squashing

KINDS = [
    Real(1e-4, 1e-1, prior="log-uniform"),
    Real(-2.0, 3.0),
    Integer(1, 4),
    Integer(8, 512, prior="log-uniform"),
    Categorical(["a", "b", "c"]),
    Categorical([True, False]),
    Categorical(["only"]),
    Choices([(3,), (4, 4), None, 1, True]),
]


def rough(n=30, n_features=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, n_features))
    return X, np.sin(6 * X[:, 0]) + X[:, 1] ** 2 + 0.1 * rng.standard_normal(n)


# The model -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension_of", [[0, 1, 2], [0, 0, 1]])
def test_gradient_of_the_posterior(dimension_of):
    process = GaussianProcess(np.array(dimension_of)).fit(*rough())
    distances = process._distances(process.X_)
    assert len(distances) == max(dimension_of) + 1
    theta = np.random.default_rng(1).normal(-0.5, 0.4, len(distances) + 2)

    def value(theta):
        return process._negative_log_posterior(theta, distances)[0]

    def slope(theta):
        return process._negative_log_posterior(theta, distances)[1]

    size = np.abs(slope(theta)).max()
    assert check_grad(value, slope, theta) < 1e-5 * size
    assert check_grad(value, lambda theta: -slope(theta), theta) > size  # negative control
    assert np.abs(slope(process.theta_)).max() < 1e-2 * size  # fitting has found a minimum


def test_predictions_are_those_of_scikit_learn():
    X, losses = rough()
    process = GaussianProcess(np.arange(3)).fit(X, losses)
    kernel = ConstantKernel(process.amplitude_) * Matern(np.exp(process.theta_[:3]), nu=2.5)
    kernel += WhiteKernel(process.noise_)
    other = GaussianProcessRegressor(kernel, optimizer=None).fit(X, process.y_)
    points = np.random.default_rng(2).uniform(size=(50, 3))
    mean, std = other.predict(points, return_std=True)
    found = process.posterior(points)
    np.testing.assert_allclose(found.mean, mean, atol=1e-6)
    np.testing.assert_allclose(found.variance, std**2 - process.noise_, atol=1e-6)
    assert np.abs(found.mean - process.posterior(points[::-1]).mean).max() > 0.1


def test_conditioning_is_as_one_fit_with_the_point():
    X, losses = rough()
    process = GaussianProcess(np.arange(3)).fit(X, losses)
    points = np.random.default_rng(2).uniform(size=(20, 3))
    found = process.posterior(points).given(3, 0.7).given(5, -1.0)
    kernel = ConstantKernel(process.amplitude_) * Matern(np.exp(process.theta_[:3]), nu=2.5)
    other = GaussianProcessRegressor(kernel, alpha=process.noise_, optimizer=None)
    other.fit(np.vstack([X, points[[3, 5]]]), np.r_[process.y_, 0.7, -1.0])
    mean, std = other.predict(points, return_std=True)
    np.testing.assert_allclose(found.mean, mean, atol=1e-6)
    np.testing.assert_allclose(found.variance, std**2, atol=1e-6)
    assert found.joined(process.posterior(points).given(3, 0.7).given(5, -1.0)).mean.shape == (40,)


def test_expected_improvement_is_that_of_samples():
    posterior = GaussianProcess(np.arange(3)).fit(*rough()).posterior(rough(5, seed=4)[0])
    best = float(np.median(posterior.mean))
    draws = np.random.default_rng(0).standard_normal((200_000, 5))
    samples = posterior.mean + np.sqrt(posterior.variance) * draws
    expected = np.maximum(best - samples, 0).mean(axis=0)
    np.testing.assert_allclose(posterior.expected_improvement(best), expected, atol=2e-3)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30))
@example([0.0, 1.0, 2.2250738585e-313])
def test_squashing_keeps_the_order_and_goes_back(losses):
    losses = np.array(losses)
    scale = Squashing.of(losses)
    squashed = scale.squash(losses)
    assert (np.diff(squashed[np.argsort(losses)]) >= 0).all()
    np.testing.assert_allclose(scale.stretch(squashed), losses, atol=1e-6, rtol=1e-6)


def test_predictions_are_on_the_scale_of_the_losses():
    X, losses = rough(60)
    losses = 100 + 10 * losses
    losses[:5] = 1e4  # as a net that diverged
    process = GaussianProcess(np.arange(3)).fit(X, losses)
    mean, std = process.predict(X[5:], return_std=True)
    assert np.corrcoef(mean, losses[5:])[0, 1] > 0.5
    assert (std > 0).all()
    np.testing.assert_array_equal(process.predict(X[5:]), mean)


@pytest.mark.parametrize("losses", [np.zeros(9), np.r_[np.zeros(8), 1.0], np.r_[1e9, np.ones(8)]])
def test_losses_that_say_little(losses):
    process = GaussianProcess(np.arange(2)).fit(rough(9, 2)[0], losses)
    assert np.isfinite(process.posterior(rough(5, 2)[0]).mean).all()
    assert np.isfinite(process.theta_).all()


# Places --------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, len(KINDS) - 1), min_size=1, max_size=5), st.integers(0, 99))
def test_places_are_valid_and_go_both_ways(chosen, seed):
    names = {f"x{i}": KINDS[kind] for i, kind in enumerate(chosen)}
    space = normalize_dimensions(list(subspaces(names, 1)[0][0].values()))
    encoding, rng = Encoding(space), np.random.RandomState(seed)
    drawn = encoding.stratified(9, rng)
    for encoded in (drawn, encoding.everywhere(9, rng), encoding.near(drawn, 20, 0.5, 0.5, rng)):
        points = encoding.decode(encoded)
        assert all(point in space for point in points)
        np.testing.assert_allclose(encoding.encode(points), encoded, atol=1e-9)
        np.testing.assert_allclose(
            encoding.features(encoded), space.transform(points).astype(float), atol=1e-9
        )
        assert encoding.known(encoded, encoded).all()


def test_every_point_of_a_finite_space():
    space = normalize_dimensions([Integer(3, 5), Categorical("ab"), Categorical([7])])
    encoding = Encoding(space)
    points = list(map(tuple, encoding.decode(encoding.all_points())))
    assert sorted(points) == [(i, c, 7) for i in (3, 4, 5) for c in "ab"]
    assert encoding.n_points == 6
    assert Encoding(normalize_dimensions([Real(0.0, 1.0)])).n_points == np.inf


def test_a_design_is_spread_evenly():
    space = normalize_dimensions([Real(0.0, 1.0), Categorical("abcd")])
    encoded = Encoding(space).stratified(8, np.random.RandomState(0))
    assert sorted((encoded[:, 0] * 8).astype(int)) == list(range(8))
    assert np.bincount(encoded[:, 1].astype(int)).tolist() == [2, 2, 2, 2]


# Proposals -----------------------------------------------------------------------------------

UNIT = [Real(0.0, 1.0, name=f"x{i}") for i in range(6)]


def best_of(optimizer, n, n_points=8, objective=hart6):
    for _ in range(0, n, n_points):
        points = optimizer.ask(n_points)
        optimizer.tell(points, [float(objective(point)) for point in points])
    return optimizer.get_result()


def test_better_than_chance_and_than_local_luck():
    ours = [best_of(RoundOptimizer(UNIT, random_state=seed), 48).fun for seed in range(4)]
    chance = [
        min(map(hart6, Space(UNIT).rvs(480, random_state=seed))) for seed in range(4)
    ]  # ten times as many
    assert np.mean(ours) < np.mean(chance) - 0.1
    assert np.mean(ours) < -2.9  # of -3.32


def test_as_an_optimizer_of_scikit_optimize():
    """One point at a time, other users' points, no fit, pickles, plots' models."""
    optimizer = RoundOptimizer(UNIT, random_state=0)
    for _ in range(9):
        point = optimizer.ask()
        assert point in optimizer.space
        optimizer.tell(point, hart6(point))
    optimizer.tell([0.5] * 6, hart6([0.5] * 6))
    optimizer.tell([[0.4] * 6, [0.3] * 6], [0.0, -0.1], fit=False)
    again = pickle.loads(pickle.dumps(optimizer))
    assert again.ask(3) == optimizer.ask(3)
    result = optimizer.get_result()
    assert isinstance(optimizer, skopt.Optimizer)
    assert len(result.x_iters) == 12
    assert len(result.models) == 3
    assert result.models[-1].predict(result.space.transform([result.x])).shape == (1,)
    assert skopt.expected_minimum(result, n_random_starts=2, random_state=0)[1] < 0


def test_never_twice():
    dimensions = [Integer(1, 9), Categorical("abc")]
    optimizer = RoundOptimizer(dimensions, random_state=0)
    found = best_of(optimizer, 32, objective=lambda p: p[0] + (p[1] == "b"))
    assert len(set(map(tuple, found.x_iters))) == 27
    assert found.fun == 1
    assert optimizer.ask(8) == []
    with pytest.raises(ValueError, match="All 27 points of the space are evaluated"):
        optimizer.ask()


def test_the_given_point_comes_first():
    dimensions = [Real(0.0, 1.0, name="a"), Categorical(["x", "y"], name="b")]
    points = RoundOptimizer(dimensions, {"a": 0.25}, random_state=0).ask(8)
    assert points[0][0] == pytest.approx(0.25)
    assert points[0][1] == RoundOptimizer(dimensions, random_state=0).ask(8)[0][1]


def test_own_values():
    class Estimator:
        def get_params(self, deep):
            return {"a": 3.0, "b": 9, "c": "x", "d": "z", "e": None, "f": True, "g": 0.5, "h": (1,)}

    space = {
        "a": Real(0.0, 1.0), "b": Integer(1, 20), "c": Categorical("xy"), "d": Categorical("xy"),
        "e": Real(0.0, 1.0), "f": Integer(0, 1), "g": Integer(1, 20), "h": Categorical([(1,), 2]),
        "i": Real(0.0, 1.0),
    }  # fmt: skip
    assert own_values(Estimator(), space) == {"a": 1.0, "b": 9, "c": "x", "g": 1, "h": (1,)}
    assert own_values(object(), space) == {}


def test_the_model_is_fitted_once_a_round(monkeypatch):
    """A round of eight then costs little more than a point."""
    fits = []
    fit = GaussianProcess.fit
    monkeypatch.setattr(GaussianProcess, "fit", lambda *args: fits.append(1) or fit(*args))
    best_of(RoundOptimizer(UNIT, random_state=0), 64)
    assert len(fits) == 8
