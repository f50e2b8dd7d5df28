"""Shared by all tests: one cache of compiled kernels for the whole run, and seeded random numbers."""

import getpass
import os
import tempfile

import numpy as np
import pytest

if "NUMBA_CACHE_DIR" not in os.environ:  # before Numba is imported; child processes inherit it
    folder = f"calclearn-tests-{getpass.getuser()}"
    os.environ["NUMBA_CACHE_DIR"] = os.path.join(tempfile.gettempdir(), folder)
os.environ.setdefault("MPLBACKEND", "agg")


@pytest.fixture
def rng():
    return np.random.default_rng(0)
