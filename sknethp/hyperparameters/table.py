"""The one table of all hyperparameters: meaning, default, what is allowed, and where to search.

Docstrings, validation and search spaces come from here, so that they cannot disagree.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from joblib import Memory

from sknethp.hyperparameters.constraints import (
    COUNT,
    AnyOf,
    Choice,
    Constraint,
    Flag,
    Nothing,
    Number,
    PerLayer,
    Such,
    is_path,
    optional,
)
from sknethp.training.activations import ACTIVATIONS
from sknethp.training.initialization import WEIGHT_INITS
from sknethp.training.optimizers import OPTIMIZERS
from sknethp.training.schedules import SCHEDULES

# Texts that ranges come from.
BENGIO = "Bengio (2012), Practical recommendations for gradient-based training, arXiv:1206.5533"
SRIVASTAVA = "Srivastava et al. (2014), Dropout, JMLR 15"
GORISHNIY = "Gorishniy et al. (2021), Revisiting deep learning models for tabular data, NeurIPS"
KADRA = "Kadra et al. (2021), Well-tuned simple nets excel on tabular datasets, NeurIPS"
PRECHELT = "Prechelt (1998), Early stopping - but when?, in Neural networks: tricks of the trade"


@dataclass(frozen=True)
class Range:
    """Where to search for a number, uniformly or on a logarithmic scale.

    Attributes
    ----------
    low, high : float
        The bounds, both included.
    log : bool
        Whether equal ratios, not equal differences, are equally likely.
    integer : bool
    levels : tuple
        What a grid takes from it, the most useful first; empty for evenly spaced ones.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False
    levels: tuple[float, ...] = ()


@dataclass(frozen=True)
class Options:
    """Which values to search among, the most useful first."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Hyperparameter:
    """One parameter of ``DeepNetClassifier``.

    Attributes
    ----------
    name : str
    default : object
    allowed : Constraint
    role : {"structure", "training", "stopping", "running"}
    meaning : str
        A sentence or two for the docstring.
    search : Range, Options or None
        A sensible place to search; None where tuning makes no sense.
    source : str
        Where that place comes from.
    needs : mapping
        Other parameters without one of whose given values this one has no effect.
    """

    name: str
    default: Any
    allowed: Constraint
    role: Literal["structure", "training", "stopping", "running"]
    meaning: str
    search: Range | Options | None = None
    source: str = ""
    needs: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


def _are_callbacks(value: Any) -> bool:
    """Whether `value` is a list of what skorch takes: callbacks, alone or with a name."""
    if not isinstance(value, (list, tuple)):
        return False
    alone = [entry[-1] if isinstance(entry, tuple) and entry else entry for entry in value]
    return all(hasattr(entry, "on_epoch_end") for entry in alone)


def _using(name: str, rules: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which optimizers, or schedules, depend on a hyperparameter."""
    return tuple(rule for rule, entry in rules.items() if name in entry.uses)


_TAB = 4 * " "
_SEED = AnyOf(
    (
        Number(0, 2**32 - 1, integer=True),
        Such(lambda value: isinstance(value, np.random.RandomState), "a RandomState"),
        Nothing(),
    )
)
_FRACTION = Number(0, 1, high_open=True)
_POSITIVE = Number(0, low_open=True)

