"""Compare how soon searches find good candidates.

How good is the best candidate after so many evaluations, and after so many seconds?

Contenders, all asked for proposals and told scores in the same loop:
random   uniform draws, eight at a time
ours     what proposes for sknethp.model_selection.BayesSearchCV, eight at a time
skopt    scikit-optimize's Optimizer with its defaults, eight at a time
tpe      Optuna's TPE with its defaults, one at a time, at which it is best

Tasks:
MLP-adam, MLP-sgd  Bayesmark's tuning of scikit-learn's MLPClassifier: its spaces, its fixed
       parameters and its split (80 % of the rows, seed 0), 5-fold accuracy; breast_cancer,
       digits, iris and wine, not scaled, as there. A round's fits run in parallel, n_jobs=-1.
own    our default estimator and space on files of --folder, 5-fold accuracy on at most --rows
       rows; the fits of a round are fused for all contenders.

Numbers are means over seeds of the best mean test score so far. A run that was over before the
seconds named keeps its last score. Runs are kept in the file of --results, one line each, and
those found there are not made again: a long benchmark may be done in parts.

Spaces: github.com/uber/bayesmark, bayesmark/sklearn_funcs.py. Logit scales are searched as the
numbers' logits.
"""

import functools
import json
import pathlib
import sys
import time
import warnings

import _report as report
import numpy as np
from joblib import Parallel, delayed
from scipy.special import expit, logit
from sklearn import datasets
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_score,
    train_test_split,
)
from sklearn.neural_network import MLPClassifier
from skopt.space import Categorical, Integer, Real, Space

EVALUATIONS = (8, 16, 32, 64, 128)
SECONDS = (10, 30, 60)
N_FOLDS = 5
ROUND = {"random": 8, "ours": 8, "skopt": 8, "tpe": 1}
LOADERS = {
    "breast_cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
}
SHARED = {
    "hidden_layer_sizes": ("int", "linear", 50, 200),
    "alpha": ("real", "log", 1e-5, 1e1),
    "batch_size": ("int", "linear", 10, 250),
    "learning_rate_init": ("real", "log", 1e-5, 1e-1),
    "tol": ("real", "log", 1e-5, 1e-1),
    "validation_fraction": ("real", "logit", 0.1, 0.9),
}
SPACES = {
    "MLP-adam": SHARED
    | {
        "beta_1": ("real", "logit", 0.5, 0.99),
        "beta_2": ("real", "logit", 0.9, 1 - 1e-6),
        "epsilon": ("real", "log", 1e-9, 1e-6),
    },
    "MLP-sgd": SHARED
    | {"power_t": ("real", "logit", 0.1, 0.9), "momentum": ("real", "logit", 0.001, 0.999)},
}
FIXED = {
    "MLP-adam": {"solver": "adam", "early_stopping": True},
    "MLP-sgd": {"solver": "sgd", "early_stopping": True, "learning_rate": "invscaling"},
}


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    parser.add_argument("--tasks", nargs="*", default=[*SPACES, "own"])
    parser.add_argument("--data", nargs="*", default=list(LOADERS), help="for Bayesmark's tasks")
    parser.add_argument("--folder", help="of CSV files with a column named target, for own")
    parser.add_argument("--files", nargs="*", default=["pima", "vehicle", "german"])
    parser.add_argument("--rows", type=int, default=1000, help="for own, at most")
    parser.add_argument("--contenders", nargs="*", choices=list(ROUND), default=list(ROUND))
    parser.add_argument("--evaluations", type=int, default=EVALUATIONS[-1])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--results", type=pathlib.Path, help="file to keep runs in, and go on")
    return parser.parse_args()


class BayesmarkTask:
    """Tune MLPClassifier as Bayesmark does."""

    def __init__(self, name, data, seed):
        self._space = SPACES[name]
        X, y = LOADERS[data](return_X_y=True)
        self._X, _, self._y, _ = train_test_split(X, y, test_size=0.2, random_state=0)
        self._net = MLPClassifier(**FIXED[name], random_state=seed)
        self.own = {}

    def dimensions(self):
        """Return scikit-optimize's dimensions."""
        return [_dimension(name, *entry) for name, entry in self._space.items()]

    def evaluate(self, points):
        """Return the mean test scores of points."""
        nets = [clone(self._net).set_params(**self._params(point)) for point in points]
        folds = [self._folds(net) for net in nets]
        done = Parallel(n_jobs=-1)(job for jobs in folds for job in jobs)
        return np.reshape(done, (len(points), N_FOLDS)).mean(axis=1)

    def _params(self, point):
        entries = zip(self._space.items(), point, strict=True)
        return {
            name: float(expit(value)) if scale == "logit" else value
            for (name, (_, scale, _, _)), value in entries
        }

    def _folds(self, net):
        splits = StratifiedKFold(N_FOLDS).split(self._X, self._y)
        return [delayed(_score)(net, self._X, self._y, split) for split in splits]


