"""Rerun the text-book grid searches on the Pima Indians data.

Do seven grid searches that many people learn tuning from come out as published, and
how long do they take?

The searches are those of J. Brownlee (2016), "How to grid search hyperparameters for
deep learning models in Python with Keras": eight inputs, unscaled, one hidden layer of
12 ReLU units, a sigmoid output, binary cross-entropy, Adam, 3-fold cross-validation,
100 epochs in batches of 10 unless searched; from the grid of initial weights on they
are drawn by its published best, uniformly, as there. Printed for each grid: the best accuracy
as published, the best of DeepNetClassifier over several seeds, the time of the grid
fused (median over the seeds), with MLPClassifier (of what candidates it can do) and with
plain skorch, both with n_jobs=-1. Plain skorch has no max-norm, and its time is
extrapolated by the number of updates, from some candidates of each grid.

Optimizers have the learning rates that were Keras's defaults.
"""

import functools
import sys
from pathlib import Path

import _report as report
import numpy as np
import pandas as pd
import torch
from _contenders import MLP, OURS, SKORCH, silence_expected_warnings
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetBinaryClassifier

from sknethp import DeepNetClassifier, fused

N_FOLDS = 3
UNITS, EPOCHS, BATCH = 12, 100, 10
KERAS_LR = {
    **{"sgd": 0.01, "rmsprop": 0.001, "adagrad": 0.01, "adadelta": 1.0},
    **{"adam": 0.001, "adamax": 0.002, "nadam": 0.002},
}
INITS = ["uniform", "lecun_uniform", "normal", "zero"]
INITS += ["glorot_normal", "glorot_uniform", "he_normal", "he_uniform"]
ACTIVATIONS = ["softmax", "softplus", "softsign", "relu", "tanh", "sigmoid"]
ACTIVATIONS += ["hard_sigmoid", "linear"]

# The grid, and the best accuracy with its parameters, as published.
GRIDS = {
    "batch size, epochs": (
        {"batch_size": [10, 20, 40, 60, 80, 100], "max_epochs": [10, 50, 100]},
        (0.686, "20, 100"),
    ),
    "optimizer": (
        [{"optimizer": [name], "lr": [lr]} for name, lr in KERAS_LR.items()],
        (0.704, "adam"),
    ),
    "SGD: lr, momentum": (
        {
            "optimizer": ["sgd"],
            "lr": [0.001, 0.01, 0.1, 0.2, 0.3],
            "momentum": [0.0, 0.2, 0.4, 0.6, 0.8, 0.9],
        },
        (0.681, "0.01, 0.0"),
    ),
    "weight init": ({"weight_init": INITS}, (0.720, "uniform")),
    "activation": ({"activation": ACTIVATIONS}, (0.723, "linear")),
    "dropout, max-norm": (
        {
            "dropout": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
            "max_norm": [1.0, 2.0, 3.0, 4.0, 5.0],
        },
        (0.724, "0.2, 4"),
    ),
    "units": ({"hidden_units": [1, 5, 10, 15, 20, 25, 30]}, (0.715, "5")),
}
WANTED_SECONDS = 60
DRAWN_UNIFORMLY = ("activation", "dropout, max-norm", "units")

