"""DeepNetClassifier: a deep net whose every hyperparameter is an estimator parameter."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sknethp.compat import CallbackSupportMixin, with_callbacks
from sknethp.estimator.data_checks import (
    check_classes,
    check_data,
    check_targets,
    check_weights,
    encode,
    listed,
    warn_of_unscaled,
)
from sknethp.estimator.fit_tasks import fit_tasks
from sknethp.estimator.fitting import Fitted, fit_network, fitted_as_it_is
from sknethp.estimator.memory import fit_or_recall
from sknethp.estimator.prediction import forward_in_double, log_probabilities, probabilities
from sknethp.estimator.request import Samples, fit_request
from sknethp.hyperparameters import (
    check_hyperparameters,
    described,
    hyperparameters_of,
    no_parameter,
    set_parameters,
    translates_names,
)
from sknethp.training.inputs import Inputs
from sknethp.training.objectives import Objective
from sknethp.training.threads import one_torch_thread

_ONE_MORE_EPOCH = {"lr_schedule": "constant", "warmup_fraction": 0.0, "early_stopping": False}


class DeepNetClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):  # noqa: D101
    __doc__ = f"""A fully connected deep net for classification.

    It is trained in minibatches on the cross-entropy, with one sigmoid unit for two classes and
    softmax units for more. Every hyperparameter of its structure and training is a parameter,
    and can be tuned by name in any scikit-learn search.

    Parameters
    ----------
    {described("structure")}
    {described("training")}
    {described("stopping")}
    {described("running")}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    n_features_in_ : int
        Number of features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has names that are all strings.
    n_iter_ : int
        Epochs trained.
    best_epoch_ : int
        The best epoch, counted from 1, by `monitor` (without validation by training loss).
    history_ : list of dict
        A row per epoch: epoch, lr, train_loss, train_accuracy, with validation valid_loss,
        valid_accuracy and the monitored score, and seconds. ``pandas.DataFrame(history_)`` is a
        table of it.
    temperature_ : float
        What the logits were divided by, see `calibrate`; 1 if they were not.
    net_ : skorch.NeuralNet
        The skorch net, with its history and ``save_params``.
    module_ : torch.nn.Module
        Computes logits, and runs without this package.

    References
    ----------
    Goodfellow, Bengio & Courville (2016), Deep Learning, MIT Press.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknethp import DeepNetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> DeepNetClassifier(random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    @translates_names
    def __init__(
        self,
        *,
        hidden_layers=2,
        hidden_units=256,
        activation="silu",
        dropout=0.3,
        input_dropout=0.0,
        input_scaling="standard",
        embedding="auto",
        embedding_size=3,
        embedding_frequencies=16,
        frequency_scale=0.1,
        embedding_bins="auto",
        weight_init="auto",
        normalization=None,
        residual=False,
        ensemble_size=1,
        optimizer="adam",
        lr="auto",
        embedding_lr_factor=1.0,
        lr_schedule="cosine",
        lr_final=0.01,
        lr_drop_factor=0.5,
        lr_drop_epochs=10,
        warmup_fraction=0.0,
        momentum=0.9,
        nesterov=False,
        beta2=0.95,
        weight_decay=0.0,
        l1=3e-5,
        max_norm=None,
        gradient_clip=None,
        label_smoothing="auto",
        class_weight=None,
        batch_size="auto",
        max_epochs=60,
        shuffle=True,
        early_stopping=False,
        patience=20,
        min_improvement=0.0,
        monitor="valid_loss",
        validation_fraction=0.1,
        restore_best=True,
        calibrate=True,
        warm_start=False,
        random_state=None,
        device="cpu",
        callbacks=None,
        memory=None,
        verbose=0,
    ):
        set_parameters(self, locals())

    @classmethod
    @cache  # reading a signature is slow
    def _get_param_names(cls):
        return super()._get_param_names()

    def set_params(self, **params):
        """Set parameters.

        Parameters
        ----------
        **params : dict
            From names to values.

        Returns
        -------
        self
        """
        names = self._get_param_names()
        for name in params:
            if name not in names:
                raise ValueError(no_parameter(self, name, names))
        return super().set_params(**params)

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None):
        """Train the net.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Labels of any type.
        sample_weight : array-like of shape (n_samples,) or None
            Weights in the loss; only their ratios matter.
        X_val, y_val : array-like or None
            A validation part of your own, in place of a share of X; used with
            ``early_stopping`` off as well, to restore the best epoch.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, a combination of parameters or the data are not valid.
        DivergenceError
            If the loss becomes NaN or infinite; a ``ValueError`` too.
        """
        parameters = check_hyperparameters(hyperparameters_of(self))
        given = X, y, sample_weight
        X, y = check_data(self, X, y)
        check_targets(y)
        classes, encoded = np.unique(y, return_inverse=True)
        check_classes(classes)
        warn_of_unscaled(self, X, parameters["input_scaling"])
        samples = Samples(X, encoded, check_weights(sample_weight, X), classes)
        validation = self._validation_samples(X_val, y_val, classes)
        inputs = self._inputs() if parameters["warm_start"] else None
        request = fit_request(parameters, samples, validation, _seed(parameters), inputs=inputs)
        if (tasks := fit_tasks(self, *given)) is not None:
            tasks.classes = classes
            tasks.begin_fit(request.n_epochs)
            request = replace(request, tasks=tasks)
        with one_torch_thread(), torch.inference_mode(False):
            earlier = self._earlier(classes) if parameters["warm_start"] else None
            self._keep(fit_or_recall(request, earlier), classes)
        if tasks is not None:
            tasks.end_fit()
        return self

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one more epoch, at the learning rate `lr`.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        classes : array-like of shape (n_classes,) or None
            All labels that may occur; needed in the first call if `y` does not have all of them.
        sample_weight : array-like of shape (n_samples,) or None

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `y` has labels that are not among the classes.
        """
        parameters = check_hyperparameters(hyperparameters_of(self)) | _ONE_MORE_EPOCH
        first = not hasattr(self, "net_")
        X, y = check_data(self, X, y, reset=first)
        check_targets(y)
        if first:
            labels = np.unique(y if classes is None else classes)
            check_classes(labels)
            warn_of_unscaled(self, X, parameters["input_scaling"])
        else:
            labels = self.classes_
            if classes is not None and not np.array_equal(labels, np.unique(classes)):
                raise ValueError(
                    f"classes={classes!r} differ from those of the first call, {listed(labels)}: "
                    "give the same, or none."
                )
        samples = Samples(X, encode(y, labels, "y"), check_weights(sample_weight, X), labels)
        seed, inputs = _seed(parameters), self._inputs()
        request = fit_request(parameters, samples, None, seed, n_epochs=1, inputs=inputs)
        with one_torch_thread(), torch.inference_mode(False):
            earlier = None if first else self._earlier(labels)
            self._keep(fit_network(request, earlier), labels)
        return self

    def predict_proba(self, X):
        """Return class probabilities.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        logits = self._logits(X)
        return probabilities(self._objective, logits)

    def predict_log_proba(self, X):
        """Return the logarithms of the class probabilities.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        logits = self._logits(X)
        return log_probabilities(self._objective, logits)

    def predict(self, X):
        """Return the most probable labels.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        logits = self._logits(X)
        return self.classes_[self._objective.decode(logits.numpy())]

    @property
    def module_(self):
        """The plain torch module: from ``(n_samples, n_features)`` to logits."""
        check_is_fitted(self, "net_")
        return self.net_.module_

    @property
    def temperature_(self):
        """What the logits were divided by."""
        check_is_fitted(self, "net_")
        return self.net_.temperature_

    @property
    def _objective(self) -> Objective:
        return self.net_.objective_

    def _logits(self, X: Any) -> torch.Tensor:
        check_is_fitted(self, "net_")
        X = check_data(self, X, reset=False)
        return forward_in_double(self.net_.module_, X)

    def _validation_samples(self, X_val: Any, y_val: Any, classes: np.ndarray) -> Samples | None:
        if X_val is None and y_val is None:
            return None
        if X_val is None or y_val is None:
            raise ValueError("X_val and y_val go together, but only one was given: give both.")
        X, y = check_data(self, X_val, y_val, reset=False, names=("X_val", "y_val"))
        return Samples(X, encode(y, classes, "y_val"), None, classes)

    def _inputs(self) -> Inputs | None:
        """Return what the previous fit does with its inputs, if there was one."""
        return self._networks[0].architecture.inputs if hasattr(self, "net_") else None

    def _earlier(self, classes: np.ndarray) -> Fitted | None:
        """Return the state of the previous fit, if there was one."""
        if not hasattr(self, "net_"):
            return None
        if not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"warm_start=True continues with the classes of the previous fit, "
                f"{listed(self.classes_)}, but y has {listed(classes)}: set warm_start=False."
            )
        return fitted_as_it_is(self.net_, self._networks, self.best_epoch_)

    def _keep(self, fitted: Fitted, classes: np.ndarray) -> None:
        self.classes_ = classes
        self.net_ = fitted.net
        # The weights are only in module_: training continues from loaded or edited ones.
        empty = torch.empty(0, dtype=torch.float32, device="cpu")
        self._networks = [
            replace(network, parameters=empty, statistics=empty) for network in fitted.networks
        ]
        self.best_epoch_ = fitted.best_epoch
        self.history_ = [
            {name: value for name, value in row.items() if name != "batches"}
            for row in fitted.net.history
        ]
        self.n_iter_ = len(self.history_)

    def __sklearn_tags__(self):
        """Return scikit-learn's tags of the estimator."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.non_deterministic = False
        return tags


def _seed(parameters: dict[str, Any]) -> int:
    given = parameters["random_state"]
    return _first_seed(given) if type(given) is int else _next_seed(given)


def _next_seed(random_state: Any) -> int:
    return int(check_random_state(random_state).randint(2**31 - 1))


_first_seed = lru_cache(_next_seed)  # NumPy takes longer to start a stream than to split the data
