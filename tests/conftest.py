"""One thread of BLAS for each process of the tests, and data that many tests use."""

import os
import signal

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


@pytest.fixture
def can_be_interrupted():
    """SIGINT is ignored in a shell's background, where it would not arrive."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
