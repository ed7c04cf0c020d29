"""Data that many tests use."""

import pytest

from tests.helpers import BREAST_CANCER


@pytest.fixture(scope="session")
def data():
    return BREAST_CANCER
