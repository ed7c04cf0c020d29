"""Compare what classifiers make of a minute.

How good is DeepNetClassifierCV after a given time, is it better than other libraries that
tune themselves, and do they keep to the time?

On every file of a folder (CSV, gzipped or plain, label in the column `target`)
DeepNetClassifierCV stands beside our BayesSearchCV (five folds, log-loss), FLAML, AutoGluon
at medium and at best quality, and CatBoost tuned by Optuna, each with --seconds for its
whole fit, and beside DeepNetClassifier with one and with five members and RealMLP-TD at
their defaults, which take the time they take; as far as they are installed. All tune the
log-loss, on the same scaled and one-hot encoded columns and the same stratified splits.
AutoGluon has an environment of its own, whose Python --autogluon names; its time starts
when its process has imported everything.

The process is confined to the first --cores of the cores that it may use (with taskset,
others); the cores should have no other work. Printed: test error, log-loss and time to
fit per data set; at the end means, mean ranks, the time taken, how many fits overran the
budget by more than 10 % and 2 s, how many failed, and error and log-loss as shares of
BayesSearchCV's. A fit that fails counts as one that predicts the classes' shares.

With --results every fit is written to a file, from which the next run goes on. It also
shows the fits of classifiers that are not installed where it runs. A fit of our own
classifiers is found again only for the same source code. Where the file has several
budgets, a table, and with --plot a picture, shows the log-loss by budget.
"""

import functools
import os
import sys

import _budget_curves as curves
import _comparison as comparison
import _report as report
from _budgeted import BAYES, make_models
from _contenders import silence_expected_warnings
from _results import MEASURES, Results, measure

PEERS = ("flaml", "catboost", "optuna", "pytabkit")


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    comparison.add_options(parser, splits=1)
    add = parser.add_argument
    add("--seconds", type=float, default=60.0, help="budget of each fit")
    add("--cores", type=int, default=1, help="cores that each fit may use")
    add("--autogluon", metavar="PYTHON", help="Python of the environment that has AutoGluon")
    add("--plot", metavar="FILE", help="draw the mean log-loss by budget; needs --results")
    options = parser.parse_args()
    if not 1 <= options.cores <= report.usable_cores():
        parser.error(f"--cores must be 1 to {report.usable_cores()}, the cores that are usable.")
    if options.seconds <= 0:
        parser.error("--seconds must be positive.")
    if options.plot and not options.results:
        parser.error("--plot needs --results, the file with the fits of several budgets.")
    return options


def confine(n_cores):
    """Start this script again on `n_cores` cores, which libraries count when imported."""
    can_pin = hasattr(os, "sched_setaffinity")
    is_pinned = not can_pin or report.usable_cores() == n_cores
    if is_pinned and os.environ.get("OMP_NUM_THREADS") == str(n_cores):
        return
    os.environ["OMP_NUM_THREADS"] = str(n_cores)
    if can_pin:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_cores])
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def overran(seconds, budget):
    """Return which times are above the budget by more than 10 % and more than 2 s."""
    return seconds > budget + max(0.1 * budget, 2)


def summarize(results, labels, budget):
    """Return header and rows: each classifier's means, mean ranks and times."""
    header, rows = comparison.rank(results, labels)
    groups = results.groupby("label")
    times = groups["seconds"].agg(["mean", "max"])
    n_over = groups["seconds"].agg(lambda seconds: overran(seconds, budget).sum())
    n_failed = groups["failure"].count() if "failure" in results else {}
    means = groups[list(MEASURES)].mean()
    shares = means / means.loc[BAYES] if BAYES in labels else None
    for label, row in zip(labels, rows, strict=True):
        row += [f"{times.loc[label, name]:.1f}" for name in times]
        row += [f"{n_over[label]:.0f}", f"{n_failed.get(label, 0)}"]
        row += [None if shares is None else f"{shares.loc[label, name]:.3f}" for name in MEASURES]
    header += [
        "mean s",
        "max s",
        "overran",
        "failed",
        f"error / {BAYES}'s",
        f"log-loss / {BAYES}'s",
    ]
    return header, rows


def main():
    """Measure, print and, where asked to, write the table and draw."""
    options = parse_arguments()
    confine(options.cores)
    silence_expected_warnings()
    report.print_environment(*PEERS)
    data_sets = {name: (X, y) for name, X, y in report.load_folder(options.folder)}
    make = functools.partial(make_models, python=options.autogluon)
    models, data_sets = comparison.choose(options.only, make(options.seconds), data_sets)
    kept = Results(options.results)
    results = measure(models, data_sets, options, kept)
    if results.empty:
        raise SystemExit("No fit succeeded.")
    labels, results = comparison.complete(results, [model.label for model in models])
    comparison.print_by_data_set(results, labels)
    title = (
        f"Budget {options.seconds:g} s, number of cores: {options.cores}, data sets: "
        f"{results['data'].nunique()}, splits: {results['seed'].nunique()}, at most "
        f"{results['n_train'].max()} rows to train on"
    )
    header, rows = summarize(results, labels, options.seconds)
    report.print_table(title, header, rows)
    if options.markdown:
        report.write_file(options.markdown, report.markdown_table(title, header, rows))
    by_budget = curves.collect(kept, results, labels, make)
    if by_budget is not None:
        curves.print_losses(by_budget)
        if options.plot:
            curves.draw(by_budget, options.plot)
    elif options.plot:
        print(f"Not drawn: {options.results} holds no other budget than {options.seconds:g} s.")


if __name__ == "__main__":
    main()
