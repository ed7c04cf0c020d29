"""The bridge to scikit-learn's callbacks, which estimators have from its release 1.9."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class FitTasks:
    """Tells the callbacks of an estimator of its fit, and of each epoch as a task of the fit.

    `told` is what they learn of the data: `X`, `y` and `metadata`; `classes` are the labels.
    """

    estimator: Any
    told: dict[str, Any]
    classes: Any = None
    fit: Any = None
    epoch: Any = None

    def begin_fit(self, n_epochs: int) -> None:
        """Tell of the fit, which may end after fewer epochs."""
        self.fit = self.estimator._init_callback_context(max_subtasks=n_epochs)
        self.fit.call_on_fit_task_begin(estimator=self.estimator, **self.told)

    def begin_epoch(self) -> None:
        """Tell of an epoch."""
        self.epoch = self.fit.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(estimator=self.estimator, **self.told)

    def end_epoch(self, net: Any) -> bool:
        """Tell that an epoch has ended, with a net that can predict; return whether to stop."""
        return self.epoch.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes={"classes_": self.classes, "net_": net},
            **self.told,
        )

    def end_fit(self) -> None:
        """Tell that the estimator is fitted."""
        self.fit.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes={}, **self.told
        )


def fit_tasks(estimator: Any, X: Any, y: Any, weight: Any) -> FitTasks | None:
    """Return what tells an estimator's callbacks of its fit, if it has any."""
    if not getattr(estimator, "_skl_callbacks", None):
        return None
    metadata = None if weight is None else {"sample_weight": weight}
    return FitTasks(estimator, {"X": X, "y": y, "metadata": metadata})
