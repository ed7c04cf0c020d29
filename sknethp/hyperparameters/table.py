"""The table of all hyperparameters: meaning, default, constraint and search range.

Docstrings, checks and default search spaces come from it, so that they cannot disagree.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from joblib import Memory

from sknethp.hyperparameters.automatic import AUTO
from sknethp.hyperparameters.constraints import (
    COUNT,
    AnyOf,
    Choice,
    Constraint,
    Flag,
    NoneValue,
    Number,
    PerLayer,
    Predicate,
    automatic,
    is_path,
    optional,
)
from sknethp.training.activations import ACTIVATIONS
from sknethp.training.initialization import WEIGHT_INITS
from sknethp.training.inputs import EMBEDDINGS, SCALINGS
from sknethp.training.optimizers import OPTIMIZERS
from sknethp.training.schedules import SCHEDULES

# Sources of the search ranges.
BENGIO = "Bengio (2012), Practical recommendations for gradient-based training, arXiv:1206.5533"
SRIVASTAVA = "Srivastava et al. (2014), Dropout, JMLR 15"
GORISHNIY = "Gorishniy et al. (2021), Revisiting deep learning models for tabular data, NeurIPS"
KADRA = "Kadra et al. (2021), Well-tuned simple nets excel on tabular datasets, NeurIPS"
EMBEDDING = "Gorishniy et al. (2022), On embeddings for numerical features, NeurIPS"
HOLZMUELLER = "Holzmüller et al. (2024), Better by default, NeurIPS"
PRECHELT = "Prechelt (1998), Early stopping - but when?, in Neural networks: tricks of the trade"


@dataclass(frozen=True)
class Range:
    """Search range of a number, bounds included.

    A grid takes `levels`, the most useful first, or evenly spaced values where there are none.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False
    levels: tuple[float, ...] = ()


@dataclass(frozen=True)
class Options:
    """Values to search among, the most useful first."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Hyperparameter:
    """One parameter of ``DeepNetClassifier``.

    `meaning` goes into the docstring and `search` into the default spaces (None where tuning makes
    no sense); `source` says where that range comes from. The parameter has an effect only where
    each parameter in `needs` has one of the values given there.
    """

    name: str
    default: Any
    allowed: Constraint
    role: Literal["structure", "training", "stopping", "running"]
    meaning: str
    search: Range | Options | None = None
    source: str = ""
    needs: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @cached_property
    def plain_default(self) -> Any:
        """The default in its plain form."""
        return self.allowed.parse(self.default)


def _are_callbacks(value: Any) -> bool:
    """Tell whether `value` is a list of skorch callbacks, with or without names."""
    if not isinstance(value, (list, tuple)):
        return False
    callbacks = [entry[-1] if isinstance(entry, tuple) and entry else entry for entry in value]
    return all(hasattr(callback, "on_epoch_end") for callback in callbacks)


def _using(name: str, rules: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the optimizers, or schedules, that use a hyperparameter."""
    return tuple(rule for rule, entry in rules.items() if name in entry.uses)


