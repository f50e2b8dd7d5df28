"""What a system must have for some tests to say anything there."""

import os
import sys

import numpy  # noqa: F401, loads its BLAS
import pytest
from threadpoolctl import ThreadpoolController

forks = pytest.mark.skipif(
    not hasattr(os, "fork") or sys.platform == "darwin",
    reason="Windows has no fork, and Apple's own libraries do not survive one",
)
interrupts = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows sends Ctrl-C to a console, not to one process of it"
)
pins = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system does not let a process choose its CPUs"
)
blas = pytest.mark.skipif(
    sys.platform == "darwin" and not ThreadpoolController().select(user_api="blas").lib_controllers,
    reason="Apple's BLAS, which NumPy takes there, has no number of threads to set",
)
c_library = pytest.mark.skipif(
    sys.platform == "win32",
    reason="Windows has no one library of C's functions that every process has loaded",
)
