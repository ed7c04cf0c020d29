"""What a run leaves: its results, or the finished fits of a run that was interrupted."""

import argparse
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sknethp.cli.errors import CommandError, written_to
from sknethp.estimator.whole_files import whole_file
from sknethp.report.files import SETTINGS

FITS_FOLDER = "sknethp-unfinished"
_LINE_FILE = "line.json"
# What may differ in a line that goes on with another.
_FREE = ("budget", "candidates", "jobs", "out", "force", "encoding", "sep")


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run, and inside, `fits` for what is finished."""

    path: Path
    fits: Path

    def write(self, fill: Callable[[Path], Any], *, keep_fits: bool = False) -> None:
        """Take all files that `fill` writes into a folder, or none; then forget finished fits."""
        with (
            written_to(self.path, _how_to_go_on(self.fits)),
            tempfile.TemporaryDirectory(dir=self.fits) as scratch,
        ):
            fill(Path(scratch))
            # The settings, last, tell that a run is complete.
            for file in sorted(Path(scratch).iterdir(), key=lambda f: f.name == SETTINGS):
                os.replace(file, self.path / file.name)
        if not keep_fits:
            shutil.rmtree(self.fits, ignore_errors=True)


def write_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write what a later command needs to know."""
    text = json.dumps(settings, indent=2, ensure_ascii=False) + "\n"
    (folder / SETTINGS).write_text(text, encoding="utf-8")


@contextmanager
def output_folder(folder: Path, line: Mapping[str, Any], *, force: bool) -> Iterator[RunFolder]:
    """Make the output folder of a line of the command and, inside, one for finished fits.

    Folders in which nothing was written are removed at the end.
    """
    fits = folder / FITS_FOLDER
    made: list[Path] = []
    try:
        with written_to(folder, "give another folder with --out"):
            _check_unused(folder, force=force)
            made = [path for path in (folder, *folder.absolute().parents) if not path.exists()]
            _check_line(fits, line, force=force)
            fits.mkdir(parents=True, exist_ok=True)
            with whole_file(fits / _LINE_FILE) as scratch:
                scratch.write_text(json.dumps(line, indent=2) + "\n", encoding="utf-8")
        yield RunFolder(folder, fits)
    except (KeyboardInterrupt, SystemExit) as stop:
        code = stop.code if isinstance(stop, SystemExit) else 128 + signal.SIGINT
        raise CommandError(f"interrupted; {_how_to_go_on(fits)}", int(code or 0)) from stop
    finally:
        with suppress(OSError):
            if not _has_fits(fits):
                (fits / _LINE_FILE).unlink(missing_ok=True)
            for path in (*fits.glob("*"), fits, *made):
                path.rmdir()


def line_of(command: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what makes a line of the command another run."""
    given = {name: value for name, value in vars(arguments).items() if name not in _FREE}
    return {**given, "command": command}


def _check_unused(folder: Path, *, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise CommandError(f"{str(folder)!r} is a file; give a folder with --out")
    if not force and folder.is_dir() and any(p.name != FITS_FOLDER for p in folder.iterdir()):
        kind = "holds a finished run" if (folder / SETTINGS).exists() else "is not empty"
        raise CommandError(
            f"folder {str(folder)!r} {kind}; give another with --out, or --force to "
            "replace the results in it"
        )


def _check_line(fits: Path, line: Mapping[str, Any], *, force: bool) -> None:
    """Raise an error if another line of the command was interrupted here."""
    try:
        other = json.loads((fits / _LINE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    differing = {name for name in {*line, *other} if line.get(name) != other.get(name)}
    if not differing or not _has_fits(fits):
        return
    if force:
        shutil.rmtree(fits)
        return
    words = ", ".join(f"{name} {other.get(name)}" for name in sorted(differing))
    raise CommandError(
        f"folder {str(fits.parent)!r} holds another run that was interrupted ({words}); give "
        "another with --out, or --force to drop what that run has finished"
    )


def _has_fits(fits: Path) -> bool:
    return any(path.is_file() and path.name != _LINE_FILE for path in fits.rglob("*"))


def _how_to_go_on(fits: Path) -> str:
    if not _has_fits(fits):
        return "no fit was finished"
    return f"finished fits are kept in {str(fits)!r}: run the same line again to go on"
