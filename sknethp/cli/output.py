"""What a run leaves: its results, or the finished fits of a run that was interrupted."""

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from sklearn.base import BaseEstimator

from sknethp.cli.errors import CommandError

PIPELINE_FILE = "pipeline.joblib"
RESULTS_FILE = "cv_results.csv"
SETTINGS_FILE = "settings.json"
FITS_FOLDER = "sknethp-unfinished"


@contextmanager
def output_folder(folder: Path, *, force: bool) -> Iterator[Path]:
    """Make the output folder and, inside, one for finished fits, which is yielded.

    Folders in which nothing was written are removed at the end.
    """
    fits = folder / FITS_FOLDER
    made: list[Path] = []
    try:
        with _os_errors(folder, "give another folder with --out"):
            _check_unused(folder, force=force)
            made = [path for path in (folder, *folder.absolute().parents) if not path.exists()]
            fits.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=fits).close()
        yield fits
    except (KeyboardInterrupt, SystemExit) as stop:
        code = stop.code if isinstance(stop, SystemExit) else 128 + signal.SIGINT
        raise CommandError(f"interrupted; {_how_to_go_on(fits)}", int(code or 0)) from stop
    finally:
        with suppress(OSError):
            for path in (*fits.glob("*"), fits, *made):
                path.rmdir()


@contextmanager
def _os_errors(folder: Path, advice: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CommandError(f"cannot write to {str(folder)!r} ({reason}); {advice}") from error


def _check_unused(folder: Path, *, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise CommandError(f"{str(folder)!r} is a file; give a folder with --out")
    if not force and folder.is_dir() and any(p.name != FITS_FOLDER for p in folder.iterdir()):
        raise CommandError(
            f"folder {str(folder)!r} is not empty; give another with --out, or --force to "
            "replace the results in it"
        )


def _how_to_go_on(fits: Path) -> str:
    if not any(path.is_file() for path in fits.rglob("*")):
        return "no fit was finished"
    return f"finished fits are kept in {str(fits)!r}: run the same line again to go on"


def write_results(
    folder: Path, pipeline: BaseEstimator, results: pd.DataFrame, settings: dict[str, Any]
) -> None:
    """Write the files of a run, all or none, and remove the finished fits."""
    writers: dict[str, Callable[[Path], Any]] = {
        PIPELINE_FILE: lambda path: joblib.dump(pipeline, path),
        RESULTS_FILE: lambda path: results.to_csv(path, index=False),
        SETTINGS_FILE: lambda path: path.write_text(json.dumps(settings, indent=2) + "\n"),
    }
    fits = folder / FITS_FOLDER
    with (
        _os_errors(folder, _how_to_go_on(fits)),
        tempfile.TemporaryDirectory(dir=fits) as scratch,
    ):
        for name, write in writers.items():
            write(Path(scratch, name))
        for name in writers:
            os.replace(Path(scratch, name), folder / name)
    shutil.rmtree(fits, ignore_errors=True)
