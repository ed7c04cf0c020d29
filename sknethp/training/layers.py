"""Layers of many networks at once, each with a forward and a backward pass over fixed buffers.

Axis order of every array: ``(n_networks, n_samples, n_units)``. Gradients are written by hand: for
the small networks of tabular data, automatic differentiation spends more time on bookkeeping than
on arithmetic (``benchmarks/bench_gradients.py`` measures how much).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sknethp.training.activations import Activation
from sknethp.training.rounding import (
    ALIGNED,
    Product,
    Spans,
    sum_rows,
    sum_units,
    weight_gradient,
)

NORMALIZATION_EPS = 1e-5
_RUNNING_MOMENTUM = 0.1

aten = torch.ops.aten


class Signal(NamedTuple):
    """Values ``(n_networks, n_samples, n_units)`` and the loss's gradient with respect to them.

    Inputs have no gradient, or only those that are trained, and nothing has one in prediction.
    """

    value: Tensor
    grad: Any


class Affine(NamedTuple):
    """Weights ``(n, fan_in, fan_out)`` and biases ``(n, 1, fan_out)``, with their gradients."""

    weight: Tensor
    bias: Tensor
    weight_grad: Tensor
    bias_grad: Tensor


class Dense:
    """A layer ``x @ weight + bias``.

    `inputs` and `units` are each network's own numbers of them; `skip_grad` is the gradient that a
    residual connection passes to the layer's input. If the layer is `centred` by what follows, the
    bias has no effect, and its gradient is set to zero: some optimizers would scale its rounding
    errors up to full steps.
    """

    def __init__(
        self,
        x: Signal,
        z: Signal,
        affine: Affine,
        inputs: Spans,
        units: Spans,
        skip_grad: Tensor | None = None,
        centred: bool = False,
    ):
        self.x, self.z, self.affine, self.skip_grad = x, z, affine, skip_grad
        self._inputs, self._units = inputs, units
        self._centred = centred
        self._output = Product(z.value, x.value, affine.weight, affine.bias)
        if z.grad is not None:
            self._weight_grad = Product(affine.weight_grad, x.value.transpose(1, 2), z.grad)
        if x.grad is not None:
            self._x_grad = self._input_gradient_from(affine.weight)
        n, fan_in, fan_out = affine.weight.shape
        weight_grad = affine.weight_grad
        self._writes_directly = weight_grad.is_cuda or (
            fan_in * fan_out % ALIGNED == 0
            and weight_grad.data_ptr() % (ALIGNED * weight_grad.element_size()) == 0
            and not (n == 1 and fan_in % ALIGNED)
        )

    def forward(self) -> None:
        """Write the layer's output."""
        self._output()

    def backward(self) -> None:
        """Write the gradients of weights, biases and input."""
        self._weight_gradient()
        if self._centred:
            self.affine.bias_grad.zero_()
        else:
            sum_rows(self.z.grad, self._units, out=self.affine.bias_grad)
        if self.x.grad is not None:
            self._input_gradient()

    def _weight_gradient(self) -> None:
        if self._writes_directly:
            self._weight_grad()
        else:
            weight_gradient(self.x.value, self.z.grad, out=self.affine.weight_grad)

    def _input_gradient(self) -> None:
        if self.x.grad.shape[2] == 1:
            sum_units(self.z.grad * self.affine.weight, self._units, out=self.x.grad)
            if self.skip_grad is not None:
                self.x.grad.add_(self.skip_grad)
        else:
            self._x_grad()

    def _input_gradient_from(self, weight: Tensor) -> Product:
        return Product(self.x.grad, self.z.grad, weight.transpose(1, 2), self.skip_grad)


class DenseOfPart(Dense):
    """A `Dense` layer that passes a gradient to a part of its inputs, those of `part`.

    `part` views their weights, ``(n, ..., fan_out)``.
    """

    def __init__(self, part: Tensor, *rest: Any):
        self._part = part
        self._weight = part.new_empty(part.shape)
        super().__init__(*rest)

    def _input_gradient_from(self, weight: Tensor) -> Product:
        return super()._input_gradient_from(self._weight.flatten(1, -2))

    def _input_gradient(self) -> None:
        self._weight.copy_(self._part)
        super()._input_gradient()


