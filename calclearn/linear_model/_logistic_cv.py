"""Logistic regression whose penalty is chosen by cross-validation, on warm-started paths."""

import inspect
import warnings
from numbers import Number
from typing import ClassVar, NamedTuple

import numpy as np
from joblib import effective_n_jobs
from scipy.sparse import issparse
from sklearn.metrics import get_scorer, get_scorer_names, make_scorer
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state, metadata_routing
from sklearn.utils._param_validation import Hidden
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _manual_routing,
    _raise_for_params,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params, _deprecate_positional_args

from .._objectives.reduction import FewerColumns
from .._objectives.solving import certify, minimise, reduction_for
from ..base import Integral, Interval, StrOptions, classes_and_codes, fitting, thread_count, validate
from ..optimize import Optimality, Solution
from ._logistic import LogisticRegression
from ._logistic_problem import (
    LogisticProblem,
    advice,
    check_classes,
    check_range,
    check_solver,
    row_weights,
)


class Data(NamedTuple):
    """What the paths of all folds share."""

    X: np.ndarray
    y: np.ndarray
    codes: np.ndarray
    weight: np.ndarray | None  # class weights included
    classes: np.ndarray


class Path(NamedTuple):
    """The fits of one fold: arrays of shape (n_l1_ratios, n_cs, ...)."""

    coefs: np.ndarray
    scores: np.ndarray
    n_iter: np.ndarray
    failed: list[Solution]


