"""How a linear objective is minimised: the solver by its shape; and the certificate of where that ended."""

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.linalg
import scipy.sparse.linalg

from .._runtime.threads import blas_threads
from ..optimize import LBFGS, Newton, NewtonCG, Optimality
from ..optimize._optimality import max_norm
from ..optimize._stopping import CALLBACK, GRADIENT
from .dual_logistic import run_dual_logistic
from .duality import primal_dual
from .linear import LinearObjective
from .proximal import ProximalNewton, smallest_subgradient
from .reduction import Centred, Equilibrated, FewerColumns, Whitened, fewer_rows
from .sag import run_sag

NEWTON_COLUMNS = 1200  # beyond, a Hessian costs more than the gradients it saves
CURVATURE_SIZE = 2500  # beyond, the smallest eigenvalue is found by Lanczos' iteration
SMALL_SIZE = 150  # of several outputs: up to here a dense Hessian is the quickest
MARGIN = 1e-2  # "auto" aims below tol: one more step of a Newton method is cheap
BOUND = 1e-6  # of the objective, which its distance to the optimum should not be known to exceed
FIRST_STEPS = 30  # of L-BFGS on sparse data: often enough, and each of Newton's costs several products
VANISHED = 0.05  # of the objective at the start
FLAT = 1e-2  # slopes of the intercepts, in units of what the bound of `certify` lets pass
SUBSAMPLE = 10  # Newton's method starts from the optimum of every tenth row ...
ROWS_PER_COLUMN = 50  # ... where those are this many to a column: near enough for it to pay
WHITENED_COLUMNS = 50  # from which on a Hessian of all rows costs several gradients: then that of every
ROWS_TO_WHITEN = 20  # tenth row, if those are so many to a column, has to do, with some more gradients
SAMPLED = 1e-1  # gradient at which the search for the sample's own optimum ends: it is far off anyway
SOLVERS = {
    "lbfgs": LBFGS,
    "newton-cg": NewtonCG,
    "newton-cholesky": Newton,
    "proximal-newton": ProximalNewton,
}
RANDOM_SOLVERS: dict[str, Callable] = {
    "sag": run_sag,
    "saga": partial(run_sag, saga=True),
    "liblinear, dual": run_dual_logistic,
}


def solver_for(objective: LinearObjective) -> str:
    """The fastest solver for an objective of this shape."""
    if objective.kinked:
        return "proximal-newton"
    if objective.n_outputs is not None:
        return "newton-cholesky" if objective.size <= SMALL_SIZE else "newton-cg"
    columns = 200 if objective.design.sparse else NEWTON_COLUMNS
    return "newton-cholesky" if objective.p <= columns else "newton-cg"


def minimise(
    objective: LinearObjective, solver: str, start, *, tol, max_iter, progress=None, dual=False, rng=None
):
    """Minimise by the solver called `solver`, or for "auto" by the fastest for this shape.

    "auto" may take a smaller problem first: in as many columns as rows where those are fewer, or in a
    sample of rows that gives Newton's method its start.  `dual` is for "liblinear" alone; `rng` draws or
    orders the rows of the `RANDOM_SOLVERS`.

    Returns
    -------
    (Solution, ndarray)
        The solution, and the parameters to keep: those with the free intercepts at their best.
    """
    if not getattr(progress, "listening", True):
        progress = None
    if objective.kinked and solver not in ("auto", "saga"):
        solver = "proximal-newton"
    if objective.offset is not None and solver in RANDOM_SOLVERS:
        raise ValueError(f"the solver {solver!r} supports no offset; use 'auto'")
    if solver == "liblinear":  # its primal method is Newton's in a trust region (Lin, Weng and Keerthi, 2008)
        solver = "liblinear, dual" if dual else solver_for(objective)
    if solver != "auto":
        # products with X are shared between our own threads; for what is left BLAS's cost more than they gain
        with blas_threads(1):
            if solver in RANDOM_SOLVERS:
                run, options = RANDOM_SOLVERS[solver], {"rng": rng, "tol": tol, "max_iter": max_iter}
            else:
                run, options = SOLVERS[solver](tol=tol, max_iter=max_iter).minimise, {}
            solution = run(objective, start, progress=progress, **options)
            # the descents are slow in the intercept; Newton's and L-BFGS's are left where they stopped, so
            # that two fits of one step are a fit of two
            random = solver in RANDOM_SOLVERS and solution.n_iter
            return solution, objective.minimise_intercept(solution.x) if random else solution.x
    # "auto": aim lower, and count what the caller asked for
    solution, x = _fastest(objective, start, MARGIN * tol, max_iter, progress)
    if solution.converged:
        solution, x = _closer(objective, solution, x, max_iter, progress)
    if not solution.converged and solution.gradient is not None and max_norm(solution.gradient) <= tol:
        solution = dataclasses.replace(solution, converged=True, reason=GRADIENT)
    return solution, x


