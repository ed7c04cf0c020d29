"""Files that a run leaves: complete or not there at all."""

import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from sklearn.base import BaseEstimator

from sknethp.cli.errors import CommandError

PIPELINE_FILE = "pipeline.joblib"
RESULTS_FILE = "cv_results.csv"
SETTINGS_FILE = "settings.json"


def check_folder(folder: Path, *, force: bool) -> None:
    """Check, before any work starts, that results can be written to a folder.

    Parameters
    ----------
    folder : pathlib.Path
        It need not exist.
    force : bool
        Whether files that are there may be replaced.

    Raises
    ------
    CommandError
        If the folder is in use, or can't be written.
    """
    if folder.exists() and not folder.is_dir():
        raise CommandError(f"{str(folder)!r} is a file; give a folder with --out")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise CommandError(
            f"folder {str(folder)!r} is not empty; give another with --out, or --force to "
            "replace the results in it"
        )
    parent = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not (parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)):
        raise CommandError(f"cannot write to {str(parent)!r}; give another folder with --out")


def write_results(
    folder: Path, pipeline: BaseEstimator, results: pd.DataFrame, settings: dict[str, Any]
) -> None:
    """Write the files of a run; if one of them fails, the folder stays as it was.

    Parameters
    ----------
    folder : pathlib.Path
        Made if it is not there.
    pipeline : estimator
        The fitted pipeline, for ``joblib.load``.
    results : pandas.DataFrame
        A row for each candidate.
    settings : dict
        What JSON can hold.

    Raises
    ------
    CommandError
        If the folder can't be written.
    """
    writers: dict[str, Callable[[Path], Any]] = {
        PIPELINE_FILE: lambda path: joblib.dump(pipeline, path),
        RESULTS_FILE: lambda path: results.to_csv(path, index=False),
        SETTINGS_FILE: lambda path: path.write_text(json.dumps(settings, indent=2) + "\n"),
    }
    created = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".sknethp-", dir=folder) as scratch:
            for name, write in writers.items():
                write(Path(scratch, name))
            for name in writers:
                os.replace(Path(scratch, name), folder / name)
    except BaseException as error:
        if created:
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise CommandError(f"cannot write to {str(folder)!r}: {error.strerror}") from error
        raise
