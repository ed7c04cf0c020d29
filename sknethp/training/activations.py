"""Activation functions: forward and backward passes that write into given buffers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from sknethp.training.rounding import in_whole_vectors

aten = torch.ops.aten

_LEAKY_SLOPE = 0.01
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


@dataclass(frozen=True)
class Activation:
    """An elementwise (softmax: row-wise) activation function.

    ``forward(z, out=h)`` writes the activation of ``z`` to ``h``, both ``(..., n_units)``.
    ``backward(d, s, out=e)`` writes the gradient with respect to ``z``, given the gradient ``d``
    with respect to ``h``; ``s`` is ``h`` if `from_output` (then ``h`` may overwrite ``z``), else
    ``z``.

    `weight_init` is the scheme that suits the layer in front of it; `zero_at_zero` says whether
    zero is mapped to zero, so that a padded unit stays silent, and `by_row` whether a unit's
    activation depends on the other units of its layer.
    """

    name: str
    module: Callable[[], nn.Module]
    forward: Callable[..., object]
    backward: Callable[..., object]
    from_output: bool
    weight_init: str
    zero_at_zero: bool = True
    by_row: bool = False

    def kernel(self, function: Callable[..., object], z: Tensor) -> Callable[..., object]:
        """Return `forward` or `backward` so that a number rounds alike wherever it lies."""
        return function if self.by_row or z.is_cuda else in_whole_vectors(function, z.numel())


def _identity(z: Tensor, out: Tensor) -> None:
    if out is not z:
        out.copy_(z)


def _identity_backward(d: Tensor, h: Tensor, out: Tensor) -> None:
    _identity(d, out)


def _selu(z: Tensor, out: Tensor) -> None:
    aten.elu.out(z, _SELU_ALPHA, _SELU_SCALE, 1.0, out=out)


def _softsign(z: Tensor, out: Tensor) -> None:
    torch.div(z, z.abs().add_(1.0), out=out)


def _softsign_backward(d: Tensor, h: Tensor, out: Tensor) -> None:
    torch.mul(d, h.abs().neg_().add_(1.0).square_(), out=out)


def _mish_backward(d: Tensor, z: Tensor, out: Tensor) -> None:
    out.copy_(aten.mish_backward(d, z))


def _softmax_backward(d: Tensor, h: Tensor, out: Tensor) -> None:
    # Torch's kernel rounds differently with the number of threads.
    torch.mul(d, h, out=out)
    out.addcmul_(h, out.sum(-1, keepdim=True), value=-1)


def by_autograd(
    name: str, module: Callable[[], nn.Module], weight_init: str, zero_at_zero: bool = True
) -> Activation:
    """Make an elementwise activation from its module alone; its gradients take longer."""
    function = module()

    def forward(z: Tensor, out: Tensor) -> None:
        out.copy_(function(z))

    def backward(d: Tensor, z: Tensor, out: Tensor) -> None:
        with torch.enable_grad():
            leaf = z.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(function(leaf), leaf, d)
        out.copy_(gradient)

    return Activation(name, module, forward, backward, False, weight_init, zero_at_zero)


def formula(function: Callable[[Tensor], Tensor]) -> fx.GraphModule:
    """Make a module of a function of torch's operations; it runs without this package."""
    graph = fx.Graph()
    z: Any = fx.Proxy(graph.placeholder("z"), fx.proxy.GraphAppendingTracer(graph))
    h: Any = function(z)
    graph.output(h.node)
    return fx.GraphModule(nn.Module(), graph)


def _table(*activations: Activation) -> dict[str, Activation]:
    return {activation.name: activation for activation in activations}


ACTIVATIONS = _table(
    Activation(
        "relu",
        nn.ReLU,
        lambda z, out: torch.clamp_min(z, 0, out=out),  # aten.relu.out would copy
        lambda d, h, out: aten.threshold_backward.grad_input(d, h, 0, grad_input=out),
        from_output=True,
        weight_init="he_uniform",
    ),
    Activation(
        "leaky_relu",
        lambda: nn.LeakyReLU(_LEAKY_SLOPE),
        lambda z, out: aten.leaky_relu.out(z, _LEAKY_SLOPE, out=out),
        lambda d, h, out: aten.leaky_relu_backward.grad_input(
            d, h, _LEAKY_SLOPE, True, grad_input=out
        ),
        from_output=True,
        weight_init="he_uniform",
    ),
    Activation(
        "elu",
        nn.ELU,
        lambda z, out: aten.elu.out(z, 1.0, 1.0, 1.0, out=out),
        lambda d, h, out: aten.elu_backward.grad_input(d, 1.0, 1.0, 1.0, True, h, grad_input=out),
        from_output=True,
        weight_init="he_uniform",
    ),
    Activation(
        "selu",
        nn.SELU,
        _selu,
        lambda d, h, out: aten.elu_backward.grad_input(
            d, _SELU_ALPHA, _SELU_SCALE, 1.0, True, h, grad_input=out
        ),
        from_output=True,
        weight_init="lecun_normal",
    ),
    Activation(
        "gelu",
        nn.GELU,
        lambda z, out: aten.gelu.out(z, out=out),
        lambda d, z, out: aten.gelu_backward.grad_input(d, z, grad_input=out),
        from_output=False,
        weight_init="he_uniform",
    ),
    Activation(
        "silu",
        nn.SiLU,
        lambda z, out: aten.silu.out(z, out=out),
        lambda d, z, out: aten.silu_backward.grad_input(d, z, grad_input=out),
        from_output=False,
        weight_init="he_uniform",
    ),
    Activation(
        "mish",
        nn.Mish,
        lambda z, out: aten.mish.out(z, out=out),
        _mish_backward,
        from_output=False,
        weight_init="he_uniform",
    ),
    Activation(
        "tanh",
        nn.Tanh,
        lambda z, out: torch.tanh(z, out=out),
        lambda d, h, out: aten.tanh_backward.grad_input(d, h, grad_input=out),
        from_output=True,
        weight_init="glorot_uniform",
    ),
    Activation(
        "sigmoid",
        nn.Sigmoid,
        lambda z, out: torch.sigmoid(z, out=out),
        lambda d, h, out: aten.sigmoid_backward.grad_input(d, h, grad_input=out),
        from_output=True,
        weight_init="glorot_uniform",
        zero_at_zero=False,
    ),
    Activation(
        "hard_sigmoid",
        nn.Hardsigmoid,
        lambda z, out: aten.hardsigmoid.out(z, out=out),
        lambda d, z, out: aten.hardsigmoid_backward.grad_input(d, z, grad_input=out),
        from_output=False,
        weight_init="glorot_uniform",
        zero_at_zero=False,
    ),
    Activation(
        "softplus",
        nn.Softplus,
        lambda z, out: aten.softplus.out(z, 1, 20, out=out),
        lambda d, z, out: aten.softplus_backward.grad_input(d, z, 1, 20, grad_input=out),
        from_output=False,
        weight_init="he_uniform",
        zero_at_zero=False,
    ),
    Activation(
        "softsign",
        nn.Softsign,
        _softsign,
        _softsign_backward,
        from_output=True,
        weight_init="glorot_uniform",
    ),
    Activation(
        "softmax",
        lambda: nn.Softmax(dim=-1),
        lambda z, out: aten._softmax.out(z, -1, False, out=out),
        _softmax_backward,
        from_output=True,
        weight_init="glorot_uniform",
        zero_at_zero=False,
        by_row=True,
    ),
    Activation(
        "linear",
        nn.Identity,
        _identity,
        _identity_backward,
        from_output=True,
        weight_init="lecun_normal",
    ),
)
