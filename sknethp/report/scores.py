"""The part of the page about held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from sknethp.report import charts
from sknethp.report.bootstrap import Answers, Score, held_out_scores, loss_lead
from sknethp.report.curves import calibration_points, precision_recall_points, roc_points
from sknethp.report.tables import Cell, Table, number, table

_MOST_CURVES = 10
LOSS = "log-loss"


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: counts, and the share of each row's class, ``(n_classes, n_classes)``."""

    model: str
    classes: list[str]
    counts: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True)
class HeldOut:
    """Scores of each model, and what is shown of them; the model of interest comes first."""

    classes: list[str]
    answers: dict[str, Answers]
    scores: dict[str, dict[str, Score]]

    @classmethod
    def of(
        cls,
        classes: list[str],
        answers: dict[str, Answers],
        known: Mapping[str, Mapping[str, float]] | None = None,
    ) -> HeldOut:
        """Compute the scores; others that the run has `known`, by model, have no intervals."""
        scores = {name: held_out_scores(a) for name, a in answers.items()}
        for model, own in scores.items():
            for name, value in (known or {}).get(model, {}).items():
                own.setdefault(name, Score(value, float("nan"), float("nan")))
        return cls(classes, answers, scores)

    @property
    def model(self) -> str:
        """The model that the page is about."""
        return next(iter(self.answers))

    def table(self) -> Table:
        """Return the scores with their intervals."""
        names = list(self.scores[self.model])
        rows = [
            [Cell(model), *(_with_interval(scores[name]) for name in names)]
            for model, scores in self.scores.items()
        ]
        return table("Scores on held-out rows", ["model", *names], rows)

    def sentence(self) -> str:
        """Say whether the model is ahead of the next best on the same rows, or may not be."""
        own = self.answers[self.model]
        others = sorted(
            (name for name, a in self.answers.items() if np.array_equal(a.label, own.label)),
            key=lambda name: self.scores[name][LOSS].value,
        )
        rivals = [name for name in others if name != self.model]
        if not rivals:
            return ""
        ahead, behind = sorted((self.model, rivals[0]), key=others.index)
        lead = loss_lead(self.answers[ahead], self.answers[behind])
        verdict = "beyond noise" if lead.low > 0 else "which may be noise"
        limits = f"95% interval {lead.low:.4f} to {lead.high:.4f}".replace(" -", " −")
        return (
            f"By log-loss on {len(own.label):,} held-out rows, “{ahead}” is ahead of “{behind}” by "
            f"{lead.value:.4f} ({limits}), {verdict}."
        )

    def interval_charts(self) -> list[charts.Chart]:
        """Return a chart per score with intervals, if there are models to compare by it.

        One that answers the same for every row is far off, and would hide how near others are.
        """
        if len(models := list(self._varied())) < 2:
            return []
        names = [name for name, s in self.scores[self.model].items() if np.isfinite(s.low)]
        return [self._intervals(name, models) for name in names]

    def _intervals(self, name: str, models: list[str]) -> charts.Chart:
        found = {model: self.scores[model][name] for model in models}
        rows = pd.DataFrame([{"name": m, **vars(s)} for m, s in found.items()]).dropna()
        better = "lower is better" if name == LOSS else "higher is better"
        return charts.intervals(name, f"95% intervals; {better}.", rows)

    def matrices(self) -> list[Matrix]:
        """Return the confusion matrix of each model."""
        return [self._matrix(model) for model in self.answers]

    def _matrix(self, model: str) -> Matrix:
        answers = self.answers[model]
        numbers = range(len(self.classes))
        counts = confusion_matrix(answers.label, answers.predicted, labels=numbers)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        return Matrix(model, self.classes, counts, shares)

    def curve_charts(self) -> Iterator[charts.Chart]:
        """Yield ROC, precision-recall and calibration, as far as the rows tell them."""
        about = self._about()
        roc, recall = self._curves(roc_points), self._curves(precision_recall_points)
        if len(roc):
            diagonal = pd.DataFrame({"x": [0, 1], "y": [0, 1]})
            labels = ("false positive rate", "true positive rate")
            yield charts.rate_curves("ROC", about, roc, labels, baseline=diagonal)
        if len(recall):
            yield charts.rate_curves("Precision and recall", about, recall, ("recall", "precision"))
        points = [calibration_points(name, a) for name, a in self._varied().items()]
        if points:
            yield charts.calibration(*self._calibration(pd.concat(points)))

    def _varied(self) -> dict[str, Answers]:
        """Return the answers of models that do not answer the same for every row."""
        return {
            name: answers
            for name, answers in self.answers.items()
            if (answers.probabilities != answers.probabilities[0]).any()
        }

    def _about(self) -> str:
        if len(self.classes) == 2:
            return f"The positive class is {self.classes[1]}."
        few = f"; the {_MOST_CURVES} hardest" if len(self.classes) > _MOST_CURVES else ""
        return f"{self.model}, each class against the rest{few}."

    def _calibration(self, points: pd.DataFrame) -> tuple[str, pd.DataFrame, tuple[str, str]]:
        if len(self.classes) == 2:
            text = "Bins of equally many rows. On the diagonal, probabilities are as they say."
            second = self.classes[1]
            return text, points, (f"probability of {second}", f"share of {second}")
        text = "Of the most probable class, in bins of equally many rows; ideal on the diagonal."
        return text, points, ("probability", "share that was right")

    def _curves(self, points: Callable[..., pd.DataFrame]) -> pd.DataFrame:
        if len(self.classes) == 2:
            parts = [
                points(name, a.label == 1, a.probabilities[:, 1])
                for name, a in self._varied().items()
            ]
        else:
            own = self.answers[self.model]
            parts = [
                points(name, own.label == i, own.probabilities[:, i])
                for i, name in enumerate(self.classes)
            ]
            parts = sorted((p for p in parts if len(p)), key=lambda p: p["area"].iloc[0])
            parts = sorted(
                parts[:_MOST_CURVES], key=lambda p: self.classes.index(p["name"].iloc[0])
            )
        return pd.concat([part.reset_index() for part in parts]) if parts else pd.DataFrame()


def _with_interval(score: Score) -> Cell:
    interval = f" ({score.low:.3f} to {score.high:.3f})" if np.isfinite(score.low) else ""
    return number(score.value, ".4f", interval)