class LogisticRegressionCV(LogisticRegression):
    r"""Logistic regression with `C` and `l1_ratio` chosen by cross-validation.

    For each fold and `l1_ratio` the objective of :class:`LogisticRegression` is minimised for all `Cs`, each
    from the optimum of the one before ("liblinear": from zero).  The pair with the best mean score is
    fitted on all rows.

    Parameters
    ----------
    Cs : int or array-like of shape (n_cs,), default=10
        Inverse strengths of the penalty; a number stands for that many from 1e-4 to 1e4, evenly spaced in
        their logarithms.
    l1_ratios : array-like of shape (n_l1_ratios,), default=None
        Shares of the L1 penalty, from 0 to 1.  None, which is deprecated, is the L2 penalty.
    fit_intercept : bool, default=True
        Whether the intercepts are free, or zero.
    cv : int, cross-validation generator or iterable, default=None
        How the rows are split; None is 5 stratified folds.
    dual : bool, default=False
        Solve the dual problem, by coordinate descent; for ``solver="liblinear"`` only.
    penalty : {"l2", "l1", "elasticnet"}, default="deprecated"
        Deprecated in scikit-learn 1.8: use `l1_ratios` and `Cs`.
    scoring : str, callable or None, default=None
        What is best; None is the accuracy.  The default will be "neg_log_loss" in scikit-learn 1.11.
    solver : {"auto", "lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"}, default="auto"
        As of :class:`LogisticRegression`.
    tol : float, default=1e-4
        As of :class:`LogisticRegression`, for each of the fits.
    max_iter : int, default=100
        Most iterations of each of the fits.
    class_weight : dict or "balanced", default=None
        Weights of the classes, which multiply the sample weights; "balanced" counts all rows, not a fold's.
    n_jobs : int or None, default=None
        Folds that are fitted at a time.  With one, each fit takes the threads that the process may use.
    verbose : int, default=0
        Print the objective after each iteration of the last fit.
    refit : bool, default=True
        Fit the best pair on all rows; else the best fits of the folds are averaged.
    intercept_scaling : float, default=1.0
        As of :class:`LogisticRegression`.
    random_state : int, RandomState instance or None, default=None
        Draws the rows of "sag" and "saga", and orders those of "liblinear" in the dual.
    use_legacy_attributes : bool, default=True
        Whether the attributes below have scikit-learn's older shapes.  The default will be False in
        scikit-learn 1.10.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients of the decision function.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Its constants.
    Cs_ : ndarray of shape (n_cs,)
        The inverse strengths that were tried.
    l1_ratios_ : ndarray of shape (n_l1_ratios,)
        The shares of L1 that were tried; ``[None]`` for None.
    C_, l1_ratio_ : float
        The chosen ones; with ``refit=False`` the means over the folds.
        Legacy: arrays of shape (n_classes,), or (1,) for two classes, of that one number.
    coefs_paths_ : ndarray of shape (n_folds, n_l1_ratios, n_cs, n_classes, n_features + fit_intercept)
        Coefficients of all fits, intercepts last; one class where there are two.
        Legacy: a dict from classes to arrays of shape (n_folds, n_cs, n_l1_ratios, ...), without the
        dimension of `l1_ratios` where that is None.
    scores_ : ndarray of shape (n_folds, n_l1_ratios, n_cs)
        Scores on the rows left out.
        Legacy: a dict from classes to arrays of shape (n_folds, n_cs, n_l1_ratios), as above.
    n_iter_ : ndarray of shape (n_folds, n_l1_ratios, n_cs)
        Iterations taken.  Legacy: of shape (1, n_folds, n_cs, n_l1_ratios), as above.
    optimality_ : Optimality
        How far from the optimum of the chosen problem on all rows the coefficients are.
    loss_curve_ : list of float
        The objective at the start and after each iteration of the last fit.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    LogisticRegression : The same for one `C`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from calclearn.linear_model import LogisticRegressionCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegressionCV(l1_ratios=(0,), scoring="neg_log_loss", use_legacy_attributes=False)
    >>> model.fit(X, y).scores_.shape, model.Cs_[3:6].round(2).tolist()
    ((5, 1, 10), [0.05, 0.36, 2.78])
    >>> model.predict(X[:2]).tolist(), round(model.score(X, y), 2)
    ([0, 0], -0.04)
    """

    # the sample weights of `score` are the scorer's: not requested from this estimator
    __metadata_request__score: ClassVar[dict] = {"sample_weight": metadata_routing.UNUSED}
    _parameter_constraints: ClassVar[dict] = {
        name: allowed
        for name, allowed in LogisticRegression._parameter_constraints.items()
        if name not in ("C", "warm_start", "l1_ratio")
    } | {
        "Cs": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "l1_ratios": ["array-like", None, Hidden(StrOptions({"warn"}))],
        "cv": ["cv_object"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None, Hidden(StrOptions({"warn"}))],
        "refit": ["boolean"],
        "penalty": [StrOptions({"l1", "l2", "elasticnet"}), Hidden(StrOptions({"deprecated"}))],
        "use_legacy_attributes": ["boolean", Hidden(StrOptions({"warn"}))],
    }

    def __init__(
        self,
        *,
        Cs=10,
        l1_ratios="warn",
        fit_intercept=True,
        cv=None,
        dual=False,
        penalty="deprecated",
        scoring="warn",
        solver="auto",
        tol=1e-4,
        max_iter=100,
        class_weight=None,
        n_jobs=None,
        verbose=0,
        refit=True,
        intercept_scaling=1.0,
        random_state=None,
        use_legacy_attributes="warn",
    ):
        self.Cs = Cs
        self.l1_ratios = l1_ratios
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.dual = dual
        self.penalty = penalty
        self.scoring = scoring
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.refit = refit
        self.intercept_scaling = intercept_scaling
        self.random_state = random_state
        self.use_legacy_attributes = use_legacy_attributes

    @fitting
    def fit(self, X, y, sample_weight=None, **params):
        """Fit all folds and pairs, and the best one on all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 is kept.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows, in the fits and in the scores.
        **params : dict
            Metadata for the splitter and the scorer.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters or data, or a penalty that the solver does not support.
        """
        _raise_for_params(params, self, "fit")
        ratios, tried, scoring, legacy = self._settings()
        X, y = validate(self, X, y)
        classes, codes = classes_and_codes(y)
        check_classes(classes, self.solver)
        check_range(X, self.solver)
        if isinstance(self.class_weight, dict) and not set(self.class_weight) <= set(classes):
            raise ValueError(
                "The given class_weight dict must have the class labels as keys; "
                f"classes={classes} but key={self.class_weight.keys()}"
            )
        weight = row_weights(sample_weight, self.class_weight, X, y, classes, codes)
        data = Data(X.tocsr() if issparse(X) else X, y, codes, weight, classes)
        routed = self._routed("fit", sample_weight, params)
        score = _Score(scoring, classes, sample_weight, routed.scorer.score)
        cv = check_cv(self.cv, y, classifier=True)
        folds = list(cv.split(X, y, **routed.splitter.split))
        Cs = np.logspace(-4, 4, self.Cs) if isinstance(self.Cs, Integral) else np.asarray(self.Cs, float)
        if not (Cs > 0).all():
            raise ValueError(f"Cs must be positive, got {self.Cs!r}")

        several = effective_n_jobs(self.n_jobs) > 1
        n_threads = 1 if several else thread_count(None)
        rng = self.random_state if isinstance(self.random_state, Integral) else None
        rng = rng if rng is not None else check_random_state(self.random_state).randint(2**31 - 1)
        paths = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(_fit_path)(self, data, train, test, Cs, ratios, score, n_threads, rng)
            for train, test in folds
        )
        self._keep(paths, classes, Cs, tried, legacy=legacy, squeeze=tried == [None])
        self._refit(data, paths, Cs, ratios, tried, rng, legacy=legacy)
        failed = [solution for path in paths for solution in path.failed]
        if failed:
            self._warn_unless_converged(
                Optimality(
                    failed[0].value, n_iter=failed[0].n_iter, converged=False, reason=failed[0].reason
                ),
                f"So it was for {len(failed)} of {len(folds) * len(tried) * len(Cs)} fits. "
                + advice(self.solver, failed[0].n_iter),
            )
        else:
            self._warn_unless_converged(self.optimality_, advice(self.solver, self.optimality_.n_iter))
        return self

    # TODO: keyword-only from scikit-learn 1.11 on
    @_deprecate_positional_args(version="1.11")
    def score(self, X, y, *, sample_weight=None, **score_params):
        """The score of the predictions, by `scoring`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, for the scorer.
        **score_params : dict
            Further metadata for the scorer.

        Returns
        -------
        score : float
        """
        _raise_for_params(score_params, self, "score")
        routed = self._routed("score", sample_weight, score_params)
        return self._get_scorer()(self, X, y, **routed.scorer.score)

    def _no_inference(self):
        return "C was chosen by cross-validation; fit LogisticRegression(C=np.inf)"

    def get_metadata_routing(self):
        """Which metadata go to the splitter and the scorer.

        Returns
        -------
        routing : MetadataRouter
        """
        to_scorer = MethodMapping().add(caller="score", callee="score").add(caller="fit", callee="score")
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(splitter=self.cv, method_mapping=MethodMapping().add(caller="fit", callee="split"))
            .add(scorer=self._get_scorer(), method_mapping=to_scorer)
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.array_api_support = False
        return tags

    # ---------------------------------------------------------------------------------------- parts

    def _strength(self):
        """`(C, l1_ratio)` as they were chosen: one pair for all classes."""
        C, ratio = (np.ravel(chosen)[0] for chosen in (self.C_, self.l1_ratio_))
        return float(C), {"l1": 1.0, "l2": 0.0}.get(self.penalty, float(ratio or 0.0))

    def _settings(self):
        """`(ratios, tried, scoring, legacy)` with the deprecated values resolved, and warned of.

        `tried` are the l1_ratios as they are reported, `ratios` those of the penalty.
        """

        def deprecated(message):
            warnings.warn(message, FutureWarning, stacklevel=6)

        given, penalty, scoring = self.l1_ratios, self.penalty, self.scoring
        if isinstance(given, str):
            given = None
            deprecated(
                "The default value for l1_ratios will change from None to (0.0,) in scikit-learn 1.10, and "
                "None will be forbidden. To avoid this warning, set a value, such as l1_ratios=(0,)."
            )
        elif given is None and penalty == "deprecated":
            deprecated(
                "'l1_ratios=None' was deprecated in version 1.8 of scikit-learn and will be an error in "
                "1.10: use numbers from 0 to 1"
            )
        if penalty == "deprecated":
            penalty = "elasticnet"
            if given is None or np.all(np.asarray(given) == 0):
                penalty = "l2"
            elif np.all(np.asarray(given) == 1):
                penalty = "l1"
        else:
            deprecated(
                "'penalty' was deprecated in version 1.8 of scikit-learn and will be removed in 1.10: use "
                "l1_ratios=(0,) for penalty='l2', (1,) for 'l1', numbers between for 'elasticnet'"
            )
        if isinstance(scoring, str) and scoring == "warn":
            scoring = None
            deprecated(
                "The default value of the parameter 'scoring' will change from None, i.e. accuracy, to "
                "'neg_log_loss' in version 1.11 of scikit-learn: set it to silence this warning"
            )
        legacy = self.use_legacy_attributes
        if legacy == "warn":
            legacy = True
            deprecated(
                f"The fitted attributes of {type(self).__name__} will be simplified in scikit-learn 1.10. "
                "The default value of use_legacy_attributes will change from True to False: set it to "
                "False to have the new ones now, or to True to keep the old ones"
            )
        check_solver(self.solver, penalty, self.dual)
        if penalty == "elasticnet":
            numbers = given is not None and all(
                isinstance(ratio, Number) and 0 <= ratio <= 1 for ratio in given
            )
            if not numbers or len(given) == 0:
                raise ValueError(
                    f"l1_ratios must be an array-like of numbers between 0 and 1; got (l1_ratios={given!r})"
                )
        elif given is not None and self.penalty != "deprecated":
            warnings.warn(
                f"l1_ratios parameter is only used when penalty is 'elasticnet'. Got (penalty={penalty})",
                UserWarning,
                stacklevel=5,
            )
        tried = [None] if given is None else list(given)
        ratios = [{"l1": 1.0, "l2": 0.0}.get(penalty, ratio) for ratio in tried]
        return ratios, tried, scoring, legacy

    def _routed(self, method, sample_weight, params):
        """What goes to the splitter and the scorer."""
        if _routing_enabled():
            given = {} if sample_weight is None and method == "score" else {"sample_weight": sample_weight}
            return process_routing(self, method, **given, **params)
        params = dict(params) if method == "fit" else {}
        if sample_weight is not None:
            params["sample_weight"] = sample_weight
        return _manual_routing({"splitter": {}, "scorer": {"score": params}})

    def _get_scorer(self):
        scoring = "accuracy" if self.scoring is None else self.scoring
        return get_scorer("accuracy" if isinstance(scoring, str) and scoring == "warn" else scoring)

    def _keep(self, paths, classes, Cs, tried, *, legacy, squeeze):
        """The attributes that describe the paths."""
        self.classes_, self.Cs_, self.l1_ratios_ = classes, Cs, np.asarray(tried)
        coefs, scores, n_iter = (np.array(arrays) for arrays in list(zip(*paths))[:3])
        if not legacy:
            self.coefs_paths_, self.scores_, self.n_iter_ = coefs, scores, n_iter
            return
        coefs, scores, n_iter = (np.swapaxes(array, 1, 2) for array in (coefs, scores, n_iter))
        if squeeze:
            coefs, scores, n_iter = (array[:, :, 0] for array in (coefs, scores, n_iter))
        of_classes = classes[1:] if len(classes) == 2 else classes
        self.coefs_paths_ = {label: coefs[..., k, :] for k, label in enumerate(of_classes)}
        self.scores_ = {label: scores.copy() for label in of_classes}
        self.n_iter_ = n_iter[None]

    def _refit(self, data, paths, Cs, ratios, tried, rng, *, legacy):
        """The chosen pair, its coefficients and their certificate."""
        scores = np.array([path.scores.T for path in paths])  # (n_folds, n_cs, n_l1_ratios)
        shape = scores.shape[1:]
        if self.refit:
            best = [np.unravel_index(np.argmax(scores.sum(axis=0)), shape)] * len(paths)
            chosen = tried[best[0][1]]
        else:
            best = [np.unravel_index(np.argmax(of_fold), shape) for of_fold in scores]
            chosen = 0.0 if tried == [None] else np.mean([tried[j] for _, j in best])
        C, ratio = np.mean([Cs[i] for i, _ in best]), float(np.mean([ratios[j] for _, j in best]))
        coef = np.mean([path.coefs[j, i] for path, (i, j) in zip(paths, best)], axis=0)
        coef, intercept = (coef[:, :-1], coef[:, -1]) if self.fit_intercept else (coef, np.zeros(len(coef)))
        problem = LogisticProblem(
            data.X,
            data.codes,
            data.weight,
            len(data.classes),
            self,
            l1=ratio > 0,
            n_threads=thread_count(None),
        )
        objective, scale = problem.objective(C, ratio), problem.scale(C)
        cold = self.refit and self.solver == "liblinear"  # which has no warm start
        x = objective.start() if cold else problem.pack(objective, coef, intercept)

        def fitted(x):
            return dict(zip(("coef_", "intercept_"), problem.unpack(objective, x)))

        n_steps = self.max_iter if self.refit else 0
        with self._progress(n_steps, fitted, X=data.X, y=data.y, scale=scale) as progress:
            if self.refit:
                solution, x = _minimise(self, objective, x, rng, progress)
            else:
                value, gradient = objective.value_gradient(x)
                solution = Solution(x, value, gradient, 0, None, None, [value], 1)
        for name, value in fitted(x).items():
            setattr(self, name, value)
        self.optimality_ = certify(objective, solution, x, scale=scale)
        self.loss_curve_ = [scale * value for value in solution.curve]
        if legacy:
            self.C_ = np.full(len(self.coef_), C)
            self.l1_ratio_ = np.full(len(self.coef_), chosen)
        else:
            self.C_ = float(C)
            self.l1_ratio_ = float(self.penalty == "l1") if tried == [None] else float(chosen)


