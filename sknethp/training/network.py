"""One network between epochs: its parameters, its optimizer's moments and its random streams."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sknethp.training.architecture import Architecture
from sknethp.training.initialization import initial_parameters, initial_statistics
from sknethp.training.optimizers import OPTIMIZERS

_serials = count()


@dataclass(frozen=True)
class Settings:
    """Training hyperparameters of one network that hold for a whole epoch.

    `dropout` has one rate for the inputs and one per hidden layer.
    """

    optimizer: str
    momentum: float
    nesterov: bool
    beta2: float
    weight_decay: float
    l1: float
    max_norm: float | None
    gradient_clip: float | None
    label_smoothing: float
    batch_size: int
    shuffle: bool
    dropout: tuple[float, ...]
    embedding_lr_factor: float = 1.0


class Stream:
    """A stream of random numbers; equal streams with equal `position` continue alike."""

    def __init__(self, seed: np.random.SeedSequence):
        self._bits = np.random.SFC64(seed)
        self.position: Hashable = (seed.entropy, seed.spawn_key)

    @property
    def state(self) -> tuple[int, ...]:
        """All that determines the following draws, as six integers."""
        state = self._bits.state
        return *state["state"]["state"].tolist(), state["has_uint32"], state["uinteger"]

    @classmethod
    def from_state(cls, state: Sequence[int]) -> Stream:
        """Return a stream that continues from a state; equal states give equal positions."""
        *words, has_uint32, uinteger = state
        stream = cls(np.random.SeedSequence(0))
        stream.position = tuple(state)
        stream._bits.state = {
            "bit_generator": "SFC64",
            "state": {"state": np.array(words, np.uint64)},
            "has_uint32": has_uint32,
            "uinteger": uinteger,
        }
        return stream

    def permutation(self, index: np.ndarray) -> np.ndarray:
        """Return the entries in random order."""
        self.position = hash((self.position, len(index)))
        return np.random.Generator(self._bits).permutation(index)

    def random_bytes(self, n_steps: int, n_samples: int, n_units: int) -> np.ndarray:
        """Draw bytes ``(n_steps, n_samples, n_units)``.

        Each step consumes whole 8-byte words, so that the bytes do not depend on how many steps are
        drawn at a time.
        """
        size = n_samples * n_units
        words = -(-size // 8)
        self.position = hash((self.position, n_steps * words))
        raw = self._bits.random_raw(n_steps * words).view(np.uint8)
        return raw.reshape(n_steps, -1)[:, :size].reshape(n_steps, n_samples, n_units)

    def once(self, cache: dict, what: Hashable, draw: Callable[[Stream], np.ndarray]) -> np.ndarray:
        """Draw, unless an equal stream has drawn the same; then only advance to its state.

        `cache` holds earlier draws (the candidates of a search often share a seed); `what` is equal
        for equal draws.
        """
        key = self.position, what
        if key not in cache:
            cache[key] = draw(self), self
        drawn, leader = cache[key]
        if leader is not self:
            self.position = leader.position
            self._bits.state = leader._bits.state
        return drawn


class Streams:
    """Random numbers of one network, independent of the networks that it trains with.

    `noise` has a stream for each layer with dropout.
    """

    def __init__(self, seed: np.random.SeedSequence, n_dropouts: int):
        seeds = seed.spawn(1 + n_dropouts)
        self.shuffle = Stream(seeds[0])
        self.noise = [Stream(child) for child in seeds[1:]]

    def states(self) -> np.ndarray:
        """Return the state of each stream, ``(n_streams, 6)``."""
        return np.array([stream.state for stream in (self.shuffle, *self.noise)], np.uint64)

    @classmethod
    def from_states(cls, states: np.ndarray) -> Streams:
        """Return streams that continue from states ``(n_streams, 6)``."""
        streams = cls(np.random.SeedSequence(0), 0)
        streams.restore(states)
        return streams

    def restore(self, states: np.ndarray) -> None:
        """Continue from states ``(n_streams, 6)``."""
        self.shuffle, *self.noise = map(Stream.from_state, states.tolist())


def shuffled(networks: Sequence[Network], indices: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return each network's samples in the order of its next epoch; equal orders are one object."""
    cache: dict = {}
    orders = []
    for network, index in zip(networks, indices, strict=True):
        key = index.tobytes()
        if network.settings.shuffle:
            stream = network.streams.shuffle
            orders.append(stream.once(cache, key, partial(Stream.permutation, index=index)))
        else:
            orders.append(cache.setdefault(key, index))
    return orders


@dataclass(eq=False)
class Network:
    """The state of one network.

    `parameters` and each of the optimizer's `moments` are ``(n_parameters,)``; `statistics`, those
    of the inputs and of batch normalisation, ``(n_statistics,)``. `n_steps` counts the
    updates so far. `serial` numbers networks in the order of creation; every copy has its own.
    """

    architecture: Architecture
    settings: Settings
    streams: Streams
    parameters: Tensor
    moments: list[Tensor] = field(default_factory=list)
    statistics: Tensor = field(
        default_factory=lambda: torch.zeros(0, dtype=torch.float32, device="cpu")
    )
    n_steps: int = 0
    serial: int = field(init=False, default_factory=_serials.__next__)

    @property
    def n_bytes(self) -> int:
        """What it takes of memory."""
        tensors = self.parameters, self.statistics, *self.moments
        return sum(tensor.nbytes for tensor in tensors)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the serial number out: a copy, of whatever kind, is another network."""
        return {name: value for name, value in self.__dict__.items() if name != "serial"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a state under a new serial number."""
        self.__dict__.update(state)
        self.serial = next(_serials)


def new_moments(settings: Settings, parameters: Tensor) -> list[Tensor]:
    """Return the moments that an optimizer starts with: zeros, each ``(n_parameters,)``."""
    return [torch.zeros_like(parameters) for _ in range(OPTIMIZERS[settings.optimizer].n_moments)]


def new_network(
    architecture: Architecture,
    settings: Settings,
    weight_init: tuple[str, ...],
    seed: int | tuple[int, ...],
) -> Network:
    """Initialise a network; `weight_init` has a scheme per layer, the output layer included."""
    initial, streams = np.random.SeedSequence(seed).spawn(2)
    rng = np.random.Generator(np.random.SFC64(initial))
    parameters = initial_parameters(architecture, weight_init, rng)
    n_dropouts = len(settings.dropout) if any(settings.dropout) else 0
    return Network(
        architecture,
        settings,
        Streams(streams, n_dropouts),
        parameters,
        new_moments(settings, parameters),
        initial_statistics(architecture),
    )
