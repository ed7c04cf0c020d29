"""Products round alike on any number of threads."""

import numpy as np
import pytest
import torch

from sknethp.training.rounding import Product
from sknethp.training.threads import torch_threads

SIZES = [
    (32, 1000, 64),
    (32, 8000, 64),
    (33, 2000, 100),
    (64, 500, 128),
    (8, 3000, 256),
    (256, 1500, 256),
    (1, 5000, 40),
    (600, 384, 17),
]


def factors(n, sizes, transposed):
    """Return random tensors for a product of `n` networks, and one to add."""
    n_rows, n_terms, n_columns = sizes
    rng = np.random.default_rng(0)
    shapes = (n_rows, n_terms), (n_terms, n_columns), (n_rows, n_columns)
    drawn = []
    for shape, is_transposed in zip(shapes, (*transposed, False), strict=True):
        stored = (n, *shape[::-1]) if is_transposed else (n, *shape)
        tensor = torch.from_numpy(rng.standard_normal(stored, np.float32))
        drawn.append(tensor.transpose(1, 2) if is_transposed else tensor)
    return drawn


def by_torch(n_threads, a, b, added):
    with torch_threads(n_threads):
        return torch.baddbmm(added, a, b)


def by_product(n_threads, a, b, added):
    out = a.new_empty(added.shape)
    with torch_threads(n_threads):
        Product(out, a, b, added)()
    return out


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True)], ids=str)
@pytest.mark.parametrize("n", [1, 2])
def test_products(n, transposed, sizes):
    a, b, c = factors(n, sizes, transposed)
    for added in c, c[:, :1].expand_as(c):
        expected = by_torch(1, a, b, added)
        torch.testing.assert_close(expected, added + a @ b, rtol=1e-4, atol=1e-3)
        for n_threads in 1, 2, 3, 4, 8:
            assert torch.equal(by_product(n_threads, a, b, added), expected), n_threads


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="other libraries share rows")
def test_torchs_own_products_differ():
    """Without which the test above would show nothing."""
    differ = 0
    for sizes in SIZES:
        tensors = factors(1, sizes, (False, False))
        expected = by_torch(1, *tensors)
        differ += any(not torch.equal(by_torch(n, *tensors), expected) for n in (2, 3, 4, 8))
    assert differ