class OwnTask:
    """Tune our default estimator over our default space."""

    def __init__(self, frame, y, n_rows, seed):
        from sknethp.model_selection import search_space
        from sknethp.model_selection.nets import default_estimator
        from sknethp.model_selection.proposals import own_values

        X = frame.to_numpy(dtype="float32")
        if len(X) > n_rows:
            X, _, y, _ = train_test_split(X, y, train_size=n_rows, random_state=0, stratify=y)
        self._X, self._y = X, y
        self._net = default_estimator().set_params(deepnetclassifier__random_state=seed)
        self._space = search_space(self._net, "bayes", X=X)
        self.own = own_values(self._net, self._space)

    def dimensions(self):
        """Return scikit-optimize's dimensions."""
        for name, dimension in self._space.items():
            dimension.name = name
        return list(self._space.values())

    def evaluate(self, points):
        """Return the mean test scores of points; a failed candidate has the worst of the round."""
        import sknethp

        grid = [
            {name: [value] for name, value in zip(self._space, point, strict=True)}
            for point in points
        ]
        with sknethp.fused(silent=True):
            search = GridSearchCV(self._net, grid, cv=N_FOLDS, refit=False).fit(self._X, self._y)
        scores = search.cv_results_["mean_test_score"]
        return np.where(np.isfinite(scores), scores, np.nan_to_num(np.nanmin(scores)))


def _dimension(name, kind, scale, low, high):
    if scale == "logit":
        return Real(float(logit(low)), float(logit(high)), name=name)
    prior = "log-uniform" if scale == "log" else "uniform"
    return (Integer if kind == "int" else Real)(low, high, prior=prior, name=name)


def _score(net, X, y, split):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cross_val_score(net, X, y, cv=[split], scoring="accuracy")[0]


class RandomProposals:
    """Draws from the dimensions' priors."""

    def __init__(self, task, seed):
        self._space = Space(task.dimensions())
        self._random = np.random.RandomState(seed)

    def ask(self, n_points):
        """Return points."""
        return self._space.rvs(n_points, random_state=self._random)

    def tell(self, points, losses):
        """Learn nothing."""


def propose_ours(task, seed):
    """Return what proposes for our BayesSearchCV."""
    from sknethp.model_selection.proposals import RoundOptimizer

    return RoundOptimizer(task.dimensions(), task.own, random_state=seed)


def propose_skopt(task, seed):
    """Return scikit-optimize's optimizer."""
    from skopt import Optimizer

    return Optimizer(task.dimensions(), random_state=seed)


class TPEProposals:
    """Optuna's sampler behind the same two methods."""

    def __init__(self, task, seed):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = {d.name: self._distribution(d) for d in task.dimensions()}
        self._study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        self._trials = []

    @staticmethod
    def _distribution(dimension):
        from optuna import distributions

        if isinstance(dimension, Categorical):
            return distributions.CategoricalDistribution(dimension.categories)
        real = isinstance(dimension, Real)
        kind = distributions.FloatDistribution if real else distributions.IntDistribution
        return kind(dimension.low, dimension.high, log=dimension.prior == "log-uniform")

    def ask(self, n_points):
        """Return points."""
        self._trials = [self._study.ask(self._space) for _ in range(n_points)]
        return [[trial.params[name] for name in self._space] for trial in self._trials]

    def tell(self, points, losses):
        """Learn losses."""
        for trial, loss in zip(self._trials, losses, strict=True):
            self._study.tell(trial, loss)


PROPOSERS = {
    "random": RandomProposals,
    "ours": propose_ours,
    "skopt": propose_skopt,
    "tpe": TPEProposals,
}


def run(task, contender, seed, n_evaluations):
    """Return scores in the order of evaluation, and the seconds at which each was known."""
    start = time.perf_counter()
    proposer = PROPOSERS[contender](task, seed)
    scores, seconds, evaluating = [], [], 0.0
    while len(scores) < n_evaluations:
        points = proposer.ask(n_points=min(ROUND[contender], n_evaluations - len(scores)))
        points = [[v.item() if hasattr(v, "item") else v for v in point] for point in points]
        new, spent = report.timed(task.evaluate, points)
        evaluating += spent
        scores += [float(score) for score in new]
        seconds += [time.perf_counter() - start] * len(new)
        if len(scores) < n_evaluations:
            proposer.tell(points, [-float(score) for score in new])
    proposing = seconds[-1] - evaluating
    return {"scores": scores, "seconds": seconds, "proposing": proposing}


def make_tasks(options):
    """Yield the names of each task and its data, and what makes it for a seed."""
    for name in options.tasks:
        if name in SPACES:
            for data in options.data:
                yield name, data, functools.partial(BayesmarkTask, name, data)
        elif options.folder:
            for data, frame, y in report.load_folder(options.folder):
                if data in options.files:
                    yield name, data, functools.partial(OwnTask, frame, y, options.rows)


