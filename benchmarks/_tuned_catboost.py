"""CatBoost, tuned by Optuna in a given time."""

import time

import numpy as np
import optuna
from catboost import CatBoostClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold

N_FOLDS = 5
ITERATIONS = 2000
PATIENCE = 50


class Deadline:
    """CatBoost's callback that ends a training when the time is up."""

    def __init__(self, deadline):
        self.deadline = deadline

    def after_iteration(self, info):
        """Return whether to go on."""
        return time.perf_counter() < self.deadline


class TunedCatBoost(ClassifierMixin, BaseEstimator):
    """The models of the best candidate's folds, which predict together.

    The first candidate has the defaults, the others come from Optuna's TPE, in the space of
    Gorishniy et al. (2021), Revisiting deep learning models for tabular data. Trees are added until
    the held-out part gets no better. A candidate that is cut short by the time does not count, but
    for the first, each of whose folds has its share of the time.
    """

    def __init__(self, seconds, n_threads, random_state=0):
        self.seconds = seconds
        self.n_threads = n_threads
        self.random_state = random_state

    def fit(self, X, y):
        """Try candidates until the time is up."""
        start = time.perf_counter()
        end = start + self.seconds
        self.classes_ = np.unique(y)
        folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=self.random_state)
        splits = list(folds.split(X, y))
        shares = start + self.seconds * np.arange(1, N_FOLDS + 1) / N_FOLDS
        best, self.models_ = self._try({}, X, y, splits, shares)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=self.random_state))
        while time.perf_counter() < end:
            trial = study.ask()
            loss, models = self._try(propose(trial), X, y, splits, [end] * N_FOLDS)
            if time.perf_counter() >= end:
                break
            study.tell(trial, loss)
            if loss < best:
                best, self.models_ = loss, models
        return self

    def _try(self, parameters, X, y, splits, deadlines):
        """Return the held-out log-loss and the models of the folds."""
        models, losses = [], []
        for (train, held_out), deadline in zip(splits, deadlines, strict=True):
            model = CatBoostClassifier(
                iterations=ITERATIONS,
                early_stopping_rounds=PATIENCE,
                loss_function="Logloss" if len(self.classes_) == 2 else "MultiClass",
                random_seed=self.random_state,
                thread_count=self.n_threads,
                verbose=0,
                allow_writing_files=False,
                **parameters,
            )
            model.fit(
                X[train],
                y[train],
                eval_set=(X[held_out], y[held_out]),
                callbacks=[Deadline(deadline)],
            )
            models.append(model)
            probabilities = model.predict_proba(X[held_out])
            losses.append(log_loss(y[held_out], probabilities, labels=self.classes_))
        return np.mean(losses), models

    def predict_proba(self, X):
        """Return the mean of the folds' probabilities."""
        return np.mean([model.predict_proba(X) for model in self.models_], axis=0)

    def predict(self, X):
        """Return the most probable classes."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def propose(trial):
    """Return one candidate's parameters."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-5, 1.0, log=True),
        "max_depth": trial.suggest_int("max_depth", 3, 10),
        "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 1.0, 10.0, log=True),
        "bagging_temperature": trial.suggest_float("bagging_temperature", 0.0, 1.0),
        "leaf_estimation_iterations": trial.suggest_int("leaf_estimation_iterations", 1, 10),
    }