def _closer(objective, solution, x, max_iter, progress):
    """Go on where the penalty is so weak that a small gradient says little about the objective.

    That is so where the losses have nearly vanished, and their curvature with them: a flat slope may be a
    long one.  Then until the bound of :func:`certify` is small beside the objective.
    """
    gradient, left = solution.gradient, max_iter - solution.n_iter
    if gradient is None or not objective.l2 > 0 or objective.kinked or not objective.convex or left < 1:
        return solution, x
    if not 0 <= solution.value <= VANISHED * solution.curve[0]:
        return solution, x
    enough = 2.0 * objective.l2 * BOUND * abs(solution.value)
    if not enough > 0 or gradient @ gradient <= enough:
        return solution, x
    heard = _continued(progress, solution)
    further, z = _fastest(objective, x, float(np.sqrt(enough / objective.size)), left, heard)
    if not further.value <= solution.value:
        return solution, x
    return dataclasses.replace(
        _joined(solution, further),
        converged=further.converged or further.reason != CALLBACK,
        reason=further.reason if further.converged or further.reason == CALLBACK else solution.reason,
    ), z


def _continued(progress, solution):
    """`progress` for iterations that follow those of `solution`."""
    done = solution.n_iter
    return progress and (lambda i, value, x: progress(done + i, value, x))


def _joined(first, second):
    """The second solution, begun where the first one ended, as one."""
    return dataclasses.replace(
        second,
        n_iter=first.n_iter + second.n_iter,
        curve=first.curve + second.curve[1:],
        n_evaluations=first.n_evaluations + second.n_evaluations,
    )


def _fastest(objective, start, tol, max_iter, progress):
    reduction = reduction_for(objective)
    if reduction is not None:
        reduced = reduction(objective)
        lifted = progress and (lambda i, value, x: progress(i, value, reduced.lift(x)))
        solution, x = _fastest(reduced.small, reduced.project(start), tol, max_iter, lifted)
        return solution, reduced.lift(x)
    name = solver_for(objective)
    scaled = None
    if name == "newton-cg" and objective.design.sparse:
        scaled = Equilibrated(objective, start)
    elif name in ("newton-cholesky", "proximal-newton"):
        whiten = _can_whiten(objective, name)
        if _can_sample(objective, ROWS_TO_WHITEN if whiten else ROWS_PER_COLUMN):
            start, sample = _start_from_sample(objective, start, max(tol, SAMPLED if whiten else 0.0))
            if whiten and sample is not None:
                scaled = _whitened(objective, start, sample)
    find = minimise if scaled is None else partial(_with_first_steps, scaled=scaled)
    solution, x = find(objective, name, start, tol=tol, max_iter=max_iter, progress=progress)
    slopes = objective.unpack(solution.gradient)[1]
    level = max_norm(slopes) <= FLAT * np.sqrt(objective.noise)
    return solution, x if level else objective.minimise_intercept(x)


def _with_first_steps(objective, solver, start, *, scaled, tol, max_iter, progress):
    """L-BFGS in the variables of `scaled`, and `solver` only where a few steps of it are not enough."""
    lifted = progress and (lambda i, value, z: progress(i, value, scaled.lift(z)))
    search = LBFGS(tol=tol, max_iter=min(FIRST_STEPS, max_iter))
    with blas_threads(1):
        first = scaled.lifted(search.minimise(scaled, scaled.project(start), progress=lifted))
    left = max_iter - first.n_iter
    if first.converged or first.reason == CALLBACK or not left:
        return first, first.x
    second, x = minimise(
        objective, solver, first.x, tol=tol, max_iter=left, progress=_continued(progress, first)
    )
    return _joined(first, second), x


def reduction_for(objective):
    """What makes the problem smaller, or better conditioned, for "auto"; None where nothing does."""
    if Centred.helps(objective):
        return Centred
    wide = not objective.design.sparse and objective.p > objective.n and objective.l2 > 0 and objective.convex
    # an L1 penalty depends on the axes
    return FewerColumns if wide and not objective.kinked else None


def _start_from_sample(objective, start, tol):
    """`(start, sample)`: the optimum of every tenth row, where that is better than `start` is for them."""
    sample = fewer_rows(objective, SUBSAMPLE)
    if sample is None:
        return start, None
    with blas_threads(1), np.errstate(all="ignore"):
        solver = ProximalNewton if objective.kinked else Newton
        x = solver(tol=max(tol, 1e-4), max_iter=20).minimise(sample, start).x
        value = objective.value_gradient(x)[0] + objective.kinks(x)  # which the solver asks for next
        return x if value < sample.penalised_value(start) else start, sample


