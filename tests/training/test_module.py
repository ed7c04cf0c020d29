"""The plain module: it follows the network, and runs where this package is not."""

import copy
import os
import pickle
import subprocess
import sys

import pytest
import torch

from sknethp.training.activations import ACTIVATIONS
from sknethp.training.module import attach, build_module, detach
from tests.helpers import INPUTS

READER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "sknethp":
            raise ImportError("blocked: " + name)

sys.meta_path.insert(0, Blocker())
import torch

for path in sys.argv[1:]:
    module, x, logits = torch.load(path, weights_only=False)
    torch.testing.assert_close(module(x), logits)
    assert not any(name.startswith("sknethp") for name in sys.modules)
try:
    import sknethp
except ImportError:
    print("read", len(sys.argv) - 1)
"""
STRUCTURES = [
    {"normalization": normalization, "residual": residual}
    for normalization in (None, "batch", "layer")
    for residual in (False, True)
] + [{"inputs": inputs} for inputs in INPUTS.values()]


def new_module(network, mode=False):
    module = build_module(network.architecture, network.settings.dropout)
    attach(module, network)
    return module.train(mode)


@pytest.mark.parametrize("inputs", INPUTS)
def test_all_of_the_inputs_is_saved(make_network, inputs):
    """A state dict has what the scaling and the embedding need."""
    network = make_network(units=(6, 6), inputs=INPUTS[inputs])
    module, other = (
        new_module(network),
        new_module(make_network(1, inputs=INPUTS[inputs], units=(6, 6))),
    )
    x = torch.randn(4, 6)
    assert not torch.allclose(module(x), other(x))
    other.load_state_dict(module.state_dict())
    assert torch.equal(module(x), other(x))


def test_runs_without_this_package(make_network, tmp_path):
    """Whole modules, saved by torch, load and compute where the package cannot be imported."""
    paths = []
    for i, activation in enumerate(ACTIVATIONS):
        structure = STRUCTURES[i % len(STRUCTURES)]
        network = make_network(units=(6, 6), activation=activation, dropout=0.3, **structure)
        module = new_module(network)
        detach(module, 0)
        x = torch.randn(4, 6)
        paths.append(tmp_path / f"{activation}.pt")
        torch.save((module, x, module(x).detach()), paths[-1])
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", READER, *map(str, paths)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["read", str(len(paths))]


@pytest.mark.parametrize("copied", [False, True])
def test_editing_a_graph_changes_no_other_module(make_network, copied):
    """The code of the inputs is made once for all modules, and edited for one alone."""
    network = make_network(units=(6, 6), inputs=next(iter(INPUTS.values())))
    edited, other = new_module(network), new_module(network)
    edited = copy.deepcopy(edited) if copied else edited
    x = torch.randn(4, 6)
    before = other(x)
    assert torch.equal(edited(x), before)
    graph = edited.inputs.graph
    (output,) = (node for node in graph.nodes if node.op == "output")
    with graph.inserting_before(output):
        output.args = (graph.call_function(torch.neg, output.args),)
    edited.inputs.recompile()
    assert not torch.equal(edited(x), before)
    for untouched in (other, new_module(network), pickle.loads(pickle.dumps(other))):
        assert torch.equal(untouched(x), before)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_follows_the_training(make_candidate, train_alone, structure):
    """An attached module gives the validation logits after each epoch, without being told."""
    candidate = make_candidate(units=(6, 6), **structure)
    module = new_module(candidate.network)
    valid = candidate.valid
    for _ in range(2):
        ((result,),) = train_alone([candidate], 1)
        logits = module(valid.rows.dense[valid.index]).detach()
        torch.testing.assert_close(logits, result.valid.logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_detached_module_stays_as_it_is(make_candidate, train_alone, structure):
    """Once detached, the module has parameters and statistics of its own."""
    candidate = make_candidate(units=(6, 6), **structure)
    module = new_module(candidate.network)
    detach(module, 0)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    train_alone([candidate], 1)
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])
        assert value.is_contiguous()


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_has_every_parameter_once(make_network, activation, structure):
    """The module has as many parameters as the network, and its layers have distinct names."""
    network = make_network(units=(6, 6), activation=activation, **structure)
    module = new_module(network)
    n_parameters = sum(parameter.numel() for parameter in module.parameters())
    assert n_parameters == network.architecture.n_parameters
    linear = [part for part in module.modules() if isinstance(part, torch.nn.Linear)]
    assert len(linear) == 3


def test_drops_in_training_alone(make_network):
    """Dropout layers stand where the rates are not zero."""
    network = make_network(units=(6, 6), dropout=(0.5, 0.0, 0.25))
    module = new_module(network, mode=True)
    rates = [part.p for part in module.modules() if isinstance(part, torch.nn.Dropout)]
    assert rates == [0.5, 0.25]
    x = torch.ones(3, 6)
    assert not torch.equal(module(x), module(x))
    assert torch.equal(module.eval()(x), module(x))
