"""The subcommand ``compare``: its arguments."""

import argparse

from sknethp.cli.arguments import Add, add_data, add_run, option, seconds

HELP = "compare deep nets with other classifiers on a data set"
DESCRIPTION = (
    "Compare a deep net that tunes itself, one with its defaults, gradient boosting, a random "
    "forest and logistic regression by cross-validation, all on the same folds and in the same "
    "time. A run that was interrupted goes on when the same line is run again."
)


def add_arguments(add: Add) -> None:
    """Declare the arguments with ``ArgumentParser.add_argument``."""
    add_data(add)
    models = "models to compare, divided by commas (default: all that are built in)"
    add("--models", metavar="NAMES", help=models)
    budget = "time for each model in each fold, such as 90s, 2m or 1h"
    option(add, "--budget", 10.0, budget, metavar="TIME", type=seconds)
    add_run(add, "sknethp-comparison")


def run(arguments: argparse.Namespace) -> None:
    """Compare, and write the results."""
    from sknethp.cli.runs import started

    with started("compare", arguments) as (data, folder):
        from sknethp.cli.comparing import compare

        compare(arguments, data, folder)
