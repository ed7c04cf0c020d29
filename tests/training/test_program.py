"""The hand-written backward pass agrees with automatic differentiation of the plain module."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from sknethp.training.activations import ACTIVATIONS
from sknethp.training.module import attach, build_module
from sknethp.training.objectives import BinaryCrossEntropy, CrossEntropy
from tests.helpers import INPUTS

N_ROWS = 9
COUNTS = (9, 4, 2)  # samples of each network's batch; the other rows are empty


def plain_module(network):
    """Return the plain module with its own parameters, in float64."""
    module = build_module(network.architecture, network.settings.dropout)
    attach(module, network)
    return copy.deepcopy(module).double()


def flat_gradient(module, architecture):
    """Gradients of a module in the order of the flat parameter vector."""
    own = dict(module.named_parameters())
    grads = [own[slot.name].grad for slot in architecture.parameters]
    return torch.cat(
        [
            (g.t() if g.ndim == 2 and slot.kind == "weight" else g).reshape(-1)
            for slot, g in zip(architecture.parameters, grads, strict=True)
        ]
    )


def mean_loss(logits, targets):
    if logits.shape[1] == 1:
        return binary_cross_entropy_with_logits(logits, targets)
    return cross_entropy(logits, targets)


def random_batch(n_networks, n_outputs):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(n_networks, N_ROWS, 6, generator=generator)
    classes = torch.randint(0, max(2, n_outputs), (n_networks, N_ROWS), generator=generator)
    if n_outputs == 1:
        return x, classes.unsqueeze(-1).float()
    return x, torch.nn.functional.one_hot(classes, n_outputs).float()


def row_shares(counts):
    """One over the number of samples, ``(n_networks, n_rows, 1)``, and zero in empty rows."""
    counts = torch.tensor(counts)[:, None, None]
    return (torch.arange(N_ROWS)[:, None] < counts).float() / counts


def backward(program, x, targets, counts, noise=()):
    """Run a program forward and backward; return a flat gradient per network."""
    share = row_shares(counts)
    program.row_shares.set(share, 1 in counts)
    program.x.copy_(x)
    program.forward(noise)
    n_outputs = targets.shape[-1]
    objective = BinaryCrossEntropy() if n_outputs == 1 else CrossEntropy(n_outputs)
    objective.write_gradient(program.logits, targets, share, program.logits_grad)
    program.backward()
    flats = [torch.empty_like(network.parameters) for network in program.networks]
    gradients = program.storage.gradients
    gradients.store(flats, [network.architecture for network in program.networks])
    return flats


def reference(network, x, targets, replaced=()):
    """Return the module, some parts replaced, after a backward pass, its logits and gradient."""
    module = plain_module(network).train()
    for name in replaced:
        setattr(module, name, replaced[name])
    logits = module(x.double())
    mean_loss(logits, targets.double()).backward()
    return module, logits.detach(), flat_gradient(module, network.architecture)


@pytest.fixture
def three_networks(make_network):
    """Make networks of which the first has an activation everywhere, the others elsewhere."""

    def three_networks(activation, **structure):
        mixed = ((activation,) * 3, ("relu",) * 3, (activation, "tanh", "linear"))
        networks = [
            make_network(seed, units=(6, 6, 4), activation=names, **structure)
            for seed, names in enumerate(mixed)
        ]
        for network in networks:  # biases and shifts are zero at first, scales one
            generator = torch.Generator().manual_seed(network.architecture.n_parameters)
            noise = torch.randn(network.parameters.shape, generator=generator)
            network.parameters.add_(0.2 * noise)
        return networks

    return three_networks


STRUCTURES = [
    {"normalization": normalization, "residual": residual, "n_outputs": n_outputs}
    for normalization in (None, "batch", "layer")
    for residual in (False, True)
    for n_outputs in (1, 3)
]


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda s: "-".join(map(str, s.values())))
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_autograd_s(three_networks, make_program, activation, structure):
    """Logits, gradients and running statistics are the module's, over each network's samples."""
    networks = three_networks(activation, **structure)
    program = make_program(networks, N_ROWS)
    x, targets = random_batch(len(networks), structure["n_outputs"])
    flats = backward(program, x, targets, COUNTS)
    for i, (network, count) in enumerate(zip(networks, COUNTS, strict=True)):
        module, logits, expected = reference(network, x[i, :count], targets[i, :count])
        torch.testing.assert_close(program.logits[i, :count].double(), logits, rtol=1e-4, atol=2e-5)
        torch.testing.assert_close(flats[i].double(), expected, rtol=1e-3, atol=2e-5)
        if structure["normalization"] == "batch":
            running = dict(module.named_buffers())
            for name, values in program.storage.statistics.items():
                torch.testing.assert_close(values[i].double(), running[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("inputs", INPUTS)
def test_gradients_of_scaled_and_embedded_inputs(make_network, make_program, inputs, residual):
    """Logits and gradients are the module's, whatever happens before the first layer."""
    common = {"inputs": INPUTS[inputs], "units": (6, 6), "residual": residual}
    networks = [make_network(seed, **common) for seed in range(3)]
    program = make_program(networks, N_ROWS)
    x, targets = random_batch(3, 3)
    x = 2 * x + 1
    flats = backward(program, x, targets, COUNTS)
    for i, (network, count) in enumerate(zip(networks, COUNTS, strict=True)):
        _, logits, expected = reference(network, x[i, :count], targets[i, :count])
        torch.testing.assert_close(program.logits[i, :count].double(), logits, rtol=1e-4, atol=2e-5)
        torch.testing.assert_close(flats[i].double(), expected, rtol=1e-3, atol=2e-5)


