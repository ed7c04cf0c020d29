"""Time an epoch of a population with gradients written by hand, and by autograd.

How much faster is it that `sknethp/training/layers.py` and `activations.py` write
their gradients by hand, into buffers that stay?

Everything else is the same code for both: the split into populations, batches,
random bytes for dropout, the loss and its gradient by the logits, the SGD step with
momentum and the choice of threads, step by step. Autograd computes the layers with
torch's own functions over the same blocks (`baddbmm`, `layer_norm`, `var_mean`), and
is measured as it is fastest in the warm-up: gradients copied into their blocks or
accumulated there, batch normalisation by torch's kernel or from its parts; with
--compile also by torch.compile, which needs a C++ compiler and minutes. Networks have
two hidden layers, 20 features and two classes, one seed as in a search, and learning
rates of their own.

Repeats are interleaved; a ratio is taken within each repeat and its median printed.
The parameters of both after the first epoch are compared: the run ends with an error
where they differ by more than rounding.
"""

import functools
import itertools
import sys
import warnings

import _contenders as contenders
import _report as report
import numpy as np
import torch
from torch.nn import functional

from sknethp.training.activations import ACTIVATIONS
from sknethp.training.architecture import Architecture
from sknethp.training.epoch import Epoch
from sknethp.training.grouping import plan
from sknethp.training.layers import NORMALIZATION_EPS
from sknethp.training.network import Settings, new_network
from sknethp.training.objectives import BinaryCrossEntropy
from sknethp.training.population import Population
from sknethp.training.program import BYTE_VALUES, dropout_thresholds
from sknethp.training.rows import Part, Rows

BATCH_SIZE, N_FEATURES, MOMENTUM = 32, 20, 0.9
RUNNING_MOMENTUM = 0.1
LEARNING_RATES = (1e-3, 1e-2)
DIFFERENCE_ALLOWED = 1e-3  # of how far parameters move in the epoch
HAND = "by hand"


class AutogradProgram:
    """What `sknethp.training.program.Program` computes in training, with autograd's gradients.

    Batches must be full, and hidden layers without dropout between inputs and first layer.
    """

    def __init__(self, storage, networks, n_rows, accumulate, native_norm, compiled):
        self.architecture, n = storage.architecture, len(networks)
        self.names = [slot.name for slot in self.architecture.parameters]
        self.gradients = [storage.gradients[name][:n] for name in self.names]
        self.leaves = {
            name: storage.parameters[name][:n].detach().requires_grad_() for name in self.names
        }
        self.accumulate, self.native_norm = accumulate, native_norm
        if accumulate:
            self.rows = storage.gradients.rows(slice(0, n))
            for name, gradient in zip(self.names, self.gradients, strict=True):
                self.leaves[name].grad = gradient
        self.running = {name: values[:n] for name, values in storage.statistics.items()}
        self.activations = [ACTIVATIONS[name].module() for name in self.architecture.activations]
        rates = [network.settings.dropout[1] for network in networks]
        self.threshold = dropout_thresholds(rates)
        self.scale = BYTE_VALUES / (BYTE_VALUES - self.threshold.float())
        n_hidden = len(self.architecture.hidden_units)
        self.noisy_layers = list(range(1, n_hidden + 1)) if any(rates) else []
        self.x = torch.empty(n, n_rows, self.architecture.n_features)
        self.logits_grad = torch.empty(n, n_rows, self.architecture.n_outputs)
        self.row_shares = self
        self.compute = torch.compile(self._logits) if compiled else self._logits

    def set(self, share, any_single):
        """Take the shares of rows in a batch, which are equal here."""

    def forward(self, noise=()):
        """Compute the logits, and remember how."""
        with torch.enable_grad():
            self.graph = self.compute(self.x, noise)
        self.logits = self.graph.detach()

    def backward(self):
        """Compute the gradients of all parameters from that of the logits."""
        if self.accumulate:
            for row in self.rows:
                row.zero_()
            self.graph.backward(self.logits_grad)
            return
        leaves = [self.leaves[name] for name in self.names]
        found = torch.autograd.grad(self.graph, leaves, self.logits_grad)
        torch._foreach_copy_(self.gradients, found)

    def _logits(self, x, noise):
        dense = [name.removesuffix(".weight") for name in self.names if name in self._weights]
        for layer, activation in enumerate(self.activations):
            z = self._dense(x, dense[layer])
            x = activation(self._normalized(z, layer))
            if noise:
                x = x * ((noise[layer] >= self.threshold) * self.scale)
        return self._dense(x, dense[-1])

    @functools.cached_property
    def _weights(self):
        return {slot.name for slot in self.architecture.weights}

    def _dense(self, x, name):
        return torch.baddbmm(self.leaves[f"{name}.bias"], x, self.leaves[f"{name}.weight"])

    def _normalized(self, z, layer):
        kind, name = self.architecture.normalization, f"norm_{layer}"
        if kind is None:
            return z
        if kind == "layer":
            normal = functional.layer_norm(z, z.shape[-1:], eps=NORMALIZATION_EPS)
        elif self.native_norm:
            normal = self._native_batch_norm(z, name)
        else:
            normal = self._batch_norm(z, name)
        return torch.addcmul(self.leaves[f"{name}.bias"], normal, self.leaves[f"{name}.weight"])

    def _native_batch_norm(self, z, name):
        n, n_rows, n_units = z.shape
        normal = functional.batch_norm(
            z.transpose(0, 1).reshape(n_rows, n * n_units),
            self.running[f"{name}.running_mean"].view(-1),
            self.running[f"{name}.running_var"].view(-1),
            training=True,
            momentum=RUNNING_MOMENTUM,
            eps=NORMALIZATION_EPS,
        )
        return normal.view(n_rows, n, n_units).transpose(0, 1)

    def _batch_norm(self, z, name):
        var, mean = torch.var_mean(z, 1, correction=0, keepdim=True)
        with torch.no_grad():
            unbiased = var * (z.shape[1] / (z.shape[1] - 1))
            self.running[f"{name}.running_mean"].lerp_(mean.squeeze(1), RUNNING_MOMENTUM)
            self.running[f"{name}.running_var"].lerp_(unbiased.squeeze(1), RUNNING_MOMENTUM)
        return (z - mean) * (var + NORMALIZATION_EPS).rsqrt()


