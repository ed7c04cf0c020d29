"""One thread of BLAS for each process of the tests, and data that many tests use."""

import os

# Tests run side by side, on small matrices, for which threads of BLAS wait for each other longer
# than they compute. Processes that a test starts have it, too.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
import torch

from tests.helpers import BREAST_CANCER


@pytest.fixture(scope="session")
def data():
    return BREAST_CANCER


@pytest.fixture
def one_thread():
    """Threads of torch beside other tests wait for each other; the results are the same."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)
