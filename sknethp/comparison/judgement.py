"""What the scores say about the models, as sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sknethp.comparison.frames import SEPARATOR
from sknethp.comparison.models import BOOSTING

if TYPE_CHECKING:
    from sknethp.comparison.result import Comparison

LEVEL = 0.05
_SLOWER = 2.0
_NOTICED = 1.0  # in seconds


def verdict(comparison: Comparison) -> str:
    """Say whether the leader is ahead, or the difference is noise."""
    table = comparison.to_frame()
    leader, metric, others = comparison.leader_, comparison.metrics_[0], table.iloc[1:]
    if not np.isfinite(table[metric].iloc[0]):
        return f"No model has a score by {metric} on all folds."
    if others.empty:
        return f"{leader} is the only model: {metric} {table[metric].iloc[0]:.4f}."
    if others["p_holm"].isna().all():
        return f"{leader} leads by {metric}, but one fold cannot tell whether that is noise."
    known = others[others["p_holm"].notna()]
    near, behind = known[known["p_holm"] >= LEVEL], known[known["p_holm"] < LEVEL]
    if near.empty:
        return (
            f"{leader} is ahead of {'all others' if len(known) > 1 else known.index[0]} by "
            f"{metric}, beyond noise (p ≤ {_p(known['p_holm'].max())})."
        )
    text = (
        f"{leader} leads by {metric}, but its lead over {_and(list(near.index))} may be noise. "
        f"{near.index[0]} is {near['behind'].iloc[0]:.4f} behind "
        f"(p = {_p(near['p_holm'].iloc[0])}), and equivalent in practice, within "
        f"{comparison.rope_:g}, with a probability of {near['p_equivalent'].iloc[0]:.2f}."
    )
    if len(behind):
        text += f" It is ahead of {_and(list(behind.index))} (p ≤ {_p(behind['p_holm'].max())})."
    return text


def about_models(comparison: Comparison) -> list[str]:
    """Return what is suspicious about the models."""
    return [
        *_failed(comparison),
        *_cut_short(comparison),
        *_overfitted(comparison),
        *_at_edges(comparison),
        *_slower_than_boosting(comparison),
    ]


def _texts(comparison: Comparison, column: str) -> dict[str, list[list[str]]]:
    """Return the entries of a column of texts, by model and fold."""
    scores = comparison.scores_
    if column not in scores:
        return {}
    return {
        str(model): [text.split(SEPARATOR) if text else [] for text in part.fillna("")]
        for model, part in scores.groupby("model", sort=False)[column]
    }


def _failed(comparison: Comparison) -> Iterator[str]:
    for model, folds in _texts(comparison, "failure").items():
        if reasons := [SEPARATOR.join(fold) for fold in folds if fold]:
            where = (
                "" if len(reasons) == len(folds) else f" on {len(reasons)} of {len(folds)} folds"
            )
            yield f"{model} has no scores{where}: {reasons[0].rstrip('.')}."


def _cut_short(comparison: Comparison) -> Iterator[str]:
    for model, folds in _texts(comparison, "notes").items():
        if notes := list(dict.fromkeys(note for fold in folds for note in fold)):
            limit = comparison.max_time_
            than = "" if limit is None else f" than max_time={limit:g} seconds"
            yield f"{model} did less to fit the time ({', '.join(notes)}): give more{than}."


def _overfitted(comparison: Comparison) -> Iterator[str]:
    """Find models that another one beats on held-out rows, but not on training rows.

    That is Mitchell's (1997, Machine learning) definition of overfitting.
    """
    if "train_score" not in comparison.scores_:
        return
    metric, rope = comparison.metrics_[0], comparison.rope_
    train = {m: np.mean(s) for m, s in comparison.fold_scores("train_score").items()}
    test = {m: np.mean(s) for m, s in comparison.fold_scores().items()}
    seen = set()
    for row in comparison.pairs().itertuples():
        better, model = row.model, row.other
        is_clear = row.p_value < LEVEL and row.difference > rope
        if is_clear and train[model] > train[better] + rope and model not in seen:
            seen.add(model)
            yield (
                f"{model} overfits: its {metric} is higher than {better}'s on training rows "
                f"({train[model]:.3f} against {train[better]:.3f}), but lower on held-out rows "
                f"({test[model]:.3f} against {test[better]:.3f})."
            )


def _at_edges(comparison: Comparison) -> Iterator[str]:
    for model, folds in _texts(comparison, "at_edge").items():
        counts = Counter(edge for fold in folds for edge in fold)
        for edge, count in counts.items():
            if count > len(folds) / 2:
                name, _, side = edge.rpartition(" ")
                yield (
                    f"The best {name} of {model} was at the {side} end of its range in {count} of "
                    f"{len(folds)} folds: values beyond it may be better."
                )


def _slower_than_boosting(comparison: Comparison) -> Iterator[str]:
    scores = {m: np.mean(s) for m, s in comparison.fold_scores().items()}
    if not np.isfinite(scores.get(BOOSTING, np.nan)):
        return
    for model in comparison.models_:
        if model == BOOSTING or not scores[model] <= scores[BOOSTING]:
            continue
        parts = []
        for column, verb in (("fit_seconds", "fit"), ("predict_seconds", "predict")):
            means = {m: np.mean(s) for m, s in comparison.fold_scores(column).items()}
            times = means[model] / means[BOOSTING]
            if times >= _SLOWER and means[model] - means[BOOSTING] >= _NOTICED:
                parts.append(f"{times:.1f} times as long to {verb}")
        if parts:
            yield (
                f"{model} takes {_and(parts)} as {BOOSTING}, and is no better by "
                f"{comparison.metrics_[0]} ({scores[model]:.4f} against {scores[BOOSTING]:.4f})."
            )


def _p(value: float) -> str:
    return "0.001" if value < 0.001 else f"{value:.3f}"


def _and(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