def test_a_part_of_the_inputs_has_the_same_gradient(make_network, make_program, monkeypatch):
    """Alone, the gradient of the trained inputs is what it is among all, bit for bit."""
    networks = [make_network(seed, inputs=INPUTS["both"], units=(6, 6)) for seed in range(2)]
    x, targets = random_batch(2, 3)

    def gradients():
        return torch.stack(backward(make_program(networks, N_ROWS), x, targets, (N_ROWS,) * 2))

    own = gradients()
    monkeypatch.setattr("sknethp.training.program.part_rounds_alike", lambda *sizes: False)
    assert torch.equal(own, gradients())


def test_other_inputs_are_noticed(make_network, make_program):
    """Negative control: the gradients are not those of another scaling."""
    network = make_network(0, inputs=INPUTS["robust"])
    x, targets = random_batch(1, 3)
    flats = backward(make_program([network], N_ROWS), x, targets, (N_ROWS,))
    network.architecture = replace(network.architecture, inputs=INPUTS["standard"])
    _, _, other = reference(network, x[0], targets[0])
    assert not torch.allclose(flats[0].double(), other, rtol=1e-3, atol=2e-5)


class Masked(torch.nn.Module):
    """Inverted dropout of the units whose random bytes lie below the rate."""

    def __init__(self, rate, noise):
        super().__init__()
        self.mask = (noise >= 256 * rate).double() / (1 - rate)

    def forward(self, x):
        return x * self.mask


def test_dropout_before_scaling_is_noticed():
    """Negative control: the reference of the test below scales what it keeps."""
    masked = Masked(0.5, torch.tensor([0, 127, 128, 255]))
    assert masked(torch.ones(4)).tolist() == [0, 0, 2, 2]


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
@pytest.mark.parametrize("rates", [(0.0, 0.5, 0.25, 0.0), (0.25, 0.0, 0.0, 0.5)])
def test_gradients_with_dropout(make_network, make_program, rates, normalization, residual):
    """Both passes drop the same units as an explicit mask does, each network at its rates."""
    common = {"units": (6, 6, 4), "normalization": normalization, "residual": residual}
    networks = [make_network(0, dropout=rates, **common), make_network(1, **common)]
    program = make_program(networks, N_ROWS)
    x, targets = random_batch(2, 3)
    generator = torch.Generator().manual_seed(5)
    noise = [
        torch.randint(0, 256, (2, N_ROWS, width), generator=generator).to(torch.uint8)
        for layer, width in enumerate((6, 6, 6, 4))
        if rates[layer]
    ]
    flats = backward(program, x, targets, (N_ROWS, N_ROWS), noise)
    drawn = iter(noise)
    masks = {
        f"dropout_{layer - 1}" if layer else "dropout_input": Masked(rate, next(drawn)[0])
        for layer, rate in enumerate(rates)
        if rate
    }
    for i, (network, replaced) in enumerate(zip(networks, (masks, {}), strict=True)):
        _, logits, expected = reference(network, x[i], targets[i], replaced)
        torch.testing.assert_close(program.logits[i].double(), logits, rtol=1e-4, atol=2e-5)
        torch.testing.assert_close(flats[i].double(), expected, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
def test_another_activation_is_noticed(three_networks, make_program, normalization):
    """Negative control: the gradients of gelu are not taken for those of silu."""
    structure = {"normalization": normalization, "n_outputs": 3}
    program = make_program(three_networks("gelu", **structure), N_ROWS)
    x, targets = random_batch(3, 3)
    flats = backward(program, x, targets, (N_ROWS,) * 3)
    _, _, other = reference(three_networks("silu", **structure)[0], x[0], targets[0])
    assert not torch.allclose(flats[0].double(), other, rtol=1e-3, atol=2e-5)


def test_empty_rows_are_noticed_without_shares(three_networks, make_program):
    """Negative control: batch normalisation over all rows is not that over the samples."""
    networks = three_networks("tanh", normalization="batch", n_outputs=3)
    program = make_program(networks, N_ROWS)
    x, targets = random_batch(3, 3)
    flats = backward(program, x, targets, (N_ROWS,) * 3)
    _, _, expected = reference(networks[1], x[1, :4], targets[1, :4])
    assert not torch.allclose(flats[1].double(), expected, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda s: "-".join(map(str, s.values())))
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_module_computes_the_same_in_evaluation(
    three_networks, make_program, activation, structure
):
    """Without training, program and module give the same logits, by running statistics."""
    networks = three_networks(activation, **structure, dropout=0.5)
    for network in networks:
        if structure["normalization"] == "batch":
            network.statistics.add_(torch.rand(len(network.statistics)))
    program = make_program(networks, N_ROWS, training=False)
    program.x.copy_(random_batch(3, structure["n_outputs"])[0])
    program.forward()
    for i, network in enumerate(networks):
        module = plain_module(network).eval()
        logits = module(program.x[i].double()).detach()
        torch.testing.assert_close(program.logits[i].double(), logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_facts_about_activations(activation):
    """What the table says about zero, and each function, hold for torch's module."""
    entry = ACTIVATIONS[activation]
    at_zero = entry.module()(torch.zeros(1, 4))
    assert bool((at_zero == 0).all()) == entry.zero_at_zero
    z = torch.linspace(-30, 30, 61).view(1, -1)
    expected, out = entry.module()(z), torch.empty_like(z)
    entry.forward(z, out=out)
    torch.testing.assert_close(out, expected)
