"""What ``sknethp compare`` does: compare, print the table, write the results."""

import argparse
import difflib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sknethp.cli import signals
from sknethp.cli.columns import listed
from sknethp.cli.data import Dataset
from sknethp.cli.errors import CommandError, failure_in_a_sentence
from sknethp.cli.metrics import positive_class
from sknethp.cli.output import RunFolder, write_settings
from sknethp.cli.printing import show, warn
from sknethp.cli.runs import of_dates, report_of, settings_of, warnings_as_lines
from sknethp.cli.scoring import Scoring
from sknethp.comparison import MODELS, Comparison
from sknethp.comparison import compare as compared
from sknethp.comparison.files import ABOUT, HELD_OUT, SCORES
from sknethp.report.files import GROUP, SETTINGS


def compare(arguments: argparse.Namespace, data: Dataset, folder: RunFolder) -> None:
    """Run ``sknethp compare``."""
    start = time.monotonic()
    scoring = Scoring.by(arguments.metric, np.unique(data.y))
    models = _models(arguments.models)
    show(*_plan(arguments, data, scoring, models))
    for sentence in of_dates(data):
        warn(sentence)
    # The net that tunes itself would take an interrupt as the end of its time.
    with signals.as_exits("SIGINT"), warnings_as_lines(), failure_in_a_sentence("comparison"):
        comparison = compared(
            data.X,
            data.y,
            models,
            max_time=arguments.budget,
            cv=arguments.cv,
            scoring={name: scoring.metrics[name] for name in _deciding_first(scoring)},
            groups=data.groups,
            n_jobs=arguments.jobs,
            memory=folder.fits,
            random_state=arguments.seed,
            progress=True,
        )
    if data.groups is not None and comparison.held_out_ is not None:
        comparison.held_out_[GROUP] = data.groups[comparison.held_out_["row"]]
    _write(comparison, folder, settings_of(arguments, data, data.X), time.monotonic() - start)
    show(str(comparison), "", *report_of(folder), *_files(folder))


def _models(given: str | None) -> list[str]:
    if given is None:
        return list(MODELS)
    names = {name.lower(): name for name in MODELS}
    models = [name.strip() for name in given.split(",") if name.strip()]
    for name in models:
        if name.lower() not in names:
            near = difflib.get_close_matches(name.lower(), names, n=1)
            hint = f"did you mean {names[near[0]]!r}?" if near else f"give {', '.join(MODELS)}"
            raise CommandError(f"--models has no {name!r}; {hint}")
    return list(dict.fromkeys(names[name.lower()] for name in models))


def _plan(
    arguments: argparse.Namespace, data: Dataset, scoring: Scoring, models: list[str]
) -> Iterator[str]:
    seconds = arguments.budget * arguments.cv * len(models)
    time_in_all = f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} s"
    yield (
        f"comparing {listed(models)}: {arguments.cv} folds, up to {arguments.budget:g} s each, "
        f"{time_in_all} in all"
    )
    if (positive := positive_class(scoring.chosen, np.unique(data.y))) is not None:
        yield f"the positive class is {positive!r}"


def _deciding_first(scoring: Scoring) -> list[str]:
    return list(dict.fromkeys([scoring.chosen, *scoring.metrics]))


def _write(
    comparison: Comparison, folder: RunFolder, settings: dict[str, Any], seconds: float
) -> None:
    about = {
        "findings": comparison.warnings_,
        "sentence": comparison.sentence_,
        "seconds": round(seconds, 1),
    }

    def fill(path: Path) -> None:
        comparison.save(path)
        write_settings(path, settings | about)

    folder.write(fill)


def _files(folder: RunFolder) -> list[str]:
    return [
        f"{folder.path / SCORES}  the scores of each model in each fold",
        f"{folder.path / HELD_OUT}  predictions of the rows held out",
        f"{folder.path / ABOUT}  for sknethp.comparison.Comparison.load",
        f"{folder.path / SETTINGS}  arguments and versions",
    ]
