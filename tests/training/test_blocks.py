"""Parameters of several networks in blocks, and back."""

import pytest
import torch

from sknethp.training.architecture import widest
from sknethp.training.blocks import Blocks
from sknethp.training.slots import views

UNITS = {"equal": [(4, 3)] * 3, "padded": [(4, 3), (2, 5), (6, 1)], "alone": [(4, 3)]}


@pytest.mark.parametrize("normalization", [None, "batch"])
@pytest.mark.parametrize("units", UNITS.values(), ids=UNITS)
def test_there_and_back(make_network, units, normalization):
    """What is loaded is stored again, and what no network uses is zero."""
    networks = [make_network(i, units=u, normalization=normalization) for i, u in enumerate(units)]
    architectures = [network.architecture for network in networks]
    wide, n = widest(architectures), len(networks)
    flat = torch.zeros(n * wide.n_parameters)
    blocks = Blocks(flat, n, wide)
    given = [torch.arange(1.0, 1 + len(network.parameters)) for network in networks]
    blocks.load(given, architectures)
    assert int((flat != 0).sum()) == sum(map(len, given))
    found = [torch.zeros_like(one) for one in given]
    blocks.store(found, architectures)
    assert all(map(torch.equal, found, given))


@pytest.mark.parametrize("units", UNITS.values(), ids=UNITS)
def test_weights_are_where_the_layers_look(make_network, units):
    """Each layer's weights and biases lie in the corner of its block."""
    networks = [make_network(i, units=own) for i, own in enumerate(units)]
    architectures = [network.architecture for network in networks]
    wide, n = widest(architectures), len(networks)
    blocks = Blocks(torch.zeros(n * wide.n_parameters), n, wide)
    blocks.load([network.parameters for network in networks], architectures)
    for i, network in enumerate(networks):
        own = network.architecture
        for name, value in views(network.parameters, own.parameters).items():
            block, corner = blocks[name][i], [slice(size) for size in value.shape]
            assert torch.equal(
                block[tuple(corner)] if value.ndim == 2 else block[0, corner[0]], value
            )
            assert int((block != 0).sum()) == int((value != 0).sum())


@pytest.mark.parametrize("units", UNITS.values(), ids=UNITS)
def test_rows_have_each_number_once(make_network, units):
    """The matrices that optimizers work on cover the parameters of a run of networks."""
    wide = widest([make_network(units=own).architecture for own in units])
    n = len(units)
    flat = torch.zeros(n * wide.n_parameters)
    blocks = Blocks(flat, n, wide)
    for part in blocks.rows(slice(0, n)):
        part += 1
    assert torch.equal(flat, torch.ones_like(flat))
    for part in blocks.weight_rows(slice(0, n)):
        part += 1
    for slot in wide.weights:
        assert torch.equal(blocks[slot.name], torch.full((n, *slot.shape), 2.0))
    assert flat.sum() == flat.numel() + n * sum(slot.size for slot in wide.weights)