class AutogradPopulation(Population):
    """A population whose gradients are autograd's."""

    def __init__(self, networks, device, **how):
        super().__init__(networks, device)
        self.how = how

    def _program(self, n, n_rows, training):
        key = (n, n_rows, training)
        if key not in self._programs:
            self._programs[key] = AutogradProgram(
                self._storage, self.networks[:n], n_rows, **self.how
            )
        return self._programs[key]


class Contender:
    """Networks, always the same, and the populations that they train in."""

    def __init__(self, make_population, n_networks, n_units, normalization, dropout, options):
        X, y = contenders.make_data(options.rows)
        objective, rows = BinaryCrossEntropy(), Rows(X)
        targets = torch.from_numpy(objective.encode(y))
        index = np.arange(len(X), dtype=np.int32)
        architecture = Architecture(
            N_FEATURES, (n_units, n_units), (options.activation,) * 2, 1, normalization
        )
        settings = Settings(
            optimizer="sgd",
            momentum=MOMENTUM,
            nesterov=False,
            beta2=0.999,
            weight_decay=0.0,
            l1=0.0,
            max_norm=None,
            gradient_clip=None,
            label_smoothing=0.0,
            batch_size=BATCH_SIZE,
            shuffle=True,
            dropout=(0.0, dropout, dropout),
        )
        self.networks = [
            new_network(architecture, settings, ("auto",) * 3, seed=0) for _ in range(n_networks)
        ]
        n_steps = len(X) // BATCH_SIZE
        epochs = [
            Epoch(network, Part(rows, targets, index), None, np.full(n_steps, lr), objective)
            for network, lr in zip(
                self.networks, np.geomspace(*LEARNING_RATES, n_networks), strict=True
            )
        ]
        groups = [[epochs[i] for i in group] for group in plan(epochs)]
        self._work = [
            (make_population([epoch.network for epoch in group], torch.device("cpu")), group)
            for group in groups
        ]

    def epoch(self):
        """Train all networks for an epoch; return the seconds that it took."""
        return report.timed(lambda: [population.run(group) for population, group in self._work])[1]

    def parameters(self):
        """Return the parameters of all networks, ``(n_networks, n_parameters)``."""
        return torch.stack([network.parameters for network in self.networks]).clone()


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    parser.add_argument("--networks", type=int, nargs="+", default=[1, 60, 300])
    parser.add_argument("--units", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument(
        "--normalization", nargs="+", choices=["none", "batch", "layer"],
        default=["none", "batch", "layer"],
    )  # fmt: skip
    parser.add_argument("--dropout", type=float, nargs="+", default=[0.0, 0.3])
    parser.add_argument("--activation", choices=list(ACTIVATIONS), default="silu")
    parser.add_argument("--rows", type=int, default=2048, help="a multiple of the batch, 32")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--compile", action="store_true", help="try torch.compile for autograd")
    options = parser.parse_args()
    if options.rows < BATCH_SIZE or options.rows % BATCH_SIZE:
        parser.error(f"--rows {options.rows} is not a multiple of {BATCH_SIZE}.")
    return options


def ways(normalization, options):
    """Return each way to use autograd, by name."""
    accumulate = {"copied": False, "accumulated": True}
    norms = {"": False, "native norm": True} if normalization == "batch" else {"": False}
    compiled = {"": False, "compiled": True} if options.compile else {"": False}
    return {
        ", ".join(filter(None, words)): {
            "accumulate": accumulate[words[0]],
            "native_norm": norms[words[1]],
            "compiled": compiled[words[2]],
        }
        for words in itertools.product(accumulate, norms, compiled)
    }


def largest_difference(runners, start):
    """Return how far parameters differ at most, as a share of how far any has moved."""
    found = {name: runner.parameters() for name, runner in runners.items()}
    moved = (found[HAND] - start).abs().max()
    return max(float((each - found[HAND]).abs().max() / moved) for each in found.values())


def measure_cell(n_networks, n_units, normalization, dropout, options):
    """Return autograd's fastest way, seconds per epoch of both, and by how much they differ."""
    cell = n_networks, n_units, None if normalization == "none" else normalization, dropout
    makers = {
        way: functools.partial(AutogradPopulation, **how)
        for way, how in ways(normalization, options).items()
    }
    runners = {
        name: Contender(maker, *cell, options)
        for name, maker in {HAND: Population, **makers}.items()
    }
    start = runners[HAND].parameters()
    epochs = {name: runner.epoch for name, runner in runners.items()}
    report.interleave(epochs, 1)
    difference = largest_difference(runners, start)
    if not difference <= DIFFERENCE_ALLOWED:
        raise SystemExit(f"Parameters differ by {difference:.1e} of how far they move: {cell}.")
    warm_up = report.interleave(epochs, 3)
    best = min(makers, key=lambda way: np.median(warm_up[way]))
    seconds = report.interleave({name: epochs[name] for name in (HAND, best)}, options.repeats)
    return best, seconds[HAND], seconds[best], difference


def main():
    """Measure what the command line asks for, and print a table."""
    options = parse_arguments()
    # Gradients of vectors are columns of one block, here as in the package.
    warnings.filterwarnings("ignore", "grad and param do not obey the gradient layout contract")
    report.print_environment()
    rows = []
    for cell in itertools.product(
        options.networks, options.units, options.normalization, options.dropout
    ):
        best, by_hand, by_autograd, difference = measure_cell(*cell, options)
        n_networks, n_units, normalization, dropout = cell
        steps = n_networks * options.rows / BATCH_SIZE
        rows.append(
            [
                f"{n_networks} x {n_units} units, norm {normalization}, dropout {dropout:g}",
                report.spread(by_hand, scale=1e6 / steps, digits=2),
                report.spread(by_autograd, scale=1e6 / steps, digits=2),
                f"{report.paired_ratio(by_autograd, by_hand):.2f}",
                best,
                f"{difference:.0e}",
            ]
        )
        print(f"measured {rows[-1][0]}: {rows[-1][3]}", file=sys.stderr, flush=True)
    report.print_table(
        f"One epoch of {options.rows} rows, {options.activation}, SGD with momentum, batch "
        f"{BATCH_SIZE}: µs per network and step, median [quartiles] of {options.repeats}",
        ["networks", "by hand", "autograd", "autograd / hand", "autograd's way", "difference"],
        rows,
    )


if __name__ == "__main__":
    main()
