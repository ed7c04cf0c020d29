"""DeepNetClassifierCV: deep nets that tune themselves by cross-validation inside ``fit``."""

from __future__ import annotations

import warnings
from contextlib import closing
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sknethp.classifier import DeepNetClassifier
from sknethp.compat import CallbackSupportMixin, with_callbacks
from sknethp.estimator.data_checks import (
    check_classes,
    check_data,
    check_targets,
    check_weights,
    warn_of_unscaled,
)
from sknethp.estimator.fit_tasks import fit_tasks
from sknethp.estimator.request import Samples
from sknethp.fusion.arguments import N_JOBS, PROGRESS
from sknethp.hyperparameters import TABLE, hyperparameters_of, set_parameters
from sknethp.hyperparameters.constraints import (
    COUNT,
    AnyOf,
    Constraint,
    Flag,
    Number,
    check_allowed,
    optional,
)
from sknethp.hyperparameters.constraints import Choice as OneOf
from sknethp.self_tuning.candidate import Candidate
from sknethp.self_tuning.choice import Choice, choose, ensemble_of
from sknethp.self_tuning.clock import Clock
from sknethp.self_tuning.folds import make_splits
from sknethp.self_tuning.proposals import Proposals
from sknethp.self_tuning.results import leaderboard, search_results
from sknethp.self_tuning.scoring import decided, decision_values
from sknethp.self_tuning.trained import Trained
from sknethp.self_tuning.tuning import Tuning
from sknethp.self_tuning.workers.pool import n_processes_for
from sknethp.training.threads import one_torch_thread

_BOTH = "both"
_ALLOWED: dict[str, Constraint] = {
    "max_time": optional(Number(0, low_open=True)),
    "n_candidates": optional(COUNT),
    "ensemble_size": COUNT,
    "calibrate": Flag(),
    "refit": AnyOf((Flag(), OneOf((_BOTH,)))),
    "n_jobs": N_JOBS,
    "memory": TABLE["memory"].allowed,
    "progress": PROGRESS,
}


