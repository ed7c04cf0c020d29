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
    """Read the run, and write the page."""
    from sknethp.cli.reporting import report

    report(arguments.folder)