def read_results(path):
    """Return {(task, data, contender, seed, evaluations): run} of a file."""
    if path is None or not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {tuple(line["key"]): line for line in lines}


def run_all(options):
    """Make the runs that are missing and return all."""
    done = read_results(options.results)
    runs = {}
    for seed in range(options.seeds):
        for task, data, make in make_tasks(options):
            for contender in options.contenders:
                key = (task, data, contender, seed, options.evaluations)
                if key not in done:
                    done[key] = run(make(seed), contender, seed, options.evaluations)
                    if options.results is not None:
                        with options.results.open("a") as file:
                            file.write(json.dumps({"key": key, **done[key]}) + "\n")
                    print(f"{key}: {max(done[key]['scores']):.4f}", file=sys.stderr, flush=True)
                runs[key] = done[key]
    return runs


def best_after(run, *, evaluations=None, seconds=None):
    """Return the best score after so many evaluations, or seconds; NaN before the first."""
    known = [
        score
        for i, (score, at) in enumerate(zip(run["scores"], run["seconds"], strict=True))
        if (evaluations is None or i < evaluations) and (seconds is None or at <= seconds)
    ]
    return max(known, default=np.nan)


def report_scores(runs, options):
    """Print the best scores of each task, and of all."""
    counts = [n for n in EVALUATIONS if n <= options.evaluations]
    tasks = dict.fromkeys(key[:2] for key in runs)
    header = ["task, data, contender", *(f"{n} ev." for n in counts)]
    header += [*(f"{s} s" for s in SECONDS), "proposing, s", "evaluating, s"]
    rows = []
    for task, data in [*tasks, ("all", "")]:
        for contender in options.contenders:
            own = [
                run
                for key, run in runs.items()
                if key[2] == contender and (task == "all" or key[:2] == (task, data))
            ]
            cells = [np.mean([best_after(run, evaluations=n) for run in own]) for n in counts]
            cells += [_mean_known([best_after(run, seconds=s) for run in own]) for s in SECONDS]
            proposing = np.median([run["proposing"] for run in own])
            evaluating = np.median([run["seconds"][-1] - run["proposing"] for run in own])
            label = f"{task}, {data}, {contender}" if data else f"{task}, {contender}"
            rows.append([label, *(f"{c:.4f}" for c in cells), f"{proposing:.1f}"])
            rows[-1].append(f"{evaluating:.1f}")
    title = f"Best score so far, mean over {options.seeds} seeds; seconds: medians of a run"
    report.print_table(title, header, rows)


def _mean_known(scores):
    """Return the mean of scores; NaN where a run has none yet."""
    return np.mean(scores) if np.isfinite(scores).all() else np.nan


def pairs_of(runs, first, second):
    """Return the runs of two contenders on the same task, data and seed."""
    return [
        (run, runs[(*key[:2], second, *key[3:])])
        for key, run in runs.items()
        if key[2] == first and (*key[:2], second, *key[3:]) in runs
    ]


def report_comparison(runs, options):
    """Print ours against each peer: at equal evaluations, and in time."""
    counts = [n for n in EVALUATIONS if n <= options.evaluations]
    rows = []
    for peer in [name for name in options.contenders if name != "ours"]:
        pairs = pairs_of(runs, "ours", peer)
        row = [f"ours - {peer}"]
        for n in counts:
            gaps = [best_after(a, evaluations=n) - best_after(b, evaluations=n) for a, b in pairs]
            error = np.std(gaps, ddof=1) / np.sqrt(len(gaps)) if len(gaps) > 1 else np.nan
            row.append(f"{np.mean(gaps):+.4f} ± {error:.4f}")
        rows.append(row)
    header = ["best score", *(f"{n} evaluations" for n in counts)]
    report.print_table("Ours against peers, mean ± standard error over all runs", header, rows)
    if {"ours", "skopt"} <= set(options.contenders):
        shares = [_share_of_time(ours, skopt) for ours, skopt in pairs_of(runs, "ours", "skopt")]
        n = min(64, options.evaluations)
        print(
            f"Time in which ours reaches skopt's score after {n} evaluations, as a share of its "
            f"time: median {np.median(shares):.2f} (wanted: at most 0.5); never reached in "
            f"{np.isinf(shares).sum()} of {len(shares)} runs."
        )


def _share_of_time(ours, skopt):
    n = min(64, len(skopt["scores"]))
    goal = best_after(skopt, evaluations=n)
    reached = [t for s, t in zip(ours["scores"], ours["seconds"], strict=True) if s >= goal]
    return min(reached, default=np.inf) / skopt["seconds"][n - 1]


def main():
    """Run what is missing, and print the tables."""
    options = parse_arguments()
    report.print_environment("optuna")
    runs = run_all(options)
    if not runs:
        raise SystemExit("There is nothing to run: name tasks, and --folder for own.")
    report_scores(runs, options)
    if "ours" in options.contenders:
        report_comparison(runs, options)


if __name__ == "__main__":
    main()
