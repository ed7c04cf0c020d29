"""One thread of BLAS for each process of the tests, and data that many tests use."""

import os

# Tests run side by side, on small matrices, for which threads of BLAS wait for each other longer
# than they compute. Processes that a test starts have it, too.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest

from sknethp.training.threads import torch_threads
from tests.helpers import BREAST_CANCER


@pytest.fixture(scope="session")
def data():
    return BREAST_CANCER


@pytest.fixture
def one_thread():
    """Threads of torch beside other tests wait for each other; the results are the same."""
    with torch_threads(1):
        yield
