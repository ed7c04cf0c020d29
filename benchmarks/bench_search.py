"""Time whole searches, fused and not.

How much faster is a search with `sknethp.fused()`, and are its scores the same?

grid   GridSearchCV over a scaled pipeline, 12 learning rates x 5 momenta x 5 folds,
       10 epochs of SGD in batches of 32, two hidden ReLU layers, 4000 x 20 rows:
       fused DeepNetClassifier, as it comes and with n_jobs=-1, against
       MLPClassifier, a plain skorch NeuralNetClassifier and the same
       DeepNetClassifiers one at a time, the three with n_jobs=-1. With dropout in
       every layer besides (--dropout 0: without); the peers have no dropout, so that
       row is compared with ours without it.
small  4 candidates x 3 folds on 150 rows, where fusing can hardly gain: against the
       same search unfused with n_jobs=None. Everything is included in the time.
fits   What a fit costs beside its steps: processor time of a fused search on 500 rows,
       16 units, without its training, per fit, beyond that of scikit-learn's search of
       a pipeline whose net does nothing. Wanted: at most 1 ms.
bayes  BayesSearchCV with n_points=8, 64 evaluations, 5 folds, against MLPClassifier
       with n_jobs=-1, with the surrogate model's share of the time: each with
       scikit-optimize's search and with ours, whose proposals are cheaper. Wanted: at
       most 30% on 2000 rows (--rows 2000), without finding worse.

Times are wall times of the whole `fit` call, refit included (but for `fits`), after a warm-up that
starts the worker processes. Repeats are interleaved and ratios taken within each.
"""

import functools

import _report as report
import _searches as searches
import numpy as np
import torch
from _contenders import MLP, OURS, SKORCH, make_data, make_ours, silence_expected_warnings
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

