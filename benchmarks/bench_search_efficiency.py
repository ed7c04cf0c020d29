"""Follow the best score of a search over its evaluations and over time.

How soon does BayesSearchCV find what random search, scikit-optimize's BayesSearchCV and
Optuna's TPE find?

MLP-adam, MLP-sgd   Bayesmark's two tasks for MLPClassifier, with its spaces, on the
                    four classification sets of scikit-learn: a fifth of the rows set
                    aside with seed 0, accuracy in 5-fold cross-validation of the rest,
                    every evaluation with a seed of its own. Fits in all cores.
net                 our default estimator and space on CSV files, split as above. The
                    fits of a round are trained together, whoever proposes them.

Contenders, each NAME or NAME:POINTS, where POINTS are proposed at a time; without it,
what serves the contender best: 8, but 1 for skopt and tpe on MLPClassifier's tasks.
random       drawn from the space
ours         BayesSearchCV's proposals, the first of which is the estimator as it is
ours-drawn   the same with the first one drawn
skopt        skopt.Optimizer with its defaults
tpe          optuna's TPESampler with its defaults

Each is driven as its search drives it, round by round, and its best score, the
seconds of its proposals and those of its evaluations are kept: one trace yields all
figures. With --results FILE rounds are kept in a file, the same command goes on where
it was cut, and a table is made of all that the file holds of what is asked for;
--no-run only makes it. Spaces, folds and the evaluations' seeds are the same for all.

Wanted: ours has skopt's mean score after 64 evaluations in half of its time, and is
not behind TPE after as many evaluations: the difference of the means over the seeds is
not below zero by more than its standard error.
"""

import functools
import itertools
import sys

import _report as report
import _tuning as tuning
import numpy as np
from _contenders import silence_expected_warnings
from _proposers import DRAWN, OURS, POINTS, RANDOM, SKOPT, TPE, make_proposer
from _traces import CLOCKS, Curve, Run, Traces, extend, is_done

TARGET = 64
WANTED_SHARE = 0.5


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    tasks = [tuning.ADAM, tuning.SGD, tuning.NET]
    parser.add_argument("--tasks", nargs="+", choices=tasks, default=tasks)
    parser.add_argument("--data", nargs="+", help="only these, of either kind of task")
    parser.add_argument("--folder", help="the CSV files of net, each with a column named target")
    contenders = [RANDOM, OURS, SKOPT, TPE]
    parser.add_argument("--contenders", nargs="+", default=contenders, metavar="NAME[:POINTS]")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--evaluations", type=int, nargs="+", default=[8, 16, 32, 64, 128])
    parser.add_argument("--seconds", type=float, nargs="*", default=[10, 30, 60])
    parser.add_argument("--jobs", type=int, default=-1, help="for fits that are not fused")
    parser.add_argument(
        "--clock",
        choices=list(CLOCKS),
        default="wall",
        help="cpu: this process's, for a machine with other work on it; with --jobs 1",
    )
    parser.add_argument("--results", help="file that keeps the rounds")
    parser.add_argument("--no-run", action="store_true", help="only make the table")
    options = parser.parse_args()
    check(options, parser)
    return options


def check(options, parser):
    """Stop at options that do not fit together."""
    if tuning.NET in options.tasks and options.folder is None and not options.no_run:
        parser.error(f"the task {tuning.NET} needs CSV files: give --folder, or other --tasks.")
    if options.clock == "cpu" and options.jobs != 1:
        parser.error("--clock cpu sees no other processes: give --jobs 1 with it.")
    for contender in options.contenders:
        name, colon, points = contender.partition(":")
        if name not in POINTS or (colon and not (points.isdigit() and int(points) > 0)):
            names = ", ".join(POINTS)
            parser.error(f"--contenders takes {names}, each with :POINTS or not: {contender!r}.")


def wanted_data(options):
    """Yield pairs of a task's name and a data set's."""
    for task in options.tasks:
        is_net = task == tuning.NET
        every = tuning.NET_DATA if is_net else tuning.TOYS
        if options.data is not None:
            every = [data for data in options.data if (data not in tuning.TOYS) == is_net]
        yield from ((task, data) for data in every)


def make_run(options, task, data, contender, seed):
    """Return what one trace is of."""
    name, _, points = contender.partition(":")
    n_points = int(points) if points else POINTS[name][task == tuning.NET]
    return Run(task, data, name, n_points, seed, options.clock, options.jobs)


def make_traces(options, traces):
    """Make every trace that is missing, seed by seed, so that a cut leaves whole seeds."""
    n_evaluations, seconds = max(options.evaluations), max(options.seconds, default=0.0)

    @functools.cache
    def warm_task(name, data):
        task = tuning.make_task(name, data, options.folder)
        task.scores(make_proposer(RANDOM, task, 0).next(2), [0, 0], options.jobs)
        return task

    for seed, (task, data), contender in itertools.product(
        range(options.seeds), list(wanted_data(options)), options.contenders
    ):
        run = make_run(options, task, data, contender, seed)
        if not is_done(traces.of(run), n_evaluations, seconds):
            extend(traces, run, warm_task(task, data), n_evaluations, seconds)
        print(f"seed {seed}: {task} {data} {contender}", file=sys.stderr, flush=True)


def curves_of(options, traces, task, data):
    """Return {contender: [curve of each seed]}, of the seeds that all have up to the end."""
    runs = {
        contender: [make_run(options, task, data, contender, seed) for seed in range(options.seeds)]
        for contender in options.contenders
    }
    curves = {name: [Curve.of(traces.of(run)) for run in of] for name, of in runs.items()}
    complete = [
        seed
        for seed in range(options.seeds)
        if all(len(each[seed].best) >= max(options.evaluations) for each in curves.values())
    ]
    return {name: [each[seed] for seed in complete] for name, each in curves.items()}


