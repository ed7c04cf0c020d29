"""The rows held out, by model: answers, and which model the page is about."""

from __future__ import annotations

import pandas as pd

from sknethp.report.bootstrap import Answers
from sknethp.report.files import GROUP, Run


def answers_by_model(run: Run) -> dict[str, Answers]:
    """Return each model's answers; the model that the page is about comes first."""
    if run.held_out is None:
        return {}
    groups = dict(iter(run.held_out.groupby("model", sort=False)))
    first = run.comparison.leader_ if run.comparison else next(iter(groups))
    names = sorted(groups, key=lambda name: name != first)
    if run.comparison:
        names = [name for name in run.comparison.models_ if name in groups]
    found = {str(name): _answers(groups[name], run.classes) for name in names}
    return {name: answers for name, answers in found.items() if len(answers.label)}


def _answers(table: pd.DataFrame, classes: list[str]) -> Answers:
    columns = [f"proba_{name}" for name in classes]
    table = table.dropna(subset=columns)
    numbers = {name: i for i, name in enumerate(classes)}
    label, predicted = (table[name].map(numbers) for name in ("label", "predicted"))
    known = label.notna() & predicted.notna()
    group = None
    if GROUP in table:
        group = pd.factorize(table.loc[known, GROUP], use_na_sentinel=False)[0]
    return Answers(
        label[known].to_numpy(int),
        predicted[known].to_numpy(int),
        table.loc[known, columns].to_numpy(float),
        group,
    )
