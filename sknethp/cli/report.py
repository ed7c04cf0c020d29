"""The subcommand ``report``: its arguments."""

import argparse
from pathlib import Path

from sknethp.cli.arguments import Add

HELP = "make a page that shows what a run has found"
DESCRIPTION = (
    "Make report.html in the folder of a run of tune or compare: one page, without network, from "
    "the plain files of the run. The pipeline is not loaded."
)


def add_arguments(add: Add) -> None:
    """Declare the arguments with ``ArgumentParser.add_argument``."""
    add("folder", metavar="DIR", type=Path, help="the folder of a run of tune or compare")


def run(arguments: argparse.Namespace) -> None:
    """Make the page, and say where it is."""
    from sknethp.cli.errors import CommandError, written_to
    from sknethp.cli.printing import show
    from sknethp.report.files import RunError
    from sknethp.report.page import make_report

    folder = arguments.folder
    if not folder.is_dir():
        raise CommandError(f"there is no folder {str(folder)!r}; give that of a run")
    try:
        with written_to(folder):
            page = make_report(folder)
    except RunError as error:
        raise CommandError(str(error)) from error
    show(str(page))
