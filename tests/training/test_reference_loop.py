"""Training agrees with an ordinary loop over the plain module and ``torch.optim``."""

import copy
from itertools import pairwise

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from sknethp.training.module import attach, build_module

N_EPOCHS = 3


def new_module(network):
    """Return the plain module with parameters of its own."""
    module = build_module(network.architecture, network.settings.dropout)
    attach(module, network)
    return copy.deepcopy(module).train()


def new_optimizer(module, settings, lr):
    matrices = [parameter for parameter in module.parameters() if parameter.ndim == 2]
    vectors = [parameter for parameter in module.parameters() if parameter.ndim == 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr, momentum=settings.momentum)
    return torch.optim.Adam(groups, lr, betas=(settings.momentum, settings.beta2))


def batch_loss(logits, targets, weight):
    """Mean over the batch, as with torch's losses, of weighted cross-entropies."""
    if logits.shape[1] == 1:
        losses = binary_cross_entropy_with_logits(logits, targets, reduction="none").squeeze(1)
    else:
        losses = cross_entropy(logits, targets, reduction="none")
    return (losses * weight).mean()


def drop_rounding_errors(module):
    """Zero the gradients of biases in front of batch normalisation, which are zero but for those.

    Adam would make whole steps of them.
    """
    for layer, following in pairwise(module):
        if isinstance(following, torch.nn.BatchNorm1d):
            layer.bias.grad.zero_()


def plain_training(candidate):
    """Train the module as anyone would, over the same batches; return it and the mean losses."""
    network, part = candidate.network, candidate.train
    streams = copy.deepcopy(network.streams)
    module = new_module(network)
    optimizer = new_optimizer(module, network.settings, candidate.schedule.lr)
    means = []
    for _ in range(N_EPOCHS):
        order = streams.shuffle.permutation(part.index) if network.settings.shuffle else part.index
        order = torch.from_numpy(order).long()
        total = 0.0
        for batch in order.split(network.settings.batch_size):
            weight = torch.ones(len(batch)) if part.weight is None else part.weight[batch]
            optimizer.zero_grad()
            loss = batch_loss(module(part.rows.dense[batch]), part.targets[batch], weight)
            loss.backward()
            drop_rounding_errors(module)
            optimizer.step()
            total += loss.item() * len(batch)
        means.append(total / len(part))
    return module, means


@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize(("optimizer", "momentum"), [("sgd", 0.0), ("sgd", 0.9), ("adam", 0.9)])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_plain_loop(
    make_candidate, train_together, optimizer, momentum, n_outputs, normalization, weighted
):
    """After three epochs the logits and losses are those of the plain loop."""
    common = {
        "optimizer": optimizer,
        "momentum": momentum,
        "n_outputs": n_outputs,
        "normalization": normalization,
        "weighted": weighted,
        "weight_decay": 0.01,
    }
    candidates = [make_candidate(seed, data_seed=seed, lr=0.02, **common) for seed in range(2)]
    plain = [plain_training(candidate) for candidate in candidates]
    results = train_together(candidates, N_EPOCHS)
    for candidate, (module, losses), result in zip(candidates, plain, results, strict=True):
        assert [epoch.train.loss for epoch in result] == pytest.approx(losses, rel=1e-4)
        valid = candidate.valid
        logits = module.eval()(valid.rows.dense[valid.index]).detach()
        torch.testing.assert_close(result[-1].valid.logits, logits, rtol=1e-3, atol=1e-4)
        own = new_module(candidate.network)
        for mine, theirs in zip(own.parameters(), module.parameters(), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_another_order_is_noticed(make_candidate, train_together):
    """Negative control: over the same samples in other batches the weights differ."""
    shuffled, ordered = (make_candidate(shuffle=shuffle) for shuffle in (True, False))
    module, _ = plain_training(shuffled)
    train_together([ordered], N_EPOCHS)
    own = new_module(ordered.network)
    assert not torch.allclose(own.output.weight, module.output.weight, rtol=1e-3, atol=1e-4)
