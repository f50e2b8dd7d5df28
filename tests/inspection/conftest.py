"""Shared by the tests of pictures: figures are drawn without a screen, and closed."""

import pytest
from matplotlib import pyplot


@pytest.fixture(autouse=True)
def _figures_are_closed():
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")
