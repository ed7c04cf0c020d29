"""The bridge to skorch callbacks that follow single batches."""

from __future__ import annotations

from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochScoring
from torch import Tensor

from sknethp.training.blocks import Blocks
from sknethp.training.epoch import Evaluation
from sknethp.training.network import Network
from sknethp.training.objectives import Objective
from sknethp.training.rows import Part

_EVENTS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


def follows_batches(callback: Any) -> bool:
    """Tell whether a skorch callback does something at every batch."""
    kind = type(callback)
    if isinstance(callback, EpochScoring):  # without caching it waits for the end of the epoch
        return False
    return any(getattr(kind, event) is not getattr(Callback, event) for event in _EVENTS)


class BatchEvents:
    """Passes single batches on to skorch's callbacks."""

    def __init__(self, net: NeuralNet, objective: Objective, network: Network, train: Part):
        self._net, self._objective, self._network, self._train = net, objective, network, train
        self._smoothing = train.targets.new_tensor(network.settings.label_smoothing)

    def _batch(self, part: Part, samples: Tensor) -> tuple[Tensor, Tensor]:
        X = part.targets.new_empty(len(samples), part.rows.shape[1])
        part.rows.gather(samples, X)
        return X, self._objective.criterion_targets(part.targets[samples.long()])

    def batch_begins(self, samples: Tensor) -> None:
        """Tell the callbacks before a batch."""
        self._net.notify("on_batch_begin", batch=self._batch(self._train, samples), training=True)

    def gradient_computed(self, gradient: Blocks) -> None:
        """Show the callbacks the gradients; what they change in place takes effect."""
        parameters = dict(self._net.module_.named_parameters())
        for slot in self._network.architecture.parameters:
            parameters[slot.name].grad = slot.for_module(gradient[slot.name].view(slot.shape))
        self._net.notify("on_grad_computed", named_parameters=list(parameters.items()))

    def batch_ends(self, samples: Tensor, logits: Tensor) -> None:
        """Record the batch and tell the callbacks after it."""
        targets = self._train.targets[samples.long()]
        targets = self._objective.smoothed(targets, self._smoothing)
        self._end(self._batch(self._train, samples), targets, logits, "train")

    def validated(self, valid: Part, evaluation: Evaluation) -> None:
        """Tell the callbacks of each batch of the validation part."""
        samples = torch.from_numpy(valid.index).split(self._network.settings.batch_size)
        logits = evaluation.logits.split(self._network.settings.batch_size)
        for own, own_logits in zip(samples, logits, strict=True):
            batch = self._batch(valid, own)
            self._net.notify("on_batch_begin", batch=batch, training=False)
            self._end(batch, valid.targets[own.long()], own_logits, "valid")

    def _end(
        self, batch: tuple[Tensor, Tensor], targets: Tensor, logits: Tensor, part: str
    ) -> None:
        loss = self._objective.sample_losses(logits, targets).mean()
        self._net.history.record_batch(f"{part}_loss", float(loss))
        self._net.history.record_batch(f"{part}_batch_size", len(logits))
        self._net.notify(
            "on_batch_end", batch=batch, training=part == "train", loss=loss, y_pred=logits
        )
