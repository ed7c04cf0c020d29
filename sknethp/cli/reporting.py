"""What ``sknethp report`` does: make the page, and say where it is."""

from pathlib import Path

from sknethp.cli.errors import CommandError, written_to
from sknethp.cli.printing import show
from sknethp.report.files import RunError
from sknethp.report.page import make_report


def report(folder: Path) -> None:
    """Run ``sknethp report``."""
    if not folder.is_dir():
        raise CommandError(f"there is no folder {str(folder)!r}; give that of a run")
    try:
        with written_to(folder):
            page = make_report(folder)
    except RunError as error:
        raise CommandError(str(error)) from error
    show(str(page))
