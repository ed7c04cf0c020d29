"""Activations given by their module alone: derivative by autograd, all else as with a kernel.

(What has an entry in `ACTIVATIONS` is tested by the other files of this folder.)
"""

import copy
import io
from functools import partial

import pytest
import torch
from torch import nn

from sknethp.training.activations import ACTIVATIONS, by_autograd, formula
from sknethp.training.module import attach, build_module, detach
from sknethp.training.threads import one_torch_thread


def squareplus(z):
    """Barron (2021), Squareplus: a softplus-like algebraic rectifier, arXiv:2112.11687."""
    return (z + torch.sqrt(z.square() + 4)) / 2


WITHOUT_KERNEL = {
    "gelu_tanh": by_autograd("gelu_tanh", partial(nn.GELU, "tanh"), "he_uniform"),
    "squareplus": by_autograd("squareplus", partial(formula, squareplus), "he_uniform", False),
}


@pytest.fixture(autouse=True)
def more_activations(monkeypatch):
    for name, entry in WITHOUT_KERNEL.items():
        monkeypatch.setitem(ACTIVATIONS, name, entry)


def plain_module(network):
    """Return the plain module with parameters of its own."""
    module = build_module(network.architecture, network.settings.dropout)
    attach(module, network)
    return copy.deepcopy(module)


@pytest.mark.parametrize("name", WITHOUT_KERNEL)
def test_values_and_gradients_are_the_plain_module_s(make_network, make_program, name):
    """Beside activations with kernels, logits and gradients are those of autograd in float64."""
    activations = [(name, "relu"), ("tanh", name), ("linear", name)]
    networks = [make_network(seed, activation=names) for seed, names in enumerate(activations)]
    program = make_program(networks, 9)
    program.x.copy_(torch.randn(3, 9, 6))
    program.logits_grad.copy_(torch.randn(3, 9, 3))
    with torch.no_grad():
        program.forward()
        program.backward()
    for i, network in enumerate(networks):
        module = plain_module(network).double()
        logits = module(program.x[i].double())
        logits.backward(program.logits_grad[i].double())
        torch.testing.assert_close(program.logits[i].double(), logits, rtol=1e-4, atol=1e-5)
        for parameter, expected in module.named_parameters():
            own = program.storage.gradients[parameter][i].squeeze(0).double()
            torch.testing.assert_close(own.t(), expected.grad, rtol=1e-3, atol=1e-5)


def test_the_gradient_of_another_activation_is_noticed():
    """Negative control: that of gelu's approximation is not that of gelu."""
    z, d = torch.linspace(-3, 3, 64), torch.ones(64)
    exact, approximate = torch.empty(2, 64)
    ACTIVATIONS["gelu"].backward(d, z, out=exact)
    ACTIVATIONS["gelu_tanh"].backward(d, z, out=approximate)
    assert not torch.allclose(exact, approximate, rtol=1e-4, atol=1e-5)


def each(**values):
    """Return one dict per network from lists of values, one per network."""
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


MIXTURES = {
    "alike": each(activation=["squareplus", "squareplus", "gelu_tanh"]),
    "beside others": each(
        activation=[("relu", "squareplus"), ("gelu_tanh", "softmax"), ("linear", "gelu_tanh")]
    ),
    "widths": each(units=[(48, 64), (32, 40), (64, 24)], activation=["gelu_tanh"] * 3),
    "ragged, batch normalisation": each(
        activation=["gelu_tanh"] * 3, normalization=["batch"] * 3, n_samples=[50, 37, 17]
    ),
    "large and odd": each(
        activation=["squareplus", "gelu_tanh", "squareplus"],
        units=[(255, 130)] * 3,
        batch_size=[301] * 3,
        n_samples=[900] * 3,
    ),
}


@pytest.mark.parametrize("mixture", MIXTURES)
def test_together_as_alone(make_candidate, train_alone, train_together, mixture):
    """Weights, losses and logits are those of training alone, to the bit."""
    alone, together = (
        [make_candidate(seed, **spec) for seed, spec in enumerate(MIXTURES[mixture])]
        for _ in range(2)
    )
    expected, found = train_alone(alone), train_together(together)
    for i, (one, other) in enumerate(zip(alone, together, strict=True)):
        assert torch.equal(one.network.parameters, other.network.parameters)
        for ours, theirs in zip(found[i], expected[i], strict=True):
            assert ours.train == theirs.train
            assert torch.equal(ours.valid.logits, theirs.valid.logits)


@pytest.mark.parametrize("name", WITHOUT_KERNEL)
@pytest.mark.parametrize("size", [5, 1003, 100_003])
def test_neither_its_place_nor_threads_change_a_number(name, size):
    """Values and gradients of the last numbers are the same by themselves, on one thread too."""
    z, d = torch.randn(2, size)

    def last_three(first):
        found = torch.empty(2, size - first)
        own_z, own_d = (numbers[first:].clone() for numbers in (z, d))
        entry = ACTIVATIONS[name]
        entry.kernel(entry.forward, own_z)(own_z, out=found[0])
        entry.kernel(entry.backward, own_z)(own_d, own_z, out=found[1])
        return found[:, -3:]

    expected = last_three(0)
    assert torch.equal(last_three(size - 3), expected)
    with one_torch_thread():
        assert torch.equal(last_three(0), expected)


@pytest.mark.parametrize("name", WITHOUT_KERNEL)
def test_the_module_needs_nothing_of_this_package(make_network, name):
    """What is saved names neither this package nor where the function was written."""
    module, x, file = plain_module(make_network(activation=name)), torch.randn(4, 6), io.BytesIO()
    detach(module, 0)
    torch.save(module, file)
    assert f"{name}_0".encode() in file.getvalue()
    assert b"sknethp" not in file.getvalue()
    assert __name__.encode() not in file.getvalue()
    file.seek(0)
    assert torch.equal(torch.load(file, weights_only=False)(x), module(x))
