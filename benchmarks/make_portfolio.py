"""Make the portfolio of DeepNetClassifierCV: the candidates that it tries first.

Which few sets of hyperparameters complement the defaults best, for their cost, and what are
they worth on data that they were not chosen on?

On every file of a folder (CSV, gzipped or plain, label in the column `target`) the same
candidates (the defaults, some that fit harder, less hard or in less time, the list of the
package, then random changes of the defaults) are trained on five folds; what they predict of
what was held out, and of a quarter of the rows that none has seen, is kept in the folder
--results, from which the script goes on where it was cut. A list is worth the log-loss, on
these rows, of the ensemble that DeepNetClassifierCV would make of it. It is chosen greedily:
each entry lowers the mean of its logarithm over the data sets most, per unit of its cost.
Printed is what leave-one-data-set-out says: that log-loss, in units of the defaults', after
1, 2, ... entries of lists made without the data set, and what they cost in units of the
defaults' training, beside random lists. With --write the list replaces that of the package.
"""

import json
import pprint
from pathlib import Path

import _report as report
import numpy as np
from _results import make_preprocessing
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from sknethp import DeepNetClassifier
from sknethp.estimator.prediction import forward_in_double, probabilities
from sknethp.estimator.request import Samples
from sknethp.estimator.stored_fit import save_arrays
from sknethp.hyperparameters import TABLE, check_hyperparameters, hyperparameters_of
from sknethp.model_selection.spaces import distribution, fitted_to_data, has_effect
from sknethp.self_tuning.candidate import Candidate, Proposal
from sknethp.self_tuning.choice import OF_BAGS
from sknethp.self_tuning.ensemble import greedy_weights, module_of
from sknethp.self_tuning.folds import Folds, make_splits
from sknethp.self_tuning.portfolio import PORTFOLIO
from sknethp.self_tuning.race import no_longer_improves
from sknethp.self_tuning.temperature import fitted_temperature, scaled
from sknethp.self_tuning.trainer import RoundTrainer
from sknethp.training.threads import one_torch_thread

