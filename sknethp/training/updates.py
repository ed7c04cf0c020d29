"""The update of a run of networks that share an optimizer: penalties, step and constraint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sknethp.training.blocks import Blocks
from sknethp.training.network import Network
from sknethp.training.optimizers import StepInputs, rule
from sknethp.training.rounding import norm

_NORM_EPS = 1e-6


def column(values: Sequence[float] | np.ndarray, device: torch.device) -> Tensor:
    """Return numbers as a column ``(n, 1)`` in float32."""
    return torch.tensor(np.asarray(values, np.float32), device=device).view(-1, 1)


class Update:
    """Steps of neighbouring networks that share an optimizer; `run` is their rows in the blocks."""

    def __init__(
        self,
        networks: Sequence[Network],
        run: slice,
        parameters: Blocks,
        gradients: Blocks,
        moments: Sequence[Blocks],
    ):
        settings = [network.settings for network in networks]
        self.run, self._networks = run, networks
        self._rule = rule(settings[0].optimizer, settings[0].nesterov)
        self._weights = list(
            zip(parameters.weight_rows(run), gradients.weight_rows(run), strict=True)
        )
        self._gradients = gradients.rows(run)
        own_moments = moments[: self._rule.n_moments]
        self._layers, self._embeddings = (
            [
                (w, g, m)
                for w, g, *m in zip(
                    *(rows(blocks, run) for blocks in (parameters, gradients, *own_moments)),
                    strict=True,
                )
            ]
            for rows in (Blocks.layer_rows, Blocks.input_rows)
        )
        self._embedding_lr_factor = np.array([s.embedding_lr_factor for s in settings])
        self._incoming = [parameters[slot.name][run] for slot in parameters.architecture.weights]
        device = self._gradients[0].device
        self._device = device
        self._inputs = [
            np.array([getattr(s, name) for s in settings], float)
            for name in ("momentum", "beta2", "weight_decay")
        ]
        decay = self._inputs[2]
        self._coupled = decay.any() and not self._rule.decoupled_decay
        self._decoupled = decay.any() and self._rule.decoupled_decay
        self._decay = column(decay, device)
        self._l1 = self._penalty([s.l1 for s in settings])
        self._clip = self._limit([s.gradient_clip for s in settings])
        self._max_norm = self._limit([s.max_norm for s in settings])

    def _penalty(self, values: Sequence[float]) -> Tensor | None:
        return column(values, self._device) if any(values) else None

    def _limit(self, values: Sequence[float | None]) -> Tensor | None:
        limits = [np.inf if value is None else value for value in values]
        return column(limits, self._device) if np.isfinite(limits).any() else None

    def prepare(self, rates: np.ndarray, first: int) -> None:
        """Compute the coefficients of a chunk's steps.

        `rates` is ``(n_steps, n_run)``; `first` updates have been made in this epoch.
        """
        made = np.array([network.n_steps for network in self._networks])
        steps = made + first + 1 + np.arange(len(rates))[:, None]
        self._coefficients = self._of_steps(rates, steps)
        self._embedding_coefficients = self._coefficients
        if self._embeddings and (self._embedding_lr_factor != 1).any():
            own_rates = rates * self._embedding_lr_factor
            self._embedding_coefficients = self._of_steps(own_rates, steps)

    def _of_steps(self, rates: np.ndarray, steps: np.ndarray) -> list[tuple[Tensor, ...]]:
        """Return the coefficients of each step as columns ``(n_run, 1)``."""
        inputs = StepInputs(rates, steps, *self._inputs)
        wanted = list(self._rule.coefficients(inputs))
        if self._decoupled:
            wanted.append(1 - rates * inputs.weight_decay)
        columns = [
            torch.tensor(
                np.broadcast_to(values, rates.shape).astype(np.float32), device=self._device
            ).unsqueeze(-1)
            for values in wanted
        ]
        return list(zip(*(values.unbind(0) for values in columns), strict=True))

    def step(self, s: int) -> None:
        """Make update `s` of the chunk, from the gradients in their blocks."""
        coefficients = self._coefficients[s]
        if self._clip is not None:
            self._clip_gradients()
        if self._coupled or self._l1 is not None:
            self._add_penalties()
        if self._decoupled:
            for w, _ in self._weights:
                w.mul_(coefficients[-1])
        for w, g, moments in self._layers:
            self._rule.update(w, g, moments, coefficients)
        for w, g, moments in self._embeddings:
            self._rule.update(w, g, moments, self._embedding_coefficients[s])
        if self._max_norm is not None:
            self._constrain()

    def _clip_gradients(self) -> None:
        """Scale gradients whose norm over all of a network's parameters exceeds the limit."""
        assert self._clip is not None
        norms = [norm(g, dim=1) for g in self._gradients]
        over_all = norm(torch.cat(norms, 1), dim=1).float()
        scale = (self._clip / over_all.add_(_NORM_EPS)).clamp_max_(1.0)
        for g in self._gradients:
            g.mul_(scale)

    def _add_penalties(self) -> None:
        for w, g in self._weights:
            if self._coupled:
                g.addcmul_(w, self._decay)
            if self._l1 is not None:
                g.addcmul_(w.sign(), self._l1)

    def _constrain(self) -> None:
        """Scale down each unit's incoming weights to the largest norm allowed (Hinton, 2012)."""
        assert self._max_norm is not None
        limit = self._max_norm.unsqueeze(-1)
        for weight in self._incoming:
            norms = norm(weight, dim=1).float()
            weight.mul_((limit / norms.clamp_min_(_NORM_EPS)).clamp_max_(1.0))
