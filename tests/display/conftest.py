"""Plots are drawn without a screen, and closed."""

import matplotlib as mpl
import pytest


@pytest.fixture(autouse=True)
def closed_figures():
    with mpl.rc_context({"backend": "Agg", "figure.max_open_warning": 0}):
        yield
        mpl.pyplot.close("all")
