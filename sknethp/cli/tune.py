"""The subcommand ``tune``: its arguments."""

import argparse

from sknethp.cli.arguments import Add, add_data, add_run, fraction, integer, option, seconds

HELP = "tune a deep net on a data set"
DESCRIPTION = (
    "Tune a deep net on a data set by cross-validation, and compare it with two simple "
    "baselines on held-out rows. A run that was interrupted goes on when the same line is "
    "run again."
)
METHODS = ("auto", "grid", "random", "bayes", "grow")


def add_arguments(add: Add) -> None:
    """Declare the arguments with ``ArgumentParser.add_argument``."""
    add_data(add)
    method = "how candidates are chosen; auto tunes itself, grow adds layers"
    option(add, "--method", "auto", method, choices=METHODS)
    budget = "time for the search, such as 90s, 2m or 1h (default: 60s for auto, else no limit)"
    add("--budget", metavar="TIME", type=seconds, help=budget)
    candidates = (
        "how many candidates to try, at most (default: what fits the budget, or without one 20)"
    )
    add("--candidates", metavar="N", type=integer(1), help=candidates)
    held_out = "fraction of the rows held out for the final score"
    option(add, "--test-fraction", 0.2, held_out, metavar="F", type=fraction)
    add_run(add, "sknethp-result")


def run(arguments: argparse.Namespace) -> None:
    """Search, compare with baselines, write the results."""
    from sknethp.cli.runs import started

    with started("tune", arguments) as (data, folder):
        from sknethp.cli.tuning import tune

        tune(arguments, data, folder)
