"""From a fitted module to logits and probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

_ROWS_AT_A_TIME = 8192


def forward_in_double(module: nn.Module, X: Any) -> Tensor:
    """Return the logits of samples in float64.

    In float32 a sample's logits would depend, in the last digits, on how many others are
    predicted with it.

    Parameters
    ----------
    module : nn.Module
    X : ndarray or CSR matrix of shape (n_samples, n_features)

    Returns
    -------
    Tensor of shape (n_samples, n_outputs)
    """
    module.eval()
    state = {
        name: value.detach().double() if value.is_floating_point() else value
        for name, value in (*module.named_parameters(), *module.named_buffers())
    }
    logits = []
    with torch.inference_mode():
        for first in range(0, X.shape[0], _ROWS_AT_A_TIME):
            part = X[first : first + _ROWS_AT_A_TIME]
            dense = part if isinstance(part, np.ndarray) else part.toarray()
            values = torch.from_numpy(np.array(dense, dtype=np.float64))
            logits.append(functional_call(module, state, (values,)))
    return torch.cat(logits)


def probabilities(logits: Tensor) -> np.ndarray:
    """Return class probabilities ``(n_samples, n_classes)`` of logits ``(n_samples, n_outputs)``.

    They are in float64 and sum to one within its accuracy.
    """
    logits = logits.double()
    if logits.shape[1] == 1:
        logits = torch.cat([torch.zeros_like(logits), logits], 1)
    return torch.softmax(logits, 1).numpy()
