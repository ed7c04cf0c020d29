"""One network between epochs: its parameters, its optimizer's moments and its random streams."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import torch
from torch import Tensor

from sknethp.training.architecture import Architecture
from sknethp.training.initialization import initial_parameters, initial_statistics
from sknethp.training.optimizers import RULES


@dataclass(frozen=True)
class Settings:
    """Training hyperparameters of one network that hold for a whole epoch.

    `dropout` has one rate for the inputs and one per hidden layer; `max_norm` and
    `gradient_clip` are infinite where there is no limit.
    """

    optimizer: str
    momentum: float
    nesterov: bool
    beta2: float
    weight_decay: float
    l1: float
    max_norm: float
    gradient_clip: float
    label_smoothing: float
    batch_size: int
    shuffle: bool
    dropout: tuple[float, ...]


class Streams:
    """Random numbers of one network, the same whatever trains beside it.

    One generator shuffles, and each layer with dropout has one of its own.

    Attributes
    ----------
    place : hashable
        Equal for streams that shuffle equal numbers of samples alike.
    """

    def __init__(self, seed: np.random.SeedSequence, n_dropouts: int):
        seeds = seed.spawn(1 + n_dropouts)
        self.place: Hashable = (seeds[0].entropy, seeds[0].spawn_key)
        self._shuffle = np.random.Generator(np.random.SFC64(seeds[0]))
        self._noise = [np.random.SFC64(child) for child in seeds[1:]]

    def order(self, index: np.ndarray) -> np.ndarray:
        """Shuffle the samples for the next epoch."""
        self.place = hash((self.place, len(index)))
        return self._shuffle.permutation(index)

    def follow(self, other: Streams) -> None:
        """Go to the place in shuffling where another has come from the same one."""
        self.place = other.place
        self._shuffle.bit_generator.state = other._shuffle.bit_generator.state

    def noise(self, layer: int, n_steps: int, n_samples: int, n_units: int) -> np.ndarray:
        """Draw random bytes ``(n_steps, n_samples, n_units)`` for a layer's dropout.

        Each step takes whole 8-byte words, so that the bytes do not depend on how many steps
        are drawn at a time.
        """
        size = n_samples * n_units
        words = -(-size // 8)
        raw = self._noise[layer].random_raw(n_steps * words).view(np.uint8)
        return raw.reshape(n_steps, -1)[:, :size].reshape(n_steps, n_samples, n_units)


def shuffled(networks: Sequence[Network], indices: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return each network's samples in the order of its next epoch.

    Equal orders are the same object, drawn once: the candidates of a search often have one seed.

    Parameters
    ----------
    networks : sequence of Network
    indices : sequence of ndarray of shape (n_samples,)

    Returns
    -------
    list of ndarray of shape (n_samples,)
    """
    drawn: dict[Hashable, tuple[Streams, np.ndarray]] = {}
    found = []
    for network, index in zip(networks, indices, strict=True):
        streams, shuffle = network.streams, network.settings.shuffle
        key = streams.place if shuffle else None, index.tobytes()
        if key not in drawn:
            drawn[key] = streams, streams.order(index) if shuffle else index
        elif shuffle:
            streams.follow(drawn[key][0])
        found.append(drawn[key][1])
    return found


@dataclass(eq=False)
class Network:
    """The state of one network.

    Attributes
    ----------
    architecture : Architecture
    settings : Settings
    streams : Streams
    parameters : Tensor of shape (n_parameters,)
    moments : list of Tensor of shape (n_parameters,)
        Kept by the optimizer.
    statistics : Tensor of shape (n_statistics,)
        Running means and variances of batch normalisation.
    n_steps : int
        Updates made so far.
    serial : int
        Tells networks apart, in the order in which they were made.
    """

    architecture: Architecture
    settings: Settings
    streams: Streams
    parameters: Tensor
    moments: list[Tensor] = field(default_factory=list)
    statistics: Tensor = field(default_factory=lambda: torch.zeros(0))
    n_steps: int = 0
    serial: int = field(default_factory=count().__next__)


def new_network(
    architecture: Architecture, settings: Settings, weight_init: tuple[str, ...], seed: int
) -> Network:
    """Initialise a network.

    Parameters
    ----------
    architecture : Architecture
    settings : Settings
    weight_init : tuple of str
        A scheme per layer, the output layer included.
    seed : int

    Returns
    -------
    Network
    """
    initial, streams = np.random.SeedSequence(seed).spawn(2)
    rng = np.random.Generator(np.random.SFC64(initial))
    parameters = initial_parameters(architecture, weight_init, rng)
    n_dropouts = len(settings.dropout) if any(settings.dropout) else 0
    return Network(
        architecture,
        settings,
        Streams(streams, n_dropouts),
        parameters,
        [torch.zeros_like(parameters) for _ in range(RULES[settings.optimizer].n_moments)],
        initial_statistics(architecture),
    )
