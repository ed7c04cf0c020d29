"""What ``sknethp predict`` does: make the columns those of the run, load the pipeline, predict."""

from __future__ import annotations

import argparse
import json
import platform
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from sknethp.cli.data import load_table
from sknethp.cli.errors import CommandError, written_to
from sknethp.cli.known_columns import aligned
from sknethp.cli.printing import standard_output, tell
from sknethp.cli.reading import PARQUET_ENDINGS
from sknethp.comparison.frames import named_probabilities
from sknethp.estimator.whole_files import whole_file
from sknethp.report.files import PIPELINE, SETTINGS

PREDICTION = "prediction"


def predict(arguments: argparse.Namespace) -> None:
    """Run ``sknethp predict``."""
    _check_out(arguments.out, force=arguments.force)
    settings = _settings(arguments.folder)
    table = load_table(arguments.data, separator=arguments.sep, encoding=arguments.encoding)
    X, notes = aligned(table.frame, settings["data"], arguments.data)
    for note in [*table.notes, *notes, *_version_notes(settings["versions"])]:
        tell(note)
    model = _loaded(arguments.folder / PIPELINE)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*unknown categories")  # they were counted
        predicted = _predictions(model, X)
    _write(predicted, arguments.out)
    counts = predicted[PREDICTION].value_counts()
    where = "" if arguments.out is None else f" in {arguments.out}"
    shares = ", ".join(f"{count} {label}" for label, count in counts.head(10).items())
    tell(f"{len(predicted)} rows predicted{where}: {shares}")


def _settings(folder: Path) -> dict[str, Any]:
    """Read what the run has written, and see that it is all there."""
    if not folder.is_dir():
        raise CommandError(f"there is no folder {str(folder)!r}; give one that tune has written")
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        is_known = {"columns", "numbers", "categories"} <= settings["data"].keys()
    except FileNotFoundError:
        raise CommandError(
            f"folder {str(folder)!r} holds no finished run of tune: there is no {SETTINGS} in it"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandError(
            f"cannot read {str(folder / SETTINGS)!r}: {error or type(error).__name__}"
        ) from error
    if not is_known or not (folder / PIPELINE).is_file():
        raise CommandError(
            f"folder {str(folder)!r} holds no run of tune that can predict; run tune again"
        )
    return settings


def _version_notes(recorded: dict[str, str]) -> Iterator[str]:
    """Say which packages are not those that the pipeline was made with."""
    differing = []
    for package, then in recorded.items():
        now = platform.python_version() if package == "python" else _installed(package)
        if now != then:
            differing.append(f"{package} {then} (here {now})")
    if differing:
        yield (
            f"warning: the pipeline was made with {', '.join(differing)}: it may not load or may "
            "predict otherwise"
        )


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _loaded(file: Path) -> Any:
    """Load the pipeline that the user named by its folder; say so before."""
    tell(f"loading {file}, a pickle, which can run code: use only folders that you trust")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions, which was said
            return joblib.load(file)
    except Exception as error:
        raise CommandError(
            f"cannot load {str(file)!r} ({type(error).__name__}: {error}); install the versions "
            f"in {SETTINGS} beside it, or run tune again"
        ) from error


def _predictions(model: Any, X: pd.DataFrame) -> pd.DataFrame:
    """Return a row per row: the label and each class's probability."""
    probabilities = np.asarray(model.predict_proba(X), dtype=np.float64)
    columns = named_probabilities(probabilities, model.classes_)
    return pd.DataFrame({PREDICTION: model.predict(X), **columns})


def _check_out(out: Path | None, *, force: bool) -> None:
    if out is None:
        return
    if out.is_dir():
        raise CommandError(f"{str(out)!r} is a folder; give a file with --out")
    if out.exists() and not force:
        raise CommandError(f"{str(out)!r} exists; give another file with --out, or --force")
    if not out.parent.is_dir():
        raise CommandError(f"there is no folder {str(out.parent)!r} to write to; make it first")


def _write(table: pd.DataFrame, out: Path | None) -> None:
    """Write a file as a whole, or to standard output."""
    if out is None:
        with standard_output() as output:
            table.to_csv(output, index=False)
        return
    # pandas compresses by the ending.
    with written_to(out), whole_file(out, "".join(out.suffixes)) as scratch:
        if out.suffix.lower() in PARQUET_ENDINGS:
            table.to_parquet(scratch, index=False)
        else:
            tabs = ".tsv" in out.suffixes or ".tab" in out.suffixes
            table.to_csv(scratch, index=False, sep="\t" if tabs else ",")
