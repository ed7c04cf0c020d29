"""Make the portfolio of DeepNetClassifierCV: the candidates that it tries first.

Which few sets of hyperparameters complement the defaults best, and what are they worth on
data that they were not chosen on?

On every file of a folder (CSV, gzipped or plain, label in the column `target`) the same
candidates (the defaults, some that fit harder or less hard, the list of the package, then
random changes of the defaults) race on five folds; their
lowest held-out losses are kept in the file --results, so that the script goes on where it
was cut. The list is chosen greedily: each entry lowers the mean over the data sets of the
best loss so far, in units of the defaults' loss, most. Printed is what leave-one-data-set-out
says: the mean best loss after 1, 2, ... candidates of lists made without the data set, beside
random lists and the best of all. With --write the list replaces that of the package.
"""

import json
import pprint
from pathlib import Path

import _report as report
import numpy as np
from _results import make_preprocessing
from sklearn.model_selection import train_test_split

from sknethp import DeepNetClassifier
from sknethp.estimator.request import Samples
from sknethp.hyperparameters import TABLE, check_hyperparameters, hyperparameters_of
from sknethp.model_selection.spaces import distribution, fitted_to_data, has_effect
from sknethp.self_tuning.candidate import Candidate, Proposal
from sknethp.self_tuning.clock import Clock
from sknethp.self_tuning.folds import Folds, make_splits
from sknethp.self_tuning.portfolio import PORTFOLIO
from sknethp.self_tuning.race import Race
from sknethp.self_tuning.trainer import RoundTrainer
from sknethp.training.threads import one_torch_thread

MODULE = Path(__file__).parent.parent / "sknethp" / "self_tuning" / "portfolio.py"
PLACES = 8
RANDOM_LISTS = 200
MOST_CHANGED = 6
# How much an entry's own losses count, beside what it adds to the others.
OWN_LOSS = 0.02
# What the folds stand for, or what changes the task.
UNSUITED = ("patience", "class_weight")
# Several changes in one direction, which random ones seldom hit. Those that fit harder halve the
# error of the defaults where classes have fine borders (phoneme), those that fit less hard help
# where there is much noise (german).
DIRECTIONS = (
    {"dropout": 0.1},
    {"dropout": 0.1, "lr": 0.005, "frequency_scale": 0.5, "embedding_size": 16},
    {"dropout": 0.1, "lr": 0.005, "max_epochs": 120},
    {"dropout": 0.0, "lr": 0.003},
    {"dropout": 0.15, "lr": 0.005, "beta2": 0.95},
    {"embedding": "piecewise_linear", "embedding_bins": 32, "lr": 0.003, "dropout": 0.2},
    {"hidden_layers": 3, "dropout": 0.2},
    {"hidden_layers": 4, "residual": True, "dropout": 0.1, "lr": 0.003},
    {"hidden_units": 512, "dropout": 0.4},
    {"embedding": "periodic", "hidden_units": 128, "max_epochs": 30},
    {"embedding": "periodic", "hidden_units": 64, "max_epochs": 30, "label_smoothing": 0.1},
    {"embedding": None, "dropout": 0.5},
    {"hidden_layers": 1, "max_epochs": 30, "dropout": 0.5},
)
HEADER = '''"""Hyperparameters that complement the defaults well, the best first.

Made by ``benchmarks/make_portfolio.py``.
"""

from __future__ import annotations

from typing import Any

PORTFOLIO: tuple[dict[str, Any], ...] = '''


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    parser.add_argument("folder", nargs="?", default="../shared/data")
    parser.add_argument("--candidates", type=int, default=60, help="the defaults included")
    parser.add_argument("--max-rows", type=int, default=2000, help="rows of a data set, at most")
    parser.add_argument("--results", default="portfolio.json", help="file of what was measured")
    parser.add_argument("--size", type=int, default=8, help="entries of the list")
    parser.add_argument("--write", action="store_true", help="write the list into the package")
    return parser.parse_args()


def draw_candidates(n, n_samples):
    """Return sets of hyperparameters, the same for all data sets; the first has the defaults.

    Each of the others changes some of the defaults; the random ones, one to MOST_CHANGED.
    """
    rng = np.random.default_rng(0)
    own = hyperparameters_of(DeepNetClassifier())
    names = [name for name, entry in TABLE.items() if entry.search is not None]
    names = [name for name in names if name not in UNSUITED]
    candidates = [{}, *DIRECTIONS, *PORTFOLIO]
    candidates = [params for i, params in enumerate(candidates) if params not in candidates[:i]]
    while len(candidates) < n:
        changed = rng.choice(names, rng.integers(1, MOST_CHANGED + 1), replace=False).tolist()
        params = {name: draw(name, n_samples, rng) for name in changed}
        is_whole = all(has_effect(name, {**own, **params}) for name in changed)
        if is_whole and is_allowed({**own, **params}) and params not in candidates:
            candidates.append(params)
    return candidates