MODULE = Path(__file__).parent.parent / "sknethp" / "self_tuning" / "portfolio.py"
ENSEMBLE_SIZE = 8
MOST_TESTED = 4000
RANDOM_LISTS = 50
MOST_CHANGED = 6
# Less than this is noise.
LEAST_GAIN = 0.0005
# What the folds stand for, or what changes the task.
UNSUITED = ("patience", "class_weight")
BINS = {"embedding": "piecewise_linear", "embedding_bins": 16}
WAVES = {"embedding": "periodic", "frequency_scale": 0.5, "embedding_size": 16}
BATCH = {"normalization": "batch"}
NARROW = {"hidden_units": 128, "batch_size": 128, "lr": 0.007, "dropout": 0.1, "max_epochs": 120}
# Several changes in one direction, which random ones seldom hit. Those that fit harder halve the
# error of the defaults where classes have fine borders (phoneme), those that fit less hard help
# where there is much noise (german), larger batches and narrower nets cost less, batch
# normalization changes what nets err on.
DIRECTIONS = (
    {"dropout": 0.1, "lr": 0.005, "max_epochs": 120},
    {"hidden_layers": 4, "residual": True, "dropout": 0.1, "lr": 0.003},
    {"hidden_layers": 1, "batch_size": 128, "lr": 0.005},
    {"hidden_layers": 3, "hidden_units": 128, "batch_size": 128, "lr": 0.005, "dropout": 0.15},
    {"batch_size": 128, "lr": 0.003},
    {"batch_size": 128, "lr": 0.007, "dropout": 0.1, "max_epochs": 120},
    NARROW,
    {**BINS, "batch_size": 128, "lr": 0.004, "max_epochs": 30, "label_smoothing": 0.0},
    {**WAVES, "batch_size": 128, "lr": 0.005, "dropout": 0.1},
    {"embedding": "periodic", "hidden_units": 64, "max_epochs": 30, "label_smoothing": 0.1},
    {"embedding": None, "dropout": 0.5, "batch_size": 128, "lr": 0.003},
    {"l1": 2e-4},
    {"l1": 5e-4, "batch_size": 128, "lr": 0.005},
    {"l1": 2e-4, "label_smoothing": 0.0, "lr": 0.003},
    {"l1": 0.0},
    {"l1": 0.0, "max_epochs": 150},
    {"l1": 0.0, "dropout": 0.1, "lr": 0.005, "max_epochs": 120},
    {"max_epochs": 30},
    {"max_epochs": 20, "l1": 1e-4, "dropout": 0.5},
    {"max_epochs": 30, "dropout": 0.5, "input_dropout": 0.1},
    BATCH,
    {**BATCH, "l1": 0.0, "dropout": 0.15},
    {**BATCH, "l1": 0.0, "dropout": 0.15, "max_epochs": 120},
    {**BATCH, "batch_size": 128, "lr": 0.005, "dropout": 0.15},
    {**BATCH, **NARROW},
    {**BATCH, **NARROW, "max_epochs": 60},
    {**BATCH, "hidden_units": 64, "batch_size": 128, "lr": 0.01, "dropout": 0.1},
    {
        **BATCH,
        "hidden_layers": 3,
        "hidden_units": 128,
        "dropout": 0.15,
        "batch_size": 128,
        "lr": 0.005,
    },
    {**BATCH, "embedding": "piecewise_linear", "embedding_bins": 32, "dropout": 0.2},
    {**BATCH, **WAVES, "dropout": 0.2},
    {**BATCH, "activation": "relu", "max_epochs": 30},
    {**BATCH, "hidden_units": 512, "dropout": 0.5},
    {"normalization": "layer", "dropout": 0.15},
    {"embedding": "both", "embedding_bins": 64, "l1": 0.0, "max_epochs": 120},
    {
        "embedding": "periodic",
        "frequency_scale": 1.0,
        "embedding_size": 8,
        **BATCH,
        "batch_size": 128,
        "lr": 0.005,
    },
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
    parser.add_argument("--candidates", type=int, default=44, help="the defaults included")
    parser.add_argument("--max-rows", type=int, default=2000, help="rows of a data set, at most")
    parser.add_argument("--results", default="portfolio", help="folder of what was measured")
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


def prepared(X, y, max_rows):
    """Return X and y to train on, at most `max_rows`, and to test on."""
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
    if len(X) > max_rows:
        X, _, y, _ = train_test_split(X, y, train_size=max_rows, stratify=y, random_state=0)
    scaling = make_preprocessing(raw=False)
    X = np.asarray(scaling.fit_transform(X), dtype=np.float32)
    X_test = np.asarray(scaling.transform(X_test[:MOST_TESTED]), dtype=np.float32)
    classes, encoded = np.unique(y, return_inverse=True)
    return (
        Samples(X, encoded, None, classes),
        X_test,
        np.searchsorted(classes, y_test[:MOST_TESTED]),
    )


def train(folds, params):
    """Return a candidate, trained on the folds until it is past its best, and its work."""
    own = {**hyperparameters_of(DeepNetClassifier()), "ensemble_size": 1}
    proposal = Proposal(params, check_hyperparameters({**own, **params}), "")
    candidate = Candidate.start(0, proposal, folds, 0)
    work, trainer = candidate.epoch_work, RoundTrainer()
    with one_torch_thread():
        while candidate.state == "running" and not no_longer_improves(candidate):
            candidate.record(trainer.train(candidate.epochs()))
    return candidate, work * len(candidate.losses)


def measure(data, candidates, file):
    """Return what is known of the candidates on a data set, from the file as far as it has it.

    These are the classes held out ``(n,)`` and tested ``(n_test,)``, and of each candidate the
    probabilities of both, ``(n_candidates, n, n_classes)``, and the work; all zero if it diverged.
    """
    if file.exists() and (found := np.load(file))["candidates"] == json.dumps(candidates):
        return dict(found)
    samples, X_test, y_test = data
    folds = Folds(samples, make_splits(5, samples, (samples.X, samples.y), None, 0))
    shape = len(candidates), len(folds.y), len(samples.classes)
    held_out, tested = np.zeros(shape), np.zeros((shape[0], len(y_test), shape[2]))
    works = []
    for i, params in enumerate(candidates):
        candidate, work = train(folds, params)
        works.append(work)
        if candidate.best is not None:
            objective, networks = folds.objective, candidate.best.networks
            logits = [forward_in_double(module_of(network), X_test) for network in networks]
            held_out[i] = probabilities(objective, candidate.best.logits)
            tested[i] = np.mean([probabilities(objective, each) for each in logits], axis=0)
    found = {
        "candidates": np.array(json.dumps(candidates)),
        "y": folds.y,
        "y_test": y_test,
        "held_out": held_out.astype(np.float32),
        "tested": tested.astype(np.float32),
        "work": np.array(works, float),
    }
    save_arrays(found, file)
    return found


def loss(found, chosen):
    """Return the log-loss of the ensemble that is made of some candidates, computed once."""
    losses, key = found.setdefault("losses", {}), frozenset(chosen)
    if key not in losses:
        losses[key] = ensemble_loss(found, sorted(key))
    return losses[key]


def ensemble_loss(found, chosen):
    """Compute the log-loss of the ensemble that is made of some candidates."""
    held_out, tested = found["held_out"][chosen], found["tested"][chosen]
    likelihoods = held_out[:, np.arange(len(found["y"])), found["y"]]
    weights = greedy_weights(likelihoods, None, ENSEMBLE_SIZE)[:, None, None]
    temperature = OF_BAGS * fitted_temperature((weights * held_out).sum(0), found["y"], None)
    mean = scaled((weights * tested).sum(0), temperature)
    return log_loss(found["y_test"], mean, labels=np.arange(mean.shape[1]))


def cost(found):
    """Return the mean work of each candidate, in units of the defaults', ``(n_candidates,)``."""
    return np.mean([each["work"] / each["work"][0] for each in found], axis=0)


def greedy(found, size):
    """Return the positions of a list's entries after the defaults, the best for its cost first."""
    chosen, costs = [0], cost(found)
    now = np.log([loss(each, chosen) for each in found])
    while len(chosen) <= size:
        others = [i for i in range(len(costs)) if i not in chosen]
        after = np.array([np.log([loss(each, [*chosen, i]) for each in found]) for i in others])
        gains = now.mean() - after.mean(axis=1)
        best = int(np.argmax(gains / costs[others]))
        if gains[best] < LEAST_GAIN:
            break
        chosen.append(others[best])
        now = after[best]
    return chosen[1:]


def so_far(each, order):
    """Return the relative loss after each entry of an order, the defaults first."""
    losses = [loss(each, [0, *order[:n]]) for n in range(len(order) + 1)]
    return np.array(losses) / losses[0]


def leave_one_out(found, size):
    """Return mean losses, and costs so far, of lists of other sets, and losses of random ones."""
    rng = np.random.default_rng(0)
    listed, drawn, costs = [], [], []
    for i, each in enumerate(found):
        order = greedy(found[:i] + found[i + 1 :], size)
        order += [order[-1]] * (size - len(order))
        listed.append(so_far(each, order))
        costs.append(np.cumsum(cost([each])[[0, *order]]))
        orders = [1 + rng.permutation(len(each["work"]) - 1)[:size] for _ in range(RANDOM_LISTS)]
        drawn.append(np.mean([so_far(each, list(order)) for order in orders], axis=0))
    return np.mean(listed, axis=0), np.mean(costs, axis=0), np.mean(drawn, axis=0)


def main():
    """Measure, choose, print and, where asked to, write the list."""
    options = parse_arguments()
    report.print_environment()
    candidates = draw_candidates(options.candidates, options.max_rows)
    folder = Path(options.results)
    folder.mkdir(exist_ok=True)
    found = []
    for name, X, y in report.load_folder(options.folder):
        data = prepared(X, y, options.max_rows)
        each, seconds = report.timed(measure, data, candidates, folder / f"{name}.npz")
        found.append(each)
        print(f"{name}: {seconds:.0f} s", flush=True)
    listed, costs, drawn = leave_one_out(found, options.size)
    rows = [
        [str(n), f"{listed[n]:.4f}", f"{costs[n]:.1f}", f"{drawn[n]:.4f}"]
        for n in range(len(listed))
    ]
    title = f"Log-loss of the ensemble, in units of the defaults', mean of {len(found)} data sets"
    header = ["after", "list of the other sets", "its cost", "random lists"]
    report.print_table(title, header, rows)
    everything = list(range(len(candidates)))
    print(
        f"all {len(candidates)}: {np.mean([loss(e, everything) / loss(e, [0]) for e in found]):.4f}"
    )
    portfolio = tuple(candidates[i] for i in greedy(found, options.size))
    text = pprint.pformat(portfolio, width=96, sort_dicts=False)
    print(text)
    if options.write:
        MODULE.write_text(f"{HEADER}{text}\n")


if __name__ == "__main__":
    main()
