"""Penalties, clipping and the norm constraint, each network with its own or none."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from sknethp.training.blocks import Blocks
from sknethp.training.slots import views
from sknethp.training.updates import Update

LR = 0.1


@pytest.fixture
def one_step(make_network, make_storage):
    """Make one step of plain gradient descent; return parameters before, gradients and after."""

    def one_step(settings, gradient_scale=1.0):
        networks = [make_network(seed) for seed in range(len(settings))]
        for network, own in zip(networks, settings, strict=True):
            network.settings = replace(network.settings, momentum=0.0, **own)
        storage = make_storage(networks)
        architectures = [network.architecture for network in networks]
        shape = len(networks), architectures[0].n_parameters
        generator = torch.Generator().manual_seed(1)
        gradients = gradient_scale * torch.randn(shape, generator=generator)
        storage.gradients.load(list(gradients), architectures)
        moments = [Blocks(torch.zeros(shape).view(-1), len(networks), architectures[0])]
        run = slice(0, len(networks))
        update = Update(networks, run, storage.parameters, storage.gradients, moments)
        update.prepare(np.full((1, len(networks)), LR), 0)
        update.step(0)
        after = torch.empty(shape)
        storage.parameters.store(list(after), architectures)
        before = torch.stack([network.parameters for network in networks])
        return before, gradients, after, architectures[0]

    return one_step


@pytest.mark.parametrize("n", [1, 3])
def test_l1_is_the_gradient_of_the_absolute_weights(one_step, n):
    """L1 pulls weights by its amount, and leaves biases and networks without it alone."""
    amounts = [0.5, 0.0, 0.1][:n]
    before, gradients, after, architecture = one_step([{"l1": amount} for amount in amounts])
    n_weights = sum(slot.size for slot in architecture.weights)
    pull = before.sign() * torch.tensor(amounts)[:, None]
    pull[:, n_weights:] = 0
    torch.testing.assert_close(after, before - LR * (gradients + pull))


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_gradient_clip_is_torch_s(one_step, n, scale):
    """Each network's gradient is scaled to its own limit, as by torch, or not at all."""
    limits = [0.5, None, 20.0][:n]
    settings = [{"gradient_clip": limit} for limit in limits]
    before, gradients, after, _ = one_step(settings, scale)
    for i, limit in enumerate(limits):
        parameter = torch.nn.Parameter(before[i].clone())
        parameter.grad = gradients[i].clone()
        torch.nn.utils.clip_grad_norm_([parameter], limit or math.inf)
        torch.testing.assert_close(after[i], before[i] - LR * parameter.grad)


@pytest.mark.parametrize("n", [1, 3])
def test_max_norm_bounds_incoming_weights(one_step, n):
    """Units' incoming weights are shrunk to the limit, those within it and biases are left."""
    limits = [0.7, None, 1.5][:n]
    before, gradients, after, architecture = one_step([{"max_norm": limit} for limit in limits])
    free = before - LR * gradients
    for i, limit in enumerate(limits):
        unbounded, bounded = (views(w[i], architecture.parameters) for w in (free, after))
        for slot in architecture.weights:
            expected = torch.renorm(unbounded[slot.name].t(), 2, 0, limit or 1e30).t()
            torch.testing.assert_close(bounded[slot.name], expected, rtol=1e-5, atol=1e-6)
        for slot in architecture.vectors:
            torch.testing.assert_close(bounded[slot.name], unbounded[slot.name])


def test_clipping_comes_before_the_penalties(one_step):
    """As in torch, the weights' decay is added to a gradient already clipped."""
    settings = [{"gradient_clip": 0.1, "weight_decay": 1.0}]
    before, gradients, after, architecture = one_step(settings)
    decay = before.clone()
    decay[:, sum(slot.size for slot in architecture.weights) :] = 0
    clipped = gradients * 0.1 / gradients.norm()
    torch.testing.assert_close(after, before - LR * (clipped + decay))