def _whitened(objective, start, sample):
    """Variables in which the Hessian of a sample of the rows is the identity; None where it is singular."""
    with blas_threads(1):
        try:
            return Whitened(objective, start, sample.hessian(start))
        except (np.linalg.LinAlgError, ValueError):
            return None


def _can_sample(objective, rows_per_column) -> bool:
    enough = objective.n >= SUBSAMPLE * rows_per_column * objective.size
    return objective.convex and not objective.design.sparse and enough


def _can_whiten(objective, name) -> bool:
    """Whether Hessians of all rows cost so much more than gradients that one of a sample is to do."""
    return name == "newton-cholesky" and objective.p >= WHITENED_COLUMNS and objective.n_outputs is None


@blas_threads(1)
def certify(objective: LinearObjective, solution, x, *, scale=1.0) -> Optimality:
    r"""How far `x` is from the optimum, computed from the problem.

    With a convex loss and a penalty on the coefficients, F is strongly convex in them after the free
    intercept is minimised away, hence :math:`F - F^* \le \|g\|^2 / 2\alpha`
    (docs/derivations/linear-models.md, equation (6)).

    Parameters
    ----------
    objective : LinearObjective
    solution : Solution
        For its number of iterations and its reason to stop, nothing else.
    x : ndarray of shape (size,)
        The parameters that the estimator keeps; the intercept minimised, where it is free.
    scale : float
        The estimator's documented objective is `scale` times F.

    Returns
    -------
    Optimality
    """
    value, gradient = objective.value_gradient(x)
    if objective.kinked:
        return _certify_kinked(objective, solution, x, gradient, scale)
    bound, details = None, {}
    if objective.convex and objective.l2 > 0:
        strength = objective.l2
        if objective.intercept and objective.l2_intercept:
            strength = min(strength, objective.l2_intercept)
        bound = _strong_convexity_bound(objective, x, value, gradient, strength)
    elif objective.convex:
        details = _newton_decrement(objective, x, gradient, scale)
    else:
        details = _smallest_curvature(objective, x)
    return Optimality(
        objective=scale * value,
        gradient_norm=scale * max_norm(gradient),
        suboptimality_bound=None if bound is None else scale * bound,
        n_iter=solution.n_iter,
        converged=solution.converged,
        reason=solution.reason,
        details=details,
    )


def _strong_convexity_bound(objective, x, value, gradient, strength):
    """The bound, which holds for the best intercept, and what another intercept loses."""
    excess = 0.0
    if objective.intercept and not objective.l2_intercept:
        of_intercept, small = (objective.n_outputs or 1, -1), np.sqrt(objective.noise)
        if not max_norm(gradient.reshape(of_intercept)[:, -1]) <= small:
            best, gradient = objective.value_gradient(objective.minimise_intercept(x))
            excess = max(0.0, value - best)
            if not max_norm(gradient.reshape(of_intercept)[:, -1]) <= small:
                return None
    return excess + float(gradient @ gradient) / (2.0 * strength)


def _certify_kinked(objective, solution, x, gradient, scale):
    """With an L1 penalty or bounds: the duality gap, for a convex loss, and the smallest subgradient."""
    value, dual = primal_dual(objective, x)
    violation = max_norm(smallest_subgradient(objective, x, gradient))
    return Optimality(
        objective=scale * value,
        dual_objective=None if dual is None else scale * dual,
        duality_gap=None if dual is None else scale * (value - dual),
        gradient_norm=scale * violation,
        kkt_violation=scale * violation,
        n_iter=solution.n_iter,
        converged=solution.converged,
        reason=solution.reason,
    )


def _newton_decrement(objective, x, gradient, scale):
    """The square root of gᵀH⁻¹g: half its square estimates the distance to the optimum."""
    if objective.size > CURVATURE_SIZE:
        return {}
    H = objective.hessian(x)
    if not (np.isfinite(H).all() and np.isfinite(gradient).all()):
        return {}
    step = scipy.linalg.lstsq(H, gradient, lapack_driver="gelsy")[0]
    if max_norm(H @ step - gradient) > 0.1 * max_norm(gradient):  # a slope where there is no curvature
        return {}
    return {"newton_decrement": float(np.sqrt(scale * max(0.0, gradient @ step)))}


def _smallest_curvature(objective, x):
    """The Hessian's smallest eigenvalue: not negative at a local minimum."""
    if objective.size <= CURVATURE_SIZE:
        H = objective.hessian(x)
        if not np.isfinite(H).all():
            return {}
        smallest = scipy.linalg.eigvalsh(H, subset_by_index=(0, 0))[0]
    else:
        product = scipy.sparse.linalg.LinearOperator(
            (objective.size,) * 2, matvec=objective.hessian_product(x), dtype=np.float64
        )
        smallest = scipy.sparse.linalg.eigsh(
            product, k=1, which="SA", v0=np.ones(objective.size), return_eigenvectors=False
        )[0]
    return {"smallest_curvature": float(smallest)}
