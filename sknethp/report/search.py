"""The candidates of a search, read back from the table of its results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from sknethp.display.candidates import Candidates, candidates_of
from sknethp.display.importance import Importance, hyperparameter_importance
from sknethp.display.scales import UNSET
from sknethp.hyperparameters.constraints import as_python
from sknethp.model_selection.results import metrics_of

_PARAMETER = "param_"


@dataclass(frozen=True)
class SearchTable:
    """What a search has tried: results as scikit-learn's searches have them, and the metric."""

    results: dict[str, Any]
    candidates: Candidates

    @property
    def metric(self) -> str:
        """The metric that the candidates are ranked by."""
        return self.candidates.metric

    def importance(self) -> Importance | str:
        """Return the hyperparameters' importance, or why there is none."""
        try:
            return hyperparameter_importance(self.results, metric=self.metric)
        except ValueError as error:
            return str(error)


def search_table(table: pd.DataFrame | None) -> SearchTable | None:
    """Read a table of results; None if it has no candidates or no scores."""
    if table is None:
        return None
    results: dict[str, Any] = {name: table[name].to_numpy() for name in table}
    results["params"] = _params(table)
    ranked = [name for name in table if name.startswith("rank_test_")]
    metrics = metrics_of(results)
    if not metrics:
        return None
    metric = ranked[0].removeprefix("rank_test_") if ranked else metrics[0]
    return SearchTable(results, candidates_of(results, metric))


def _params(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return each candidate's hyperparameters; an empty cell is one that it does not set."""
    columns = {
        name.removeprefix(_PARAMETER): [_value(cell) for cell in table[name]]
        for name in table
        if name.startswith(_PARAMETER)
    }
    return [
        {name: cells[i] for name, cells in columns.items() if cells[i] is not UNSET}
        for i in range(len(table))
    ]


def _value(cell: Any) -> Any:
    """Return a value as it was before it was text in a table."""
    if not isinstance(cell, str):
        return UNSET if pd.isna(cell) else as_python(cell)
    if cell in ("True", "False"):
        return cell == "True"
    try:
        return float(cell)
    except ValueError:
        return cell
