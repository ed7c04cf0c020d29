"""Layers of many networks at once, each with a forward and a backward pass over fixed buffers.

Axis order of every array: ``(n_networks, n_samples, n_units)``. Gradients are written by hand:
for the small networks of tabular data the bookkeeping of automatic differentiation takes longer
than the arithmetic. The tests compare each layer with ``torch.autograd``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sknethp.training.activations import Activation

NORMALIZATION_EPS = 1e-5
_RUNNING_MOMENTUM = 0.1

aten = torch.ops.aten


class Signal(NamedTuple):
    """Values ``(n_networks, n_samples, n_units)`` and the loss's gradient with respect to them.

    There is no gradient in prediction, nor of the inputs.
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

    `skip_grad` is what flows around it to its input. Where the layer is `centred` by what follows,
    the bias has no effect: its gradient is set to zero, for the rounding errors that would be left
    of it some optimizers scale up to whole steps.
    """

    def __init__(
        self,
        x: Signal,
        z: Signal,
        affine: Affine,
        skip_grad: Tensor | None = None,
        centred: bool = False,
    ):
        self.x, self.z, self.affine, self.skip_grad = x, z, affine, skip_grad
        self._centred = centred
        self._x_transposed = x.value.transpose(1, 2)
        self._weight_transposed = affine.weight.transpose(1, 2)

    def forward(self) -> None:
        """Write the layer's output."""
        torch.baddbmm(self.affine.bias, self.x.value, self.affine.weight, out=self.z.value)

    def backward(self) -> None:
        """Write the gradients of weights, biases and input."""
        d = self.z.grad
        torch.bmm(self._x_transposed, d, out=self.affine.weight_grad)
        if self._centred:
            self.affine.bias_grad.zero_()
        else:
            torch.sum(d, 1, keepdim=True, out=self.affine.bias_grad)
        if self.x.grad is None:
            return
        if self.skip_grad is None:
            torch.bmm(d, self._weight_transposed, out=self.x.grad)
        else:
            torch.baddbmm(self.skip_grad, d, self._weight_transposed, out=self.x.grad)


class DenseToOne:
    """A `Dense` layer with a single unit.

    Matrix products with a vector round differently for one network and for several, so that a
    network alone would drift away from itself among others.
    """

    def __init__(self, x: Signal, z: Signal, affine: Affine):
        self.x, self.z, self.affine = x, z, affine
        n, _, fan_in = x.value.shape
        self._products = torch.empty_like(x.value)
        self._weight_row = affine.weight.view(n, 1, fan_in)
        self._weight_grad_row = affine.weight_grad.view(n, 1, fan_in)

    def forward(self) -> None:
        """Write the layer's output."""
        torch.mul(self.x.value, self._weight_row, out=self._products)
        torch.sum(self._products, 2, keepdim=True, out=self.z.value)
        self.z.value.add_(self.affine.bias)

    def backward(self) -> None:
        """Write the gradients of weights, bias and input."""
        d = self.z.grad
        torch.mul(self.x.value, d, out=self._products)
        torch.sum(self._products, 1, keepdim=True, out=self._weight_grad_row)
        torch.sum(d, 1, keepdim=True, out=self.affine.bias_grad)
        if self.x.grad is not None:
            torch.mul(d, self._weight_row, out=self.x.grad)


class Activate:
    """Activations, each for a run of neighbouring networks."""

    def __init__(self, z: Signal, h: Signal, runs: Sequence[tuple[slice, Activation]]):
        self._parts = [
            (
                activation.forward,
                activation.backward,
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
        """Turn the gradient into that of the preactivations, in place."""
        for _, backward, _, _, saved, d in self._parts:
            backward(d, saved, out=d)


class Dropout:
    """Inverted dropout with a rate of its own for each network (Srivastava et al., 2014).

    A unit is dropped where its random byte lies below `threshold`: rates are multiples of 1/256.
    Where networks have the same bytes and the same rate, there is one mask for all.
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
        """Pass the gradient to `h`; the layer that `x` feeds adds it to that of `x`."""
        self.h.grad.copy_(self.y.grad)


class _Normalize:
    """Scale and shift after normalisation, shared by both kinds."""

    def __init__(self, z: Signal, y: Signal, affine: Affine):
        self.z, self.y, self.affine = z, y, affine
        self._normal = torch.empty_like(z.value)

    def _write_output(self) -> None:
        torch.mul(self._normal, self.affine.weight, out=self.y.value)
        self.y.value.add_(self.affine.bias)

    def _backward_affine(self) -> Tensor:
        """Write the gradients of scale and shift; return that of the normalised values."""
        d = self.y.grad
        torch.sum(d * self._normal, 1, keepdim=True, out=self.affine.weight_grad)
        torch.sum(d, 1, keepdim=True, out=self.affine.bias_grad)
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


class BatchNorm(_Normalize):
    """Batch normalisation (Ioffe & Szegedy, 2015), blind to the empty rows of ragged batches.

    `row_share`, ``(n_networks, n_samples, 1)``, is one over the number of a network's samples in
    the batch, and zero in its empty rows.
    """

    def __init__(
        self,
        z: Signal,
        y: Signal,
        affine: Affine,
        running: tuple[Tensor, Tensor],
        row_share: Tensor,
    ):
        super().__init__(z, y, affine)
        self.running_mean, self.running_var = running
        self.row_share = row_share

    def forward(self) -> None:
        """Normalise each unit over the batch and update the running statistics."""
        # A product of matrices would be faster here, but round otherwise for one network alone.
        mean = torch.mul(self.z.value, self.row_share, out=self._normal).sum(1, keepdim=True)
        torch.sub(self.z.value, mean, out=self._normal)
        var = self._normal.square().mul_(self.row_share).sum(1, keepdim=True)
        self._rstd = (var + NORMALIZATION_EPS).rsqrt_()
        self._normal.mul_(self._rstd)
        self._write_output()
        count = self.row_share.amax(1, keepdim=True).reciprocal_()
        unbiased = var * (count / (count - 1).clamp_min_(1.0))
        self.running_mean.lerp_(mean, _RUNNING_MOMENTUM)
        self.running_var.lerp_(unbiased, _RUNNING_MOMENTUM)

    def backward(self) -> None:
        """Write the gradient of the input."""
        d = self._backward_affine()
        through_var = self._normal * torch.sum(d * self._normal, 1, keepdim=True)
        through_mean = torch.sum(d, 1, keepdim=True)
        d.sub_(through_var.add_(through_mean).mul_(self.row_share))
        torch.mul(d, self._rstd, out=self.z.grad)


class FixedBatchNorm(_Normalize):
    """Batch normalisation by running statistics, as in prediction."""

    def __init__(self, z: Signal, y: Signal, affine: Affine, running: tuple[Tensor, Tensor]):
        super().__init__(z, y, affine)
        self.running_mean, self.running_var = running

    def forward(self) -> None:
        """Normalise by the running statistics."""
        torch.sub(self.z.value, self.running_mean, out=self._normal)
        self._normal.mul_((self.running_var + NORMALIZATION_EPS).rsqrt_())
        self._write_output()