class DenseToOne(Dense):
    """A `Dense` layer with a single unit.

    Products of a matrix and a vector round differently for one network and for several, so that a
    network trained with others would drift away from the same network trained by itself.
    """

    def __init__(self, x: Signal, z: Signal, affine: Affine, *rest: Any, **named: Any):
        super().__init__(x, z, affine, *rest, **named)
        n, _, fan_in = x.value.shape
        self._products = torch.empty_like(x.value)
        self._weight_row = affine.weight.view(n, 1, fan_in)
        self._weight_grad_row = affine.weight_grad.view(n, 1, fan_in)

    def forward(self) -> None:
        """Write the layer's output."""
        torch.mul(self.x.value, self._weight_row, out=self._products)
        sum_units(self._products, self._inputs, out=self.z.value)
        self.z.value.add_(self.affine.bias)

    def _weight_gradient(self) -> None:
        torch.mul(self.x.value, self.z.grad, out=self._products)
        sum_rows(self._products, self._inputs, out=self._weight_grad_row)

    def _input_gradient(self) -> None:
        torch.mul(self.z.grad, self._weight_row, out=self.x.grad)
        if self.skip_grad is not None:
            self.x.grad.add_(self.skip_grad)


class Activate:
    """Activation functions, one for each run of neighbouring networks."""

    def __init__(self, z: Signal, h: Signal, runs: Sequence[tuple[slice, Activation]]):
        self._parts = [
            (
                activation.kernel(activation.forward, z.value[run]),
                activation.kernel(activation.backward, z.value[run]),
                z.value[run],
                h.value[run],
                (h if activation.from_output else z).value[run],
                None if h.grad is None else h.grad[run],
            )
            for run, activation in runs
        ]

    def forward(self) -> None:
        """Write the activations."""
        for forward, _, z, h, _, _ in self._parts:
            forward(z, out=h)

    def backward(self) -> None:
        """Turn the gradient into that of the pre-activations, in place."""
        for _, backward, _, _, saved, d in self._parts:
            backward(d, saved, out=d)


class Dropout:
    """Inverted dropout with a separate rate for each network (Srivastava et al., 2014).

    A unit is dropped if its random byte is below `threshold`: rates are multiples of 1/256.
    Networks with the same bytes and the same rate share a mask.
    """

    def __init__(self, x: Signal, y: Signal, threshold: Tensor, scale: Tensor):
        one_rate = bool((threshold == threshold[0]).all())
        self.x, self.y = x, y
        self.threshold, self.scale = (t[:1] if one_rate else t for t in (threshold, scale))
        self._mask = x.value.new_empty(0)

    def forward(self, noise: Tensor) -> None:
        """Drop units by random bytes `noise`, ``(n_networks or 1, n_samples, n_units)``."""
        n_masks = max(len(noise), len(self.threshold))
        if len(self._mask) != n_masks:
            self._mask = self.x.value.new_empty(n_masks, *noise.shape[1:])
        torch.ge(noise, self.threshold, out=self._mask)
        self._mask.mul_(self.scale)
        torch.mul(self.x.value, self._mask, out=self.y.value)

    def backward(self) -> None:
        """Scale the gradient, in place."""
        if self.y.grad is not None:
            self.y.grad.mul_(self._mask)


class Add:
    """The residual connection ``x + h`` (He et al., 2016)."""

    def __init__(self, x: Signal, h: Signal, y: Signal):
        self.x, self.h, self.y = x, h, y

    def forward(self) -> None:
        """Write the sum."""
        torch.add(self.x.value, self.h.value, out=self.y.value)

    def backward(self) -> None:
        """Pass the gradient to `h`; the layer that `x` feeds adds it to the gradient of `x`."""
        self.h.grad.copy_(self.y.grad)


class _Normalize:
    """Scale and shift after normalisation, for both kinds of it."""

    def __init__(self, z: Signal, y: Signal, affine: Affine, units: Spans):
        self.z, self.y, self.affine, self._units = z, y, affine, units
        self._normal = torch.empty_like(z.value)

    def _write_output(self) -> None:
        torch.mul(self._normal, self.affine.weight, out=self.y.value)
        self.y.value.add_(self.affine.bias)

    def _backward_affine(self) -> Tensor:
        """Write the gradients of scale and shift; return that of the normalised values."""
        d = self.y.grad
        sum_rows(d * self._normal, self._units, out=self.affine.weight_grad)
        sum_rows(d, self._units, out=self.affine.bias_grad)
        return d * self.affine.weight