MLP_NAMES = {
    **{"batch_size": "batch_size", "max_epochs": "max_iter", "optimizer": "solver"},
    **{"lr": "learning_rate_init", "momentum": "momentum", "activation": "activation"},
    "hidden_units": "hidden_layer_sizes",
}
MLP_VALUES = {
    "activation": {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic", "linear": "identity"},
    "optimizer": {"sgd": "sgd", "adam": "adam"},
}
TORCH_ACTIVATIONS = {
    "softmax": functools.partial(torch.nn.Softmax, dim=1),
    **{"softplus": torch.nn.Softplus, "softsign": torch.nn.Softsign, "relu": torch.nn.ReLU},
    **{"tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid},
    **{"hard_sigmoid": torch.nn.Hardsigmoid, "linear": torch.nn.Identity},
}
TORCH_OPTIMIZERS = {
    **{"sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop, "adagrad": torch.optim.Adagrad},
    **{"adadelta": torch.optim.Adadelta, "adam": torch.optim.Adam},
    **{"adamax": torch.optim.Adamax, "nadam": torch.optim.NAdam},
}
SKORCH_NAMES = {
    **{"batch_size": "batch_size", "max_epochs": "max_epochs", "lr": "lr"},
    **{"momentum": "optimizer__momentum", "optimizer": "optimizer"},
    **{"hidden_units": "module__n_units", "activation": "module__activation"},
    **{"dropout": "module__dropout", "weight_init": "module__weight_init"},
}


class PlainNetwork(torch.nn.Sequential):
    """One hidden layer and a linear output, for skorch."""

    def __init__(self, n_units=UNITS, activation="relu", dropout=0.0, weight_init="glorot_uniform"):
        super().__init__(
            torch.nn.Linear(8, n_units),
            TORCH_ACTIVATIONS[activation](),
            torch.nn.Dropout(dropout),
            torch.nn.Linear(n_units, 1),
            torch.nn.Flatten(0),
        )
        for layer in (self[0], self[3]):
            initialize(layer.weight, weight_init)
            torch.nn.init.zeros_(layer.bias)


def initialize(weight, scheme):
    """Draw weights by a scheme of Keras's."""
    init = torch.nn.init
    draw = {
        "uniform": lambda: init.uniform_(weight, -0.05, 0.05),
        "normal": lambda: init.normal_(weight, std=0.05),
        "zero": lambda: init.zeros_(weight),
        "lecun_uniform": lambda: init.kaiming_uniform_(weight, nonlinearity="linear"),
        "glorot_uniform": lambda: init.xavier_uniform_(weight),
        "glorot_normal": lambda: init.xavier_normal_(weight),
        "he_uniform": lambda: init.kaiming_uniform_(weight, nonlinearity="relu"),
        "he_normal": lambda: init.kaiming_normal_(weight, nonlinearity="relu"),
    }
    draw[scheme]()


def make_ours(seed):
    """Return the text's network as a DeepNetClassifier."""
    return DeepNetClassifier(
        hidden_layers=1,
        hidden_units=UNITS,
        activation="relu",
        dropout=0.0,
        label_smoothing=0.0,
        calibrate=False,
        weight_init="glorot_uniform",
        optimizer="adam",
        lr=0.001,
        lr_schedule="constant",
        batch_size=BATCH,
        max_epochs=EPOCHS,
        random_state=seed,
    )


def make_mlp():
    """Return the text's network as scikit-learn has it, always with all its epochs."""
    return MLPClassifier(
        (UNITS,), batch_size=BATCH, max_iter=EPOCHS, alpha=0.0, tol=0.0,
        n_iter_no_change=10 * EPOCHS, nesterovs_momentum=False, random_state=0,
    )  # fmt: skip


def make_skorch():
    """Return the text's network as a plain skorch net."""
    torch.manual_seed(0)
    return NeuralNetBinaryClassifier(
        PlainNetwork,
        optimizer=torch.optim.Adam,
        lr=0.001,
        batch_size=BATCH,
        max_epochs=EPOCHS,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks__print_log=None,
        verbose=0,
    )


def candidates_of(grid):
    """Return the candidates of a grid, each a dict of lists of one value."""
    return [{name: [value] for name, value in each.items()} for each in ParameterGrid(grid)]


def translated(candidates, names, values):
    """Return those candidates that another library can do, in its words."""
    found = []
    for candidate in candidates:
        allowed = all(
            name in names and value in values.get(name, [value])
            for name, (value,) in candidate.items()
        )
        if allowed:
            found.append(
                {names[n]: [values[n][v] if n in values else v] for n, (v,) in candidate.items()}
            )
    return found


def n_updates(candidate):
    """Return about how many updates a fit makes, in units of an epoch of one batch."""
    (epochs,), (batch,) = (
        candidate.get("max_epochs", [EPOCHS]),
        candidate.get("batch_size", [BATCH]),
    )
    return epochs / batch


def weight_init_of(name):
    """Return how a grid's initial weights are drawn where that is not searched."""
    return "uniform" if name in DRAWN_UNIFORMLY else "glorot_uniform"


def search_ours(grid, weight_init, seed, X, y):
    """Return a fused grid search that has been run."""
    net = make_ours(seed).set_params(weight_init=weight_init)
    search = GridSearchCV(net, grid, cv=N_FOLDS, refit=False)
    with fused(silent=True):
        return search.fit(X, y)


def time_mlp(grid, X, y):
    """Return MLPClassifier's seconds, its candidates and its best accuracy; None if it has none."""
    candidates = candidates_of(grid)
    possible = translated(candidates, MLP_NAMES, MLP_VALUES)
    if not possible:
        return None
    search = GridSearchCV(make_mlp(), possible, cv=N_FOLDS, refit=False, n_jobs=-1)
    _, seconds = report.timed(search.fit, X, y)
    return seconds, len(possible), len(candidates), best(search)


def time_skorch(grid, weight_init, n_candidates, X, y):
    """Return plain skorch's seconds for a whole grid, from those of some candidates."""
    candidates = [
        {name: value for name, value in candidate.items() if name != "max_norm"}
        for candidate in candidates_of(grid)
    ]
    # Spread over the grid: epochs and batches, which decide the time, change along it.
    some = [candidates[i] for i in np.linspace(0, len(candidates) - 1, n_candidates).astype(int)]
    values = {"optimizer": TORCH_OPTIMIZERS}
    spoken = translated(some, SKORCH_NAMES, values)
    net = make_skorch().set_params(module__weight_init=weight_init)
    search = GridSearchCV(net, spoken, cv=N_FOLDS, refit=False, n_jobs=-1)
    _, seconds = report.timed(search.fit, X, y.astype("float32"))
    return seconds * sum(map(n_updates, candidates)) / sum(map(n_updates, some))


def best(search):
    """Return the best mean test score, failed candidates left out."""
    return float(np.nanmax(search.cv_results_["mean_test_score"]))


def described(search):
    """Return the best candidate's values as text."""
    scores = np.nan_to_num(search.cv_results_["mean_test_score"])
    values = dict(search.cv_results_["params"][int(np.argmax(scores))])
    if "optimizer" in values and len(values) > 1:
        del values["lr" if len(values) == 2 else "optimizer"]
    return ", ".join(map(str, values.values()))


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    default = Path(__file__).parents[2] / "shared" / "data" / "pima.csv.gz"
    parser.add_argument("file", nargs="?", default=default, help="the data as CSV, label in target")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--grids", nargs="+", choices=list(GRIDS), default=list(GRIDS))
    parser.add_argument("--no-mlp", action="store_true")
    parser.add_argument(
        "--skorch-candidates", type=int, default=2, help="of each grid; 0: without skorch"
    )
    return parser.parse_args()


def grid_row(name, options, X, y):
    """Run a grid with every contender; return its row of the table and the fused seconds."""
    grid, (published, published_at) = GRIDS[name]
    init = weight_init_of(name)
    runs = [report.timed(search_ours, grid, init, seed, X, y) for seed in range(options.seeds)]
    scores = [best(search) for search, _ in runs]
    seconds = float(np.median([seconds for _, seconds in runs]))
    mlp = None if options.no_mlp else time_mlp(grid, X, y)
    n_skorch = options.skorch_candidates
    skorch = n_skorch and time_skorch(grid, init, n_skorch, X, y)
    row = [
        name,
        f"{len(ParameterGrid(grid))}",
        f"{published:.3f} ({published_at})",
        f"{np.mean(scores):.3f} [{min(scores):.3f}, {max(scores):.3f}]",
        described(runs[0][0]),
        f"{seconds:.1f}",
        f"{mlp[0]:.1f} ({mlp[1]} of {mlp[2]}, {mlp[3]:.3f})" if mlp else None,
        f"{skorch:.0f}*" if skorch else None,
    ]
    return row, seconds, round(float(np.mean(scores)), 3) >= published  # as many digits


def main():
    """Run the grids and print their table."""
    options = parse_arguments()
    silence_expected_warnings()
    report.print_environment()
    X = pd.read_csv(options.file)
    y = X.pop("target").to_numpy()
    X = X.to_numpy(dtype="float32")
    rows, total, reached = [], 0.0, 0
    search_ours({"lr": [0.001, 0.01]}, "auto", 0, X[:60], y[:60])
    for name in options.grids:
        row, seconds, is_reached = grid_row(name, options, X, y)
        rows.append(row)
        total, reached = total + seconds, reached + is_reached
        print(f"measured {name}", file=sys.stderr, flush=True)
    report.print_table(
        f"Best of each grid, {N_FOLDS}-fold accuracy; {OURS}: mean [lowest, highest] of "
        f"{options.seeds} seeds",
        [
            "grid",
            "candidates",
            "published",
            "ours",
            "at (seed 0)",
            "s fused",
            f"s {MLP}",
            f"s {SKORCH}",
        ],
        rows,
    )
    print(f"At or above the published best: {reached} of {len(rows)} grids.")
    print(f"All grids fused, one seed: {total:.1f} s (wanted: at most {WANTED_SECONDS}).")
    print(f"* EXTRAPOLATED from {options.skorch_candidates} candidates of each grid.")


if __name__ == "__main__":
    main()