class _Score:
    """The score of a fitted model on some rows, by a scorer that is told of all classes."""

    def __init__(self, scoring, classes, sample_weight, params):
        self.scorer, self.sample_weight, self.params = get_scorer(scoring), sample_weight, params or {}
        function = getattr(self.scorer, "_score_func", None)
        known = inspect.signature(function).parameters if function is not None else {}
        if "labels" in known:  # the rows left out may lack a class
            labels = {"labels": classes}
            if len(classes) == 2 and "pos_label" in known:
                labels["pos_label"] = classes[-1]
            self.scorer = make_scorer(
                function,
                greater_is_better=self.scorer._sign == 1,
                response_method=self.scorer._response_method,
                **labels,
                **getattr(self.scorer, "_kwargs", {}),
            )

    def __call__(self, model, data, rows):
        X, y = data.X[rows], data.y[rows]
        if self.scorer is None:
            weight = None if self.sample_weight is None else np.asarray(self.sample_weight)[rows]
            return model.score(X, y, sample_weight=weight)
        return self.scorer(model, X, y, **_check_method_params(X=data.X, params=self.params, indices=rows))


def _minimise(estimator, objective, start, rng, progress=None):
    return minimise(
        objective,
        estimator.solver,
        start,
        tol=estimator.tol,
        max_iter=estimator.max_iter,
        progress=progress,
        dual=estimator.dual,
        rng=check_random_state(rng),
    )


