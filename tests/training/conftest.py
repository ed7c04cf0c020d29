"""Networks on random data, trained alone and together, for the tests of the numerical core."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from sknethp.training.architecture import Architecture, widest
from sknethp.training.blocks import Blocks
from sknethp.training.epoch import Epoch, EpochResult, n_steps
from sknethp.training.grouping import plan
from sknethp.training.inputs import measured
from sknethp.training.network import Network, new_network
from sknethp.training.objectives import BinaryCrossEntropy, CrossEntropy
from sknethp.training.population import Population
from sknethp.training.program import Program, Storage
from sknethp.training.rows import Part, Rows
from sknethp.training.schedules import Schedule
from sknethp.training.slots import views
from sknethp.training.trainer import LoneTrainer
from tests.helpers import network_settings


def _network(seed=0, *, n_features=6, units=(8, 7), activation="tanh", n_outputs=3, **rest):
    """Make a network; `activation` is one for all hidden layers or one per layer."""
    names = "normalization", "residual", "inputs"
    structure = {name: rest.pop(name) for name in names if name in rest}
    names = (activation,) * len(units) if isinstance(activation, str) else activation
    architecture = Architecture(n_features, units, names, n_outputs, **structure)
    dropout = rest.pop("dropout", 0.0)
    rates = dropout if isinstance(dropout, tuple) else (dropout,) * (len(units) + 1)
    schemes = (rest.pop("weight_init", "auto"),) * (len(units) + 1)
    network = new_network(architecture, network_settings(dropout=rates, **rest), schemes, seed)
    _measure_inputs(network, np.random.default_rng(seed).standard_normal((40, n_features)) * 2 + 1)
    return network


def _measure_inputs(network, X):
    own = views(network.statistics, network.architecture.statistics)
    for name, values in measured(network.architecture.inputs, X.astype(np.float32)).items():
        own[name].copy_(torch.from_numpy(values))


def _objective(n_outputs):
    return BinaryCrossEntropy() if n_outputs == 1 else CrossEntropy(n_outputs)


def _part(n_samples, n_features=6, n_outputs=3, seed=0, weighted=False):
    """Draw separable samples; the rows hold some that do not belong to the part."""
    rng = np.random.default_rng(seed)
    n_rows = n_samples + 10
    X = rng.standard_normal((n_rows, n_features)).astype(np.float32)
    scores = X @ rng.standard_normal((n_features, max(2, n_outputs)))
    targets = _objective(n_outputs).encode(scores.argmax(1))
    index = np.sort(rng.permutation(n_rows)[:n_samples]).astype(np.int32)
    weight = rng.random(n_rows) + 0.1 if weighted else None
    return Part(
        Rows(X),
        torch.from_numpy(targets),
        index,
        None if weight is None else torch.from_numpy((weight / weight[index].mean()).astype("f4")),
    )


@dataclass
class Candidate:
    """A network, its data and its learning rates."""

    network: Network
    train: Part
    valid: Part | None
    schedule: Schedule

    def epoch(self, number: int) -> Epoch:
        """Return the request to train for epoch `number`."""
        steps = n_steps(len(self.train), self.network.settings.batch_size)
        rates = self.schedule.rates(number, steps)
        objective = _objective(self.network.architecture.n_outputs)
        return Epoch(self.network, self.train, self.valid, rates, objective)


def _candidate(seed=0, *, n_samples=50, weighted=False, data_seed=0, **rest):
    """Make a network with data and a schedule."""
    schedule = Schedule(
        rest.pop("schedule", "constant"),
        rest.pop("lr", 0.05),
        rest.pop("max_epochs", 3),
        rest.pop("warmup_fraction", 0.0),
    )
    network = _network(seed, **rest)
    sizes = network.architecture.n_features, network.architecture.n_outputs
    train = _part(n_samples, *sizes, data_seed, weighted)
    return Candidate(network, train, _part(20, *sizes, data_seed + 1000, weighted), schedule)


def _train_alone(candidates, n_epochs=3):
    """Train each in a population of one; return the results ``[candidate][epoch]``."""
    results = []
    for candidate in candidates:
        trainer = LoneTrainer()
        results.append([trainer.train([candidate.epoch(epoch)])[0] for epoch in range(n_epochs)])
    return results


def _train_together(candidates, n_epochs=3, n_populations=1):
    """Train in the populations that are planned; return the results ``[candidate][epoch]``."""
    groups = plan([candidate.epoch(0) for candidate in candidates])
    assert len(groups) == n_populations
    results: list[list[EpochResult]] = [[] for _ in candidates]
    for group in groups:
        networks = [candidates[i].network for i in group]
        population = Population(networks, torch.device("cpu"))
        for epoch in range(n_epochs):
            answers = population.run([candidates[i].epoch(epoch) for i in group])
            for i, answer in zip(group, answers, strict=True):
                results[i].append(answer)
    return results


def _storage(networks):
    """Load networks into the blocks of a population, and make room for gradients."""
    architectures = [network.architecture for network in networks]
    wide = widest(architectures)
    n = len(networks)
    parameters, gradients = (Blocks(torch.zeros(n * wide.n_parameters), n, wide) for _ in range(2))
    parameters.load([network.parameters for network in networks], architectures)
    own = [views(network.statistics, network.architecture.statistics) for network in networks]
    statistics = {
        slot.name: torch.stack([values[slot.name] for values in own]) for slot in wide.statistics
    }
    return Storage(wide, parameters, gradients, statistics, torch.device("cpu"))


def _program(networks, n_rows, training=True):
    """Make a program for networks of equal widths."""
    return Program(_storage(networks), networks, n_rows, training)


@pytest.fixture(autouse=True)
def seeded():
    """Draw the same numbers from torch's global generator in each run, and leave it as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="session")
def make_settings():
    return network_settings


@pytest.fixture(scope="session")
def make_network():
    return _network


@pytest.fixture(scope="session")
def make_objective():
    return _objective


@pytest.fixture(scope="session")
def make_part():
    return _part


@pytest.fixture(scope="session")
def make_candidate():
    return _candidate


@pytest.fixture(scope="session")
def make_program():
    return _program


@pytest.fixture(scope="session")
def make_storage():
    return _storage


@pytest.fixture(scope="session")
def train_alone():
    return _train_alone


@pytest.fixture(scope="session")
def train_together():
    return _train_together
