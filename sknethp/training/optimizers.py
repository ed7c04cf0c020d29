"""Optimizer steps of many networks at once, each row with its own hyperparameters.

The rules are those of ``torch.optim``. Parameters, gradients and moments have the shape
``(n_networks, n_parameters)``, coefficients ``(n_networks, 1)``. A step may overwrite its gradient.
An optimizer is an entry of `OPTIMIZERS`; nothing else needs to know it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, optim

_EPS = 1e-8
_ADAGRAD_EPS = 1e-10
_ADADELTA_EPS = 1e-6
_NADAM_MOMENTUM_DECAY = 4e-3
_NEGLIGIBLE = 1e-20  # beside one


@dataclass(frozen=True)
class StepInputs:
    """What a rule may depend on, in ``n_steps`` steps of ``n_networks`` networks.

    `lr` and `step`, the number of each update since the network was created, from 1, are
    ``(n_steps, n_networks)``; the hyperparameters are ``(n_networks,)``.
    """

    lr: np.ndarray
    step: np.ndarray
    momentum: np.ndarray
    beta2: np.ndarray
    weight_decay: np.ndarray


Coefficients = Callable[[StepInputs], Sequence[np.ndarray]]
Update = Callable[[Tensor, Tensor, Sequence[Tensor], Sequence[Tensor]], None]


@dataclass(frozen=True)
class Rule:
    """One optimizer, with `n_moments` moments of each parameter that start at zero.

    `coefficients` turns `StepInputs` into arrays that broadcast to ``(n_steps, n_networks)``, and
    ``update(parameters, gradient, moments, coefficients)`` works in place. `uses` names the
    hyperparameters that it uses beside `lr` and `weight_decay`. With `decoupled_decay` weights are
    decayed directly (AdamW) instead of through the gradient.
    """

    n_moments: int
    coefficients: Coefficients
    update: Update
    torch: type[torch.optim.Optimizer]
    uses: tuple[str, ...] = ()
    decoupled_decay: bool = False


def _sgd_coefficients(s: StepInputs) -> Sequence[np.ndarray]:
    return -s.lr, s.momentum


def _sgd(w: Tensor, g: Tensor, moments: Sequence[Tensor], c: Sequence[Tensor]) -> None:
    (v,) = moments
    torch.addcmul(g, v, c[1], out=v)
    w.addcmul_(v, c[0])


def _sgd_nesterov(w: Tensor, g: Tensor, moments: Sequence[Tensor], c: Sequence[Tensor]) -> None:
    (v,) = moments
    torch.addcmul(g, v, c[1], out=v)
    w.addcmul_(g.addcmul_(v, c[1]), c[0])


def _adam_coefficients(s: StepInputs) -> Sequence[np.ndarray]:
    correction1 = 1 - s.momentum**s.step
    correction2 = np.sqrt(1 - s.beta2**s.step)
    return -s.lr * correction2 / correction1, 1 - s.momentum, 1 - s.beta2, _EPS * correction2


def _adam(w: Tensor, g: Tensor, moments: Sequence[Tensor], c: Sequence[Tensor]) -> None:
    m, v = moments
    m.lerp_(g, c[1])
    v.lerp_(g.square_(), c[2])
    torch.sqrt(v, out=g)
    torch.div(m, g.add_(c[3]), out=g)
    w.addcmul_(g, c[0])


def _nadam_momenta(momentum: np.ndarray, step: np.ndarray) -> np.ndarray:
    return momentum * (1 - 0.5 * 0.96 ** (step * _NADAM_MOMENTUM_DECAY))


def _nadam_products(momentum: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return products of all momenta up to each step, and up to the following step."""
    with np.errstate(divide="ignore"):
        vanished = np.ceil(np.log(_NEGLIGIBLE) / np.log(momentum.max()))
    last = int(min(step.max() + 1, max(vanished, 1)))
    products = np.cumprod(_nadam_momenta(momentum, np.arange(1, last + 1)[:, None]), axis=0)
    now, following = (np.minimum(at, last).astype(int) - 1 for at in (step, step + 1))
    return np.take_along_axis(products, now, 0), np.take_along_axis(products, following, 0)


