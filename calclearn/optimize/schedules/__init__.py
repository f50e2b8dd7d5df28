"""Schedules: how a learning rate changes while a minimisation goes on.

A schedule answers with a factor of the rule's learning rate.  Time is counted in iterations, as `max_iter`
is: a step of :func:`calclearn.optimize.descend`, an epoch where steps are taken on batches, and then with
fractions inside of the epoch.
"""

from ._adaptive import Adaptive
from ._contract import Clock, Schedule, get_schedule
from ._timed import Constant, Cosine, InverseScaling, OneCycle, Step
from ._warmup import Warmup

__all__ = [
    "Adaptive",
    "Clock",
    "Constant",
    "Cosine",
    "InverseScaling",
    "OneCycle",
    "Schedule",
    "Step",
    "Warmup",
    "get_schedule",
]