_STRUCTURE = (
    Hyperparameter(
        "hidden_layers",
        2,
        Number(0, integer=True),
        "structure",
        "Number of hidden layers; 0 is logistic regression.",
        Range(1, 4, integer=True, levels=(2, 3, 1, 4)),
        f"{GORISHNIY}: 1 to 8, of which more than 4 plain layers rarely help on small tables",
    ),
    Hyperparameter(
        "hidden_units",
        256,
        PerLayer(COUNT),
        "structure",
        "Units of every hidden layer, or of each.",
        Range(16, 512, log=True, integer=True, levels=(256, 128, 64, 512, 32)),
        f"{GORISHNIY}: 1 to 512, here by ratio and from 16",
    ),
    Hyperparameter(
        "activation",
        "silu",
        PerLayer(Choice(tuple(ACTIVATIONS))),
        "structure",
        "Activation of the hidden layers, or of each.",
        Options(("silu", "relu", "selu", "tanh")),
        "Ramachandran et al. (2017), Searching for activation functions, arXiv:1710.05941, and "
        "one each of the rectified, self-normalising and saturating kinds",
    ),
    Hyperparameter(
        "dropout",
        0.3,
        PerLayer(_FRACTION),
        "structure",
        "Share of units dropped after every hidden layer, or after each, in steps of 1/256; "
        "0.2 to 0.5 is useful.",
        Range(0.0, 0.5, levels=(0.3, 0.0, 0.5, 0.15)),
        SRIVASTAVA,
    ),
    Hyperparameter(
        "input_dropout",
        0.0,
        _FRACTION,
        "structure",
        "Share of input features dropped from each sample in training.",
        Range(0.0, 0.2),
        SRIVASTAVA,
    ),
    Hyperparameter(
        "weight_init",
        "auto",
        PerLayer(Choice(WEIGHT_INITS)),
        "structure",
        'Initial weights of all layers, or of each (with or without the output layer). "auto" '
        "takes for each layer the scheme that fits its activation: He's for relu and its kin, "
        "LeCun's for selu and linear, Glorot's for the others.",
        Options(("auto", "glorot_uniform", "he_normal", "orthogonal")),
        "Glorot & Bengio (2010); He et al. (2015); Saxe et al. (2014)",
    ),
    Hyperparameter(
        "normalization",
        None,
        optional(Choice(("batch", "layer"))),
        "structure",
        "Normalise before each activation, over the batch or over the layer.",
        Options((None, "batch", "layer")),
        KADRA,
    ),
    Hyperparameter(
        "residual",
        False,
        Flag(),
        "structure",
        "Add each hidden layer's input to its output where their widths are equal.",
        Options((False, True)),
        GORISHNIY,
    ),
)

