"""The skorch net inside a DeepNetClassifier, whose epochs are trained elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochScoring
from skorch.dataset import Dataset
from torch import Tensor, nn

from sknethp.stopping import Monitor, Progress
from sknethp.training.blocks import Blocks
from sknethp.training.epoch import Epoch, EpochResult, n_steps
from sknethp.training.losses import sample_losses, smoothed
from sknethp.training.module import attach, build_module, detach
from sknethp.training.network import Network
from sknethp.training.rows import Part
from sknethp.training.schedules import Schedule
from sknethp.training.trainer import Trainer

_TORCH_OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "adamax": torch.optim.Adamax,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
}
_BATCH_EVENTS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class DivergenceError(ArithmeticError, ValueError):
    """The loss of a network became NaN or infinite."""


class _StopTraining(Exception):  # noqa: N818
    """A callback has asked for the end of training."""


@dataclass
class Lesson:
    """All that the epochs of one fit need beside the net.

    Attributes
    ----------
    trainer : Trainer
    network : Network
    train : Part
    valid : Part or None
    schedule : Schedule
    monitor : Monitor or None
        None without validation.
    progress : Progress
    device : torch.device
    n_epochs : int
    datasets : callable
        Makes skorch's training and validation data sets, for callbacks alone.
    """

    trainer: Trainer
    network: Network
    train: Part
    valid: Part | None
    schedule: Schedule
    monitor: Monitor | None
    progress: Progress
    device: torch.device
    n_epochs: int
    datasets: Callable[[], tuple[Dataset, Dataset | None]]


def follows_batches(callback: Any) -> bool:
    """Whether a skorch callback does something at every batch."""
    kind = type(callback)
    if isinstance(callback, EpochScoring):  # with caching off it waits for the epoch's end
        return False
    return any(getattr(kind, event) is not getattr(Callback, event) for event in _BATCH_EVENTS)


def _class_probabilities(logits: Tensor) -> Tensor:
    """Return ``(n_samples, n_classes)`` of logits ``(n_samples, n_outputs)``, as skorch wants."""
    if logits.shape[1] == 1:
        logits = torch.cat([torch.zeros_like(logits), logits], 1)
    return torch.softmax(logits, 1)


class EpochNet(ClassifierMixin, NeuralNet):
    """A skorch net that hands whole epochs to a `Trainer`.

    Its ``module_`` gives logits, ``predict_proba`` class probabilities; history, callbacks,
    ``save_params`` and ``load_params`` are skorch's. It is trained through ``DeepNetClassifier``.
    """

    @property
    def _default_callbacks(self) -> list:
        """None: what skorch's would record is recorded without them."""
        return []

    @property
    def classes_(self) -> np.ndarray:
        """Positions of the classes, ``(n_classes,)``, which stand for the labels here."""
        return np.arange(max(2, self.module_.get_submodule("output").out_features))

    def predict(self, X: Any) -> np.ndarray:
        """Return the position of the most probable class of each sample, ``(n_samples,)``."""
        return self.predict_proba(X).argmax(1)

    def initialize_optimizer(self, triggered_directly: bool | None = None) -> EpochNet:
        """Make a torch optimizer for callbacks that look at it; it takes no part in training."""
        if self.callbacks_:
            super().initialize_optimizer(triggered_directly)
        return self

    def learn(self, lesson: Lesson) -> EpochNet:
        """Train for the epochs of a lesson; the module follows the network's parameters."""
        with_callbacks = bool(self.callbacks_)
        train, valid = lesson.datasets() if with_callbacks else (None, None)
        observer = _BatchEvents(self, lesson) if self._follows_batches() else None
        X, y = (train.X, train.y) if train is not None else (None, None)
        self.notify("on_train_begin", X=X, y=y)
        try:
            for epoch in range(lesson.n_epochs):
                self.notify("on_epoch_begin", dataset_train=train, dataset_valid=valid)
                stop = self._learn_epoch(lesson, epoch, observer)
                self.notify("on_epoch_end", dataset_train=train, dataset_valid=valid)
                if stop:
                    break
        except _StopTraining:
            pass
        lesson.progress.restore(lesson.network)
        self.notify("on_train_end", X=X, y=y)
        detach(self.module_)
        return self

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Tell the callbacks; one that interrupts (skorch's EarlyStopping) ends the training."""
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt as interrupt:
            # Only at the end of an epoch do skorch's callbacks ask for the end in this way; at
            # any other time it is Ctrl-C.
            if method_name != "on_epoch_end" or not self.callbacks_:
                raise
            raise _StopTraining from interrupt

    def _follows_batches(self) -> bool:
        return any(follows_batches(callback) for _, callback in self.callbacks_)

    def _learn_epoch(self, lesson: Lesson, epoch: int, observer: Any) -> bool:
        """Train for an epoch and record it; return whether to stop."""
        start = time.perf_counter()
        steps = n_steps(len(lesson.train), lesson.network.settings.batch_size)
        rates = lesson.schedule.rates(epoch, steps, lesson.progress.drops)
        wish = Epoch(lesson.network, lesson.train, lesson.valid, rates, lesson.device, observer)
        result = lesson.trainer.train(wish)
        _check_finite(result, epoch, lesson)
        score = -result.train_loss if lesson.monitor is None else lesson.monitor.score(result)
        stop = lesson.progress.update(score, lesson.network)
        self._record(result, float(rates[-1]), time.perf_counter() - start, score, lesson)
        return stop

    def _record(
        self, result: EpochResult, lr: float, seconds: float, score: float, lesson: Lesson
    ) -> None:
        row: dict[str, Any] = {
            "lr": lr,
            "train_loss": result.train_loss,
            "train_accuracy": result.train_accuracy,
        }
        if result.valid_loss is not None:
            row |= {"valid_loss": result.valid_loss, "valid_accuracy": result.valid_accuracy}
        if lesson.monitor is not None and lesson.monitor.name not in row:
            row[lesson.monitor.name] = score
        row["seconds"] = seconds
        self.history[-1].update(row)
        if self.callbacks_:
            self._record_for_callbacks(result, len(lesson.train))
        if self.verbose:
            numbers = "  ".join(f"{name} {value:.4g}" for name, value in row.items())
            print(f"epoch {len(self.history):>4}  {numbers}")

    def _record_for_callbacks(self, result: EpochResult, n_samples: int) -> None:
        """Record what skorch's Checkpoint looks for: a last batch, and whether the loss is best."""
        *before, row = self.history
        if not row["batches"]:
            self.history.new_batch()
            self.history.record_batch("train_loss", result.train_loss)
            self.history.record_batch("train_batch_size", n_samples)
        if result.valid_loss is not None:
            losses = [earlier.get("valid_loss", np.inf) for earlier in before]
            self.history.record("valid_loss_best", result.valid_loss < min(losses, default=np.inf))


def _check_finite(result: EpochResult, epoch: int, lesson: Lesson) -> None:
    """Stop a network that has diverged, with the likely cause."""
    losses = [result.train_loss] + ([] if result.valid_loss is None else [result.valid_loss])
    if not np.isfinite(losses).all():
        what = f"loss became {'NaN' if np.isnan(losses).any() else 'infinite'}"
    elif not result.is_finite:
        what = "weights became infinite"  # by the last update; no loss has shown it yet
    else:
        return
    lr = lesson.schedule.lr
    raise DivergenceError(
        f"The {what} in epoch {epoch + 1}: "
        f"most likely the learning rate is too high (lr={lr:g}) or the inputs are not scaled. "
        "Lower lr, put a StandardScaler in front, or set gradient_clip."
    )


class _BatchEvents:
    """Passes single batches on to skorch's callbacks."""

    def __init__(self, net: EpochNet, lesson: Lesson):
        self.net, self.part = net, lesson.train
        self._smoothing = torch.tensor(lesson.network.settings.label_smoothing)

    def _batch(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        X = torch.empty(len(samples), self.part.rows.shape[1])
        self.part.rows.gather(samples, X)
        targets = self.part.targets[samples.long()]
        return X, targets if targets.shape[1] == 1 else targets.argmax(1)

    def batch_begins(self, samples: Tensor) -> None:
        """Tell the callbacks before a batch."""
        self.net.notify("on_batch_begin", batch=self._batch(samples), training=True)

    def gradient_computed(self, gradient: Blocks) -> None:
        """Show the callbacks the gradients; what they change in place takes effect."""
        names = [name for name, _ in self.net.module_.named_parameters()]
        parameters = dict(self.net.module_.named_parameters())
        layers = [name.removesuffix(".weight") for name in names if _is_linear(name)]
        for i, layer in enumerate(layers):
            parameters[f"{layer}.weight"].grad = gradient.weights[i][0].t()
            parameters[f"{layer}.bias"].grad = gradient.vectors[i].view(-1)
        rest = [name for name in names if name.startswith("norm_")]
        for name, vector in zip(rest, gradient.vectors[len(layers) :], strict=True):
            parameters[name].grad = vector.view(-1)
        self.net.notify("on_grad_computed", named_parameters=list(parameters.items()))

    def batch_ends(self, samples: Tensor, logits: Tensor) -> None:
        """Record the batch and tell the callbacks after it."""
        X, y = self._batch(samples)
        targets = smoothed(self.part.targets[samples.long()], self._smoothing)
        loss = sample_losses(logits, targets).mean()
        self.net.history.record_batch("train_loss", float(loss))
        self.net.history.record_batch("train_batch_size", len(samples))
        self.net.notify("on_batch_end", batch=(X, y), training=True, loss=loss, y_pred=logits)


def _is_linear(name: str) -> bool:
    return name.endswith(".weight") and (name.startswith("linear_") or name.startswith("output"))


def new_net(
    network: Network, lr: float, max_epochs: int, callbacks: Any, verbose: bool
) -> EpochNet:
    """Make a skorch net, initialised, around a network.

    Parameters
    ----------
    network : Network
    lr : float
    max_epochs : int
    callbacks : list of skorch callbacks or None
    verbose : bool

    Returns
    -------
    EpochNet
    """
    binary = network.architecture.n_outputs == 1
    module = build_module(network.architecture, network.settings.dropout)
    attach(module, network)
    net = EpochNet(
        module,
        nn.BCEWithLogitsLoss if binary else nn.CrossEntropyLoss,
        optimizer=_TORCH_OPTIMIZERS[network.settings.optimizer],
        lr=lr,
        max_epochs=max_epochs,
        batch_size=network.settings.batch_size,
        predict_nonlinearity=_class_probabilities,
        train_split=None,
        callbacks=list(callbacks) if callbacks else "disable",
        verbose=int(verbose),
        use_caching=False,
    )
    return net.initialize()