_TAB = 4 * " "
_SEED = AnyOf(
    (
        Number(0, 2**32 - 1, integer=True),
        Predicate(lambda value: isinstance(value, np.random.RandomState), "a RandomState"),
        NoneValue(),
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
        "Units of all hidden layers, or of each one.",
        Range(16, 512, log=True, integer=True, levels=(256, 128, 64, 512, 32)),
        f"{GORISHNIY}: 1 to 512, here by ratio and from 16",
    ),
    Hyperparameter(
        "activation",
        "silu",
        PerLayer(Choice(tuple(ACTIVATIONS))),
        "structure",
        "Activation of all hidden layers, or of each one.",
        Options(("silu", "relu", "selu", "tanh")),
        "Ramachandran et al. (2017), Searching for activation functions, arXiv:1710.05941, and "
        "one each of the rectified, self-normalising and saturating kinds",
    ),
    Hyperparameter(
        "dropout",
        0.3,
        PerLayer(_FRACTION),
        "structure",
        "Share of units dropped after all hidden layers, or after each one, in steps of 1/256; "
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
        "input_scaling",
        "standard",
        optional(Choice(SCALINGS)),
        "structure",
        'Scaling of the inputs inside the net: "standard" to mean 0 and standard deviation 1, or '
        '"robust" by median and quartiles with a smooth limit of 3. Columns with two values are '
        "only centred, sparse ones only scaled.",
        Options(("standard", "robust")),
        HOLZMUELLER,
    ),
    Hyperparameter(
        "embedding",
        AUTO,
        automatic(optional(Choice(EMBEDDINGS))),
        "structure",
        "Numbers that the first layer gets beside each column with more than two values: "
        '"periodic" for trained cosines, "piecewise_linear" for how far the value lies in each bin '
        'between quantiles, or "both". "auto" is periodic below 1,000 samples, both for more, and '
        "none for more than 100 columns.",
        Options(("periodic", "both", "piecewise_linear", None)),
        EMBEDDING,
    ),
    Hyperparameter(
        "embedding_size",
        3,
        Number(2, integer=True),
        "structure",
        "Numbers a column of a periodic embedding.",
        Range(2, 16, log=True, integer=True),
        f"{HOLZMUELLER}: 3",
        needs={"embedding": ("periodic", "both", AUTO)},
    ),
    Hyperparameter(
        "embedding_frequencies",
        16,
        Number(2, integer=True),
        "structure",
        "Cosines a column of a periodic embedding.",
        Range(4, 64, log=True, integer=True),
        EMBEDDING,
        needs={"embedding": ("periodic", "both", AUTO)},
    ),
    Hyperparameter(
        "frequency_scale",
        0.1,
        _POSITIVE,
        "structure",
        "Standard deviation of a periodic embedding's initial frequencies, per unit of the scaled "
        "inputs.",
        Range(0.03, 3.0, log=True),
        f"{EMBEDDING}: 0.01 to 100",
        needs={"embedding": ("periodic", "both", AUTO)},
    ),
    Hyperparameter(
        "embedding_bins",
        AUTO,
        automatic(COUNT),
        "structure",
        'Bins a column of a piecewise-linear embedding; "auto" is 8 below 1,000 samples, 16 below '
        "8,000, and 32 for more.",
        Range(4, 64, log=True, integer=True),
        f"{EMBEDDING}: 2 to 256",
        needs={"embedding": ("piecewise_linear", "both", AUTO)},
    ),
    Hyperparameter(
        "weight_init",
        "auto",
        PerLayer(Choice(WEIGHT_INITS)),
        "structure",
        'Initialisation of all layers, or of each one (with or without the output layer). "auto" '
        "uses for each layer the scheme that suits its activation: He's for relu and its variants, "
        "LeCun's for selu and linear, Glorot's for the others.",
        Options(("auto", "glorot_uniform", "he_normal", "orthogonal")),
        "Glorot & Bengio (2010); He et al. (2015); Saxe et al. (2014)",
    ),
    Hyperparameter(
        "normalization",
        None,
        optional(Choice(("batch", "layer"))),
        "structure",
        "Normalisation before each activation, over the batch or over the layer.",
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
        "ensemble_size",
        1,
        COUNT,
        "training",
        "Number of networks, which differ in their seeds and whose probabilities are averaged.",
    ),
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
        AUTO,
        automatic(_POSITIVE),
        "training",
        'Highest learning rate; "auto" is 0.001 below 1,000 samples, 0.0015 below 2,500, and 0.003 '
        "for more.",
        Range(1e-4, 1e-2, log=True, levels=(1e-3, 3e-3, 1e-2, 3e-4)),
        f"{GORISHNIY}: 1e-5 to 1e-2, of which the lowest need more epochs than a search affords",
    ),
    Hyperparameter(
        "embedding_lr_factor",
        1.0,
        _POSITIVE,
        "training",
        "Learning rate of a periodic embedding, as a factor of `lr`.",
        Range(0.03, 1.0, log=True),
        f"{HOLZMUELLER}: 0.1",
        needs={"embedding": ("periodic", "both", AUTO)},
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
        f"Fraction of `lr` that is left at the end: {', '.join(_using('lr_final', SCHEDULES))}.",
        Range(1e-3, 0.5, log=True),
        BENGIO,
        needs={"lr_schedule": _using("lr_final", SCHEDULES)},
    ),
    Hyperparameter(
        "lr_drop_factor",
        0.5,
        Number(0, 1, low_open=True),
        "training",
        "Factor by which the rate is multiplied at each drop: "
        f"{', '.join(_using('lr_drop_factor', SCHEDULES))}.",
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
        "Share of `max_epochs` in which the rate rises to `lr`; one_cycle uses 0.3 if it is 0.",
        Range(0.0, 0.3),
        "Smith & Topin (2018), Super-convergence, arXiv:1708.07120",
    ),
    Hyperparameter(
        "momentum",
        0.9,
        Number(0, 1, high_open=True),
        "training",
        "Momentum of sgd, or decay of the first moment, used by "
        f"{', '.join(_using('momentum', OPTIMIZERS))}.",
        Range(0.5, 0.99, levels=(0.9, 0.5, 0.99)),
        BENGIO,
        needs={"optimizer": _using("momentum", OPTIMIZERS)},
    ),
    Hyperparameter(
        "nesterov",
        False,
        Flag(),
        "training",
        "Whether to use Nesterov momentum; for SGD only.",
        Options((False, True)),
        "Sutskever et al. (2013)",
        needs={"optimizer": _using("nesterov", OPTIMIZERS)},
    ),
    Hyperparameter(
        "beta2",
        0.95,
        Number(0, 1, high_open=True),
        "training",
        "Decay of the second moment, for the optimizers that keep a decaying one.",
        Range(0.95, 0.9999),
        "Kingma & Ba (2015), Adam, arXiv:1412.6980",
        needs={"optimizer": _using("beta2", OPTIMIZERS)},
    ),
    Hyperparameter(
        "weight_decay",
        0.0,
        Number(0),
        "training",
        "L2 penalty on the weights: added to their gradient, or with adamw subtracted from them "
        "directly. Biases and normalisation are not decayed.",
        Range(1e-6, 1e-3, log=True, levels=(1e-5, 1e-3, 1e-4)),
        GORISHNIY,
    ),
    Hyperparameter(
        "l1",
        3e-5,
        Number(0),
        "training",
        "L1 penalty: factor of the sum of absolute weights in the loss.",
        Range(1e-7, 1e-3, log=True),
        BENGIO,
    ),
    Hyperparameter(
        "max_norm",
        None,
        optional(_POSITIVE),
        "training",
        "Largest Euclidean norm of each unit's incoming weights.",
        Range(1.0, 5.0),
        SRIVASTAVA,
    ),
    Hyperparameter(
        "gradient_clip",
        None,
        optional(_POSITIVE),
        "training",
        "Largest Euclidean norm of the gradient of all parameters.",
        Range(0.1, 10.0, log=True),
        "Pascanu et al. (2013), On the difficulty of training recurrent neural networks",
    ),
    Hyperparameter(
        "label_smoothing",
        AUTO,
        automatic(Number(0, 1, high_open=True)),
        "training",
        'Share of each target that is spread evenly over all classes; "auto" is 0.05 below 1,000 '
        "samples, and 0.02 for more.",
        Range(0.0, 0.1),
        "Szegedy et al. (2016), Rethinking the Inception architecture",
    ),
    Hyperparameter(
        "class_weight",
        None,
        AnyOf(
            (
                Choice(("balanced",)),
                Predicate(
                    lambda value: isinstance(value, Mapping),
                    "a dict from class labels to weights",
                ),
                NoneValue(),
            )
        ),
        "training",
        'Weights of the classes; "balanced" makes all classes count equally.',
        Options((None, "balanced")),
        "King & Zeng (2001)",
    ),
    Hyperparameter(
        "batch_size",
        AUTO,
        automatic(COUNT),
        "training",
        'Samples per update (at most all of them); "auto" is 32 below 1,000 samples, 128 below '
        "8,000, and 256 for more.",
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
        "Whether to shuffle the samples before each epoch.",
    ),
)

