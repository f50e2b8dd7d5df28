"""Update rules: what one parameter does with its gradient.

A rule is one formula, ``update(step, parameter, gradient, *state)``.  What all parameters share in a step may
be computed once, in ``prepare(step)``.  The loop over the parameters, `apply`, is written once for all rules.
"""

from ._adagrad import Adagrad
from ._adam import Adam
from ._adamw import AdamW
from ._amsgrad import AMSGrad
from ._apply import apply
from ._contract import UpdateRule, get_rule, update_rule
from ._gradient_descent import GradientDescent
from ._lion import Lion
from ._momentum import Momentum
from ._nadam import NAdam
from ._nesterov import Nesterov
from ._rmsprop import RMSprop

__all__ = [
    "AMSGrad",
    "Adagrad",
    "Adam",
    "AdamW",
    "GradientDescent",
    "Lion",
    "Momentum",
    "NAdam",
    "Nesterov",
    "RMSprop",
    "UpdateRule",
    "apply",
    "get_rule",
    "update_rule",
]
