"""Initial weights have the spread that torch's schemes have, and depend on the seed alone."""

import math

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits
from torch.nn import init

from sknethp.training.activations import ACTIVATIONS
from sknethp.training.architecture import Architecture
from sknethp.training.initialization import (
    WEIGHT_INITS,
    initial_parameters,
    initial_statistics,
    resolve,
)
from sknethp.training.slots import views

SHAPE = (400, 250)


def draw(scheme, shape=SHAPE, seed=0):
    """Draw the weights ``(fan_in, fan_out)`` of a network without hidden layers."""
    architecture = Architecture(shape[0], (), (), shape[1])
    flat = initial_parameters(architecture, (scheme,), np.random.default_rng(seed))
    return views(flat, architecture.parameters)["output.weight"]


TORCH = {
    "uniform": lambda w: init.uniform_(w, -0.05, 0.05),
    "normal": lambda w: init.normal_(w, 0, 0.05),
    "zero": init.zeros_,
    "glorot_uniform": init.xavier_uniform_,
    "glorot_normal": init.xavier_normal_,
    "he_uniform": lambda w: init.kaiming_uniform_(w, nonlinearity="relu"),
    "he_normal": lambda w: init.kaiming_normal_(w, nonlinearity="relu"),
    "lecun_uniform": lambda w: init.kaiming_uniform_(w, nonlinearity="linear"),
    "lecun_normal": lambda w: init.kaiming_normal_(w, nonlinearity="linear"),
    "orthogonal": init.orthogonal_,
}


@pytest.mark.parametrize("shape", [SHAPE, SHAPE[::-1]])
@pytest.mark.parametrize("scheme", TORCH)
def test_spread_is_torch_s(scheme, shape):
    """Mean, standard deviation and, of uniform weights, the limit are those of torch's scheme."""
    ours, theirs = draw(scheme, shape), TORCH[scheme](torch.empty(shape[::-1]))
    std = theirs.std().item()
    assert ours.std().item() == pytest.approx(std, rel=0.02)
    assert abs(ours.mean().item()) <= 0.02 * std
    if scheme.endswith("uniform"):
        assert ours.abs().max().item() == pytest.approx(theirs.abs().max().item(), rel=0.01)


def test_another_scheme_is_noticed():
    """Negative control: He's spread is not taken for LeCun's."""
    assert draw("he_normal").std().item() != pytest.approx(
        draw("lecun_normal").std().item(), rel=0.2
    )


def test_every_scheme_is_tested():
    """The table of torch's counterparts above is complete."""
    aliases = ("auto", "xavier", "kaiming")
    assert set(TORCH) == {name for name in WEIGHT_INITS if not name.startswith(aliases)}


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize(("alias", "name"), [("xavier", "glorot"), ("kaiming", "he")])
def test_torch_s_names_give_identical_numbers(alias, name, distribution):
    """A scheme has two names."""
    assert torch.equal(draw(f"{alias}_{distribution}"), draw(f"{name}_{distribution}"))


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (7, 7)])
def test_orthogonal(shape):
    """The columns are orthonormal, or the rows where those are fewer."""
    w = draw("orthogonal", shape).double()
    product = w.T @ w if shape[0] >= shape[1] else w @ w.T
    torch.testing.assert_close(
        product, torch.eye(min(shape), dtype=torch.float64), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("scheme", [name for name in WEIGHT_INITS if name != "zero"])
def test_weights_depend_on_the_seed_alone(scheme):
    """The same seed gives the same weights, another seed others."""
    assert torch.equal(draw(scheme), draw(scheme))
    assert not torch.equal(draw(scheme), draw(scheme, seed=1))


@pytest.mark.parametrize(("activation", "entry"), ACTIVATIONS.items())
def test_auto_goes_by_activation(activation, entry):
    """Each layer gets the scheme of its own activation, the output layer Glorot's."""
    architecture = Architecture(5, (4, 4), (activation, "relu"), 3)
    schemes = resolve(("auto",) * 3, architecture)
    assert schemes == [entry.weight_init, "he_uniform", "glorot_uniform"]
    ours, theirs = (
        initial_parameters(architecture, names, np.random.default_rng(0))
        for names in (("auto",) * 3, schemes)
    )
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("family", "members"),
    [
        ("he", {"relu", "leaky_relu", "elu", "gelu", "silu", "mish", "softplus"}),
        ("lecun", {"selu", "linear"}),
        ("glorot", {"tanh", "sigmoid", "hard_sigmoid", "softsign", "softmax"}),
    ],
)
def test_auto_in_words(family, members):
    """He's for relu and its kin, LeCun's for selu and linear, Glorot's for what saturates."""
    assert {ACTIVATIONS[name].weight_init.split("_")[0] for name in members} == {family}


@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
def test_vectors(normalization):
    """Biases and shifts start at zero, scales at one; running variances at one."""
    architecture = Architecture(5, (4, 6), ("relu", "relu"), 3, normalization)
    flat = initial_parameters(architecture, ("auto",) * 3, np.random.default_rng(0))
    values = views(flat, architecture.parameters)
    vectors = [values[slot.name].tolist() for slot in architecture.vectors]
    expected = [[0.0] * 4, [0.0] * 6, [0.0] * 3]
    if normalization:
        expected += [[1.0] * 4, [0.0] * 4, [1.0] * 6, [0.0] * 6]
    assert vectors == expected
    statistics = initial_statistics(architecture)
    means_and_variances = [0.0] * 4 + [1.0] * 4 + [0.0] * 6 + [1.0] * 6
    assert statistics.tolist() == (means_and_variances if normalization == "batch" else [])


def test_signals_keep_their_size():
    """He's scheme keeps the size of a signal through relu layers, as it is meant to."""
    signal = torch.randn(500, 400, generator=torch.Generator().manual_seed(0))
    for seed in range(5):
        signal = torch.relu(signal @ draw("he_normal", (400, 400), seed))
    assert math.sqrt(signal.square().mean().item()) == pytest.approx(1, rel=0.3)


@pytest.mark.parametrize("seed", [7, 12, 38])
def test_orthogonal_weights_do_not_depend_on_the_threads_of_blas(seed):
    """Without the limit the last digits do, with these seeds (OpenBLAS with AVX-512)."""
    drawn = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, user_api="blas"):
            drawn.append(draw("orthogonal", (600, 500), seed))
    assert torch.equal(*drawn)
