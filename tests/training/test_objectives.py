"""Losses, their gradients and label smoothing agree with torch's."""

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot

from sknethp.training.objectives import BinaryCrossEntropy, CrossEntropy, classification

# Two classes may also have a softmax unit each.
OBJECTIVES = [classification(2), classification(3), classification(5), CrossEntropy(2)]


def objective_of(n_outputs):
    return BinaryCrossEntropy() if n_outputs == 1 else CrossEntropy(n_outputs)


def random_logits(n_outputs):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 50, n_outputs, generator=generator)
    classes = torch.randint(0, max(2, n_outputs), (2, 50), generator=generator)
    targets = classes.unsqueeze(-1) if n_outputs == 1 else one_hot(classes, n_outputs)
    return logits, targets.float(), classes


def torch_losses(logits, targets, classes, smoothing):
    """Return torch's loss of each sample, with its own smoothing where it has one."""
    if logits.shape[-1] == 1:
        soft = targets * (1 - smoothing) + smoothing / 2
        return binary_cross_entropy_with_logits(logits, soft, reduction="none").squeeze(-1)
    flat = cross_entropy(
        logits.flatten(0, 1), classes.flatten(), reduction="none", label_smoothing=smoothing
    )
    return flat.view(classes.shape)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("n_outputs", [1, 2, 3])
def test_loss_and_gradient(n_outputs, smoothing):
    """The loss of each sample and its weighted gradient are torch's."""
    logits, targets, classes = random_logits(n_outputs)
    weight = torch.rand(2, 50, 1)
    objective = objective_of(n_outputs)
    soft = objective.smoothed(targets, torch.tensor(smoothing))
    leaf = logits.clone().requires_grad_()
    expected = torch_losses(leaf, targets, classes, smoothing)
    (expected * weight.squeeze(-1)).sum().backward()
    gradient = torch.empty_like(logits)
    objective.write_gradient(logits, soft, weight, gradient)
    torch.testing.assert_close(objective.sample_losses(logits, soft), expected.detach())
    torch.testing.assert_close(gradient, leaf.grad)


@pytest.mark.parametrize("smoothing", [0.0, 0.5])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_hits(n_outputs, smoothing):
    """A hit is a sample whose most probable class is its own, smoothed or not."""
    logits, targets, classes = random_logits(n_outputs)
    predicted = (logits > 0).squeeze(-1) if n_outputs == 1 else logits.argmax(-1)
    objective = objective_of(n_outputs)
    soft = objective.smoothed(targets, torch.tensor(smoothing))
    (hits,) = objective.sample_scores(logits, soft)
    assert torch.equal(hits, predicted == classes)


def test_large_logits_stay_finite():
    """Certain answers have a finite loss."""
    for n_outputs in (1, 3):
        logits, targets, _ = random_logits(n_outputs)
        assert torch.isfinite(objective_of(n_outputs).sample_losses(1e4 * logits, targets)).all()


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_the_gradient_is_that_of_the_losses(objective):
    """Each gradient is the slope of the sample's loss, by finite differences, times its weight."""
    logits = 3 * torch.randn(50, objective.n_outputs, dtype=torch.float64)
    targets = torch.from_numpy(objective.encode(np.arange(50) % objective.n_classes)).double()
    soft = objective.smoothed(targets, torch.tensor(0.1))
    weight, gradient = torch.rand(50, 1), torch.empty_like(logits)
    objective.write_gradient(logits, soft, weight, gradient)
    for output, step in enumerate(1e-5 * torch.eye(objective.n_outputs, dtype=torch.float64)):
        above, below = (objective.sample_losses(logits + s, soft) for s in (step, -step))
        slope = weight.squeeze(1) * (above - below) / 2e-5
        torch.testing.assert_close(gradient[:, output], slope, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_what_is_encoded_is_decoded(objective):
    """Logits that are high at the targets give back the classes, and probabilities near one."""
    y = np.arange(20) % objective.n_classes
    targets = torch.from_numpy(objective.encode(y))
    assert targets.shape == (20, objective.n_outputs)
    logits = 40 * (targets - 0.5)
    np.testing.assert_array_equal(objective.decode(logits.numpy()), y)
    probabilities = objective.probabilities(logits)
    assert probabilities.shape == (20, objective.n_classes)
    np.testing.assert_allclose(probabilities[np.arange(20), y], 1, atol=1e-6)
    torch.testing.assert_close(objective.log_probabilities(logits).exp(), probabilities)
    criterion = objective.criterion(reduction="none")
    losses = criterion(logits, objective.criterion_targets(targets)).view(20)
    torch.testing.assert_close(losses, objective.sample_losses(logits, targets))
