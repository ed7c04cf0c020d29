"""Trains epochs of many networks together, and counts them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sknethp.fusion.summary import Summary
from sknethp.training.epoch import Epoch, EpochResult
from sknethp.training.grouping import plan
from sknethp.training.rounds import Rounds


class RoundTrainer:
    """Trains an epoch of each network at a time, in populations; `summary` counts them."""

    def __init__(self) -> None:
        self.summary = Summary()
        self._rounds = Rounds()

    def train(self, epochs: Sequence[Epoch]) -> list[EpochResult]:
        """Return the result of each epoch; raises what ended a population."""
        start = time.perf_counter()
        groups = plan(epochs)
        self.summary.count_round(epochs, groups)
        results = self._rounds.train(epochs, groups)
        for result in results:
            if isinstance(result, Exception):
                raise result
        self.summary.seconds_training += time.perf_counter() - start
        return results
