"""Samples are gathered alike from dense arrays and CSR matrices."""

import numpy as np
import pytest
import torch
from scipy import sparse

from sknethp.training.chunks import Gather
from sknethp.training.rows import Part, Rows


def random_table(dtype=np.float32):
    X = np.random.default_rng(0).standard_normal((12, 5)).astype(dtype)
    X[np.random.default_rng(1).random(X.shape) < 0.6] = 0
    return X


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "kind", [np.asarray, sparse.csr_matrix, sparse.csr_array, sparse.coo_array]
)
@pytest.mark.parametrize("index", [[0, 3, 3, 11], [5], list(range(12))])
def test_dense_and_sparse_agree(dtype, kind, index):
    """Gathered rows are those of the table, in float32, with repeats."""
    X = random_table(dtype)
    out = torch.full((len(index), 5), np.nan)
    rows = Rows(kind(X))
    rows.gather(torch.tensor(index, dtype=torch.int32), out)
    np.testing.assert_array_equal(out.numpy(), X[index].astype(np.float32))
    assert rows.shape == X.shape


def test_what_is_given_is_left_alone():
    """A read-only or Fortran-ordered table is no obstacle, and is not changed."""
    X = np.asfortranarray(random_table())
    X.flags.writeable = False
    out = torch.empty(2, 5)
    Rows(X).gather(torch.tensor([1, 2], dtype=torch.int32), out)
    np.testing.assert_array_equal(out.numpy(), X[[1, 2]])


def test_a_float32_table_is_not_copied():
    """Memory holds contiguous float32 data once."""
    X = random_table()
    assert Rows(X).dense.data_ptr() == X.ctypes.data


def make_part(rows, offset):
    targets = torch.arange(offset, offset + 12, dtype=torch.float32).view(-1, 1)
    return Part(rows, targets, np.arange(12, dtype=np.int32))


@pytest.mark.parametrize("alike", [False, True])
def test_each_network_gets_its_own_samples_and_targets(alike):
    """Networks may share rows, targets, orders or nothing; dense and sparse stand side by side."""
    shared, other = Rows(random_table()), Rows(sparse.csr_matrix(2 * random_table()))
    offsets, factors = (0, 100, 0, 200), (1, 1, 1, 2)
    parts = [make_part(shared, 0), make_part(shared, 100), make_part(shared, 0)]
    parts.append(make_part(other, 200))
    parts[2].targets = parts[0].targets
    index = torch.randint(0, 12, (4, 4, 6), generator=torch.Generator().manual_seed(0)).int()
    orders = [np.empty(0) for _ in parts]
    if alike:
        index[:, 1] = index[:, 2] = index[:, 0]
        orders[1] = orders[2] = orders[0]
    gather = Gather(parts, orders, index)
    out = torch.empty(4, 6, 5)
    for s in range(4):
        gather.rows(s, out)
        for i, factor in enumerate(factors):
            np.testing.assert_array_equal(out[i], factor * random_table()[index[s, i]])
    expected = index + torch.tensor(offsets).view(-1, 1)
    assert torch.equal(gather.targets().squeeze(-1), expected.float())


def test_training_on_sparse_data_is_training_on_dense(make_candidate, train_alone):
    """A network ends up the same, bit for bit, from either kind of table."""
    dense, as_csr = (make_candidate() for _ in range(2))
    as_csr.train.rows = Rows(sparse.csr_matrix(as_csr.train.rows.dense.numpy()))
    train_alone([dense, as_csr])
    assert torch.equal(dense.network.parameters, as_csr.network.parameters)
