"""Initial weights: the schemes, and which of them suits which activation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sknethp.training.activations import ACTIVATIONS
from sknethp.training.architecture import Architecture
from sknethp.training.inputs import Inputs
from sknethp.training.slots import Slot
from sknethp.training.threads import one_blas_thread

# Variance times fan; the fan is that of the inputs or the mean of both sides.
# Glorot & Bengio (2010); He et al. (2015); LeCun et al. (1998).
_SCALED = {"glorot": (1.0, "mean"), "he": (2.0, "in"), "lecun": (1.0, "in")}
_ALIASES = {
    f"{torch_name}_{distribution}": f"{name}_{distribution}"
    for torch_name, name in (("xavier", "glorot"), ("kaiming", "he"))
    for distribution in ("uniform", "normal")
}
_PLAIN_SPREAD = 0.05

WEIGHT_INITS = (
    "auto",
    "uniform",
    "normal",
    "zero",
    *(f"{name}_{distribution}" for name in _SCALED for distribution in ("uniform", "normal")),
    "orthogonal",
    *_ALIASES,
)


def _draw(scheme: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw weights ``(fan_in, fan_out)`` in float32."""
    if scheme == "zero":
        return np.zeros(shape, np.float32)
    if scheme == "orthogonal":
        return _orthogonal(shape, rng)
    name, _, distribution = scheme.rpartition("_")
    if name:
        gain, fan = _SCALED[name]
        std = math.sqrt(gain / (shape[0] if fan == "in" else sum(shape) / 2))
        limit = math.sqrt(3.0) * std
    else:
        std = limit = _PLAIN_SPREAD
    if distribution == "normal":
        return rng.standard_normal(shape, np.float32) * np.float32(std)
    return (rng.random(shape, np.float32) * 2 - 1) * np.float32(limit)


def _orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw a matrix with orthonormal rows or columns, whichever are fewer (Saxe et al., 2014)."""
    tall = rng.standard_normal((max(shape), min(shape)))
    with one_blas_thread():
        q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))
    return (q if shape[0] >= shape[1] else q.T).astype(np.float32)


def resolve(schemes: Sequence[str], architecture: Architecture) -> list[str]:
    """Replace ``"auto"`` and torch's names by schemes of this module, one per layer."""
    fitting = [ACTIVATIONS[name].weight_init for name in architecture.activations]
    return [
        fits if scheme == "auto" else _ALIASES.get(scheme, scheme)
        for scheme, fits in zip(schemes, [*fitting, "glorot_uniform"], strict=True)
    ]


def initial_parameters(
    architecture: Architecture, schemes: Sequence[str], rng: np.random.Generator
) -> Tensor:
    """Draw the flat parameter vector of a new network, ``(n_parameters,)``.

    `schemes` has one of `WEIGHT_INITS` per layer, the output layer included. Biases and shifts are
    zero, scales one.
    """
    resolved = resolve(schemes, architecture)
    weights = [
        _draw(resolved[slot.layer], slot.shape, rng).ravel() for slot in architecture.weights
    ]
    vectors = [_initial(slot) for slot in architecture.vectors]
    inputs = [
        _initial_of_inputs(slot, architecture.inputs, rng).ravel()
        for slot in architecture.inputs.parameters
    ]
    return torch.from_numpy(np.concatenate(weights + vectors + inputs))


def _initial(slot: Slot) -> np.ndarray:
    """Return ones for scales and variances, zeros for all other vectors."""
    return np.full(slot.shape, slot.kind in ("scale", "variance"), np.float32)


def _initial_of_inputs(slot: Slot, inputs: Inputs, rng: np.random.Generator) -> np.ndarray:
    """Draw parameters of a periodic embedding (Holzmüller et al., 2024)."""
    if slot.kind == "frequency":
        spread = np.float32(2 * math.pi * inputs.frequency_scale)
        return rng.standard_normal(slot.shape, np.float32) * spread
    if slot.kind == "bias":
        return _initial(slot)
    limit = math.pi if slot.kind == "phase" else 1 / math.sqrt(inputs.n_frequencies)
    return (rng.random(slot.shape, np.float32) * 2 - 1) * np.float32(limit)


def initial_statistics(architecture: Architecture) -> Tensor:
    """Return means of zero, scales and variances of one, ``(n_statistics,)``."""
    parts = [_initial(slot).ravel() for slot in architecture.statistics]
    return torch.from_numpy(np.concatenate([np.zeros(0, np.float32), *parts]))
