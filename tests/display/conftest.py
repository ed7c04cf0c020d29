"""Plots are drawn without a screen, and closed."""

import pytest
from matplotlib import pyplot, rc_context


@pytest.fixture(autouse=True)
def closed_figures():
    with rc_context({"backend": "Agg", "figure.max_open_warning": 0}):
        yield
        pyplot.close("all")