def draw(name, n_samples, rng):
    """Return a random value of a hyperparameter from its range in the table."""
    domain = fitted_to_data(name, TABLE[name].search, n_samples, None)
    values = distribution(domain)
    if isinstance(values, list):
        return values[int(rng.integers(len(values)))]
    return plain(values.rvs(random_state=int(rng.integers(2**31))))


def is_allowed(parameters):
    """Tell whether hyperparameters go together."""
    try:
        check_hyperparameters(parameters)
    except ValueError:
        return False
    return True


def plain(value):
    """Return a value as JSON has it, numbers rounded to three digits."""
    value = value.item() if isinstance(value, np.generic) else value
    return float(f"{value:.3g}") if isinstance(value, float) else value


def race(X, y, candidates, max_rows):
    """Return the lowest mean held-out loss of each candidate; None for one that diverged."""
    if len(X) > max_rows:
        X, _, y, _ = train_test_split(X, y, train_size=max_rows, stratify=y, random_state=0)
    X = np.asarray(make_preprocessing(raw=False).fit_transform(X), dtype=np.float32)
    classes, encoded = np.unique(y, return_inverse=True)
    samples = Samples(X, encoded, None, classes)
    folds = Folds(samples, make_splits(5, samples, (X, y), None, 0))
    own = {**hyperparameters_of(DeepNetClassifier()), "ensemble_size": 1}

    def propose(started, n):
        new = []
        for params in candidates[len(started) : len(started) + n]:
            proposal = Proposal(params, check_hyperparameters({**own, **params}), "")
            new.append(Candidate.start(len(started) + len(new), proposal, folds, 0))
        return new

    done = Race(propose, RoundTrainer(), Clock(None), PLACES)
    with one_torch_thread():
        done.run()
    losses = [candidate.lowest for candidate in done.candidates]
    return [loss if np.isfinite(loss) else None for loss in losses]


def measure(options, candidates):
    """Return the losses on all data sets, ``{name: [loss of each candidate]}``."""
    file = Path(options.results)
    kept = json.loads(file.read_text()) if file.exists() else {}
    if kept.get("candidates") != candidates or kept.get("max_rows") != options.max_rows:
        kept = {"candidates": candidates, "max_rows": options.max_rows, "losses": {}}
    for name, X, y in report.load_folder(options.folder):
        if name not in kept["losses"]:
            losses, seconds = report.timed(race, X, y, candidates, options.max_rows)
            kept["losses"][name] = losses
            file.write_text(json.dumps(kept))
            print(f"{name}: {seconds:.0f} s", flush=True)
    return kept["losses"]


def relative(losses):
    """Return losses in units of the defaults', ``(n_sets, n_candidates)``; failed ones as 10."""
    table = np.array(list(losses.values()), dtype=float)
    return np.nan_to_num(table / table[:, :1], nan=10.0)


def greedy(table, size):
    """Return the positions of a list's entries after the defaults, the best first.

    Of those that lower the best loss so far equally, the one with the lower losses comes first.
    """
    chosen, best = [], table[:, 0]
    for _ in range(size):
        means = np.minimum(best[:, None], table).mean(axis=0) + OWN_LOSS * table.mean(axis=0)
        means[[0, *chosen]] = np.inf
        chosen.append(int(means.argmin()))
        best = np.minimum(best, table[:, chosen[-1]])
    return chosen


def best_so_far(row, order):
    """Return the best relative loss after each candidate of an order, the defaults first."""
    return np.minimum.accumulate(row[[0, *order]])


def leave_one_out(table, size):
    """Return mean best losses after each candidate: of lists of other sets, and of random ones."""
    rng = np.random.default_rng(0)
    listed, drawn = [], []
    for i, row in enumerate(table):
        listed.append(best_so_far(row, greedy(np.delete(table, i, axis=0), size)))
        orders = [1 + rng.permutation(len(row) - 1)[:size] for _ in range(RANDOM_LISTS)]
        drawn.append(np.mean([best_so_far(row, order) for order in orders], axis=0))
    return np.mean(listed, axis=0), np.mean(drawn, axis=0)


def main():
    """Measure, choose, print and, where asked to, write the list."""
    options = parse_arguments()
    report.print_environment()
    candidates = draw_candidates(options.candidates, options.max_rows)
    table = relative(measure(options, candidates))
    listed, drawn = leave_one_out(table, options.size)
    rows = [[str(n), f"{listed[n]:.4f}", f"{drawn[n]:.4f}"] for n in range(len(listed))]
    title = f"Best loss so far, in units of the defaults', mean of {len(table)} data sets"
    report.print_table(title, ["after", "list of the other sets", "random lists"], rows)
    print(f"best of all {len(candidates)}: {table.min(axis=1).mean():.4f}")
    portfolio = tuple(candidates[i] for i in greedy(table, options.size))
    text = pprint.pformat(portfolio, width=96, sort_dicts=False)
    print(text)
    if options.write:
        MODULE.write_text(f"{HEADER}{text}\n")


if __name__ == "__main__":
    main()
