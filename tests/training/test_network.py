"""Random streams and initial states of networks."""

import numpy as np
import pytest
import torch

from sknethp.training.network import Streams
from sknethp.training.optimizers import OPTIMIZERS, RULES


def new_streams(seed=0, n_dropouts=3):
    return Streams(np.random.SeedSequence(seed), n_dropouts)


def in_pieces(streams, lengths, layer=1, n_samples=5, n_units=3):
    pieces = [streams.noise(layer, length, n_samples, n_units) for length in lengths]
    return np.concatenate(pieces)


@pytest.mark.parametrize("lengths", [[1] * 12, [5, 7], [11, 1], [3, 4, 5]])
@pytest.mark.parametrize(("n_samples", "n_units"), [(5, 3), (8, 8), (1, 1), (16, 7)])
def test_noise_does_not_depend_on_the_steps_drawn_at_a_time(lengths, n_samples, n_units):
    """An epoch's random bytes are the same however it is cut into chunks."""
    whole = in_pieces(new_streams(), [12], n_samples=n_samples, n_units=n_units)
    pieces = in_pieces(new_streams(), lengths, n_samples=n_samples, n_units=n_units)
    assert whole.shape == (12, n_samples, n_units)
    np.testing.assert_array_equal(pieces, whole)


def test_noise_of_one_layer_does_not_depend_on_the_others():
    """Each layer has a stream of its own, apart from that of the shuffles."""
    streams = new_streams()
    streams.order(np.arange(10), shuffle=True)
    streams.noise(0, 4, 9, 9)
    np.testing.assert_array_equal(in_pieces(streams, [12]), in_pieces(new_streams(), [12]))


def test_streams_differ():
    """Negative control: other layers, steps and seeds have other bytes."""
    first = new_streams().noise(0, 2, 20, 20)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first, new_streams().noise(1, 2, 20, 20))
    assert not np.array_equal(first, new_streams(1).noise(0, 2, 20, 20))


def test_bytes_are_uniform():
    """All byte values occur, about equally often."""
    counts = np.bincount(new_streams().noise(0, 10, 100, 256).ravel(), minlength=256)
    assert counts.min() > 800
    assert counts.max() < 1200


@pytest.mark.parametrize("shuffle", [False, True])
def test_order(shuffle):
    """Shuffled or not, an epoch has each sample once; each shuffle is another."""
    index = np.arange(3, 40, dtype=np.int32)
    streams = new_streams()
    first, second = (streams.order(index, shuffle) for _ in range(2))
    np.testing.assert_array_equal(np.sort(first), index)
    assert np.array_equal(first, second) is not shuffle
    np.testing.assert_array_equal(index, np.arange(3, 40))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_new_network(make_network, optimizer):
    """Moments are zero; weights follow from the seed and not from the optimizer."""
    network = make_network(optimizer=optimizer)
    assert len(network.moments) == RULES[optimizer].n_moments
    assert not any(moment.any() for moment in network.moments)
    assert torch.equal(network.parameters, make_network(optimizer="sgd").parameters)
    assert not torch.equal(network.parameters, make_network(seed=1).parameters)


def test_serial_numbers_tell_networks_apart(make_network):
    """They rise in the order in which networks are made."""
    serials = [make_network().serial for _ in range(5)]
    assert serials == sorted(set(serials))
