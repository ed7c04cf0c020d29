"""The tuning tasks of bench_search_efficiency.py: a space, an estimator, data and folds."""

import contextlib
import warnings
from dataclasses import dataclass
from typing import Any

import _report as report
import numpy as np
from joblib import Parallel, delayed, parallel_config
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier
from skopt.space import Integer, Real

import sknethp
from sknethp.model_selection import search_space
from sknethp.model_selection.bayesian.proposals import own_values
from sknethp.model_selection.estimators import default_estimator

N_FOLDS = 5
ADAM, SGD, NET = "MLP-adam", "MLP-sgd", "net"
TOYS = {
    **{"breast_cancer": load_breast_cancer, "digits": load_digits},
    **{"iris": load_iris, "wine": load_wine},
}
NET_DATA = ("vehicle", "vowel", "sonar")

# The tasks of Bayesmark (https://github.com/uber/bayesmark, bayesmark/sklearn_funcs.py,
# `mlp_adam_cfg`, `mlp_sgd_cfg` and `MODELS_CLF`): low, high and the scale of each parameter.
SHARED_RANGES = {
    "hidden_layer_sizes": (50, 200, "linear"),
    "alpha": (1e-5, 1e1, "log"),
    "batch_size": (10, 250, "linear"),
    "learning_rate_init": (1e-5, 1e-1, "log"),
    "tol": (1e-5, 1e-1, "log"),
    "validation_fraction": (0.1, 0.9, "logit"),
}
RANGES = {
    ADAM: {
        **SHARED_RANGES,
        "beta_1": (0.5, 0.99, "logit"),
        "beta_2": (0.9, 1.0 - 1e-6, "logit"),
        "epsilon": (1e-9, 1e-6, "log"),
    },
    SGD: {**SHARED_RANGES, "power_t": (0.1, 0.9, "logit"), "momentum": (0.001, 0.999, "logit")},
}
FIXED = {
    ADAM: {"solver": "adam", "early_stopping": True},
    SGD: {
        **{"solver": "sgd", "early_stopping": True},
        **{"learning_rate": "invscaling", "nesterovs_momentum": True},
    },
}


@dataclass
class Task:
    """What is tuned, on which data.

    Attributes
    ----------
    name, data : str
    estimator : estimator
    space : dict of str to Dimension
        For the optimizers; see `logits`.
    logits : frozenset of str
        Parameters whose dimension is the logit of their value, as Bayesmark searches them;
        neither scikit-optimize nor Optuna has that scale.
    own : dict
        The estimator's own values, as far as they are in the space.
    X, y : ndarray of shape (n_samples, n_features), (n_samples,)
        Without the fifth that Bayesmark sets aside.
    is_fused : bool
        Whether the fits of a round are trained together.
    """

    name: str
    data: str
    estimator: Any
    space: dict
    logits: frozenset
    own: dict
    X: np.ndarray
    y: np.ndarray
    is_fused: bool

    def parameters(self, candidate):
        """Return the estimator's parameters for a candidate."""
        return {
            name: float(expit(value)) if name in self.logits else value
            for name, value in candidate.items()
        }

    def scores(self, candidates, seeds, n_jobs):
        """Return the mean accuracy over the folds; NaN for a candidate that cannot be fitted.

        Parameters
        ----------
        candidates : list of dict
        seeds : list of int
            For MLPClassifier, which draws anew in every evaluation, as in Bayesmark; the seed of
            a net in a search is fixed.
        n_jobs : int
            Processes for fits that are not fused.

        Returns
        -------
        ndarray of shape (n_candidates,)
        """
        folds = [
            (self.X[train], self.y[train], self.X[test], self.y[test])
            for train, test in StratifiedKFold(N_FOLDS).split(self.X, self.y)
        ]
        jobs = []
        for candidate, seed in zip(candidates, seeds, strict=True):
            values = self.parameters(candidate)
            seeded = values if self.is_fused else {**values, "random_state": seed}
            estimator = clone(self.estimator).set_params(**seeded)
            score = fold_score if self.is_fused else quiet_fold_score
            jobs += [delayed(score)(estimator, *fold) for fold in folds]
        with contextlib.ExitStack() as stack:
            fused, plain = sknethp.fused, parallel_config
            stack.enter_context(
                fused(silent=True) if self.is_fused else plain("loky", n_jobs=n_jobs)
            )
            scores = Parallel()(jobs)
        return np.reshape(scores, (len(candidates), N_FOLDS)).mean(axis=1)


def fold_score(estimator, X_train, y_train, X_test, y_test):
    """Return the accuracy in one fold; NaN if the fit raises, as where a net diverges."""
    try:
        return clone(estimator).fit(X_train, y_train).score(X_test, y_test)
    except ValueError:
        return np.nan


def quiet_fold_score(*args):
    """Return the same of MLPClassifier, which warns of batches larger than the data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # in a worker process, too; as Bayesmark does
        return fold_score(*args)


def make_task(name, data, folder):
    """Return a task.

    Parameters
    ----------
    name : str
        ADAM, SGD or NET, which is our estimator on our default space.
    data : str
        One of TOYS, or for NET a file's name without its endings.
    folder : path
        Where the files for NET are.

    Returns
    -------
    Task
    """
    if name == NET:
        X, y = read_file(folder, data)
    else:
        X, y = TOYS[data](return_X_y=True)
    X, _, y, _ = train_test_split(X, y, test_size=0.2, random_state=0, shuffle=True)
    return net_task(data, X, y) if name == NET else mlp_task(name, data, X, y)


def read_file(folder, data):
    """Return X and y of a CSV file in a folder, gzipped or not."""
    for name, X, y in report.load_folder(folder):
        if name == data:
            return X.to_numpy(dtype="float64"), y
    raise SystemExit(f"{folder} holds no {data}.csv or {data}.csv.gz.")


def net_task(data, X, y):
    """Return the task that a search without estimator and space has."""
    space = search_space(None, "bayes", X=X)
    estimator = default_estimator()
    own = own_values(estimator, space)
    return Task(NET, data, estimator, space, frozenset(), own, X, y, is_fused=True)


def mlp_task(name, data, X, y):
    """Return one of Bayesmark's tasks."""
    estimator = MLPClassifier(**FIXED[name])
    ranges = RANGES[name]
    logits = frozenset(each for each, (_, _, scale) in ranges.items() if scale == "logit")
    space = {each: dimension(*ranges[each]) for each in ranges}
    natural = {each: dimension(low, high, "log") for each, (low, high, _) in ranges.items()}
    own = {
        each: float(logit(value)) if each in logits else value
        for each, value in own_values(estimator, natural).items()
    }
    return Task(name, data, estimator, space, logits, own, X, y, is_fused=False)


def dimension(low, high, scale):
    """Return a dimension of scikit-optimize for one of Bayesmark's."""
    if isinstance(low, int):
        return Integer(low, high)
    if scale == "logit":
        return Real(float(logit(low)), float(logit(high)))
    return Real(low, high, prior="log-uniform" if scale == "log" else "uniform")
