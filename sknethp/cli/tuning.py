"""What ``sknethp tune`` does: search, compare with baselines, write the results."""

import argparse
import time
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from sknethp.cli.auto import tuned_by_itself
from sknethp.cli.data import Dataset
from sknethp.cli.errors import CommandError
from sknethp.cli.metrics import positive_class
from sknethp.cli.output import RunFolder, write_settings
from sknethp.cli.pipelines import make_baselines
from sknethp.cli.printing import best_table, score_table, show
from sknethp.cli.runs import report_of, settings_of, warn_of_data, warnings_as_lines
from sknethp.cli.scoring import Scored, Scoring, scored_baseline
from sknethp.cli.search import SIZE, Task, Tuned, tuned_by_search
from sknethp.cli.splits import Rows, folds, split
from sknethp.comparison.files import HELD_OUT
from sknethp.comparison.frames import named_probabilities
from sknethp.hyperparameters import TABLE
from sknethp.hyperparameters.automatic import AUTO
from sknethp.hyperparameters.constraints import as_python
from sknethp.model_selection.spaces import SIZES
from sknethp.report.files import CANDIDATES, CURVES, GROUP, IMPORTANCE, PIPELINE, SETTINGS
from sknethp.report.measures import feature_importance, training_curves

TUNED = "tuned net"


def tune(arguments: argparse.Namespace, data: Dataset, folder: RunFolder) -> None:
    """Run ``sknethp tune``."""
    start = time.monotonic()
    _check(arguments)
    task = _task(arguments, data, folder)
    findings = warn_of_data(data, arguments.cv)
    tuned, models = _fitted(task)
    scores = {name: each.summary(task.scoring, task.held_out) for name, each in models.items()}
    settings = {
        **settings_of(arguments, data, task.rows.X),
        "n_train": len(task.rows),
        "n_held_out": len(task.held_out),
        "best_hyperparameters": _best(tuned),
        "scores": scores,
        "findings": findings,
        "notes": tuned.notes,
        "seconds": round(time.monotonic() - start, 1),
    }

    def fill(path: Path) -> None:
        joblib.dump(tuned.scored.model, path / PIPELINE)
        tuned.results.to_csv(path / CANDIDATES, index=False)
        held_out_table(models, task.held_out).to_csv(path / HELD_OUT, index=False)
        _write_measures(tuned.scored.model, task, path)
        write_settings(path, settings)

    folder.write(fill, keep_fits=tuned.is_interrupted)
    show(best_table(settings["best_hyperparameters"]), "", score_table(scores), "")
    show(*report_of(folder), *_files(folder))
    if tuned.is_interrupted:
        show("interrupted: made of what was tried by then; the same line with --force goes on")


def _check(arguments: argparse.Namespace) -> None:
    """Raise an error for options that exclude each other."""
    if arguments.method == "grow" and arguments.candidates is not None:
        raise CommandError("--candidates is not for --method grow, which ends by itself")
    if arguments.method == "auto" and None not in (arguments.candidates, arguments.budget):
        raise CommandError("--method auto takes either --budget or --candidates")


def _task(arguments: argparse.Namespace, data: Dataset, folder: RunFolder) -> Task:
    """Divide the rows and choose the metric; say so."""
    cv, seed = arguments.cv, arguments.seed
    classes = np.unique(data.y)
    scoring = Scoring.by(arguments.metric, classes)
    rows, held_out = split(data, test_fraction=arguments.test_fraction, cv=cv, seed=seed)
    show(f"{len(rows)} rows to tune on, {len(held_out)} held out")
    if (positive := positive_class(scoring.chosen, classes)) is not None:
        show(f"the positive class is {positive!r}")
    return Task(arguments, rows, held_out, folds(rows, cv, seed), scoring, folder.fits)


def _fitted(task: Task) -> tuple[Tuned, dict[str, Scored]]:
    """Tune the net, and fit the baselines."""
    tuner = tuned_by_itself if task.arguments.method == "auto" else tuned_by_search
    with warnings_as_lines():
        tuned = tuner(task, show)
        show(*tuned.notes)
        models = {TUNED: tuned.scored}
        for name, model in make_baselines(task.rows.X).items():
            models[name] = scored_baseline(
                model, task.rows, task.held_out, task.folds, task.scoring
            )
    return tuned, models


def _best(tuned: Tuned) -> dict[str, Any]:
    """Return the most important hyperparameters, and all others that are not the defaults.

    What was "auto" has become a value in the fit.
    """
    given = tuned.net.get_params()
    others = (
        name
        for name, entry in TABLE.items()
        if entry.role != "running" and given[name] != entry.default
    )
    return {
        name: as_python(tuned.net.net_.resolved_[name] if given[name] == AUTO else given[name])
        for name in dict.fromkeys((*SIZES[SIZE], *others))
    }


def _write_measures(model: Any, task: Task, path: Path) -> None:
    """Write what a report shows and only the fitted pipeline can tell."""
    training_curves(model).to_csv(path / CURVES, index=False)
    held_out = task.held_out
    if len(set(held_out.y)) < len(model.classes_):
        return  # a class that is only in groups that were not held out
    importance = feature_importance(model, held_out.X, held_out.y, task.arguments.seed)
    if importance is not None:
        importance.to_csv(path / IMPORTANCE, index=False)


def held_out_table(models: dict[str, Scored], held_out: Rows) -> pd.DataFrame:
    """Return a row per model and held-out row, as ``held_out.csv`` has it."""
    tables = []
    for name, scored in models.items():
        answers = scored.answers
        columns = {"model": name, "row": held_out.index, "label": held_out.y}
        columns |= {"predicted": answers.predicted}
        columns |= {} if held_out.groups is None else {GROUP: held_out.groups}
        columns |= named_probabilities(answers.probabilities, answers.classes_)
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def _files(folder: RunFolder) -> list[str]:
    return [
        f"{folder.path / PIPELINE}  the fitted pipeline, for sknethp predict or joblib.load",
        f"{folder.path / CANDIDATES}  every candidate with its scores",
        f"{folder.path / HELD_OUT}  predictions of the rows held out",
        f"{folder.path / SETTINGS}  arguments, versions and scores",
    ]
