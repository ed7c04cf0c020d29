"""Random streams and initial states of networks."""

import copy

import numpy as np
import pytest
import torch

from sknethp.training.network import Streams, shuffled
from sknethp.training.optimizers import OPTIMIZERS


def new_streams(seed=0, n_dropouts=3):
    return Streams(np.random.SeedSequence(seed), n_dropouts)


def in_pieces(streams, lengths, layer=1, n_samples=5, n_units=3):
    pieces = [streams.noise[layer].random_bytes(length, n_samples, n_units) for length in lengths]
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
    streams.shuffle.permutation(np.arange(10))
    streams.noise[0].random_bytes(4, 9, 9)
    np.testing.assert_array_equal(in_pieces(streams, [12]), in_pieces(new_streams(), [12]))


def test_streams_differ():
    """Negative control: other layers, steps and seeds have other bytes."""
    first = new_streams().noise[0].random_bytes(2, 20, 20)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first, new_streams().noise[1].random_bytes(2, 20, 20))
    assert not np.array_equal(first, new_streams(1).noise[0].random_bytes(2, 20, 20))


def test_bytes_are_uniform():
    """All byte values occur, about equally often."""
    counts = np.bincount(new_streams().noise[0].random_bytes(10, 100, 256).ravel(), minlength=256)
    assert counts.min() > 800
    assert counts.max() < 1200


def test_order():
    """An epoch has each sample once; each shuffle is another."""
    index = np.arange(3, 40, dtype=np.int32)
    streams = new_streams()
    first, second = (streams.shuffle.permutation(index) for _ in range(2))
    np.testing.assert_array_equal(np.sort(first), index)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(index, np.arange(3, 40))


def shuffle_together(networks, indices, n_epochs):
    return [shuffled(networks, indices) for _ in range(n_epochs)]


def test_networks_of_one_seed_shuffle_once_and_as_each_would_alone(make_network):
    """Equal orders are one object; seeds, samples and pasts that differ have their own."""
    seeds, starts = [0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 5, 0]
    indices = [np.arange(start, start + 30, dtype=np.int32) for start in starts]
    together = [make_network(seed, shuffle=i != 3) for i, seed in enumerate(seeds)]
    together[5].streams.shuffle.permutation(indices[5])
    alone = copy.deepcopy(together)
    for orders in shuffle_together(together, indices, 3):
        assert orders[0] is orders[1]
        assert len({id(order) for order in orders}) == 5
        for order, network, index in zip(orders, alone, indices, strict=True):
            shuffle = network.settings.shuffle
            expected = network.streams.shuffle.permutation(index) if shuffle else index
            np.testing.assert_array_equal(order, expected)


def test_a_follower_goes_on_by_itself(make_network):
    """A network that leaves its neighbours shuffles on as if it had always been alone."""
    index = np.arange(50, dtype=np.int32)
    leader, follower, alone = (make_network() for _ in range(3))
    shuffle_together([leader, follower], [index, index], 2)
    expected = shuffle_together([alone], [index], 3)[-1][0]
    assert follower.streams.shuffle.position == leader.streams.shuffle.position
    np.testing.assert_array_equal(follower.streams.shuffle.permutation(index), expected)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_new_network(make_network, optimizer):
    """Moments are zero; weights follow from the seed and not from the optimizer."""
    network = make_network(optimizer=optimizer)
    assert len(network.moments) == OPTIMIZERS[optimizer].n_moments
    assert not any(moment.any() for moment in network.moments)
    assert torch.equal(network.parameters, make_network(optimizer="sgd").parameters)
    assert not torch.equal(network.parameters, make_network(seed=1).parameters)


def test_serial_numbers_tell_networks_apart(make_network):
    """They rise in the order in which networks are made."""
    serials = [make_network().serial for _ in range(5)]
    assert serials == sorted(set(serials))
