"""The skorch net inside a DeepNetClassifier, whose epochs are trained elsewhere."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from skorch import NeuralNet
from skorch.callbacks import EarlyStopping, TrainEndCheckpoint
from skorch.dataset import Dataset
from skorch.exceptions import SkorchException
from skorch.history import History

from sknethp.estimator.batches import BatchEvents, follows_batches
from sknethp.estimator.calibration import LeftOut, divide_logits, temperature_of
from sknethp.estimator.request import FitRequest, Subset
from sknethp.estimator.stopping import Monitor, Progress
from sknethp.exceptions import DivergenceError
from sknethp.hyperparameters.automatic import AUTOMATIC
from sknethp.training.epoch import Epoch, EpochResult, n_steps
from sknethp.training.evaluation import combined
from sknethp.training.module import attach, build_ensemble, build_module, detach
from sknethp.training.network import Network
from sknethp.training.objectives import Objective
from sknethp.training.optimizers import OPTIMIZERS
from sknethp.training.rows import Part
from sknethp.training.trainer import Trainer


class _StopTraining(Exception):  # noqa: N818
    """A callback has asked to end the training."""


@dataclass
class FitPlan:
    """What the epochs of one fit need beside the net."""

    request: FitRequest
    trainer: Trainer
    networks: Sequence[Network]
    train: Part
    valid: Part | None
    left_out: LeftOut | None
    monitor: Monitor | None
    progress: Progress

    def parts(self, epoch: int) -> list[tuple[Part, Part | None]]:
        """Return what each network is trained and then evaluated on in an epoch."""
        if self.left_out is not None and epoch < self.left_out.n_epochs:
            return self.left_out.parts(epoch)
        return [(self.train, self.valid)] * len(self.networks)


def _dataset(subset: Subset | None) -> Dataset | None:
    """Return a skorch data set, for callbacks that look at the data."""
    if subset is None:
        return None
    return Dataset(subset.samples.X[subset.index], subset.samples.y[subset.index])


class EpochNet(ClassifierMixin, NeuralNet):
    """A skorch net that hands whole epochs to a `Trainer`.

    Its ``module_`` returns logits, ``predict_proba`` class probabilities; history, callbacks,
    ``save_params`` and ``load_params`` are skorch's. It is trained through ``DeepNetClassifier``.
    """

    history: Any
    objective_: Objective
    resolved_: dict[str, Any]  # the hyperparameters that may be "auto", as this fit has them
    temperature_: float = 1.0

    @property
    def _default_callbacks(self) -> list:
        """None: what skorch's default callbacks would record is recorded without them."""
        return []

    @property
    def classes_(self) -> np.ndarray:
        """Indices of the classes, ``(n_classes,)``, in place of the labels."""
        return np.arange(self.objective_.n_classes)

    def predict(self, X: Any) -> np.ndarray:
        """Return the index of the most probable class of each sample, ``(n_samples,)``."""
        return self.predict_proba(X).argmax(1)

    def initialize_optimizer(self, triggered_directly: bool | None = None) -> EpochNet:
        """Make a torch optimizer for callbacks that look at it; it is not used in training."""
        if self.callbacks_:
            super().initialize_optimizer(triggered_directly)
        return self

    def take_module(self, networks: Sequence[Network]) -> None:
        """Initialise the net, but for its history, around a module that follows the networks."""
        if self.module is not None:
            return
        members = [build_module(net.architecture, net.settings.dropout) for net in networks]
        for member, network in zip(members, networks, strict=True):
            attach(member, network)
        # As its constructor would: skorch takes an assignment for one of another module.
        self.__dict__["module"] = build_ensemble(members, self.objective_)
        history, self.history = self.history, None
        self.initialize()
        self.history = history

    def __getstate__(self) -> dict[str, Any]:
        """Leave out `module`, where it is `module_`: skorch would write it twice."""
        state = super().__getstate__()
        if self.module is getattr(self, "module_", None):
            state.pop("module", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore `module`."""
        super().__setstate__(state)
        self.__dict__.setdefault("module", self.__dict__.get("module_"))

    def train_epochs(self, plan: FitPlan) -> EpochNet:
        """Train for the epochs of a plan; the module follows the networks' parameters."""
        parts = plan.request.train, plan.request.valid
        train, valid = (_dataset(part) if self.callbacks_ else None for part in parts)
        X, y = (None, None) if train is None else (train.X, train.y)
        observer, tasks = self._observer(plan), plan.request.tasks
        self.notify("on_train_begin", X=X, y=y)
        try:
            for epoch in range(plan.request.n_epochs):
                self.notify("on_epoch_begin", dataset_train=train, dataset_valid=valid)
                if tasks is not None:
                    tasks.begin_epoch()
                stop = self._train_epoch(plan, epoch, observer)
                self.notify("on_epoch_end", dataset_train=train, dataset_valid=valid)
                if (tasks is not None and tasks.end_epoch(self)) or stop:
                    break
        except _StopTraining:
            pass
        plan.progress.restore(plan.networks)
        self.take_module(plan.networks)
        self.notify("on_train_end", X=X, y=y)  # may load the weights of another epoch
        if plan.request.valid is not None and plan.request.parameters["calibrate"]:
            self.temperature_ = temperature_of(self.objective_, self.module_, plan.request.valid)
        if self.temperature_ != 1:
            divide_logits(plan.networks, self.temperature_)
            for _, callback in self.callbacks_:
                if isinstance(callback, TrainEndCheckpoint):  # it has saved other weights
                    callback.on_train_end(self, X=X, y=y)
        detach(self.module_, plan.networks[0].n_steps)
        return self

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Notify the callbacks; skorch's EarlyStopping raises an interrupt to end the training."""
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt as interrupt:
            # Any other is Ctrl-C, which ends fit and the search around it.
            if method_name != "on_epoch_end" or not any(map(_has_lost_patience, self.callbacks_)):
                raise
            raise _StopTraining from interrupt
        except (KeyError, SkorchException) as error:
            if missing := re.search("Key (.+) was not found in history", str(error)):
                raise ValueError(self._no_column(missing[1])) from error
            raise

    def _no_column(self, column: str) -> str:
        """Return an error for a callback that looks up a missing column, given in quotes."""
        monitors = {repr(getattr(c, "monitor", None)): type(c).__name__ for _, c in self.callbacks_}
        present = [name for name in self.history[-1] if name != "batches"]
        return (
            f"{monitors.get(column, 'A callback')} looks for {column} in the history, which has "
            f"{', '.join(present)}: monitor one of these; those of a validation part need fit with "
            "early_stopping=True, or with X_val and y_val."
        )

    def _observer(self, plan: FitPlan) -> BatchEvents | None:
        if not any(follows_batches(callback) for _, callback in self.callbacks_):
            return None
        return BatchEvents(self, self.objective_, plan.networks[0], plan.train)

    def _train_epoch(self, plan: FitPlan, epoch: int, observer: BatchEvents | None) -> bool:
        """Train for an epoch and record it; return whether to stop."""
        start = time.perf_counter()
        batch_size = plan.networks[0].settings.batch_size
        is_watched = bool(self.callbacks_) or plan.request.tasks is not None
        may_stop = is_watched or np.isfinite(plan.progress.patience)
        requests = [
            Epoch(
                network=network,
                train=train,
                valid=valid,
                rates=plan.request.schedule.rates(
                    epoch, n_steps(len(train), batch_size), plan.progress.drops
                ),
                objective=plan.request.objective,
                device=plan.request.device,
                observer=observer,
                fit=plan.networks[0].serial,
                n_left=1 if may_stop else plan.request.n_epochs - epoch,
            )
            for network, (train, valid) in zip(plan.networks, plan.parts(epoch), strict=True)
        ]
        results = plan.trainer.train(requests)
        result = combined(plan.request.objective, results, plan.valid)
        _check_finite(result, epoch, plan.request.schedule.lr)
        if plan.left_out is not None and epoch == plan.left_out.n_epochs - 1:
            self.temperature_ = plan.left_out.temperature(self.objective_, results)
        score = -result.train.loss if plan.monitor is None else plan.monitor.score(result)
        stop = plan.progress.update(score, plan.networks)
        seconds = time.perf_counter() - start
        if observer is not None and plan.valid is not None and result.valid is not None:
            observer.validated(plan.valid, result.valid)
        row = {"lr": float(requests[0].rates[-1]), **result.train.named("train")}
        if result.valid is not None:
            row |= result.valid.measures.named("valid")
        if plan.monitor is not None:
            row.setdefault(plan.monitor.name, score)
        self._record(row, seconds, requests[0].train, plan.valid)
        return stop

    def _record(
        self, row: dict[str, float], seconds: float, train: Part, valid: Part | None
    ) -> None:
        if self.callbacks_:
            self._record_for_callbacks(row, train, valid)
        row["seconds"] = seconds  # which is not among what is best
        self.history[-1].update(row)
        if self.verbose:
            numbers = "  ".join(f"{name} {value:.4g}" for name, value in row.items())
            print(f"epoch {len(self.history):>4}  {numbers}")

    def _record_for_callbacks(self, row: dict[str, float], train: Part, valid: Part | None) -> None:
        """Record what skorch's callbacks look up: batches, and which values are the best so far."""
        if not self.history[-1]["batches"]:
            for part, samples in (("train", train), ("valid", valid)):
                if samples is not None:
                    self.history.new_batch()
                    self.history.record_batch(f"{part}_loss", row[f"{part}_loss"])
                    self.history.record_batch(f"{part}_batch_size", len(samples))
        for name, value in row.items():
            if name == "lr":
                continue
            sign = -1 if name in ("train_loss", "valid_loss") else 1
            before = [sign * past[name] for past in self.history[:-1] if name in past]
            self.history.record(f"{name}_best", sign * value > max(before, default=-np.inf))


def _has_lost_patience(entry: tuple[str, Any]) -> bool:
    """Tell whether a callback is skorch's EarlyStopping, and ends the training now."""
    callback = entry[1]
    return isinstance(callback, EarlyStopping) and callback.misses_ == callback.patience


def _check_finite(result: EpochResult, epoch: int, lr: float) -> None:
    """Raise a DivergenceError, with the likely cause, if a network has diverged."""
    losses = [result.train.loss]
    if result.valid is not None:
        losses.append(result.valid.measures.loss)
    if not np.isfinite(losses).all():
        what = f"loss became {'NaN' if np.isnan(losses).any() else 'infinite'}"
    elif not result.is_finite:
        what = "weights became infinite"  # in the last update, after the last loss
    else:
        return
    raise DivergenceError(
        f"The {what} in epoch {epoch + 1}: "
        f"most likely the learning rate is too high (lr={lr:g}) or the inputs are not scaled. "
        "Lower lr, set gradient_clip, or scale the inputs (input_scaling)."
    )


def new_net(networks: Sequence[Network], request: FitRequest) -> EpochNet:
    """Make a skorch net for the networks of a fit.

    With callbacks, which look at it, it has its module from the beginning. Otherwise `take_module`
    adds it later, so that fits that wait for each other hold no modules.
    """
    parameters, objective = request.parameters, request.objective
    net = EpochNet(
        None,
        objective.criterion,
        optimizer=OPTIMIZERS[parameters["optimizer"]].torch,
        lr=parameters["lr"],
        max_epochs=parameters["max_epochs"],
        batch_size=networks[0].settings.batch_size,
        predict_nonlinearity=objective.probabilities,
        train_split=None,
        callbacks=list(parameters["callbacks"]) if parameters["callbacks"] else "disable",
        verbose=int(parameters["verbose"]),
        use_caching=False,
        history=History(),
    )
    net.objective_, net.callbacks_ = objective, []
    net.resolved_ = {name: parameters[name] for name in AUTOMATIC}
    if parameters["callbacks"] or request.tasks:
        net.take_module(networks)
    return net