_TRAINING = (
    Hyperparameter(
        "optimizer",
        "adam",
        Choice(tuple(OPTIMIZERS)),
        "training",
        "Update rule, as in ``torch.optim``. Only adamw decays weights apart from the gradient.",
        Options(("adam", "sgd", "adamw")),
        GORISHNIY,
    ),
    Hyperparameter(
        "lr",
        1e-3,
        _POSITIVE,
        "training",
        "Learning rate at its highest.",
        Range(1e-4, 1e-2, log=True, levels=(1e-3, 3e-3, 1e-2, 3e-4)),
        f"{GORISHNIY}: 1e-5 to 1e-2, of which the lowest need more epochs than a search affords",
    ),
    Hyperparameter(
        "lr_schedule",
        "cosine",
        Choice(tuple(SCHEDULES)),
        "training",
        "How the learning rate changes from one update to the next over `max_epochs`.",
        Options(("cosine", "one_cycle", "linear", "constant")),
        "Loshchilov & Hutter (2017); Smith & Topin (2018)",
    ),
    Hyperparameter(
        "lr_final",
        0.01,
        Number(0, 1),
        "training",
        "Fraction of `lr` that is left at the end: linear, exponential, cosine, one_cycle.",
        Range(1e-3, 0.5, log=True),
        BENGIO,
        needs={"lr_schedule": _using("lr_final", SCHEDULES)},
    ),
    Hyperparameter(
        "lr_drop_factor",
        0.5,
        Number(0, 1, low_open=True),
        "training",
        "What the rate is multiplied by at each drop: step, plateau.",
        Range(0.1, 0.9),
        BENGIO,
        needs={"lr_schedule": _using("lr_drop_factor", SCHEDULES)},
    ),
    Hyperparameter(
        "lr_drop_epochs",
        10,
        COUNT,
        "training",
        "Epochs between drops (step), or without improvement before a drop (plateau).",
        Range(2, 50, log=True, integer=True),
        BENGIO,
        needs={"lr_schedule": _using("lr_drop_epochs", SCHEDULES)},
    ),
    Hyperparameter(
        "warmup_fraction",
        0.0,
        _FRACTION,
        "training",
        "Share of `max_epochs` in which the rate rises to `lr`; one_cycle takes 0.3 for 0.",
        Range(0.0, 0.3),
        "Smith & Topin (2018), Super-convergence, arXiv:1708.07120",
    ),
    Hyperparameter(
        "momentum",
        0.9,
        Number(0, 1, high_open=True),
        "training",
        "Momentum of sgd; decay of the first moment of adam, adamw, nadam and adamax. The others "
        "have none.",
        Range(0.5, 0.99, levels=(0.9, 0.5, 0.99)),
        BENGIO,
        needs={"optimizer": _using("momentum", OPTIMIZERS)},
    ),
    Hyperparameter(
        "nesterov",
        False,
        Flag(),
        "training",
        "Nesterov's momentum; for sgd alone.",
        Options((False, True)),
        "Sutskever et al. (2013)",
        needs={"optimizer": _using("nesterov", OPTIMIZERS)},
    ),
    Hyperparameter(
        "beta2",
        0.999,
        Number(0, 1, high_open=True),
        "training",
        "Decay of the second moment of all optimizers that keep one that fades.",
        Range(0.95, 0.9999),
        "Kingma & Ba (2015), Adam, arXiv:1412.6980",
        needs={"optimizer": _using("beta2", OPTIMIZERS)},
    ),
    Hyperparameter(
        "weight_decay",
        0.0,
        Number(0),
        "training",
        "Pull of the weights towards zero: added to their gradient, or with adamw taken from "
        "them directly. Biases and normalisation are free of it.",
        Range(1e-6, 1e-3, log=True, levels=(1e-5, 1e-3, 1e-4)),
        GORISHNIY,
    ),
    Hyperparameter(
        "l1",
        0.0,
        Number(0),
        "training",
        "Weight of the sum of absolute weights in the loss.",
        Range(1e-7, 1e-3, log=True),
        BENGIO,
    ),
    Hyperparameter(
        "max_norm",
        None,
        optional(_POSITIVE),
        "training",
        "Greatest Euclidean norm of each unit's incoming weights.",
        Range(1.0, 5.0),
        SRIVASTAVA,
    ),
    Hyperparameter(
        "gradient_clip",
        None,
        optional(_POSITIVE),
        "training",
        "Greatest Euclidean norm of the gradient of all parameters.",
        Range(0.1, 10.0, log=True),
        "Pascanu et al. (2013), On the difficulty of training recurrent neural networks",
    ),
    Hyperparameter(
        "label_smoothing",
        0.05,
        Number(0, 1, high_open=True),
        "training",
        "Share of each target that is spread over all classes.",
        Range(0.0, 0.2),
        "Szegedy et al. (2016), Rethinking the Inception architecture",
    ),
    Hyperparameter(
        "class_weight",
        None,
        AnyOf(
            (
                Choice(("balanced",)),
                Such(
                    lambda value: isinstance(value, Mapping),
                    "a dict from class labels to weights",
                ),
                Nothing(),
            )
        ),
        "training",
        'Weights of classes; "balanced" makes them equally heavy.',
        Options((None, "balanced")),
        "King & Zeng (2001)",
    ),
    Hyperparameter(
        "batch_size",
        32,
        COUNT,
        "training",
        "Samples per update; 32 to 256 is worth a try. At most the number of samples.",
        Options((32, 128, 64, 256)),
        BENGIO,
    ),
    Hyperparameter(
        "max_epochs",
        60,
        COUNT,
        "training",
        "Passes over the training samples, and the length of the learning-rate schedule.",
        Range(10, 200, log=True, integer=True, levels=(60, 20, 120)),
        f"{PRECHELT}: few epochs are early stopping without a validation part",
    ),
    Hyperparameter(
        "shuffle",
        True,
        Flag(),
        "training",
        "Whether each epoch sees the samples in a new order.",
    ),
)

