"""Finished candidates kept on disk, so that a fit that was killed goes on where it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch

from sknethp.estimator.memory import deciding, keep, memory_folder, recalled
from sknethp.estimator.request import FitRequest, Samples
from sknethp.estimator.stored_fit import history_rows, load_arrays
from sknethp.self_tuning.folds import Splits
from sknethp.training.network import Network, Streams

# To be incremented when the result of a candidate, or what is kept of it, changes.
_FORMAT = 4
KEPT_STATES = ("finished", "no longer improving", "behind", "diverged")


@dataclass(frozen=True)
class KeptCandidate:
    """A candidate at its end, as arrays.

    `losses` are ``(n_epochs, n_blocks)``; of the best epoch, `parameters` ``(n_folds,
    n_parameters)``, `statistics` ``(n_folds, n_statistics)``, `streams` ``(n_folds, n_streams,
    6)``, `logits` ``(n_held_out, n_outputs)`` and `temperature` ``()``. `history` ``(n_epochs,
    n_columns)`` has the first fold's named `columns`. `counts` holds the best epoch, from 1 (0 for
    none), and the optimizers' steps.
    """

    state: np.ndarray
    losses: np.ndarray
    counts: np.ndarray
    parameters: np.ndarray
    statistics: np.ndarray
    streams: np.ndarray
    logits: np.ndarray
    temperature: np.ndarray
    columns: np.ndarray
    history: np.ndarray

    def networks(self, new: Sequence[Network]) -> list[Network]:
        """Return the networks of the folds, given new ones of the same kind."""
        return [
            replace(
                network,
                moments=[],
                parameters=torch.from_numpy(self.parameters[i]).clone(),
                statistics=torch.from_numpy(self.statistics[i]).clone(),
                streams=Streams.from_states(self.streams[i]),
                n_steps=int(self.counts[1]),
            )
            for i, network in enumerate(new)
        ]

    def rows(self) -> list[dict[str, Any]]:
        """Return the first fold's history."""
        return history_rows(self.columns, self.history, 0)

    def check(self, requests: Sequence[FitRequest], n_held_out: int) -> None:
        """Raise a ValueError unless a candidate of this kind can have been kept with these."""
        n_epochs, n_folds, architecture = len(self.losses), len(requests), requests[0].architecture
        best = int(self.counts[0]) if self.counts.shape == (2,) else -1
        n_kept = n_folds if best else 0
        is_possible = (
            str(self.state) in KEPT_STATES
            and self.losses.ndim == 2
            and np.isfinite(self.losses).all()
            and n_epochs <= requests[0].n_epochs
            and 0 <= best <= n_epochs
            and self.parameters.shape == (n_kept, architecture.n_parameters)
            and self.statistics.shape == (n_kept, architecture.n_statistics)
            and self.parameters.dtype == self.statistics.dtype == self.logits.dtype == np.float32
            and self.streams.dtype == np.uint64
            and self.logits.shape == (n_held_out if best else 0, requests[0].objective.n_outputs)
            and np.isfinite(self.parameters).all()
            and self.temperature.shape == ()
            and self.history.shape == (n_epochs, len(self.columns))
        )
        if not is_possible:
            raise ValueError("it holds something other than this candidate")


class Kept:
    """The candidates of one fit that are kept in a folder; without a `memory`, none."""

    def __init__(self, memory: Any, samples: Samples, splits: Splits, seed: int, calibrate: bool):
        self._folder = memory_folder(memory)
        of_all = samples, splits, seed, calibrate
        self._key = None if self._folder is None else joblib.hash(of_all, coerce_mmap=True)

    def _file(self, parameters: dict[str, Any]) -> Path:
        key = joblib.hash((self._key, deciding(parameters), _FORMAT, torch.__version__))
        assert self._folder is not None
        return self._folder / f"{key}.npz"

    def recall(
        self, parameters: dict[str, Any], requests: Sequence[FitRequest], n_held_out: int
    ) -> KeptCandidate | None:
        """Return a kept candidate; None if there is none, or none that can be read."""
        if self._folder is None:
            return None

        def read(file: Path) -> KeptCandidate:
            names = [field.name for field in fields(KeptCandidate)]
            kept = KeptCandidate(**load_arrays(file, names))
            kept.check(requests, n_held_out)
            return kept

        return recalled(self._file(parameters), read, "A candidate is trained")

    def keep(self, parameters: dict[str, Any], candidate: KeptCandidate) -> None:
        """Write a candidate; raises an UnwritableMemoryError."""
        if self._folder is not None:
            keep(vars(candidate), self._file(parameters), "candidate", "fit")