PEERS = {"mlp": MLP, "skorch": SKORCH, "unfused": searches.UNFUSED}
WANTED = {
    MLP: {16: 10, 64: 5.5, 256: 1.5},
    SKORCH: {16: 30, 64: 18, 256: 3},
    searches.UNFUSED: {16: 8, 64: 4, 256: 1.2},
}
WANTED_WITH_DROPOUT = 0.7
SMALL = {"n_candidates": 4, "n_folds": 3}
SMALL_ROWS = 150
WANTED_SMALL = 1.1
FITS_ROWS, FITS_UNITS = 500, 16
WANTED_FITS = 1.0  # milliseconds
WANTED_BAYES = 3.0
WANTED_SURROGATE = 30  # percent, of our search on our nets


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    parts = ["grid", "small", "fits", "bayes"]
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--units", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--no-ours", action="store_true", help="time only MLP and skorch")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--candidates", type=int, default=60, help="in the grid")
    parser.add_argument(
        "--skorch-candidates", type=int, help="run skorch on so many and extrapolate its time"
    )
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--evaluations", type=int, default=64, help="of BayesSearchCV")
    parser.add_argument("--bayes-units", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def contender_names(options):
    """Return the names of those that the command line asks for."""
    peers = [PEERS[peer] for peer in options.peers]
    if options.no_ours:
        return [name for name in peers if name != searches.UNFUSED]
    dropout = [searches.WORKERS_DROPOUT] if options.dropout else []
    return [searches.FUSED, searches.WORKERS, *dropout, *peers]


def skorch_scale(options):
    """Return how many candidates skorch runs, and what its time is multiplied by."""
    n_all, n_some = (
        len(ParameterGrid(searches.make_grid(SKORCH, n)))
        for n in (options.candidates, options.skorch_candidates or options.candidates)
    )
    if n_some >= n_all:
        return n_all, 1.0
    return n_some, (n_all * options.folds + 1) / (n_some * options.folds + 1)


def scale_skorch(results, scale):
    """Return the results with skorch's seconds extrapolated to the whole grid."""
    if SKORCH not in results:
        return results
    search, seconds = results[SKORCH]
    return {**results, SKORCH: (search, [one * scale for one in seconds])}


def grid_rows(n_units, results, star):
    """Return the table's rows for one number of units; `star` marks an extrapolated time."""
    rows = []
    for name, (search, seconds) in results.items():
        ratios = [
            f"{report.paired_ratio(seconds, results[fused][1]):.2f}" if fused in results else None
            for fused in (searches.FUSED, searches.WORKERS)
        ]
        wanted = WANTED.get(name, {}).get(n_units)
        mark = star if name == SKORCH else ""
        score = f"{searches.best_score(search):.4f}"
        rows.append(
            [f"{n_units}, {name}", report.spread(seconds, digits=2) + mark, *ratios, wanted, score]
        )
    return rows


def grid_notes(n_units, results):
    """Return sentences on equal scores and on what dropout costs."""
    notes = []
    for name in (searches.FUSED, searches.WORKERS):
        if name in results and searches.UNFUSED in results:
            difference = searches.score_difference(results[name][0], results[searches.UNFUSED][0])
            notes.append(
                f"{n_units} units: mean_test_score of {name!r} and one at a time differ by at most "
                f"{difference:.2g}."
            )
    if searches.WORKERS_DROPOUT in results:
        plain, dropout = (results[name][1] for name in (searches.WORKERS, searches.WORKERS_DROPOUT))
        notes.append(
            f"{n_units} units: with dropout {report.paired_ratio(plain, dropout):.2f} of the speed "
            f"without (wanted: at least {WANTED_WITH_DROPOUT})."
        )
    return notes


def report_grid(options):
    """Run the grid searches and print their table."""
    X, y = make_data(options.rows)
    n_skorch, scale = skorch_scale(options)
    names = contender_names(options)
    settings = {"n_folds": options.folds, "n_epochs": options.epochs, "dropout": options.dropout}
    warm_up = searches.make_contenders(names, 2, n_units=16, n_candidates=2, **settings)
    searches.run_contenders(warm_up, X[:300], y[:300], 1)
    n_candidates = len(ParameterGrid(searches.make_grid(OURS, options.candidates)))
    for n_units in options.units:
        contenders = searches.make_contenders(
            names, n_skorch, n_units=n_units, n_candidates=options.candidates, **settings
        )
        results = scale_skorch(searches.run_contenders(contenders, X, y, options.repeats), scale)
        report.print_table(
            f"GridSearchCV, {n_candidates} candidates x {options.folds} folds, {options.rows} x 20 "
            f"rows, {options.epochs} epochs; median [quartiles] of {options.repeats}",
            ["units, contender", "seconds", "/ fused", "/ n_jobs=-1", "wanted", "best score"],
            grid_rows(n_units, results, "*" if scale != 1 else ""),
        )
        print("\n".join(grid_notes(n_units, results)), flush=True)
    if scale != 1 and SKORCH in names:
        print(
            f"* EXTRAPOLATED: skorch ran {n_skorch} of {n_candidates} candidates; its time was "
            f"multiplied by {scale:.2f}, and its best score is of those it ran."
        )


def report_small(options):
    """Run the search that is too small to gain and print by how much fusing slows it."""
    X, y = make_data(SMALL_ROWS)
    rows = []
    for n_units in options.units:
        make = functools.partial(
            searches.make_grid_search, OURS, n_units=n_units, n_epochs=options.epochs, **SMALL
        )
        contenders = {
            searches.FUSED: (make, searches.fit_fused),
            searches.UNFUSED: (make, searches.fit_plain),
        }
        searches.run_contenders(contenders, X, y, 1)
        results = searches.run_contenders(contenders, X, y, 3 * options.repeats)
        ratio = report.paired_ratio(results[searches.FUSED][1], results[searches.UNFUSED][1])
        difference = searches.score_difference(
            results[searches.FUSED][0], results[searches.UNFUSED][0]
        )
        for name, (search, seconds) in results.items():
            row = [f"{n_units}, {name}", report.spread(seconds, scale=1e3), None, None]
            if name == searches.FUSED:
                row[2:] = [f"{ratio:.2f}", f"{WANTED_SMALL}"]
            rows.append([*row, f"{searches.best_score(search):.4f}", f"{difference:.2g}"])
    header = ["units, contender", "ms", "/ one at a time", "wanted at most", "best score"]
    report.print_table(
        f"GridSearchCV, {SMALL['n_candidates']} candidates x {SMALL['n_folds']} folds, {SMALL_ROWS}"
        f" rows; n_jobs=None; median [quartiles] of {3 * options.repeats}",
        [*header, "score difference"],
        rows,
    )


def report_fits(options):
    """Run searches of many short fits and print what a fit costs beside its steps."""
    X, y = make_data(FITS_ROWS)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # others would be counted while they wait
    ours = make_ours(FITS_UNITS, 1, optimizer="sgd")
    nets = {
        "net that does nothing": searches.Dummy(),
        "ours, fused": ours,
        "ours, fused, inputs scaled and embedded": clone(ours).set_params(
            input_scaling="robust", embedding="periodic"
        ),
    }
    measure = functools.partial(
        searches.time_beside_training, X=X, y=y, n_candidates=options.candidates, n_folds=5
    )
    runs = {name: functools.partial(measure, net) for name, net in nets.items()}
    report.interleave(runs, 1)
    results = report.interleave(runs, 3 * options.repeats)
    torch.set_num_threads(n_threads)
    nothing, *_ = results.values()
    rows = []
    for name, seconds in results.items():
        beyond = f"{1e3 * np.median(np.subtract(seconds, nothing)):.2f}"
        wanted = f"{WANTED_FITS}" if name == "ours, fused" else None
        own = [None, None] if seconds is nothing else [beyond, wanted]
        rows.append([name, report.spread(seconds, scale=1e3, digits=2), *own])
    report.print_table(
        f"GridSearchCV, {options.candidates} candidates x 5 folds, {FITS_ROWS} x 20 rows, 1 epoch: "
        f"processor time per fit beside training; median [quartiles] of {3 * options.repeats}",
        ["contender", "ms", "beyond nothing", "wanted at most"],
        rows,
    )


def run_bayes(library, search_library, options, X, y):
    """Return best score, seconds and the surrogate's seconds of one Bayesian search."""
    search = searches.make_bayes_search(
        library,
        search_library,
        options.bayes_units,
        options.epochs,
        options.evaluations,
        options.folds,
    )
    fit = searches.fit_fused if library == OURS else searches.fit_in_processes
    with searches.time_proposals(search_library) as surrogate:
        _, seconds = report.timed(fit, search, X, y)
    return search.best_score_, seconds, sum(surrogate)


def report_bayes(options):
    """Run the Bayesian searches and print their table."""
    X, y = make_data(options.rows)
    libraries = [MLP] if options.no_ours else [OURS, MLP]
    pairs = [(library, search) for library in libraries for search in ("sknethp", "skopt")]
    runs = report.interleave(
        {pair: functools.partial(run_bayes, *pair, options, X, y) for pair in pairs},
        options.repeats,
    )
    rows = []
    for (library, search), results in runs.items():
        scores, seconds, surrogate = map(np.array, zip(*results, strict=True))
        ratio = report.paired_ratio(seconds, [run[1] for run in runs[pairs[0]]])
        row = [f"{library}, {search}'s search", report.spread(seconds, digits=2), f"{ratio:.2f}"]
        row += [f"{WANTED_BAYES}" if (library, search) == (MLP, "skopt") else None]
        share = 100 * np.median(surrogate / seconds)
        limit = None
        if (library, search) == pairs[0] and library == OURS:
            limit = f"{WANTED_SURROGATE}% {'PASS' if share <= WANTED_SURROGATE else 'short'}"
        rows.append([*row, f"{share:.0f}%", limit, f"{np.median(scores):.4f}"])
    report.print_table(
        f"BayesSearchCV, {options.evaluations} evaluations, 8 at a time, x {options.folds} folds, "
        f"{options.rows} x 20 rows, {options.bayes_units} units",
        ["contender", "seconds", "/ first", "wanted", "surrogate", "at most", "best score"],
        rows,
    )


def main():
    """Run the parts that the command line asks for."""
    options = parse_arguments()
    silence_expected_warnings()
    report.print_environment()
    if "grid" in options.parts:
        report_grid(options)
    if "small" in options.parts and not options.no_ours:
        report_small(options)
    if "fits" in options.parts and not options.no_ours:
        report_fits(options)
    if "bayes" in options.parts:
        report_bayes(options)


if __name__ == "__main__":
    main()