class LayerNorm(_Normalize):
    """Layer normalisation (Ba et al., 2016)."""

    def forward(self) -> None:
        """Normalise each sample over its units."""
        units = self.z.value.shape[-1:]
        normal, self._mean, self._rstd = aten.native_layer_norm(
            self.z.value, units, None, None, NORMALIZATION_EPS
        )
        self._normal = normal
        self._write_output()

    def backward(self) -> None:
        """Write the gradient of the input."""
        d = self._backward_affine()
        grads = aten.native_layer_norm_backward(
            d,
            self.z.value,
            self.z.value.shape[-1:],
            self._mean,
            self._rstd,
            None,
            None,
            [True, False, False],
        )
        self.z.grad.copy_(grads[0])


class RowShares:
    """How much each row of a batch counts, ``(n_networks, n_samples, 1)``.

    `share` is one over the number of a network's samples in the batch, and zero in its empty rows;
    `in_statistics` is the same, but zero for a single sample, which has no variance. `is_single`
    marks networks with a single sample, ``(n_networks, 1, 1)``, or is None.
    """

    def __init__(self, n_networks: int, n_rows: int, device: torch.device):
        shape = (n_networks, n_rows, 1)
        share = torch.full(shape, 1 / n_rows, dtype=torch.float32, device=device)
        self.set(share, n_rows == 1)

    def set(self, share: Tensor, any_single: bool) -> None:
        """Set the shares for a batch."""
        self.share = self.in_statistics = share
        self.is_single: Tensor | None = None
        if any_single:
            self.in_statistics = share * (share < 1)
            self.is_single = share.amax(1, keepdim=True) == 1


class BatchNorm(_Normalize):
    """Batch normalisation (Ioffe & Szegedy, 2015) that ignores the empty rows of ragged batches.

    A batch of a single sample has no variance: it is normalised by the running statistics, as in
    prediction, and does not change them.
    """

    def __init__(
        self,
        z: Signal,
        y: Signal,
        affine: Affine,
        units: Spans,
        running: tuple[Tensor, Tensor],
        rows: RowShares,
    ):
        super().__init__(z, y, affine, units)
        self.running_mean, self.running_var = running
        self.rows = rows

    def forward(self) -> None:
        """Normalise each unit over the batch and update the running statistics."""
        # A matrix product would be faster, but round differently for a single network.
        share, is_single = self.rows.in_statistics, self.rows.is_single
        mean = sum_rows(torch.mul(self.z.value, share, out=self._normal), self._units)
        if is_single is not None:
            mean = torch.where(is_single, self.running_mean, mean)
        torch.sub(self.z.value, mean, out=self._normal)
        var = sum_rows(self._normal.square().mul_(share), self._units)
        if is_single is not None:
            var = torch.where(is_single, self.running_var, var)
        self._rstd = (var + NORMALIZATION_EPS).rsqrt_()
        self._normal.mul_(self._rstd)
        self._write_output()
        count = self.rows.share.amax(1, keepdim=True).reciprocal_()
        unbiased = var * (count / (count - 1).clamp_min_(1.0))
        self.running_mean.lerp_(mean, _RUNNING_MOMENTUM)
        self.running_var.lerp_(unbiased, _RUNNING_MOMENTUM)

    def backward(self) -> None:
        """Write the gradient of the input."""
        d = self._backward_affine()
        through_var = self._normal * sum_rows(d * self._normal, self._units)
        through_mean = sum_rows(d, self._units)
        d.sub_(through_var.add_(through_mean).mul_(self.rows.in_statistics))
        torch.mul(d, self._rstd, out=self.z.grad)


class FixedBatchNorm(_Normalize):
    """Batch normalisation by running statistics, as in prediction."""

    def __init__(
        self, z: Signal, y: Signal, affine: Affine, units: Spans, running: tuple[Tensor, Tensor]
    ):
        super().__init__(z, y, affine, units)
        self.running_mean, self.running_var = running

    def forward(self) -> None:
        """Normalise by the running statistics."""
        torch.sub(self.z.value, self.running_mean, out=self._normal)
        self._normal.mul_((self.running_var + NORMALIZATION_EPS).rsqrt_())
        self._write_output()
