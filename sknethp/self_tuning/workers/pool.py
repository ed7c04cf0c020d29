"""The worker processes of one fit, seen from its own process."""

from __future__ import annotations

import os
import secrets
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener
from threading import Thread
from typing import Any

import torch

from sknethp.fusion.division import n_processes
from sknethp.fusion.processes import Processes, joblib_processes
from sknethp.fusion.workers import BYTES_OF_A_WORKER, ready_workers
from sknethp.model_selection.preprocessing import size_of
from sknethp.self_tuning.workers.channel import Channel
from sknethp.self_tuning.workers.serving import (
    MomentsRequest,
    NetworkState,
    Order,
    RoundReport,
    serve,
)
from sknethp.session import current_shared_session
from sknethp.training.epoch import Epoch
from sknethp.training.network import Network

# Of copies of the data.
_MOST_BYTES = 2 * 1024**3


def n_processes_for(n_jobs: int | None, X: Any) -> int:
    """Return how many processes may train on a table, this one included.

    Each has a copy of the table. Fits in a fused search have this process alone.
    """
    if current_shared_session() is not None:
        return 1
    wanted = n_processes(None) if n_jobs is None else joblib_processes(n_jobs)
    return min(wanted, 1 + _MOST_BYTES // (size_of(X) + BYTES_OF_A_WORKER))


class Worker:
    """A worker process, and the networks that are trained in it.

    If it `is_lost`, they are, too, and it does nothing more.
    """

    def __init__(self, channel: Channel):
        self.channel = channel
        self.is_lost = False
        self._numbers: dict[Network, int] = {}
        self._n_sent = 0
        self.process = self._unless_lost(channel.receive)
        if not self.is_lost:
            ready_workers.add(self.process)

    def _unless_lost(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function; None if the process is lost."""
        if not self.is_lost:
            try:
                return function(*args)
            except (EOFError, OSError):
                self.is_lost = True
        return None

    def __contains__(self, network: Network) -> bool:
        return network in self._numbers

    def begin(self, epochs: Sequence[Epoch], populations: list[list[int]]) -> None:
        """Have it train an epoch of each network, and forget all others."""
        known, self._numbers = self._numbers, {}
        order = Order({}, {}, populations)
        for epoch in epochs:
            number = known.get(epoch.network)
            if number is None:
                number, self._n_sent = self._n_sent, self._n_sent + 1
                order.new[number] = epoch
            order.rates[number] = epoch.rates
            self._numbers[epoch.network] = number
        self._unless_lost(self._send, order)
        for epoch in order.new.values():  # the moments are there from now on
            epoch.network.moments = [torch.empty(0)] * len(epoch.network.moments)

    def _send(self, order: Order) -> None:
        for epoch in order.new.values():
            for part in (epoch.train, epoch.valid):
                if part is not None:
                    self.channel.send_table(part.rows)
                    self.channel.send_table(part.targets)
        self.channel.send(order)

    def end(self) -> RoundReport | None:
        """Wait for the results, after which the networks are as they are there."""
        report: RoundReport | None = self._unless_lost(self.channel.receive)
        if report is not None:
            for network, state in zip(self._numbers, report.states, strict=True):
                _update(network, state)
        return report

    def fetch_moments(self, networks: Sequence[Network]) -> None:
        """Complete networks, which another process will train."""
        if not networks:
            return
        request = MomentsRequest([self._numbers[network] for network in networks])
        self._unless_lost(self.channel.send, request)
        answer = self._unless_lost(self.channel.receive)
        if answer is not None:
            for network, moments in zip(networks, answer, strict=True):
                network.moments = moments


def _update(network: Network, state: NetworkState) -> None:
    network.parameters.copy_(torch.from_numpy(state.parameters))
    network.statistics.copy_(torch.from_numpy(state.statistics))
    network.streams.restore(state.streams)
    network.n_steps = state.n_steps


class Pool:
    """Worker processes, which join one after the other when they have started."""

    def __init__(self, n_workers: int):
        self._processes = Processes(n_workers)
        self._key = secrets.token_bytes(32)
        self._listener = Listener(backlog=1 + n_workers, authkey=self._key)
        self._is_open = True
        self._joining: list[Channel] = []
        self._workers: list[Worker] = []
        for _ in range(n_workers):
            call = partial(serve, self._listener.address, self._key, os.getpid())
            self._processes.submit(call, lambda outcome: None)
        Thread(target=self._accept, name="sknethp-workers", daemon=True).start()

    def _accept(self) -> None:
        """Let workers join, until the pool is closed."""
        with suppress(OSError), self._listener:
            while self._is_open:
                with suppress(EOFError, AuthenticationError):  # who is not a worker
                    self._joining.append(Channel(self._listener.accept()))

    @property
    def workers(self) -> list[Worker]:
        """Those that have joined and are not lost."""
        while self._joining:
            self._workers.append(Worker(self._joining.pop()))
        alive = [worker for worker in self._workers if not worker.is_lost]
        if len(alive) < len(self._workers):
            warnings.warn(
                "A worker process has ended early, perhaps for lack of memory (each has a copy of "
                "the data), and with it the candidates that it trained: n_jobs=1 does without it.",
                UserWarning,
                stacklevel=2,
            )
        self._workers = alive
        return alive

    def close(self) -> None:
        """Let all workers go."""
        self._is_open = False
        with suppress(OSError, EOFError, AuthenticationError):
            Client(self._listener.address, authkey=self._key).close()  # wakes the thread up
        for channel in (*self._joining, *(worker.channel for worker in self._workers)):
            channel.close()
        self._processes.leave(are_busy=False)
