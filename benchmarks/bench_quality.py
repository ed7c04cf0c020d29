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
import _comparison as comparison
import _critical_difference
import _report as report
from _contenders import MLP, OURS, silence_expected_warnings
from _models import PEERS, REALMLP, make_ours, make_peer
from _results import MEASURES, Results, measure

TIE = {"error": 0.1, "log_loss": 0.005}


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    comparison.add_options(parser, splits=3)
    add = parser.add_argument
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of DeepNetClassifier, e.g. --set dropout=0.1; may be repeated",
    )
    add("--raw", action="store_true", help="do not scale the columns for DeepNetClassifier")
    add("--ablation", action="store_true", help="change one ingredient of the default at a time")
    add("--plot", metavar="FILE", help="draw critical differences (needs scikit-posthocs)")
    options = parser.parse_args()
    if options.plot and not importlib.util.find_spec("scikit_posthocs"):
        parser.error("--plot needs scikit-posthocs: pip install scikit-posthocs")
    return options


def summarize(results, labels):
    """Return header and rows: each classifier's means, mean ranks and times in all."""
    header, rows = comparison.rank(results, labels)
    times = results.groupby("label")[["seconds", "cpu_seconds"]].sum()
    ratios = times / times.loc[REALMLP] if REALMLP in labels else None
    for label, row in zip(labels, rows, strict=True):
        for name in times:
            row.append(f"{times.loc[label, name]:.1f}")
            row.append(None if ratios is None else f"{ratios.loc[label, name]:.3f}")
    header += ["seconds to fit", f"/ {REALMLP}'s", "CPU seconds", f"/ {REALMLP}'s"]
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
    models, data_sets = comparison.choose(options.only, models, data_sets)
    if options.ablation and first not in models:
        models = [first, *models]
    if settings:
        print(f"DeepNetClassifier is not at its defaults: {settings}")
    results = measure(models, data_sets, options, Results(options.results), fuse=options.ablation)
    if results.empty:
        raise SystemExit("No fit succeeded.")
    labels, results = comparison.complete(results, [model.label for model in models])
    title = (
        f"{results['data'].nunique()} data sets, {results['seed'].nunique()} splits, at most "
        f"{results['n_train'].max()} rows to train on, number of threads: "
        f"{' or '.join(map(str, sorted(results['threads'].unique())))}"
    )
    if options.ablation:
        header, rows = ablation.summarize(results, labels)
    else:
        comparison.print_by_data_set(results, labels)
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