class DeepNetClassifierCV(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Deep nets that tune themselves by cross-validation, and predict together.

    In ``fit``, candidates (sets of hyperparameters) are trained on the folds of the data, all side
    by side. Those that predict what was held out best, weighted, are the ensemble: the networks of
    all their folds, and some more that are trained on all samples.

    Parameters
    ----------
    estimator : DeepNetClassifier or None
        Has the hyperparameters that are not tuned; it is the first candidate. None for the
        defaults.
    space : dict or None
        Dimensions of scikit-optimize by hyperparameter, as for ``BayesSearchCV``; None for a
        portfolio and ``search_space(estimator, "bayes")``.
    max_time : float or None
        Seconds that ``fit`` may take; not used with `n_candidates`.
    n_candidates : int or None
        How many candidates to try, in place of `max_time`: then results are reproducible.
    cv : int, splitter or iterable
        The folds, stratified and shuffled if it is a number.
    scoring : str, callable or None
        What the best candidate is best by, as in scikit-learn; None for accuracy. Race, ensemble
        and temperature go by the log-loss.
    ensemble_size : int
        Candidates in the ensemble, at most.
    calibrate : bool
        Whether to choose temperatures of the probabilities by what was held out: of each candidate
        after each epoch, so that its best epoch is that of the best calibrated probabilities, and
        of the ensemble.
    refit : bool or "both"
        Whether the chosen candidates are trained on all samples, too, as far as there is time: as
        many networks of each as there are folds, for as many epochs as were best there. With "both"
        they predict together with the networks of the folds, with True instead of them.
    n_jobs : int or None
        Processes that train where there is work for 10 seconds or more (2 if they are there from an
        earlier fit), -1 for as many as there are cores; in ``fused()`` there is one. None for as
        many as torch may use threads, but one in a thread and in a worker process. Results with
        `n_candidates` do not depend on it.
    memory : path, joblib.Memory or None
        Where every candidate is kept when it has ended, so that the same script goes on where it
        was killed; `random_state` must then be a number.
    progress : bool or None
        Whether to show progress on standard error; None for only on a terminal.
    random_state : int, RandomState or None
        Seed of folds, proposals and networks.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    n_features_in_ : int
        Number of features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has names that are all strings.
    best_estimator_ : DeepNetClassifier
        The best candidate by itself: an ensemble of its networks.
    best_params_ : dict
        What the best candidate has set.
    best_score_ : float
        Its mean held-out score.
    best_index_ : int
        Its position in `cv_results_`.
    cv_results_ : dict of ndarray
        As of scikit-learn's searches, with the epochs trained and why a candidate ended; what a
        candidate does not set has the value that it was trained with.
    space_ : dict
        The dimensions that were searched.
    leaderboard_ : DataFrame
        A row per candidate, the best first, with its weight in the ensemble.
    ensemble_ : Ensemble
        Members, their weights and networks, and the temperature.
    oof_proba_ : ndarray of shape (n_samples, n_classes)
        What the ensemble predicts of each sample by the networks that were not trained on it; NaN
        for samples that no fold held out.
    threshold_ : float
        The probability of the second class from which it is predicted, one half unless `scoring`
        is a metric of two classes' labels other than accuracy.
    evaluated_at_ : ndarray of shape (n_candidates,)
        Seconds after which each candidate had ended.
    summary_ : TuningSummary
        Candidates and how they ended, seconds by phase, and what was less than asked for.

    References
    ----------
    Berta et al. (2025), Rethinking early stopping: refine, then calibrate, arXiv 2501.19195.

    Caruana et al. (2004), Ensemble selection from libraries of models, ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknethp import DeepNetClassifier, DeepNetClassifierCV
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier(max_epochs=3)
    >>> nets = DeepNetClassifierCV(net, n_candidates=4, cv=3, random_state=0).fit(X, y)
    >>> nets.predict_proba(X[:2]).shape
    (2, 3)
    >>> len(nets.leaderboard_)
    4
    """

    def __init__(
        self,
        estimator=None,
        space=None,
        *,
        max_time=60.0,
        n_candidates=None,
        cv=5,
        scoring="neg_log_loss",
        ensemble_size=8,
        calibrate=True,
        refit=_BOTH,
        n_jobs=None,
        memory=None,
        progress=None,
        random_state=None,
    ):
        set_parameters(self, locals())

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, groups=None):
        """Tune the nets, and keep the best.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Labels of any type.
        sample_weight : array-like of shape (n_samples,) or None
            Weights in the loss and in the scores; only their ratios matter.
        groups : array-like of shape (n_samples,) or None
            For a splitter that takes groups.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter or the data are not valid, or no candidate could be trained.
        """
        clock = Clock(self.max_time if self.n_candidates is None else None)
        net = self._checked()
        given = X, y
        X, y = check_data(self, X, y)
        check_targets(y)
        self.classes_, encoded = np.unique(y, return_inverse=True)
        check_classes(self.classes_)
        warn_of_unscaled(self, X, hyperparameters_of(net)["input_scaling"])
        samples = Samples(X, encoded, check_weights(sample_weight, X), self.classes_)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        splits = make_splits(self.cv, samples, given, groups, seed)
        with one_torch_thread(), torch.inference_mode(False):
            tuning = Tuning(
                net,
                self.space,
                samples,
                splits,
                clock,
                seed,
                scoring=self.scoring or "accuracy",
                calibrate=self.calibrate,
                memory=self.memory,
                progress=self.progress,
                refit=bool(self.refit),
                n_processes=n_processes_for(self.n_jobs, samples.X),
            )
            tasks = fit_tasks(self, *given, sample_weight)
            if tasks is not None:
                tasks.begin_fit(0)
            with closing(tuning):
                candidates = tuning.run(self.n_candidates)
                with clock.phase("choosing"):
                    limits = self.ensemble_size, self.calibrate
                    choice = choose(candidates, tuning.folds, tuning.scorer, *limits)
                parts = tuning.trained(choice, instead=self.refit != _BOTH)
            self._keep(net, candidates, choice, tuning, parts)
        self.space_ = tuning.proposals.space
        self.summary_ = tuning.summary()
        self.summary_.warn(self.max_time)
        if np.isnan(self.best_score_):
            warnings.warn(
                f"No candidate has a score by scoring={self.scoring!r}, so that the best is that "
                f"with the lowest log-loss ({tuning.scorer.reason}).",
                UserWarning,
                stacklevel=2,
            )
        if tasks is not None:
            tasks.end_fit()
        return self

    def _checked(self) -> DeepNetClassifier:
        """Check the parameters that do not depend on the data; return the estimator."""
        for name, constraint in _ALLOWED.items():
            check_allowed(name, getattr(self, name), constraint)
        if self.max_time is None and self.n_candidates is None:
            raise ValueError(
                "max_time=None and n_candidates=None would never end: give a number for one."
            )
        net = DeepNetClassifier() if self.estimator is None else self.estimator
        if not isinstance(net, DeepNetClassifier):
            raise ValueError(
                f"estimator={net!r} is not valid: it must be a DeepNetClassifier or None. Put "
                "preprocessing in front, with make_pipeline(..., DeepNetClassifierCV())."
            )
        if hyperparameters_of(net)["callbacks"]:
            raise ValueError(
                "estimator has callbacks, which a race of many networks would call in no "
                "useful order: leave them out."
            )
        if self.memory is not None and self.random_state is None:
            warnings.warn(
                "memory finds a candidate again only if it has the same seed: set random_state to "
                "a number, or a fit that was killed starts anew.",
                UserWarning,
                stacklevel=3,
            )
        Proposals.check(net, self.space)
        return net

    def _keep(
        self,
        net: Any,
        candidates: list[Candidate],
        choice: Choice,
        tuning: Tuning,
        parts: dict[int, Trained],
    ) -> None:
        folds = tuning.folds
        self.ensemble_ = ensemble_of(choice, candidates, folds, parts)
        self.threshold_ = choice.threshold_at(self.ensemble_.temperature)
        self.cv_results_ = search_results(candidates, choice.scores, tuning.proposals.own)
        self.leaderboard_ = leaderboard(candidates, choice.scores, choice.weights)
        self.best_index_ = choice.best_index
        self.best_params_ = self.cv_results_["params"][choice.best_index]
        self.best_score_ = float(self.cv_results_["mean_test_score"][choice.best_index])
        self.oof_proba_ = folds.by_sample(choice.held_out)
        self.evaluated_at_ = np.array([candidate.ended_at for candidate in candidates])
        fitted = parts[choice.best_index].fitted()
        size = {"ensemble_size": len(fitted.networks)}
        estimator = clone(net).set_params(**self.best_params_, **size)
        estimator.n_features_in_ = self.n_features_in_
        if hasattr(self, "feature_names_in_"):
            estimator.feature_names_in_ = self.feature_names_in_
        estimator._keep(fitted, self.classes_)
        self.best_estimator_ = estimator

    def predict_proba(self, X):
        """Return the ensemble's class probabilities.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        check_is_fitted(self, "ensemble_")
        return self.ensemble_.predict_proba(check_data(self, X, reset=False))

    def predict(self, X):
        """Return labels.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        probabilities = self.predict_proba(X)
        return self.classes_[decided(probabilities, self.threshold_)]

    def decision_function(self, X):
        """Return the ensemble's log-probabilities, or log-odds of two classes.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            The second of two classes is predicted where it is positive.
        """
        probabilities = self.predict_proba(X)
        return decision_values(probabilities, self.threshold_)

    def score(self, X, y, sample_weight=None):
        """Return the score by `scoring`.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,) or None

        Returns
        -------
        float
        """
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return check_scoring(self, self.scoring or "accuracy")(self, X, y, **weights)

    def __sklearn_tags__(self):
        """Return scikit-learn's tags of the estimator."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.non_deterministic = False
        return tags
