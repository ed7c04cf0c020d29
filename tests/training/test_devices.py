"""Training on another device, which torch's meta device stands for: it has shapes but no numbers.

Every operation must get its tensors from one device, as a GPU requires, and none may need float64,
which Apple's do not have; what comes back to the CPU is filled with zeros.
"""

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from sknethp.training.grouping import plan
from sknethp.training.population import Population
from sknethp.training.rows import Rows
from tests.training.test_population import MIXTURES

META = torch.device("meta")
# The mixtures that between them have every operation.
NAMES = [
    name
    for name in MIXTURES
    if name.endswith(
        ("everything", "own columns", "optimizers", "normalisation", "dropout", "weights")
    )
]
MAY_MIX = (torch.Tensor.copy_, torch.Tensor.__getitem__, torch.Tensor.__setitem__)


def on(kind, values):
    return any(isinstance(v, torch.Tensor) and v.dim() and v.device.type == kind for v in values)


class Strict(TorchFunctionMode):
    """Allows what a GPU allows, and fills what is copied back to the CPU with zeros."""

    def __init__(self):
        super().__init__()
        self.n_on_device = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        leaves = tree_leaves((args, kwargs))
        first = args[0] if args and isinstance(args[0], torch.Tensor) else None
        if function in (torch.Tensor.cpu, torch.Tensor.tolist) and first.is_meta:
            zeros = torch.zeros(first.shape, dtype=first.dtype)
            return zeros if function is torch.Tensor.cpu else zeros.tolist()
        if function is torch.Tensor.__bool__ and first.is_meta:
            return False
        if function is torch.Tensor.copy_ and args[1].is_meta and not first.is_meta:
            return first
        if on("meta", leaves):
            self.n_on_device += 1
            may_mix = function in MAY_MIX and first.is_meta
            assert may_mix or not on("cpu", leaves), f"{function} mixes devices"
        result = function(*args, **kwargs)
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor) and value.is_meta:
                assert value.dtype != torch.float64, f"{function} needs float64"
        return result


def run_on_meta(candidates, strict):
    epochs = [candidate.epoch(0) for candidate in candidates]
    for epoch in epochs:
        epoch.device = META
    results = []
    with strict:
        for group in plan(epochs):
            members = [epochs[i] for i in group]
            population = Population([epoch.network for epoch in members], META)
            results += population.run(members)
    return results


@pytest.mark.parametrize("mixture", NAMES)
def test_every_operation_has_its_tensors_on_the_device(make_candidate, mixture):
    candidates = [make_candidate(**settings) for settings in MIXTURES[mixture]]
    strict = Strict()
    results = run_on_meta(candidates, strict)
    assert len(results) == len(candidates)
    assert strict.n_on_device > 100


def test_data_on_the_cpu_is_noticed(make_candidate, monkeypatch):
    monkeypatch.setattr(Rows, "on", lambda self, device: self)
    with pytest.raises(AssertionError, match="mixes devices"):
        run_on_meta([make_candidate()], Strict())


def test_equal_tables_are_copied_once(make_candidate, monkeypatch):
    copied, copy = [], Rows.on

    def counted(rows, device):
        copied.append(rows)
        return copy(rows, device)

    monkeypatch.setattr(Rows, "on", counted)
    one, other = make_candidate(), make_candidate(seed=1)
    other.train, other.valid = one.train, one.valid
    run_on_meta([one, other], Strict())
    assert 1 <= len(copied) == len(set(map(id, copied)))