def _fit_path(estimator, data, train, test, Cs, ratios, score, n_threads, rng):
    """The fits of one fold for all l1_ratios and C, each from the C before, and their scores."""
    weight = None if data.weight is None else data.weight[train]
    if weight is not None and not weight.any():
        raise ValueError("sample_weight: all weights of the training rows of a fold are zero")
    n_classes = len(data.classes)
    model = LogisticRegression(solver=estimator.solver)
    model.classes_ = data.classes
    coefs, scores, n_iter, failed = [], [], [], []
    problem = None
    for ratio in ratios:
        if problem is None or (ratio > 0) != problem.l1:
            problem = LogisticProblem(
                data.X[train],
                data.codes[train],
                weight,
                n_classes,
                estimator,
                l1=ratio > 0,
                n_threads=n_threads,
            )
        x = reduced = None
        for C in Cs:
            objective = problem.objective(C, ratio)
            if x is None and estimator.solver == "auto" and reduction_for(objective) is FewerColumns:
                reduced = FewerColumns(objective)  # once for all C
            x = objective.start() if x is None or estimator.solver == "liblinear" else x
            if reduced is None:
                solution, x = _minimise(estimator, objective, x, rng)
            else:
                small = objective.with_rows(reduced.small.design, objective.y, objective.weight, None)
                small.units = reduced.small.units
                solution, x = _minimise(estimator, small, reduced.project(x), rng)
                x = reduced.lift(x)
            if solution.converged is False:
                failed.append(solution)
            model.C = C
            model.coef_, model.intercept_ = problem.unpack(objective, x)
            scores.append(score(model, data, test))
            n_iter.append(solution.n_iter)
            parts = [model.coef_, model.intercept_[:, None]]
            coefs.append(np.hstack(parts if estimator.fit_intercept else parts[:1]))
    shape = (len(ratios), len(Cs))
    return Path(
        np.reshape(coefs, (*shape, *coefs[0].shape)),
        np.reshape(scores, shape),
        np.reshape(np.array(n_iter, np.int32), shape),
        failed,
    )
