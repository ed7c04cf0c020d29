"""Updates of several networks at once are those of ``torch.optim`` for each of them."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch

from sknethp.training.optimizers import OPTIMIZERS, StepInputs
from sknethp.training.updates import Update

N_STEPS = 20
ROWS = (  # each a network
    {"lr": 0.1, "momentum": 0.9, "beta2": 0.999, "weight_decay": 0.0},
    {"lr": 0.01, "momentum": 0.5, "beta2": 0.9, "weight_decay": 0.1},
    {"lr": 0.5, "momentum": 0.0, "beta2": 0.0, "weight_decay": 0.01},
    {"lr": 0.03, "momentum": 0.99, "beta2": 0.95, "weight_decay": 0.0},
)


def torch_optimizer(name, nesterov, groups, row):
    """Return torch's optimizer, with the hyperparameters of a row under the names it has there."""
    rule, betas = OPTIMIZERS[name], (row["momentum"], row["beta2"])
    known = inspect.signature(rule.torch).parameters
    if "betas" in known:
        return rule.torch(groups, lr=row["lr"], betas=betas)
    given = dict.fromkeys({"alpha", "rho"} & set(known), betas[1]) if "beta2" in rule.uses else {}
    if "momentum" in rule.uses:
        given |= {"momentum": betas[0]}
    if nesterov:
        given |= {"nesterov": betas[0] > 0}
    return rule.torch(groups, lr=row["lr"], **given)


def torch_trajectory(name, nesterov, row, start, gradients, rates, n_weights):
    """Parameters after each step, ``(n_steps, n_parameters)``; biases do not decay."""
    weights = start[:n_weights].double().clone().requires_grad_()
    vectors = start[n_weights:].double().clone().requires_grad_()
    groups = [
        {"params": [weights], "weight_decay": row["weight_decay"]},
        {"params": [vectors], "weight_decay": 0.0},
    ]
    optimizer = torch_optimizer(name, nesterov, groups, row)
    found = []
    for gradient, rate in zip(gradients, rates, strict=True):
        weights.grad, vectors.grad = gradient.double().split([n_weights, len(vectors)])
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        found.append(torch.cat([weights, vectors]).detach().clone())
    return torch.stack(found)


def trajectories(networks, storage, gradients, rates, chunk=7):
    """Parameters after each step, ``(n_networks, n_steps, n_parameters)``, a chunk at a time."""
    architectures = [network.architecture for network in networks]
    size = architectures[0].n_parameters
    blocks = type(storage.parameters)
    n_moments = OPTIMIZERS[networks[0].settings.optimizer].n_moments
    n = len(networks)
    moments = [blocks(torch.zeros(n * size), n, architectures[0]) for _ in range(n_moments)]
    update = Update(
        networks, slice(0, len(networks)), storage.parameters, storage.gradients, moments
    )
    found = []
    for step in range(len(rates)):
        if step % chunk == 0:
            update.prepare(rates[step : step + chunk], step)
        storage.gradients.load(list(gradients[:, step]), architectures)
        update.step(step % chunk)
        flats = [torch.empty(size) for _ in networks]
        storage.parameters.store(flats, architectures)
        found.append(torch.stack(flats))
    return torch.stack(found, 1)


@pytest.fixture
def compare(make_network, make_storage):
    """Return our and torch's trajectories of networks with the hyperparameters of `rows`."""

    def compare(name, nesterov=False, rows=ROWS, torch_rows=ROWS):
        networks = [make_network(seed) for seed in range(len(rows))]
        for network, row in zip(networks, rows, strict=True):
            own = {key: value for key, value in row.items() if key != "lr"}
            network.settings = replace(network.settings, optimizer=name, nesterov=nesterov, **own)
        architecture = networks[0].architecture
        n_weights = sum(slot.size for slot in architecture.weights)
        generator = torch.Generator().manual_seed(0)
        shape = len(rows), N_STEPS, architecture.n_parameters
        gradients = torch.randn(shape, generator=generator)
        gradients[:, :, ::5] = 0  # some parameters have none, as behind silent units
        decay = np.linspace(1, 0.5, N_STEPS)[:, None]
        rates = decay * [row["lr"] for row in rows]
        ours = trajectories(networks, make_storage(networks), gradients, rates)
        theirs = [
            torch_trajectory(
                name, nesterov, row, networks[i].parameters, gradients[i], rates[:, i], n_weights
            )
            for i, row in enumerate(torch_rows)
        ]
        return ours.double(), torch.stack(theirs)

    return compare


CASES = [(name, False) for name in OPTIMIZERS] + [("sgd", True)]


@pytest.mark.parametrize(("name", "nesterov"), CASES)
def test_every_step_is_torch_s(compare, name, nesterov):
    """Networks with different hyperparameters each follow torch's optimizer, step by step."""
    ours, theirs = compare(name, nesterov)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "nesterov"), CASES)
def test_one_network_alone(compare, name, nesterov):
    """A population of one, whose weights lie in one segment, follows torch too."""
    ours, theirs = compare(name, nesterov, ROWS[1:2], ROWS[1:2])
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


_CHANGES = {"momentum": 0.89, "beta2": 0.998, "weight_decay": 0.01}


@pytest.mark.parametrize("changed", _CHANGES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_wrong_hyperparameter_is_noticed(compare, name, changed):
    """Negative control: one row that differs a little from torch's is seen, in that row alone."""
    wrong = ({**ROWS[0], changed: _CHANGES[changed]}, *ROWS[1:])
    ours, theirs = compare(name, rows=wrong)
    used = changed in ("weight_decay", *OPTIMIZERS[name].uses)
    close = torch.isclose(ours, theirs, rtol=1e-4, atol=1e-5).all(2).all(1)
    assert close.tolist() == [not used, True, True, True]


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.99])
def test_nadam_late_in_life(momentum):
    """The products of momenta, which are not followed once they vanish, are those of a loop."""
    n_steps = 3000
    steps = np.arange(1, n_steps + 1)
    mu = momentum * (1 - 0.5 * 0.96 ** (np.append(steps, n_steps + 1) * 0.004))
    product = np.cumprod(mu)
    ones = np.ones(1)
    inputs = StepInputs(
        np.ones((n_steps, 1)), steps[:, None], momentum * ones, 0.9 * ones, 0 * ones
    )
    by_gradient, by_moment, *_ = OPTIMIZERS["nadam"].coefficients(inputs)
    np.testing.assert_allclose(by_gradient[:, 0], -(1 - mu[:-1]) / (1 - product[:-1]))
    np.testing.assert_allclose(by_moment[:, 0], -mu[1:] / (1 - product[1:]))


def test_rules_do_not_touch_what_has_no_gradient():
    """A masked parameter, whose gradient is always zero, stays zero under every rule."""
    for name, rule in OPTIMIZERS.items():
        w, moments = torch.zeros(1, 3), [torch.zeros(1, 3) for _ in range(rule.n_moments)]
        coefficients = [torch.tensor([[0.1]])] * 5
        for _ in range(3):
            rule.update(w, torch.zeros(1, 3), moments, coefficients)
        assert torch.equal(w, torch.zeros(1, 3)), name
