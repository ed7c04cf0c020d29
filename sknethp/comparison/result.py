"""The result of a comparison: scores, statistics, sentences, held-out predictions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from sknethp.comparison import files
from sknethp.comparison.frames import pandas
from sknethp.comparison.judgement import about_models, verdict
from sknethp.comparison.text import as_html, as_text
from sknethp.model_selection.significance import (
    corrected_paired_test,
    equivalence,
    holm,
    standard_error,
)

# Columns of the scores that are no metrics.
_OTHER = (
    "model", "fold", "n_train", "n_test", "fit_seconds", "predict_seconds", "train_score",
    "n_candidates", "params", "at_edge", "notes", "failure",
)  # fmt: skip


class Comparison:
    """Classifiers compared on identical folds; what ``compare`` returns.

    Parameters
    ----------
    scores : DataFrame
        As `scores_`; only the model, fold, sizes, metrics and seconds must be there.
    held_out : DataFrame or None
        As `held_out_`.
    metrics : sequence of str or None
        Columns of the scores, the deciding one first; None for those that are not named above.
    classes : array-like or None
        The labels; None for those in `held_out`.
    max_time : float or None
        Seconds that each fit could take.
    rope : float
        The largest difference that is equivalent in practice.
    findings : sequence of str
        Sentences about the data.

    Attributes
    ----------
    scores_ : DataFrame
        A row per model and fold: ``model``, ``fold``, ``n_train``, ``n_test``, a column per metric
        (higher is better), ``fit_seconds``, ``predict_seconds``; ``train_score`` by the first
        metric on training rows; ``n_candidates``, ``params`` (JSON), ``at_edge`` and ``notes`` of
        models that were tuned; ``failure`` of a fit that failed, whose scores are NaN.
    held_out_ : DataFrame or None
        A row per model and held-out row: ``model``, ``fold``, ``row`` (its position in X),
        ``label``, ``predicted``, and ``proba_<class>`` for each class.
    metrics_ : list of str
        The first decides.
    models_ : list of str
        The best first.
    leader_ : str
        The best model.
    classes_ : ndarray of shape (n_classes,)
    max_time_ : float or None
    rope_ : float
    sentence_ : str
        Whether the leader is ahead, or the difference is noise.
    warnings_ : list of str
        What a colleague would warn of.
    """

    def __init__(
        self,
        scores: Any,
        held_out: Any = None,
        *,
        metrics: Sequence[str] | None = None,
        classes: Any = None,
        max_time: float | None = None,
        rope: float = 0.01,
        findings: Sequence[str] = (),
    ):
        self.scores_ = scores
        self.held_out_ = held_out
        self.metrics_ = list(metrics or [name for name in scores if name not in _OTHER])
        if classes is None and held_out is not None:
            classes = np.unique(held_out["label"])
        self.classes_ = None if classes is None else np.asarray(classes)
        self.max_time_, self.rope_ = max_time, rope
        self.findings_ = list(findings)
        self.models_ = self._ranked()
        self.leader_ = self.models_[0]

    @property
    def sentence_(self) -> str:
        """Whether the leader is ahead, or the difference is noise."""
        return verdict(self)

    @property
    def warnings_(self) -> list[str]:
        """What a colleague would warn of, in sentences: about the data, then about models."""
        return [*self.findings_, *about_models(self)]

    def fold_scores(self, metric: str | None = None) -> dict[str, np.ndarray]:
        """Return the scores of each model.

        Parameters
        ----------
        metric : str or None
            Or any other column of numbers in `scores_`; None for the metric that decides.

        Returns
        -------
        dict of str to ndarray of shape (n_folds,)
        """
        name = metric or self.metrics_[0]
        if name not in self.scores_:
            raise ValueError(f"metric={name!r} is not valid: it must be one of {self.metrics_}.")
        models = dict.fromkeys(self.scores_["model"])
        by_model = self.scores_.sort_values("fold", kind="stable").groupby("model")[name]
        return {model: by_model.get_group(model).to_numpy(float) for model in models}

    def _means(self, metric: str | None = None) -> dict[str, float]:
        return {model: float(scores.mean()) for model, scores in self.fold_scores(metric).items()}

    def _ranked(self, metric: str | None = None) -> list[str]:
        """Return the models, the best first, and those without a score last."""
        means = self._means(metric)
        return sorted(means, key=lambda model: -np.nan_to_num(means[model], nan=-np.inf))

    def _sizes(self) -> list[tuple[int, int]]:
        folds = self.scores_.drop_duplicates("fold").sort_values("fold")
        return list(zip(folds["n_train"].tolist(), folds["n_test"].tolist(), strict=True))

    def pairs(self, metric: str | None = None) -> Any:
        """Return a row for each two models, the better one first.

        Parameters
        ----------
        metric : str or None
            None for the metric that decides.

        Returns
        -------
        DataFrame
            ``model`` and ``other``; ``difference``, by how much the model is better; ``p_value`` of
            the corrected resampled t-test, and ``p_holm`` corrected for the number of pairs; and
            the probabilities that the difference is more than `rope_` (``p_better``), less than
            -`rope_` (``p_worse``), or neither (``p_equivalent``).
        """
        scores, sizes = self.fold_scores(metric), self._sizes()
        rows = []
        for model, other in combinations(self._ranked(metric), 2):
            theirs, own = scores[other], scores[model]
            worse, equivalent, better = equivalence(theirs, own, sizes, self.rope_)
            p_value = corrected_paired_test(theirs, own, sizes)
            difference = float(own.mean() - theirs.mean())
            rows.append((model, other, difference, p_value, better, equivalent, worse))
        columns = ["model", "other", "difference", "p_value", "p_better", "p_equivalent", "p_worse"]
        table = pandas().DataFrame(rows, columns=columns)
        table.insert(4, "p_holm", holm(table["p_value"].to_numpy(float)))
        return table

    def to_frame(self, metric: str | None = None) -> Any:
        """Return a row per model, the best first.

        Parameters
        ----------
        metric : str or None
            The metric that decides which one leads; None for the first.

        Returns
        -------
        DataFrame
            Indexed by model: the mean of each metric (higher is better), its standard error over
            the folds (``<metric>_se``), mean seconds, and how the model stands against the leader:
            ``behind`` (the difference of the means), ``p_value``, ``p_holm`` and ``p_equivalent``
            as in `pairs`.
        """
        means, order = self._means(metric), self._ranked(metric)
        table = pandas().DataFrame(index=pandas().Index(order, name="model"))
        for name in self.metrics_:
            scores = self.fold_scores(name)
            table[name] = [scores[model].mean() for model in order]
            table[f"{name}_se"] = [standard_error(scores[model]) for model in order]
        for name in ("fit_seconds", "predict_seconds"):
            table[name] = pandas().Series(self._means(name))
        table["behind"] = [means[order[0]] - means[model] for model in order]
        pairs = self.pairs(metric).query("model == @order[0]").set_index("other")
        for name in ("p_value", "p_holm", "p_equivalent"):
            table[name] = pairs[name].reindex(order)
        return table

    def probabilities(self, model: str) -> np.ndarray:
        """Return what a model predicted of each row by fits that were not trained on it.

        Parameters
        ----------
        model : str

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            The mean, where a row was held out more than once; NaN where it never was.
        """
        own = self._held_out_of(model)
        columns = [name for name in own if str(name).startswith("proba_")]
        n_samples = int(self.held_out_["row"].max()) + 1
        return own.groupby("row")[columns].mean().reindex(range(n_samples)).to_numpy()

    def _held_out_of(self, model: str) -> Any:
        if self.held_out_ is None:
            raise ValueError("This comparison was made without held-out predictions.")
        own = self.held_out_[self.held_out_["model"] == model]
        if own.empty:
            raise ValueError(f"model={model!r} is not valid: it must be one of {self.models_}.")
        return own

    @property
    def y_(self) -> np.ndarray:
        """The labels of the rows, ``(n_samples,)``, as far as they were held out."""
        first = self._held_out_of(self.leader_).drop_duplicates("row")
        return first.sort_values("row")["label"].to_numpy()

    @property
    def folds_(self) -> list[np.ndarray]:
        """The rows that each fold held out."""
        own = self._held_out_of(self.leader_)
        return [part["row"].to_numpy() for _, part in own.groupby("fold")]

    def plot(self, ax: Any = None) -> Any:
        """Draw scores per fold, score against time, and calibration.

        Parameters
        ----------
        ax : sequence of three Axes or None
            None for a new figure.

        Returns
        -------
        ComparisonDisplay
        """
        from sknethp.display.comparison import ComparisonDisplay

        return ComparisonDisplay.from_comparison(self).plot(ax)

    def save(self, folder: Any) -> None:
        """Write CSV and JSON files, each as a whole; nothing in them can be executed.

        Parameters
        ----------
        folder : path
            It is made if it is missing.
        """
        files.save(self, Path(folder))

    @classmethod
    def load(cls, folder: Any) -> Comparison:
        """Read what `save` has written.

        Parameters
        ----------
        folder : path

        Returns
        -------
        Comparison
        """
        return files.load(cls, Path(folder))

    def __str__(self) -> str:
        return as_text(self)

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.models_)} models, {self.leader_} leads>"

    def _repr_html_(self) -> str:
        return as_html(self)
