"""What runs in a worker process."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Client
from typing import Any

import numpy as np
from torch import Tensor

from sknethp.fusion.orphans import end_with
from sknethp.fusion.packing import portable
from sknethp.fusion.workers import this_process
from sknethp.self_tuning.workers.channel import Channel, Table
from sknethp.training.epoch import Epoch
from sknethp.training.rounds import Rounds
from sknethp.training.threads import steps_on_one_thread


@dataclass
class Order:
    """Networks to train for an epoch, by number, at these rates and in these populations.

    Those that are `new` are there as a whole; what is not trained is forgotten.
    """

    new: dict[int, Epoch]
    rates: dict[int, np.ndarray]
    populations: list[list[int]]


@dataclass
class MomentsRequest:
    """Asks for the moments of networks, by number."""

    numbers: list[int]


@dataclass
class NetworkState:
    """What training has changed in a network, its moments aside."""

    parameters: np.ndarray
    statistics: np.ndarray
    streams: np.ndarray
    n_steps: int


@dataclass
class RoundReport:
    """The results of an order, errors among them, and what the networks are and took after it."""

    results: list[Any]
    states: list[NetworkState]
    seconds: list[float]


class Server:
    """Keeps networks, and trains them as it is told."""

    def __init__(self) -> None:
        self._rounds = Rounds()
        self._epochs: dict[int, Epoch] = {}

    def train(self, order: Order) -> RoundReport:
        """Train an epoch of each network."""
        kept = self._epochs | order.new
        self._epochs = {i: replace(kept[i], rates=rates) for i, rates in order.rates.items()}
        epochs = list(self._epochs.values())
        with steps_on_one_thread():
            answers = self._rounds.train(epochs, order.populations)
        results = [portable(a) if isinstance(a, Exception) else a for a in answers]
        seconds = [own for own, _ in self._rounds.seconds]
        return RoundReport(results, list(map(_state, epochs)), seconds)

    def moments(self, request: MomentsRequest) -> list[list[Tensor]]:
        """Return the moments of networks."""
        return [self._epochs[number].network.moments for number in request.numbers]


def _state(epoch: Epoch) -> NetworkState:
    network = epoch.network
    tensors = network.parameters.numpy(), network.statistics.numpy()
    return NetworkState(*tensors, network.streams.states(), network.n_steps)


def serve(address: Any, key: bytes, parent: int) -> None:
    """Do what the parent process says, until its end of the connection is closed."""
    end_with(parent)
    server = Server()
    # An interrupt reaches the parent, too.
    with suppress(EOFError, OSError, KeyboardInterrupt), Client(address, authkey=key) as connection:
        channel = Channel(connection)
        channel.send(this_process())
        while True:
            match channel.receive():
                case Table() as table:
                    channel.keep(table)
                case Order() as order:
                    channel.send(server.train(order))
                case MomentsRequest() as request:
                    channel.send(server.moments(request))
