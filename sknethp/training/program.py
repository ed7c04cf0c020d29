"""The forward and backward pass of many networks over a batch, as a list of layer operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sknethp.training.activations import ACTIVATIONS
from sknethp.training.architecture import Architecture
from sknethp.training.blocks import Blocks
from sknethp.training.input_layers import Columns, Periodic, PiecewiseLinear, Scale
from sknethp.training.layers import (
    Activate,
    Add,
    Affine,
    BatchNorm,
    Dense,
    DenseOfPart,
    DenseToOne,
    Dropout,
    FixedBatchNorm,
    LayerNorm,
    RowShares,
    Signal,
)
from sknethp.training.network import Network
from sknethp.training.rounding import Spans, part_rounds_alike
from sknethp.training.runs import runs

BYTE_VALUES = 256


def dropout_thresholds(rates: Sequence[float]) -> Tensor:
    """Return the random byte, ``(n_networks, 1, 1)``, below which a unit is dropped."""
    bytes_ = [min(round(rate * BYTE_VALUES), BYTE_VALUES - 1) for rate in rates]
    return torch.tensor(bytes_, dtype=torch.uint8, device="cpu").view(-1, 1, 1)


@dataclass
class Storage:
    """What the operations of a program read and write, for all networks of a population."""

    architecture: Architecture
    parameters: Blocks
    gradients: Blocks
    statistics: dict[str, Tensor]
    device: torch.device


class Program:
    """Operations for the first `n` networks of a population over `n_rows` samples each.

    `x` ``(n, n_rows, n_features)`` must be filled before `forward`, `logits_grad` ``(n, n_rows,
    n_outputs)`` before `backward`; with batch normalisation, `row_shares` must be set before
    `forward`. Dropout and `backward` exist only in `training`.
    """

    def __init__(self, storage: Storage, networks: Sequence[Network], n_rows: int, training: bool):
        self.storage, self.networks, self.training = storage, networks, training
        self._shape = (len(networks), n_rows)
        self._operations: list = []
        self.noisy_layers: list[int] = []
        self.x = self._empty(storage.architecture.n_features)
        self.row_shares = RowShares(*self._shape, storage.device)
        signal = self._dropout(self._inputs(), 0)
        for layer in range(len(storage.architecture.hidden_units)):
            signal = self._hidden(signal, layer)
        output = self._signal(storage.architecture.n_outputs)
        self._operations.append(self._dense(signal, output, len(storage.architecture.hidden_units)))
        self.logits, self.logits_grad = output

    def forward(self, noise: Sequence[Tensor] = ()) -> None:
        """Compute the logits; `noise` holds the random bytes of each of `noisy_layers`."""
        remaining = iter(noise)
        for operation in self._operations:
            if isinstance(operation, Dropout):
                operation.forward(next(remaining))
            else:
                operation.forward()

    def backward(self) -> None:
        """Compute the gradients of all parameters from that of the logits."""
        for operation in reversed(self._operations):
            operation.backward()

    def _empty(self, n_units: int) -> Tensor:
        shape = (*self._shape, n_units)
        return torch.empty(shape, dtype=torch.float32, device=self.storage.device)

    def _signal(self, n_units: int) -> Signal:
        return Signal(self._empty(n_units), self._empty(n_units) if self.training else None)

    def _inputs(self) -> Signal:
        """Append what happens to the inputs before the first layer; return its output."""
        architecture, statistics = self.storage.architecture, self.storage.statistics
        inputs = architecture.inputs
        if not inputs.scaling and not inputs.n_added:
            return Signal(self.x, None)
        n_features = architecture.n_features
        statistics = {name: own[: len(self.networks)] for name, own in statistics.items()}
        value = self._empty(architecture.widths[0])
        grad = self._input_gradient() if self.training and inputs.is_trained else None
        x = value[..., :n_features]
        self._operations.append(Scale(self.x, x, statistics, inputs.scaling))
        if inputs.n_added:
            own_columns = [network.architecture.inputs.columns for network in self.networks]
            columns = Columns(x, own_columns, len(inputs.columns))
            self._operations.append(columns)
            if inputs.is_trained:
                own = (
                    {
                        slot.name: blocks[slot.name][: len(self.networks)]
                        for slot in inputs.parameters
                    }
                    for blocks in (self.storage.parameters, self.storage.gradients)
                )
                added = Signal(self._trained(value, 2), self._trained(grad, 2))
                self._operations.append(Periodic(columns, added, *own))
            if inputs.is_encoded:
                encoded = value[..., n_features:].unflatten(2, (-1, inputs.size + inputs.n_bins))
                self._operations.append(
                    PiecewiseLinear(columns, encoded[..., inputs.size :], statistics)
                )
        return Signal(value, grad)

    def _trained(self, values: Any, axis: int) -> Any:
        """View the part of the inputs that is trained, ``(n_columns, size)`` in place of `axis`."""
        architecture = self.storage.architecture
        inputs = architecture.inputs
        if values is None:
            return None
        if values.shape[axis] == architecture.widths[0]:
            values = values.narrow(axis, architecture.n_features, inputs.n_added)
        columns = values.unflatten(axis, (len(inputs.columns), -1))
        return columns.narrow(axis + 1, 0, inputs.size)

    def _input_gradient(self) -> Tensor:
        """Return room for the gradient of the inputs: of the trained part, if it is small."""
        architecture = self.storage.architecture
        fan_in, units = architecture.widths[:2]
        dropped = any(network.settings.dropout[0] for network in self.networks)
        part = tuple(self._trained(torch.arange(fan_in, device="cpu"), 0).flatten().tolist())
        few = architecture.inputs.is_encoded and not (
            dropped or architecture.residual or units == 1
        )
        if few and part_rounds_alike(self._shape[1], fan_in, units, part):
            return self._empty(len(part))
        return self._empty(fan_in)

    def _spans(self, width: int) -> Spans:
        """Runs of networks of equal numbers of units, given the position among the widths."""
        return runs([network.architecture.widths[width] for network in self.networks])

    def _dense(self, x: Signal, z: Signal, layer: int, *rest: Any) -> Dense:
        spans = self._spans(layer), self._spans(layer + 1)
        affine = self._affine(self.storage.architecture.layer_names[layer])
        common = x, z, affine, *spans, *rest
        if z.value.shape[2] == 1:
            return DenseToOne(*common)
        if x.grad is not None and x.grad.shape != x.value.shape:
            return DenseOfPart(self._trained(affine.weight, 1), *common)
        return Dense(*common)

    def _affine(self, module: str) -> Affine:
        """Weight and bias, or scale and shift, of a module of that name."""
        return Affine(
            *(
                blocks[f"{module}.{name}"][: len(self.networks)]
                for blocks in (self.storage.parameters, self.storage.gradients)
                for name in ("weight", "bias")
            )
        )

    def _running(self, layer: int) -> tuple[Tensor, Tensor]:
        mean, variance = (
            self.storage.statistics[f"norm_{layer}.{name}"][: len(self.networks)].unsqueeze(1)
            for name in ("running_mean", "running_var")
        )
        return mean, variance

    def _hidden(self, x: Signal, layer: int) -> Signal:
        """Append the operations of a hidden layer; return its output."""
        units = self.storage.architecture.hidden_units[layer]
        z = self._signal(units)
        dense_at = len(self._operations)
        h = self._dropout(self._activate(self._normalize(z, layer), layer), layer + 1)
        skip_grad = None
        if self.storage.architecture.skips[layer]:
            y = self._signal(units)
            skip_grad = y.grad
            self._operations.append(Add(x, h, y))
            h = y
        centred = self.storage.architecture.normalization == "batch"
        dense = self._dense(x, z, layer, skip_grad, centred)
        self._operations.insert(dense_at, dense)
        return h

    def _normalize(self, z: Signal, layer: int) -> Signal:
        kind = self.storage.architecture.normalization
        if kind is None:
            return z
        y = self._signal(z.value.shape[-1])
        common = z, y, self._affine(f"norm_{layer}"), self._spans(layer + 1)
        if kind == "layer":
            self._operations.append(LayerNorm(*common))
        elif self.training:
            self._operations.append(BatchNorm(*common, self._running(layer), self.row_shares))
        else:
            self._operations.append(FixedBatchNorm(*common, self._running(layer)))
        return y

    def _activate(self, z: Signal, layer: int) -> Signal:
        names = [network.architecture.activations[layer] for network in self.networks]
        parts = [(run, ACTIVATIONS[name]) for run, name in runs(names)]
        in_place = all(activation.from_output for _, activation in parts)
        h = z if in_place else Signal(torch.empty_like(z.value), z.grad)
        if any(activation.name != "linear" for _, activation in parts):
            self._operations.append(Activate(z, h, parts))
            return h
        return z

    def _dropout(self, x: Signal, layer: int) -> Signal:
        rates = [network.settings.dropout[layer] for network in self.networks]
        if not self.training or not any(rates):
            return x
        threshold = dropout_thresholds(rates).to(self.storage.device)
        scale = BYTE_VALUES / (BYTE_VALUES - threshold.float())
        y = Signal(torch.empty_like(x.value), x.grad)
        self._operations.append(Dropout(x, y, threshold, scale))
        self.noisy_layers.append(layer)
        return y