_STOPPING = (
    Hyperparameter(
        "early_stopping",
        False,
        Flag(),
        "stopping",
        "Whether to hold out a validation part (unless ``fit`` is given one) and stop when "
        "`monitor` no longer improves on it.",
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
        "A change of `monitor` counts as an improvement only if it is larger than this.",
    ),
    Hyperparameter(
        "monitor",
        "valid_loss",
        Predicate(
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
        "Share of the samples to hold out, stratified by class.",
    ),
    Hyperparameter(
        "restore_best",
        True,
        Flag(),
        "stopping",
        "Whether to keep the weights of the epoch that was best by `monitor`, if there is a "
        "validation part.",
    ),
    Hyperparameter(
        "calibrate",
        True,
        Flag(),
        "stopping",
        "Whether to divide the logits by a temperature (Guo et al., 2017) that is fitted on the "
        "validation part. Where there is none, each network leaves a share of its own, "
        "`validation_fraction`, out of the first half of its epochs, and the temperature is fitted "
        "on that; with fewer than 20 epochs, or where training goes on, there is none.",
    ),
)

_RUNNING = (
    Hyperparameter(
        "warm_start",
        False,
        Flag(),
        "running",
        "Whether ``fit`` continues from the weights of the previous fit.",
    ),
    Hyperparameter(
        "random_state",
        None,
        _SEED,
        "running",
        "Seed of initial weights, shuffling, dropout and validation split.",
    ),
    Hyperparameter(
        "device",
        "cpu",
        Predicate(lambda value: isinstance(value, str), "'cpu', 'cuda', 'cuda:N', 'mps' or 'auto'"),
        "running",
        'Where to train: "cpu", "cuda", "cuda:1" …, "mps", or "auto" for the fastest there is. '
        "Fitted networks are kept, and predict, on the CPU.",
    ),
    Hyperparameter(
        "callbacks",
        None,
        AnyOf((Predicate(_are_callbacks, "a list of skorch callbacks"), NoneValue())),
        "running",
        "Callbacks of skorch. A net with one that follows single batches is not fused. "
        "skorch's EarlyStopping ends the training of its net; any other KeyboardInterrupt "
        "counts as Ctrl-C, and ends ``fit`` and the search around it.",
    ),
    Hyperparameter(
        "memory",
        None,
        AnyOf(
            (
                Predicate(is_path, "a path"),
                Predicate(
                    lambda value: isinstance(value, Memory) and value.backend == "local",
                    "a joblib.Memory",
                ),
                NoneValue(),
            )
        ),
        "running",
        "Folder in which to keep finished fits: a fit with the same data, parameters and integer "
        "random_state is then loaded instead of trained, even by another process. The "
        "optimizer's moments are not kept: partial_fit and warm_start start with moments of zero.",
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
    """Return a parameter's name without the prefix of the step or estimator."""
    return name.rpartition("__")[2]


def hyperparameters_of(net: Any) -> dict[str, Any]:
    """Return a net's values; one that a subclass hides has the subclass's value or the default."""
    return {name: getattr(net, name, entry.default) for name, entry in TABLE.items()}


def described(role: str) -> str:
    """Return numpydoc entries of one role's parameters, indented for a class docstring."""
    lines = []
    for entry in TABLE.values():
        if entry.role == role:
            lines.append(f"{entry.name} : {entry.allowed.describe()}, default={entry.default!r}")
            lines += textwrap.wrap(
                entry.meaning,
                88,
                initial_indent=_TAB,
                subsequent_indent=_TAB,
                break_on_hyphens=False,
            )
    return f"\n{_TAB}".join(lines)
