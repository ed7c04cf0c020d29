"""Trains epochs of many networks together, in this process and in others, and counts them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from weakref import WeakKeyDictionary

from sknethp.fusion.summary import Summary
from sknethp.self_tuning.workers.dealing import deal
from sknethp.self_tuning.workers.pool import Pool, Worker
from sknethp.self_tuning.workers.serving import RoundReport
from sknethp.training.epoch import Epoch, EpochResult
from sknethp.training.grouping import plan
from sknethp.training.network import Network
from sknethp.training.rounds import Rounds, raise_first_error
from sknethp.training.threads import steps_on_one_thread

# The rounds of the same networks before which they are dealt, the second time by what they took:
# the first round takes longer, as populations are made.
_DEALT = 0, 2


class RoundTrainer:
    """Trains an epoch of each network at a time, in populations; `summary` counts them.

    With workers, a network that is left out of a round cannot be trained again.
    """

    def __init__(self) -> None:
        self.summary = Summary()
        self._rounds = Rounds()
        self._pool: Pool | None = None
        self._last: tuple[list[Network], list[Worker]] = [], []
        self._n_rounds = 0
        self._processes: list[int] = []
        self._seconds: WeakKeyDictionary[Network, float] = WeakKeyDictionary()

    def start_workers(self, n_workers: int) -> None:
        """Start worker processes, which join in as soon as they are there."""
        try:
            self._pool = Pool(n_workers)
        except OSError as error:
            warnings.warn(
                f"No worker processes can be started, so that one process trains alone ({error}).",
                UserWarning,
                stacklevel=2,
            )

    def close(self) -> None:
        """Let the workers go."""
        if self._pool is not None:
            self._pool.close()

    def train(self, epochs: Sequence[Epoch]) -> list[EpochResult | None]:
        """Return the result of each epoch; None if its network was lost with a worker.

        Raises what ended a population.
        """
        workers = self._pool.workers if self._pool else []
        processes = self._dealt(epochs, workers)
        here, *away = (_Share(epochs, processes, own) for own in range(1 + len(workers)))
        for worker, share in zip(workers, away, strict=True):
            worker.begin(share.epochs, share.populations)
        with steps_on_one_thread() if any(share.epochs for share in away) else nullcontext():
            answers = self._rounds.train(here.epochs, here.populations)
        own_report = RoundReport(answers, [], [seconds for seconds, _ in self._rounds.seconds])
        reports = [own_report, *(worker.end() for worker in workers)]
        results: list[EpochResult | None] = [None] * len(epochs)
        names = None, *(worker.process for worker in workers)
        for share, report, process in zip((here, *away), reports, names, strict=True):
            if report is not None:
                self.summary.count_round(share.epochs, share.populations)
                self.summary.count_seconds(sum(report.seconds), process)
                for i, result, seconds in zip(
                    share.positions, report.results, report.seconds, strict=True
                ):
                    results[i] = result
                    self._seconds[epochs[i].network] = seconds
        raise_first_error(results)
        return results

    def _dealt(self, epochs: Sequence[Epoch], workers: list[Worker]) -> list[int]:
        """Return the process of each network, 0 for this one, when all of them are there."""
        networks = [epoch.network for epoch in epochs]
        self._n_rounds = self._n_rounds + 1 if self._last == (networks, workers) else 0
        if self._n_rounds in _DEALT:
            homes = [_home(network, workers) for network in networks]
            self._processes = deal(epochs, self._seconds, homes, 1 + len(workers))
            for own, worker in enumerate(workers, 1):
                leaving = [i for i, home in enumerate(homes) if home == own != self._processes[i]]
                worker.fetch_moments([networks[i] for i in leaving])
                if worker.is_lost:
                    for i in leaving:
                        self._processes[i] = own
            self._last = networks, workers
        return self._processes


class _Share:
    """What one process trains in a round."""

    def __init__(self, epochs: Sequence[Epoch], processes: Sequence[int], own: int):
        self.positions = [i for i, process in enumerate(processes) if process == own]
        self.epochs = [epochs[i] for i in self.positions]
        self.populations = plan(self.epochs)


def _home(network: Network, workers: list[Worker]) -> int:
    """Return the process that has a network's moments."""
    return next((i for i, worker in enumerate(workers, 1) if network in worker), 0)
