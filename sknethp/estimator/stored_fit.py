"""A finished fit as a file of plain arrays: reading one cannot execute anything."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sknethp.estimator.whole_files import whole_file
from sknethp.training.architecture import Architecture
from sknethp.training.network import Network, Settings, Streams

_ALWAYS_RECORDED = {"lr", "train_loss", "seconds"}
_RECORDED_ANEW = ("batches", "epoch")


@dataclass(frozen=True)
class StoredFit:
    """What a fit has made, except the optimizer's moments; each field is an array in the file.

    `parameters` ``(n_networks, n_parameters)`` and `statistics` ``(n_networks, n_statistics)`` are
    float32, `streams` ``(n_networks, n_streams, 6)`` uint64. `history` ``(n_epochs, n_columns)``,
    float64, has only the epochs of this fit, not those of an earlier one that it continued.
    `counts` holds the optimizer's steps and the best epoch, counted from 1; `temperatures` one
    number.
    """

    parameters: np.ndarray
    statistics: np.ndarray
    streams: np.ndarray
    columns: np.ndarray
    history: np.ndarray
    counts: np.ndarray
    temperatures: np.ndarray

    @classmethod
    def of(
        cls,
        networks: Sequence[Network],
        rows: Sequence[Mapping[str, Any]],
        best_epoch: int,
        temperature: float = 1.0,
    ) -> StoredFit:
        """Return what to store of a fit whose epochs recorded `rows`."""
        columns = [name for name in rows[0] if name not in _RECORDED_ANEW]
        return cls(
            parameters=np.stack([network.parameters.numpy() for network in networks]),
            statistics=np.stack([network.statistics.numpy() for network in networks]),
            streams=np.stack([network.streams.states() for network in networks]),
            columns=np.array(columns),
            history=np.array([[row[name] for name in columns] for row in rows], np.float64),
            counts=np.array([networks[0].n_steps, best_epoch], np.int64),
            temperatures=np.array([temperature]),
        )

    def networks(self, architecture: Architecture, settings: Settings) -> list[Network]:
        """Return the networks, without moments."""
        return [
            Network(
                architecture,
                settings,
                Streams.from_states(streams),
                torch.from_numpy(parameters).clone(),
                statistics=torch.from_numpy(statistics).clone(),
                n_steps=int(self.counts[0]),
            )
            for streams, parameters, statistics in zip(
                self.streams, self.parameters, self.statistics, strict=True
            )
        ]

    def rows(self, n_before: int) -> list[dict[str, Any]]:
        """Return the rows of a skorch history, those of the epochs after `n_before`."""
        return history_rows(self.columns, self.history, n_before)

    @property
    def best_epoch(self) -> int:
        """The best epoch of this fit, counted from 1."""
        return int(self.counts[1])

    @property
    def temperature(self) -> float:
        """The temperature of the logits, which the parameters contain."""
        return float(self.temperatures[0])

    def check(self, architecture: Architecture, settings: Settings, n_networks: int) -> None:
        """Raise a ValueError unless a fit of this kind can have been stored with these arrays."""
        n_epochs, n_columns = len(self.history), self.columns.size
        n_streams = {2 + len(architecture.hidden_units)}
        if not any(settings.dropout):
            n_streams.add(1)
        is_possible = (
            _is(self.parameters, np.float32, n_networks, architecture.n_parameters)
            and np.isfinite(self.parameters).all()
            and _is(self.statistics, np.float32, n_networks, architecture.n_statistics)
            and self.streams.ndim == 3
            and _is(self.streams, np.uint64, n_networks, self.streams.shape[1], 6)
            and self.streams.shape[1] in n_streams
            and (self.streams[..., 4:] < (2, 2**32)).all()
            and self.columns.dtype.kind == "U"
            and set(self.columns.tolist()) >= _ALWAYS_RECORDED
            and _is(self.history, np.float64, n_epochs, n_columns)
            and _is(self.counts, np.int64, 2)
            and _is(self.temperatures, np.float64, 1)
            and self.temperature > 0
            and self.counts[0] >= 0
            and 1 <= self.best_epoch <= n_epochs
        )
        if not is_possible:
            raise ValueError("it holds something other than this fit")


def history_rows(columns: np.ndarray, history: np.ndarray, n_before: int) -> list[dict[str, Any]]:
    """Return rows of a skorch history, those of the epochs after `n_before`."""
    names = columns.tolist()
    return [
        {"batches": [], "epoch": epoch, **dict(zip(names, values, strict=True))}
        for epoch, values in enumerate(history.tolist(), n_before + 1)
    ]


def _is(array: np.ndarray, dtype: type, *shape: int) -> bool:
    return array.dtype == dtype and array.shape == shape


def save_arrays(arrays: Mapping[str, np.ndarray], file: Path) -> None:
    """Write named arrays, completely or not at all."""
    content = io.BytesIO()
    np.savez(content, **dict[str, Any](arrays))
    with whole_file(file) as scratch:
        scratch.write_bytes(content.getbuffer())


def load(
    file: Path, architecture: Architecture, settings: Settings, n_networks: int = 1
) -> StoredFit:
    """Read a fit of networks of this kind; raises an exception of any type if there is none."""
    fit = StoredFit(**load_arrays(file, [field.name for field in fields(StoredFit)]))
    fit.check(architecture, settings, n_networks)
    return fit


def load_arrays(file: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Read named arrays; raises an exception of any type if they are not there."""
    if not file.is_file():
        raise ValueError("it is not a regular file")
    with zipfile.ZipFile(file) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > file.stat().st_size:
        raise ValueError("it is compressed")
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in names}
