"""One thread of BLAS and OpenMP for each process of the tests, and data that many tests use."""

import os
import signal

# Tests run side by side, on small matrices, for which threads wait for each other longer than they
# compute: scikit-learn's logistic regression of iris takes 60 times as long on a busy machine, and
# torch beside it. Processes that a test starts have it, too; tests of threads set their number.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from tests.helpers import BREAST_CANCER


@pytest.fixture(scope="session")
def data():
    return BREAST_CANCER


@pytest.fixture
def can_be_interrupted():
    """SIGINT is ignored in a shell's background, where it would not arrive."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
