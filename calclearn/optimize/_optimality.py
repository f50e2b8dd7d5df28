"""What a minimiser answers: a `Solution`, and the certificate `Optimality` that a fitted estimator keeps."""

from dataclasses import dataclass, field, fields

import numpy as np

SUMMED = ("objective", "dual_objective", "duality_gap", "suboptimality_bound")
LARGEST = ("gradient_norm", "kkt_violation", "n_iter")
WORSE_WHEN_SMALL = frozenset({"rank", "smallest_curvature"})  # of the details; of all others, the largest


@dataclass(frozen=True, eq=False)
class Solution:
    """Where a minimiser stopped, and why.

    Attributes
    ----------
    x : ndarray of shape (p,)
        The last iterate; the best one where the minimisation diverged.
    value : float
        The objective at `x`.
    gradient : ndarray of shape (p,) or None
        The gradient at `x`; None for minimisers that only see noisy gradients.
    n_iter : int
        Steps taken.
    converged : bool
        Whether `reason` is one of convergence.
    reason : str
        Short and stable; :func:`calclearn.optimize.explain` gives the sentence.
    curve : list of float
        The objective at the start and after each step: ``n_iter + 1`` values.
    n_evaluations : int
        How often the objective's value was computed.
    hessian : ndarray of shape (p, p) or None
        The Hessian at `x`, where the minimiser happened to compute it.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.optimize import descend
    >>> class Bowl:
    ...     def value_gradient(self, x):
    ...         return 0.5 * float(x @ x), x
    >>> solution = descend(Bowl(), np.array([4.0]), "gradient_descent", max_iter=3)
    >>> solution.converged, solution.n_iter, len(solution.curve)
    (False, 3, 4)
    """

    x: np.ndarray
    value: float
    gradient: np.ndarray | None
    n_iter: int
    converged: bool
    reason: str
    curve: list[float]
    n_evaluations: int
    hessian: np.ndarray | None = field(default=None, repr=False)

    @property
    def gradient_norm(self):
        """Largest absolute component of the gradient."""
        return None if self.gradient is None else max_norm(self.gradient)


@dataclass(frozen=True, repr=False)
class Optimality:
    """How close to the optimum an estimator stopped, computed from the problem itself.

    What does not apply to a problem is None, and is left out when the record is printed.

    Attributes
    ----------
    objective : float
        The estimator's documented objective, in its own scale.
    dual_objective : float or None
        A lower bound of the optimum: the dual objective at a feasible dual point.
    duality_gap : float or None
        ``objective - dual_objective``; the optimum lies within it.
    suboptimality_bound : float or None
        Upper bound on ``objective - optimum`` from other sources, such as strong convexity.
    gradient_norm : float or None
        Largest absolute component of the objective's gradient.
    kkt_violation : float or None
        Largest violation of the optimality conditions, in units of the gradient.
    n_iter : int or None
        Iterations taken.
    converged : bool or None
        Whether the solver met its own tolerance.
    reason : str or None
        Why it stopped; :func:`calclearn.optimize.explain` gives the sentence.
    details : dict of str to float
        Further named numbers: ``condition_number``, ``rank``, ``newton_decrement`` ...
    problems : tuple of Optimality
        One record each, where the estimator solved several problems.

    Examples
    --------
    >>> print(Optimality(2.5, gradient_norm=3e-13, n_iter=5, converged=True, reason="gradient within tol"))
    Optimality
      objective      2.5
      gradient norm  3e-13
      iterations     5
      converged      yes (gradient within tol)
    """

    objective: float
    dual_objective: float | None = None
    duality_gap: float | None = None
    suboptimality_bound: float | None = None
    gradient_norm: float | None = None
    kkt_violation: float | None = None
    n_iter: int | None = None
    converged: bool | None = None
    reason: str | None = None
    details: dict[str, float] = field(default_factory=dict, hash=False)
    problems: "tuple[Optimality, ...]" = ()

    def __post_init__(self):
        # NumPy's scalars would bind a pickle to NumPy and spoil the printed record.
        for name in (*SUMMED, *LARGEST):
            number = getattr(self, name)
            if number is not None:
                object.__setattr__(self, name, int(number) if name == "n_iter" else float(number))
        if self.converged is not None:
            object.__setattr__(self, "converged", bool(self.converged))
        object.__setattr__(self, "details", {name: float(number) for name, number in self.details.items()})
        object.__setattr__(self, "problems", tuple(self.problems))

    @classmethod
    def merge(cls, problems):
        """One record for an estimator that solved several problems.

        Objectives, gaps and bounds are summed, and of all else the worst is kept.  What one problem cannot
        state, the whole cannot: it is None.

        Parameters
        ----------
        problems : sequence of Optimality
            At least one.

        Returns
        -------
        Optimality
            With `problems` inside; of a single problem, that record itself.
        """
        problems = tuple(problems)
        if not problems:
            raise ValueError("problems must hold at least one Optimality, got none")
        if len(problems) == 1:
            return problems[0]

        def gather(combine, numbers):
            return None if None in numbers else combine(numbers)

        columns = {name: [getattr(p, name) for p in problems] for name in (*SUMMED, *LARGEST, "converged")}
        shared = [name for name in problems[0].details if all(name in p.details for p in problems)]
        return cls(
            **{name: gather(sum, columns[name]) for name in SUMMED},
            **{name: gather(_largest, columns[name]) for name in LARGEST},
            converged=gather(all, columns["converged"]),
            reason=min(problems, key=lambda p: p.converged is not False).reason,  # the first that failed
            details={name: _worst(name, [p.details[name] for p in problems]) for name in shared},
            problems=problems,
        )

    def __repr__(self):
        stated = ((f.name, getattr(self, f.name)) for f in fields(self) if f.name != "problems")
        inside = [f"{name}={value!r}" for name, value in stated if value is not None and value != {}]
        if self.problems:
            inside.append(f"problems=<{len(self.problems)}>")
        return f"Optimality({', '.join(inside)})"

    def __str__(self):
        rows = [(name, getattr(self, name)) for name in (*SUMMED, *LARGEST[:-1])]
        rows += [*self.details.items(), ("iterations", self.n_iter)]
        lines = [(name.replace("_", " "), f"{number:.10g}") for name, number in rows if number is not None]
        if self.converged is not None:
            because = f" ({self.reason})" if self.reason else ""
            lines.append(("converged", ("yes" if self.converged else "no") + because))
        if self.problems:
            n_converged = sum(bool(p.converged) for p in self.problems)
            lines.append(("problems", f"{len(self.problems)} ({n_converged} converged)"))
        width = max(len(name) for name, _ in lines)
        return "\n".join(["Optimality", *(f"  {name:<{width}}  {text}" for name, text in lines)])


def max_norm(vector):
    """Largest absolute component, 0 for an empty vector; NaN where there is one."""
    return float(np.abs(vector).max(initial=0.0))


def _largest(numbers):
    return np.max(numbers).item()  # unlike the builtin, it lets a NaN through wherever it stands


def _worst(name, numbers):
    return np.min(numbers).item() if name in WORSE_WHEN_SMALL else _largest(numbers)
