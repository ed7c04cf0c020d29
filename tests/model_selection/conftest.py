"""Real data, and what scikit-learn's own test cases need."""

import gzip
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[3] / "shared" / "data"


def pytest_configure(config):
    config.addinivalue_line("markers", "thread_unsafe: a mark of scikit-learn's own cases")


@pytest.fixture(scope="session")
def real():
    """Return a reader of real data, which skips a test where the file is absent."""

    def read(name, n_samples=None):
        path = FOLDER / f"{name}.csv.gz"
        if not path.exists():
            pytest.skip(f"no {path.name} beside the repository")
        with gzip.open(path, "rt") as file:
            rows = [line.strip().split(",") for line in file][1:]
        order = np.random.default_rng(0).permutation(len(rows))[:n_samples]
        table = np.array(rows)[order]
        return table[:, :-1].astype(float), table[:, -1]

    return read
