"""The same network in each library: DeepNetClassifier, MLPClassifier and plain skorch."""

import warnings

import numpy as np
import torch
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetClassifier

OURS, MLP, SKORCH = "DeepNetClassifier", "MLPClassifier", "skorch"
N_HIDDEN_LAYERS = 2
BATCH_SIZE = 32


class PlainNetwork(torch.nn.Sequential):
    """Two hidden ReLU layers of equal size and a linear output, for skorch."""

    def __init__(self, n_features, n_units, n_classes=2):
        super().__init__(
            torch.nn.Linear(n_features, n_units),
            torch.nn.ReLU(),
            torch.nn.Linear(n_units, n_units),
            torch.nn.ReLU(),
            torch.nn.Linear(n_units, n_classes),
        )


def make_data(n_rows, n_features=20, dtype="float32", seed=0):
    """Return two classes of `n_rows` real-valued rows, learnable but not separable."""
    X, y = make_classification(
        n_samples=n_rows,
        n_features=n_features,
        n_informative=n_features // 2,
        n_redundant=n_features // 5,
        n_clusters_per_class=3,
        flip_y=0.05,
        random_state=seed,
    )
    return X.astype(dtype), y.astype(np.int64)


def make_ours(n_units, n_epochs, optimizer="adam", lr=1e-3, momentum=None, **other):
    """Return DeepNetClassifier with nothing switched on that the peers lack.

    Names that this version of the class does not have are left out.
    """
    from sknethp import DeepNetClassifier

    wanted = {
        "hidden_layers": N_HIDDEN_LAYERS,
        "hidden_units": n_units,
        "activation": "relu",
        "dropout": 0.0,
        "input_dropout": 0.0,
        "input_scaling": None,
        "embedding": None,
        "normalization": None,
        "residual": False,
        "optimizer": optimizer,
        "lr": lr,
        "lr_schedule": "constant",
        "warmup_fraction": 0.0,
        "nesterov": False,
        "weight_decay": 0.0,
        "beta2": 0.999,
        "l1": 0.0,
        "label_smoothing": 0.0,
        "calibrate": False,
        "batch_size": BATCH_SIZE,
        "max_epochs": n_epochs,
        "early_stopping": False,
        "random_state": 0,
        "verbose": 0,
        **other,
    }
    if momentum is not None:
        wanted["momentum"] = momentum
    known = DeepNetClassifier().get_params()
    return DeepNetClassifier(**{name: wanted[name] for name in wanted if name in known})


def make_mlp(n_units, n_epochs, optimizer="adam", lr=1e-3, momentum=0.9):
    """Return scikit-learn's network, which always runs all its epochs."""
    return MLPClassifier(
        hidden_layer_sizes=(n_units,) * N_HIDDEN_LAYERS,
        activation="relu",
        solver=optimizer,
        alpha=0.0,
        batch_size=BATCH_SIZE,
        learning_rate="constant",
        learning_rate_init=lr,
        momentum=momentum,
        nesterovs_momentum=False,
        max_iter=n_epochs,
        tol=0.0,
        n_iter_no_change=n_epochs + 1,
        early_stopping=False,
        random_state=0,
    )


def make_skorch(n_units, n_epochs, optimizer="adam", lr=1e-3, momentum=0.9, n_features=20):
    """Return skorch's classifier without its validation split and its printing.

    The optimizer is torch's fused one, the fastest that it has for the processor.
    """
    settings = {"lr": lr, "optimizer__fused": True}
    if optimizer == "sgd":
        settings["optimizer__momentum"] = momentum
    torch.manual_seed(0)
    return NeuralNetClassifier(
        PlainNetwork,
        module__n_features=n_features,
        module__n_units=n_units,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer={"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer],
        batch_size=BATCH_SIZE,
        max_epochs=n_epochs,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks__print_log=None,
        verbose=0,
        **settings,
    )


FACTORIES = {OURS: make_ours, MLP: make_mlp, SKORCH: make_skorch}

# How each library names the two hyperparameters that the searches tune.
LR_NAME = {OURS: "lr", MLP: "learning_rate_init", SKORCH: "lr"}
MOMENTUM_NAME = {OURS: "momentum", MLP: "momentum", SKORCH: "optimizer__momentum"}


def silence_expected_warnings():
    """Hide what the peers say when they reach their last epoch or diverge."""
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    warnings.filterwarnings("ignore", category=FitFailedWarning)
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    warnings.filterwarnings("ignore", message="One or more of the test scores are non-finite")
    warnings.filterwarnings("ignore", message="max_time=.* ended the search")


def count_weights(n_features, n_units, n_outputs=1):
    """Return the number of weights (biases not counted) of the network."""
    return n_features * n_units + (N_HIDDEN_LAYERS - 1) * n_units**2 + n_units * n_outputs
