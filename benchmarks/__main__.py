"""`python -m benchmarks`: set the threads of everybody before anything is imported, then run."""

import os
import sys

from . import ENVIRONMENT

if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
    os.environ.update(ENVIRONMENT)
    os.execv(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]])

from .run import main

main()
