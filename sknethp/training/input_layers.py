"""The inputs' operations of many networks at once: scaling and embeddings (see `inputs`).

`raw` and `x` have the shape ``(n_networks, n_samples, n_features)``, the embedded columns
``(n_networks, n_columns, n_samples, size)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sknethp.training.inputs import SOFT_LIMIT
from sknethp.training.layers import Signal
from sknethp.training.rounding import in_whole_vectors, product, sum_rows, weight_gradient


class Scale:
    """Scaling of the columns: none, or with or without a soft limit."""

    def __init__(
        self, raw: Tensor, x: Tensor, statistics: Mapping[str, Tensor], scaling: str | None
    ):
        self.raw, self.x, self._scaling = raw, x, scaling
        if scaling:
            names = "inputs.center", "inputs.scale"
            self._center, self._scale = (statistics[name].unsqueeze(1) for name in names)
        self._factor = torch.empty_like(raw) if scaling == "robust" else None

    def forward(self) -> None:
        """Write the scaled columns."""
        if not self._scaling:
            self.x.copy_(self.raw)
            return
        torch.sub(self.raw, self._center, out=self.x)
        self.x.mul_(self._scale)
        if self._factor is not None:
            torch.mul(self.x, 1 / SOFT_LIMIT, out=self._factor)
            self._factor.square_().add_(1).sqrt_()
            self.x.div_(self._factor)

    def backward(self) -> None:
        """Do nothing: inputs have no gradient."""


class Columns:
    """The columns to embed, as ``(n_networks, n_columns, n_samples, 1)``.

    Where a network has fewer than others, its last ones repeat a column, and all parameters and
    bins for these are zero.
    """

    def __init__(self, x: Tensor, columns: Sequence[Sequence[int]], n_columns: int):
        n, n_samples, n_features = x.shape
        self._x = x.transpose(1, 2)
        self._index: Tensor | None = None
        if any(list(own) != list(range(n_features)) for own in columns):
            padded = [[*own, *[0] * (n_columns - len(own))] for own in columns]
            index = torch.tensor(padded, device=x.device).unsqueeze(-1)
            self._index = index.expand(n, n_columns, n_samples)
        self._values = x.new_empty(n, n_columns, n_samples)
        self.value = self._values.unsqueeze(-1)

    def forward(self) -> None:
        """Gather the columns."""
        if self._index is None:
            self._values.copy_(self._x)
        else:
            torch.gather(self._x, 1, self._index, out=self._values)

    def backward(self) -> None:
        """Do nothing: inputs have no gradient."""


class PiecewiseLinear:
    """How far a value lies in each bin of its column, from 0 to 1 (Gorishniy et al., 2022)."""

    def __init__(self, columns: Columns, encoded: Tensor, statistics: Mapping[str, Tensor]):
        self._columns = columns
        names = "inputs.start", "inputs.slope"
        self._start, self._slope = (statistics[name].unsqueeze(2) for name in names)
        self._encoded = encoded.transpose(1, 2)

    def forward(self) -> None:
        """Write the encoding."""
        torch.sub(self._columns.value, self._start, out=self._encoded)
        self._encoded.mul_(self._slope).clamp_(0, 1)

    def backward(self) -> None:
        """Do nothing: inputs have no gradient."""


class Periodic:
    """Trained cosines of each column, and a linear map of them (Holzmüller et al., 2024).

    `added` is what is added to the inputs, ``(n_networks, n_samples, n_columns, size)``.
    """

    def __init__(
        self,
        columns: Columns,
        added: Signal,
        parameters: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
    ):
        self._columns = columns
        self._parameters, self._gradients = parameters, gradients
        n, n_columns, n_frequencies, size = parameters["inputs.weight"].shape
        n_samples = added.value.shape[1]
        self._added = added.value.transpose(1, 2)
        matrices = n * n_columns
        self._weight = parameters["inputs.weight"].view(matrices, n_frequencies, size)
        self._angle = added.value.new_empty(n, n_columns, n_samples, n_frequencies)
        self._cosine = torch.empty_like(self._angle)
        self._cos, self._sin = (
            in_whole_vectors(function, self._angle.numel()) for function in (torch.cos, torch.sin)
        )
        if added.grad is not None:
            self._added_grad = added.grad.transpose(1, 2)

    def forward(self) -> None:
        """Write the embedding."""
        own = self._parameters
        torch.mul(self._columns.value, own["inputs.frequency"].unsqueeze(2), out=self._angle)
        self._angle.add_(own["inputs.phase"].unsqueeze(2))
        self._cos(self._angle, out=self._cosine)
        mapped = product(self._cosine.flatten(0, 1), self._weight).view_as(self._added)
        torch.add(mapped, own["inputs.bias"].unsqueeze(2), out=self._added)

    def backward(self) -> None:
        """Write the gradients of all parameters."""
        n, n_columns = self._angle.shape[:2]
        grads = self._gradients

        def write(name: str, values: Tensor) -> None:
            """Sum over the samples."""
            one = [(slice(0, len(values)), values.shape[2])]
            grads[name].copy_(sum_rows(values, one).view(n, n_columns, -1))

        d = self._added_grad.contiguous().flatten(0, 1)
        write("inputs.bias", d)
        weight_grad = weight_gradient(self._cosine.flatten(0, 1), d)
        grads["inputs.weight"].copy_(weight_grad.view_as(grads["inputs.weight"]))
        self._sin(self._angle, out=self._angle)
        torch.bmm(d, self._weight.transpose(1, 2), out=self._cosine.flatten(0, 1))
        # The derivative of the cosine is minus the sine.
        angle_grad = self._cosine.mul_(self._angle).neg_()
        write("inputs.phase", angle_grad.flatten(0, 1))
        write("inputs.frequency", angle_grad.mul_(self._columns.value).flatten(0, 1))
