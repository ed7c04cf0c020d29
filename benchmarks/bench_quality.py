"""Compare classifiers at their defaults on real data.

How good is the default DeepNetClassifier, how long does it take, and what does each
of its ingredients contribute?

On every file of a folder (CSV, gzipped or plain, label in the column `target`)
the default DeepNetClassifier stands beside RealMLP-TD and TabM-D (from pytabkit),
CatBoost, MLPClassifier, histogram gradient boosting and a random forest, as far as
they are installed. All run at their defaults, on the same scaled and one-hot encoded
columns and the same stratified splits, with all cores (OMP_NUM_THREADS limits them).
Printed per data set: test error, log-loss and time to fit; at the end means, mean
ranks and wins against MLPClassifier.

With --results every fit is written to a file, from which the next run goes on. It
also shows the fits of classifiers that are not installed where it runs. A fit of
DeepNetClassifier is found again only for the same parameters and the same source code.

--ablation compares DeepNetClassifier with itself, with one ingredient changed at a time
(the list is in _ablation.py). Only the first split is fitted one net at a time, for the
times; the nets of the other splits train together, with the same result.
"""

import importlib.util

import _ablation as ablation
import _critical_difference
import _report as report
import numpy as np
from _contenders import MLP, OURS, silence_expected_warnings
from _models import PEERS, REALMLP, make_ours, make_peer
from _results import MEASURES, Results, measure

TIE = {"error": 0.1, "log_loss": 0.005}


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    add = parser.add_argument
    add("folder", nargs="?", default="../shared/data")
    add("--splits", type=int, default=3, help="stratified splits")
    add("--max-rows", type=int, default=10_000, help="rows to train on, at most")
    add("--test-share", type=float, default=0.25, help="share of the rows to test on")
    add("--only", nargs="+", default=[], help="names of data sets and models or ingredients")
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of DeepNetClassifier, e.g. --set dropout=0.1; may be repeated",
    )
    add("--raw", action="store_true", help="do not scale the columns for DeepNetClassifier")
    add("--ablation", action="store_true", help="change one ingredient of the default at a time")
    add("--results", metavar="FILE", help="CSV file to keep the fits in, and to go on from")
    add("--markdown", metavar="FILE", help="write the last table to this file, as Markdown")
    add("--plot", metavar="FILE", help="draw critical differences (needs scikit-posthocs)")
    options = parser.parse_args()
    if options.plot and not importlib.util.find_spec("scikit_posthocs"):
        parser.error("--plot needs scikit-posthocs: pip install scikit-posthocs")
    return options


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


def summarize(results, labels):
    """Return header and rows: each classifier's means, mean ranks and times in all."""
    means = results.groupby(["data", "label"])[list(MEASURES)].mean()
    ranks = {name: means[name].unstack().rank(axis=1).mean() for name in MEASURES}
    by_model = means.groupby("label").mean()
    times = results.groupby("label")[["seconds", "cpu_seconds"]].sum()
    ratios = times / times.loc[REALMLP] if REALMLP in labels else None
    rows = []
    for label in labels:
        row = [
            label,
            f"{by_model.loc[label, 'error']:.2f}",
            f"{by_model.loc[label, 'log_loss']:.4f}",
        ]
        row += [f"{ranks[name][label]:.2f}" for name in MEASURES]
        row.append(f"{np.mean([ranks[name][label] for name in MEASURES]):.2f}")
        for name in times:
            row.append(f"{times.loc[label, name]:.1f}")
            row.append(None if ratios is None else f"{ratios.loc[label, name]:.3f}")
        rows.append(row)
    header = ["classifier", "mean error %", "mean log-loss", "rank by error", "by log-loss"]
    header += ["mean rank", "seconds to fit", f"/ {REALMLP}'s", "CPU seconds", f"/ {REALMLP}'s"]
    return header, rows


def print_wins(results):
    """Print on how many data sets DeepNetClassifier beats MLPClassifier."""
    means = results.groupby(["data", "label"])[list(MEASURES)].mean()
    if not {OURS, MLP} <= set(means.index.get_level_values("label")):
        return
    for measure_name, tie in TIE.items():
        table = means[measure_name].unstack()
        difference = table[OURS] - table[MLP]
        wins, losses = int((difference < -tie).sum()), int((difference > tie).sum())
        print(
            f"{OURS} against {MLP} by {measure_name}: {wins} wins, "
            f"{len(difference) - wins - losses} ties (within {tie}), {losses} losses; "
            f"mean difference {difference.mean():+.4f}"
        )


def main():
    """Measure, print and, where asked to, write the table and draw."""
    options = parse_arguments()
    silence_expected_warnings()
    report.print_environment("pytabkit", "catboost")
    data_sets = {name: (X, y) for name, X, y in report.load_folder(options.folder)}
    settings = report.parse_settings(options.set)
    if options.ablation:
        models = ablation.make_rows(settings, options.raw)
    else:
        models = [make_ours(settings, options.raw), *map(make_peer, PEERS)]
    first = models[0]
    models, data_sets = choose(options.only, models, data_sets)
    if options.ablation and first not in models:
        models = [first, *models]
    if settings:
        print(f"DeepNetClassifier is not at its defaults: {settings}")
    results = measure(models, data_sets, options, Results(options.results), fuse=options.ablation)
    if results.empty:
        raise SystemExit("No fit succeeded.")
    labels, results = complete(results, [model.label for model in models])
    title = (
        f"{results['data'].nunique()} data sets, {results['seed'].nunique()} splits, at most "
        f"{results['n_train'].max()} rows to train on, number of threads: "
        f"{' or '.join(map(str, sorted(results['threads'].unique())))}"
    )
    if options.ablation:
        header, rows = ablation.summarize(results, labels)
    else:
        print_by_data_set(results, labels)
        header, rows = summarize(results, labels)
    report.print_table(title, header, rows)
    if not options.ablation:
        print_wins(results)
    if options.markdown:
        report.write_file(options.markdown, report.markdown_table(title, header, rows))
    if options.plot:
        _critical_difference.draw(results, labels, options.plot)


if __name__ == "__main__":
    main()
