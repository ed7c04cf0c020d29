"""Dropout: how often it drops, and that forward and backward pass drop the same."""

import numpy as np
import pytest
import torch

from sknethp.training.layers import Dropout, Signal
from sknethp.training.program import BYTE_VALUES, dropout_thresholds

RATES = (0.0, 0.2, 0.5, 0.95)


def make_dropout(rates, n_samples=200, n_units=100):
    shape = len(rates), n_samples, n_units
    grad = torch.empty(shape)
    x, y = Signal(torch.empty(shape), grad), Signal(torch.empty(shape), grad)
    threshold = dropout_thresholds(rates)
    return Dropout(x, y, threshold, BYTE_VALUES / (BYTE_VALUES - threshold.float()))


def random_bytes(shape):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


def test_each_network_has_its_rate():
    """The share of dropped units matches each network's rate; what is kept is scaled up."""
    layer = make_dropout(RATES)
    layer.x.value.fill_(1.0)
    layer.forward(random_bytes(layer.x.value.shape))
    dropped = (layer.y.value == 0).float().mean((1, 2))
    torch.testing.assert_close(dropped, torch.tensor(RATES), rtol=0, atol=0.01)
    torch.testing.assert_close(layer.y.value.mean((1, 2)), torch.ones(4), rtol=0, atol=0.05)


def test_rate_zero_is_the_identity():
    """A network without dropout beside others keeps its values bit for bit."""
    layer = make_dropout(RATES)
    layer.x.value.normal_(generator=torch.Generator().manual_seed(0))
    layer.forward(random_bytes(layer.x.value.shape))
    assert torch.equal(layer.y.value[0], layer.x.value[0])
    assert not torch.equal(layer.y.value[1], layer.x.value[1])


def test_the_gradient_is_masked_the_same():
    """The gradient is zero where a unit was dropped and scaled elsewhere."""
    layer = make_dropout(RATES)
    layer.x.value.fill_(1.0)
    layer.forward(random_bytes(layer.x.value.shape))
    layer.y.grad.fill_(1.0)
    layer.backward()
    assert torch.equal(layer.x.grad, layer.y.value)


@pytest.mark.parametrize("rate", [0.999, 0.9999])
def test_the_highest_rates_keep_something(rate):
    """Rates are multiples of 1/256, of which the highest still lets one unit in 256 through."""
    assert dropout_thresholds([rate]).item() == BYTE_VALUES - 1