def print_scores(options, task, data, curves):
    """Print the mean best scores of one task."""
    n_last = max(options.evaluations)
    rows = []
    for contender, of_seeds in curves.items():
        points = make_run(options, task, data, contender, 0).points
        means = [
            np.mean([curve.at_evaluation(n) for curve in of_seeds]) for n in options.evaluations
        ] + [np.mean([curve.at_second(s) for curve in of_seeds]) for s in options.seconds]
        times = [
            report.spread([getattr(curve, part)[n_last - 1] for curve in of_seeds])
            for part in ("proposing", "evaluating")
        ]
        scores = [None if np.isnan(mean) else f"{mean:.4f}" for mean in means]
        rows.append([f"{contender.partition(':')[0]}, {points} at a time", *scores, *times])
    header = [f"after {n}" for n in options.evaluations] + [f"{s:g} s" for s in options.seconds]
    n_seeds = len(next(iter(curves.values())))
    report.print_table(
        f"{task}, {data}: best accuracy, mean of {n_seeds} seeds; seconds for {n_last} "
        "evaluations, median [quartiles]",
        ["contender", *header, "proposing", "evaluating"],
        rows,
    )


def share_of_time(ours, skopt):
    """Return our time to skopt's mean score after TARGET evaluations, as a share of its own.

    Returns
    -------
    n_evaluations : int or None
        That ours took; None if it never had that score.
    share : float
        Infinite if it never had.
    """
    score = np.mean([curve.at_evaluation(TARGET) for curve in skopt])
    seconds = np.mean([curve.elapsed[TARGET - 1] for curve in skopt])
    length = min(len(curve.best) for curve in ours)
    best, elapsed = (
        np.mean([getattr(curve, part)[:length] for curve in ours], axis=0)
        for part in ("best", "elapsed")
    )
    reached = np.flatnonzero(best >= score - 1e-12)
    if not len(reached):
        return None, np.inf
    return int(reached[0]) + 1, float(elapsed[reached[0]] / seconds)


def advantage(ours, other, n):
    """Return how far our mean score after `n` evaluations is above another's, and its error."""
    scores = np.array([[curve.at_evaluation(n) for curve in curves] for curves in (ours, other)])
    error = np.sqrt(scores.var(axis=1, ddof=1).sum() / scores.shape[1])
    return float(np.diff(-scores.mean(axis=1)).item()), float(error)


def verdict(is_reached):
    """Return what is printed beside a figure."""
    return "PASS" if is_reached else "short"


def print_times(every):
    """Print the time to skopt's score, of all tasks."""
    rows = []
    for (task, data), curves in every.items():
        for contender in matching(curves, SKOPT):
            for ours in matching(curves, OURS, DRAWN):
                n, share = share_of_time(curves[ours], curves[contender])
                found = "not reached" if n is None else f"{share:.2f}"
                rows.append(
                    [
                        f"{task}, {data}: {ours} to {contender}",
                        n,
                        found,
                        verdict(share <= WANTED_SHARE),
                    ]
                )
    if rows:
        report.print_table(
            f"Time to skopt's mean score after {TARGET} evaluations, / skopt's time (wanted: at "
            f"most {WANTED_SHARE})",
            ["task", "evaluations", "share", "verdict"],
            rows,
        )


def matching(curves, *names):
    """Return the contenders with one of some names, however many points they propose."""
    return [contender for contender in curves if contender.partition(":")[0] in names]


def print_advantages(options, every):
    """Print the differences to TPE at equal evaluations, of all tasks and over them."""
    rows, kinds = [], {}
    for (task, data), curves in every.items():
        if len(next(iter(curves.values()))) < 2:
            continue  # no standard error
        for ours, contender in itertools.product(
            matching(curves, OURS, DRAWN), matching(curves, TPE)
        ):
            found = [advantage(curves[ours], curves[contender], n) for n in options.evaluations]
            rows.append([f"{task}, {data}: {ours} to {contender}", *map(advantage_cell, found)])
            kinds.setdefault((ours, contender), []).append(found)
    for (ours, contender), found in kinds.items():
        means, errors = np.moveaxis(np.array(found), 2, 0)
        pooled = np.sqrt((errors**2).sum(axis=0)) / len(found)
        cells = map(advantage_cell, zip(means.mean(axis=0), pooled, strict=True))
        rows.append([f"mean of {len(found)} tasks: {ours} to {contender}", *cells])
    if rows:
        report.print_table(
            "Mean score less that of TPE, standard error (wanted: not below zero by more)",
            ["task", *(f"after {n}" for n in options.evaluations)],
            rows,
        )


def advantage_cell(found):
    """Return a difference as text, with its verdict."""
    difference, error = found
    return f"{difference:+.4f} ± {error:.4f} {verdict(difference >= -error)}"


def main():
    """Make the traces that are missing, and print the tables."""
    options = parse_arguments()
    silence_expected_warnings()
    report.print_environment("optuna")
    traces = Traces(options.results)
    if not options.no_run:
        make_traces(options, traces)
    every = {}
    for task, data in wanted_data(options):
        curves = curves_of(options, traces, task, data)
        if any(curves.values()):
            every[task, data] = curves
            print_scores(options, task, data, curves)
        else:
            print(f"\n{task}, {data}: no seed that all contenders have finished.")
    if max(options.evaluations) >= TARGET:
        print_times(every)
    print_advantages(options, every)


if __name__ == "__main__":
    main()
