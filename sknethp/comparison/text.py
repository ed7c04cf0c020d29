"""A comparison as text and as HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from sknethp.comparison.frames import pandas

if TYPE_CHECKING:
    from sknethp.comparison.result import Comparison

_NONE = "–"


def _shown(comparison: Comparison) -> Any:
    """Return the table as texts."""
    table, shown = comparison.to_frame(), {}
    for metric in comparison.metrics_:
        pairs = zip(table[metric], table[f"{metric}_se"], strict=True)
        shown[metric] = [f"{_number(mean, 4)} ± {_number(se, 4)}" for mean, se in pairs]
    shown["behind"] = [_number(value, 4) for value in table["behind"]]
    shown["behind"][0] = _NONE
    shown["p (Holm)"] = [_number(value, 3) for value in table["p_holm"]]
    shown["P(equivalent)"] = [_number(value, 2) for value in table["p_equivalent"]]
    shown["fit s"] = [_seconds(value) for value in table["fit_seconds"]]
    shown["predict s"] = [_seconds(value) for value in table["predict_seconds"]]
    return pandas().DataFrame(shown, index=table.index).rename_axis(None)


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else _NONE


def _seconds(value: float) -> str:
    if not np.isfinite(value):
        return _NONE
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _heading(comparison: Comparison) -> str:
    scores = comparison.scores_
    n_folds, n_models = scores["fold"].nunique(), len(comparison.models_)
    limit = "" if comparison.max_time_ is None else f", {comparison.max_time_:g} s for each fit"
    return f"{n_models} models on {n_folds} folds{limit}; higher is better"


def as_text(comparison: Comparison) -> str:
    """Return heading, table, sentence and warnings."""
    lines = [_heading(comparison), "", _shown(comparison).to_string(), "", comparison.sentence_]
    if warned := comparison.warnings_:
        lines += ["", *(f"- {sentence}" for sentence in warned)]
    return "\n".join(lines)


def as_html(comparison: Comparison) -> str:
    """Return the same for a notebook."""
    table = _shown(comparison).to_html(border=0)
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in comparison.warnings_)
    return (
        f"<p>{escape(_heading(comparison))}</p>{table}<p><b>{escape(comparison.sentence_)}</b></p>"
        + (f"<ul>{items}</ul>" if items else "")
    )
