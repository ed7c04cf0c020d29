"""What bench_quality.py and bench_minute.py share: options, and tables of errors and ranks."""

import _report as report
import numpy as np
from _results import MEASURES


def add_options(parser, splits):
    """Add the options that say what is compared, on which data, and where it is kept."""
    add = parser.add_argument
    add("folder", nargs="?", default="../shared/data")
    add("--splits", type=int, default=splits, help="stratified splits")
    add("--max-rows", type=int, default=10_000, help="rows to train on, at most")
    add("--test-share", type=float, default=0.25, help="share of the rows to test on")
    add("--only", nargs="+", default=[], help="names of data sets and models or ingredients")
    add("--results", metavar="FILE", help="CSV file to keep the fits in, and to go on from")
    add("--markdown", metavar="FILE", help="write the last table to this file, as Markdown")


def choose(names, models, data_sets):
    """Return the models and data sets that --only names, and all where it names none."""
    labels = [model.label for model in models]
    unknown = [name for name in names if name not in labels and name not in data_sets]
    if unknown:
        allowed = ", ".join([*labels, *data_sets])
        raise SystemExit(f"--only: {', '.join(unknown)} is none of {allowed}.")
    return (
        [model for model in models if model.label in names] or models,
        {name: data_sets[name] for name in data_sets if name in names} or data_sets,
    )


def complete(results, labels):
    """Return the labels that have results, and the results of splits that all of these have."""
    present = [label for label in labels if label in set(results["label"])]
    if absent := [label for label in labels if label not in present]:
        print(f"Without results: {', '.join(absent)}.")
    counts = results.groupby(["data", "seed"])["label"].nunique()
    full = counts.index[counts == len(present)]
    if len(full) < len(counts):
        print(f"Left out: {len(counts) - len(full)} splits without a result of every classifier.")
    if full.empty:
        raise SystemExit("There is no split with a result of every classifier.")
    return present, results.set_index(["data", "seed"]).loc[full].reset_index()


def print_by_data_set(results, labels):
    """Print the three tables with a row per data set and a column per classifier."""
    titles = {
        "error": ("Test error in %, mean of the splits", "mean", "{:.2f}"),
        "log_loss": ("Log-loss, mean of the splits", "mean", "{:.4f}"),
        "seconds": ("Seconds to fit, median of the splits", "median", "{:.2f}"),
    }
    for measure_name, (title, statistic, form) in titles.items():
        table = results.pivot_table(
            index="data", columns="label", values=measure_name, aggfunc=statistic
        )
        rows = [
            [data_name, *(form.format(row[label]) for label in labels)]
            for data_name, row in table.iterrows()
        ]
        report.print_table(title, ["data set", *labels], rows)


def rank(results, labels):
    """Return header and rows: each classifier's mean error, mean log-loss and mean ranks."""
    means = results.groupby(["data", "label"])[list(MEASURES)].mean()
    ranks = {name: means[name].unstack().rank(axis=1).mean() for name in MEASURES}
    by_model = means.groupby("label").mean()
    rows = []
    for label in labels:
        row = [
            label,
            f"{by_model.loc[label, 'error']:.2f}",
            f"{by_model.loc[label, 'log_loss']:.4f}",
        ]
        row += [f"{ranks[name][label]:.2f}" for name in MEASURES]
        row.append(f"{np.mean([ranks[name][label] for name in MEASURES]):.2f}")
        rows.append(row)
    header = ["classifier", "mean error %", "mean log-loss", "rank by error", "by log-loss"]
    return [*header, "mean rank"], rows
