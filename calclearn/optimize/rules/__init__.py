"""Update rules: what one parameter does with its gradient.

A rule is one formula, ``update(step, parameter, gradient, *state)``.  The loop over the parameters, `apply`,
is written once for all rules.
"""

from ._adam import Adam
from ._apply import apply
from ._contract import UpdateRule, get_rule, update_rule
from ._gradient_descent import GradientDescent
from ._momentum import Momentum

__all__ = ["Adam", "GradientDescent", "Momentum", "UpdateRule", "apply", "get_rule", "update_rule"]