def _nadam_coefficients(s: StepInputs) -> Sequence[np.ndarray]:
    now, following = (_nadam_momenta(s.momentum, step) for step in (s.step, s.step + 1))
    product_now, product_following = _nadam_products(s.momentum, s.step)
    return (
        -s.lr * (1 - now) / (1 - product_now),
        -s.lr * following / (1 - product_following),
        1 - s.momentum,
        1 - s.beta2,
        1 / np.sqrt(1 - s.beta2**s.step),
    )


def _nadam(w: Tensor, g: Tensor, moments: Sequence[Tensor], c: Sequence[Tensor]) -> None:
    m, v = moments
    m.lerp_(g, c[2])
    v.lerp_(g.square(), c[3])
    denominator = v.sqrt().mul_(c[4]).add_(_EPS)
    g.mul_(c[0]).addcmul_(m, c[1])
    w.addcdiv_(g, denominator)


def _adamax_coefficients(s: StepInputs) -> Sequence[np.ndarray]:
    return -s.lr / (1 - s.momentum**s.step), 1 - s.momentum, s.beta2


def _adamax(w: Tensor, g: Tensor, moments: Sequence[Tensor], c: Sequence[Tensor]) -> None:
    m, u = moments
    m.lerp_(g, c[1])
    torch.maximum(u.mul_(c[2]), g.abs_().add_(_EPS), out=u)
    torch.div(m, u, out=g)
    w.addcmul_(g, c[0])


def _rmsprop_coefficients(s: StepInputs) -> Sequence[np.ndarray]:
    return -s.lr, 1 - s.beta2


def _rmsprop(w: Tensor, g: Tensor, moments: Sequence[Tensor], c: Sequence[Tensor]) -> None:
    (v,) = moments
    v.lerp_(g.square(), c[1])
    g.div_(v.sqrt().add_(_EPS))
    w.addcmul_(g, c[0])


def _adagrad_coefficients(s: StepInputs) -> Sequence[np.ndarray]:
    return (-s.lr,)


def _adagrad(w: Tensor, g: Tensor, moments: Sequence[Tensor], c: Sequence[Tensor]) -> None:
    (total,) = moments
    total.addcmul_(g, g)
    g.div_(total.sqrt().add_(_ADAGRAD_EPS))
    w.addcmul_(g, c[0])


def _adadelta(w: Tensor, g: Tensor, moments: Sequence[Tensor], c: Sequence[Tensor]) -> None:
    squares, changes = moments
    squares.lerp_(g.square(), c[1])
    g.mul_((changes + _ADADELTA_EPS).sqrt_()).div_((squares + _ADADELTA_EPS).sqrt_())
    w.addcmul_(g, c[0])
    changes.lerp_(g.square_(), c[1])


_BOTH = ("momentum", "beta2")
OPTIMIZERS = {
    "sgd": Rule(1, _sgd_coefficients, _sgd, optim.SGD, ("momentum", "nesterov")),
    "adam": Rule(2, _adam_coefficients, _adam, optim.Adam, _BOTH),
    "adamw": Rule(2, _adam_coefficients, _adam, optim.AdamW, _BOTH, decoupled_decay=True),
    "nadam": Rule(2, _nadam_coefficients, _nadam, optim.NAdam, _BOTH),
    "adamax": Rule(2, _adamax_coefficients, _adamax, optim.Adamax, _BOTH),
    "rmsprop": Rule(1, _rmsprop_coefficients, _rmsprop, optim.RMSprop, ("beta2",)),
    "adagrad": Rule(1, _adagrad_coefficients, _adagrad, optim.Adagrad),
    "adadelta": Rule(2, _rmsprop_coefficients, _adadelta, optim.Adadelta, ("beta2",)),
}


def rule(optimizer: str, nesterov: bool) -> Rule:
    """Return the rule of an optimizer, or its Nesterov variant."""
    entry = OPTIMIZERS[optimizer]
    return replace(entry, update=_sgd_nesterov) if nesterov else entry
