"""The subcommand ``predict``: its arguments."""

import argparse
from pathlib import Path

from sknethp.cli.arguments import Add, add_reading

HELP = "predict with a net that tune has made"
DESCRIPTION = (
    "Predict labels and probabilities of the rows of a file, by the pipeline in the folder of a "
    "run of tune. It is a pickle, which can run code: name only folders that you trust."
)


def add_arguments(add: Add) -> None:
    """Declare the arguments with ``ArgumentParser.add_argument``."""
    add("folder", metavar="DIR", type=Path, help="the folder of a run of tune")
    add("data", metavar="NEW", help="a CSV, TSV or Parquet file with the same columns")
    out = "file for the predictions, CSV, TSV or Parquet by its name (default: standard output)"
    add("--out", metavar="FILE", type=Path, help=out)
    add("--force", action="store_true", help="replace FILE if it exists")
    add_reading(add)


def run(arguments: argparse.Namespace) -> None:
    """Read, load, predict and write."""
    from sknethp.cli.predictions import predict

    predict(arguments)