_STOPPING = (
    Hyperparameter(
        "early_stopping",
        False,
        Flag(),
        "stopping",
        "Whether to hold out a validation part (unless ``fit`` is given one) and stop when "
        "`monitor` stops improving on it.",
    ),
    Hyperparameter(
        "patience",
        20,
        COUNT,
        "stopping",
        "Epochs without improvement before training stops.",
        Range(5, 50, integer=True),
        BENGIO,
        needs={"early_stopping": (True,)},
    ),
    Hyperparameter(
        "min_improvement",
        0.0,
        Number(0),
        "stopping",
        "What a change of `monitor` must exceed to count as an improvement.",
    ),
    Hyperparameter(
        "monitor",
        "valid_loss",
        Such(
            lambda value: isinstance(value, str),
            "'valid_loss', 'valid_accuracy' or the name of a scikit-learn scorer",
        ),
        "stopping",
        'What is watched on the validation part: "valid_loss", "valid_accuracy" or the name of '
        "a scikit-learn scorer.",
    ),
    Hyperparameter(
        "validation_fraction",
        0.1,
        Number(0, 1, low_open=True, high_open=True),
        "stopping",
        "Share of the samples that is held out, class by class.",
    ),
    Hyperparameter(
        "restore_best",
        True,
        Flag(),
        "stopping",
        "Whether to go back to the epoch that was best by `monitor`, where there is validation.",
    ),
)

_RUNNING = (
    Hyperparameter(
        "warm_start",
        False,
        Flag(),
        "running",
        "Whether ``fit`` goes on from the weights of the fit before.",
    ),
    Hyperparameter(
        "random_state",
        None,
        _SEED,
        "running",
        "Seed of weights, order, dropout and validation split.",
    ),
    Hyperparameter(
        "device",
        "cpu",
        Such(lambda value: isinstance(value, str), "'cpu', 'cuda', 'cuda:N', 'mps' or 'auto'"),
        "running",
        'Where to train: "cpu", "cuda", "cuda:1" …, "mps", or "auto" for the fastest there is. '
        "Fitted networks are kept, and predict, on the CPU.",
    ),
    Hyperparameter(
        "callbacks",
        None,
        AnyOf((Such(_are_callbacks, "a list of skorch callbacks"), Nothing())),
        "running",
        "Callbacks of skorch. One that follows single batches keeps its network out of fusion. "
        "skorch's EarlyStopping ends the training of its net; any other KeyboardInterrupt is "
        "Ctrl-C, and ends ``fit`` and the search around it.",
    ),
    Hyperparameter(
        "memory",
        None,
        AnyOf(
            (
                Such(is_path, "a path"),
                Such(
                    lambda value: isinstance(value, Memory) and value.backend == "local",
                    "a joblib.Memory",
                ),
                Nothing(),
            )
        ),
        "running",
        "Where to keep finished fits: the same fit with the same random_state, a number, is then "
        "not made again, even by another process. Kept without the optimizer's moments, which "
        "partial_fit and warm_start then find at zero.",
    ),
    Hyperparameter(
        "verbose",
        0,
        AnyOf((Number(0, integer=True), Flag())),
        "running",
        "1 prints a line per epoch.",
    ),
)

TABLE: dict[str, Hyperparameter] = {
    entry.name: entry for entry in _STRUCTURE + _TRAINING + _STOPPING + _RUNNING
}
PER_LAYER = tuple(name for name, entry in TABLE.items() if isinstance(entry.allowed, PerLayer))


def last_part(name: str) -> str:
    """Return a parameter's name without the prefix of the step or estimator that it belongs to."""
    return name.rpartition("__")[2]


def hyperparameters_of(net: Any) -> dict[str, Any]:
    """Return a net's values; a subclass may have other parameters, and fix those that it hides."""
    return {name: getattr(net, name, entry.default) for name, entry in TABLE.items()}


def described(role: str) -> str:
    """Return the numpydoc entries of one role's parameters, indented as in a class's docstring."""
    lines = []
    for entry in TABLE.values():
        if entry.role == role:
            lines.append(f"{entry.name} : {entry.allowed.describe()}, default={entry.default!r}")
            lines += textwrap.wrap(entry.meaning, 88, initial_indent=_TAB, subsequent_indent=_TAB)
    return f"\n{_TAB}".join(lines)
