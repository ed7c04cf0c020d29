"""An epoch is the same however it is cut, and has each sample once."""

import numpy as np
import pytest
import torch

from sknethp.training import chunks, evaluation
from sknethp.training.architecture import widest
from sknethp.training.chunks import EpochPlan
from sknethp.training.epoch import n_steps

MIXTURE = [
    {
        "seed": 0,
        "n_samples": 70,
        "dropout": 0.3,
        "optimizer": "adam",
        "weighted": True,
        "units": (48, 64),
    },
    {
        "seed": 1,
        "n_samples": 50,
        "dropout": (0.0, 0.5, 0.0),
        "optimizer": "nadam",
        "units": (48, 64),
    },
    {"seed": 2, "n_samples": 20, "optimizer": "nadam", "units": (32, 40)},
]


def new_mixture(make_candidate, **common):
    return [make_candidate(**spec, **common) for spec in MIXTURE]


@pytest.mark.parametrize("chunk_bytes", [1, 20_000])
@pytest.mark.parametrize("n", [1, 3])
def test_chunks_change_nothing(make_candidate, train_together, monkeypatch, chunk_bytes, n):
    """Trained a step or a few at a time the networks are the same, bit for bit."""
    whole, cut = (new_mixture(make_candidate, normalization="batch")[:n] for _ in range(2))
    expected = train_together(whole)
    monkeypatch.setattr(chunks, "_CHUNK_BYTES", chunk_bytes)
    results = train_together(cut)
    for i, (one, other) in enumerate(zip(whole, cut, strict=True)):
        assert torch.equal(one.network.parameters, other.network.parameters)
        losses = [[r.train.loss for r in found[i]] for found in (expected, results)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-6)


SAME_SEED = {
    "one rate": [{"dropout": 0.3}, {"dropout": 0.3, "lr": 0.01}, {"dropout": 0.3, "momentum": 0.5}],
    "rates": [{"dropout": 0.3}, {"dropout": 0.1}, {"dropout": (0.0, 0.5, 0.0)}],
    "widths": [{"dropout": 0.3, "units": (48, 64)}, {"dropout": 0.3, "units": (32, 40)}],
    "sizes": [{"dropout": 0.3, "n_samples": 37}, {"dropout": 0.3}, {"dropout": 0.3}],
    "data": [{"dropout": 0.3}, {"dropout": 0.3, "data_seed": 5}],
}


@pytest.mark.parametrize("specs", SAME_SEED.values(), ids=SAME_SEED)
def test_networks_of_one_seed_draw_once(make_candidate, train_together, train_alone, specs):
    """What equal streams share changes nothing, whatever the networks differ in."""
    together, alone = ([make_candidate(7, **spec) for spec in specs] for _ in range(2))
    train_together(together)
    train_alone(alone)
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one.network.parameters, other.network.parameters)


def test_noise_is_drawn_once_for_equal_streams_alone(make_candidate):
    """Networks of one seed have one array of bytes, those of other seeds have their own."""
    for seeds, n_arrays in (([4, 4, 4], 1), ([4, 4, 5], 3)):
        candidates = [make_candidate(seed, dropout=0.3) for seed in seeds]
        plan = EpochPlan([candidate.epoch(0) for candidate in candidates], torch.device("cpu"))
        architecture = widest([c.network.architecture for c in candidates])
        for chunk in plan.chunks(architecture):
            first, _ = chunk.noise([1, 2], architecture)
            assert first.shape[1] == n_arrays


@pytest.mark.parametrize("numbers", [4, 8])
def test_evaluation_in_pieces_changes_nothing(make_candidate, train_together, monkeypatch, numbers):
    """A validation part evaluated a few samples at a time has the same loss and logits."""
    whole, cut = (new_mixture(make_candidate) for _ in range(2))
    expected = train_together(whole, 1)
    monkeypatch.setattr(evaluation, "_MOST_ROWS", numbers)
    for (one,), (other,) in zip(train_together(cut, 1), expected, strict=True):
        ours, theirs = one.valid.measures, other.valid.measures
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-5)
        assert ours.scores == pytest.approx(theirs.scores)
        torch.testing.assert_close(one.valid.logits, other.valid.logits)


@pytest.mark.parametrize("sizes", [[32], [50, 37, 17], [64, 64], [5, 3, 1], [33, 32, 31, 16]])
def test_each_sample_is_in_one_batch(make_candidate, sizes):
    """Every network sees each of its samples once; all others have weight zero."""
    candidates = [make_candidate(i, n_samples=size) for i, size in enumerate(sizes)]
    plan = EpochPlan([candidate.epoch(0) for candidate in candidates], torch.device("cpu"))
    seen = [[] for _ in sizes]
    for chunk in plan.chunks(widest([c.network.architecture for c in candidates])):
        for s in range(chunk.n_steps):
            index, counts = plan.index(
                slice(chunk.steps.start + s, chunk.steps.start + s + 1), chunk.n, chunk.n_rows
            )
            weight = chunk.weight(s)
            for i in range(chunk.n):
                own = index[0, i, : counts[0, i]]
                seen[i].extend(own)
                if isinstance(weight, torch.Tensor):
                    expected = (np.arange(chunk.n_rows) < len(own)) / len(own)
                    np.testing.assert_allclose(weight[i, :, 0], expected, rtol=1e-6)
                else:
                    assert weight == 1 / len(own)
    for found, candidate in zip(seen, candidates, strict=True):
        assert sorted(found) == candidate.train.index.tolist()


def test_number_of_batches():
    """The ragged last batch counts."""
    assert [n_steps(n, 16) for n in (1, 16, 17, 32)] == [1, 1, 2, 2]
