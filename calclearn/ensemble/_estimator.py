"""What both boosting estimators share: parameters, data, the rounds of a fit, and reading the trees."""

import warnings
from typing import ClassVar

import numpy as np
import scipy.sparse
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from .._categories import validate_table
from ..base import (
    CalculusEstimator,
    Integral,
    Interval,
    LossParameters,
    Real,
    StrOptions,
    check_weights,
    drop_weightless,
    is_plain_array,
    thread_count,
)
from ..optimize import Optimality
from ..optimize._stopping import ALL_ROUNDS, CALLBACK, STOPPED_EARLY
from ._binning import apply_bins, learn_bins
from ._constraints import interaction_groups, monotone_directions
from ._exchange import Exchange
from ._layout import BINS, Data
from ._metrics import Judge, Watched, find_metric
from ._predicting import Walk
from ._reading import IMPORTANCES, Readable
from ._rounds import Boosting, Losses
from ._trees import Trees, check_state

WORTH = 1e-3  # of the training loss: a split that would have gained as much is missed
RULES: dict[str, type] = dict.fromkeys(
    ("min_child_samples", "max_depth", "max_leaves"), int
)  # others would compile kernels anew
RULES |= dict.fromkeys(("reg_lambda", "reg_alpha", "gamma", "min_child_weight", "max_delta_step"), float)
RULES |= dict.fromkeys(("colsample_bylevel", "colsample_bynode"), float)


class NewtonBoosting(LossParameters, Readable, Exchange, CalculusEstimator):
    """Boosted trees on the gradients and Hessians of a loss; see the two classes over it."""

    _parameter_constraints: ClassVar[dict] = {
        "loss": "no_validation",
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "max_depth": [Interval(Integral, 0, None, closed="left"), None],
        "max_leaves": [Interval(Integral, 0, None, closed="left"), None],
        "grow_policy": [StrOptions({"depthwise", "lossguide"})],
        "max_bin": [Interval(Integral, 3, BINS, closed="both")],
        "min_child_weight": [Interval(Real, 0, None, closed="left")],
        "min_child_samples": [Interval(Integral, 0, None, closed="left")],
        "gamma": [Interval(Real, 0, None, closed="left")],
        "reg_lambda": [Interval(Real, 0, None, closed="left")],
        "reg_alpha": [Interval(Real, 0, None, closed="left")],
        "max_delta_step": [Interval(Real, 0, None, closed="left")],
        "subsample": [Interval(Real, 0, 1, closed="right")],
        "colsample_bytree": [Interval(Real, 0, 1, closed="right")],
        "colsample_bylevel": [Interval(Real, 0, 1, closed="right")],
        "colsample_bynode": [Interval(Real, 0, 1, closed="right")],
        "base_score": [Interval(Real, None, None, closed="neither"), None],
        "monotone_constraints": ["array-like", dict, None],
        "interaction_constraints": [list, tuple, None],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "eval_metric": [str, callable, None],
        "early_stopping_rounds": [Interval(Integral, 1, None, closed="left"), None],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "importance_type": [StrOptions(set(IMPORTANCES))],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }
    _metrics: ClassVar[dict] = {}

    # ---------------------------------------------------------------------------------------------- fit

    def _boost(self, X, y, weight, given_weight, losses, eval_set, base_margin, n_outputs):
        """Fit trees to the losses; `eval_set` holds `(X, y, weight, margin)` of encoded targets.

        Rows that are set apart to be judged by have the weights that were given, without those of classes.
        Sets all fitted attributes but those of the classes.
        """
        if not (self.max_depth or self.max_leaves):
            raise ValueError("max_depth and max_leaves are both 0, no limit: set one of them")
        if self.early_stopping_rounds and not (eval_set or self.validation_fraction):
            raise ValueError(
                "early_stopping_rounds needs rows to be judged by: hand fit an eval_set, or set "
                "validation_fraction"
            )
        n_threads = thread_count(self.n_jobs)
        before = self._trees_before(n_outputs)
        seed = self._seed(before)
        losses = Losses(losses, n_outputs)
        margin = _margins(base_margin, X.shape[0], n_outputs)
        if given_weight is not None:
            given_weight = drop_weightless(weight, given_weight)[1]
        weight, X, y, margin = drop_weightless(weight, X, y, margin)
        if self.validation_fraction and not eval_set:
            X, y, weight, margin, eval_set = self._set_apart(X, y, weight, given_weight, margin, seed)
        if before is None:
            self.base_ = self._base(losses, self._encoded(y, losses), weight, base_margin is not None)
        bins = learn_bins(
            X.tocsc() if scipy.sparse.issparse(X) else X,
            weight,
            max_bin=self.max_bin,
            categorical=self._categorical,
            codes=None if before is None else self._codes,
            n_threads=n_threads,
        )
        self._codes = bins.codes
        rows, columns = apply_bins(bins, X.tocsr() if scipy.sparse.issparse(X) else X, n_threads)
        p = X.shape[1]
        data = Data(
            rows,
            columns,
            bins.offsets,
            bins.categorical,
            monotone_directions(self.monotone_constraints, self, bins.categorical),
            interaction_groups(self.interaction_constraints, self, p),
        )
        raw = margin + self.base_
        if before is not None:
            Walk(before, self._codes).add_to(raw, _rows(X), n_threads)
        watched = [self._watch(f"validation_{i}", *rows) for i, rows in enumerate(eval_set or ())]
        boosting = Boosting(
            losses=losses,
            y=self._encoded(y, losses),
            weight=None if weight is None else np.ascontiguousarray(weight, np.float64),
            bins=bins,
            data=data,
            raw=raw,
            parameters={name: kind(getattr(self, name) or 0) for name, kind in RULES.items()}
            | {"best_first": self.grow_policy == "lossguide"},
            learning_rate=float(self.learning_rate),
            subsample=self.subsample,
            colsample_bytree=self.colsample_bytree,
            seed=seed,
            n_threads=n_threads,
        )
        self._rounds(boosting, watched, before, n_threads)
        return self

    def _rounds(self, boosting, watched, before, n_threads):
        """Round after round, until they are done or no longer help."""
        K, patience = boosting.losses.n_outputs, self.early_stopping_rounds or np.inf
        grown, first = [], 0 if before is None else before.n_trees // K
        metric = find_metric(self.eval_metric, self._loss_metric(boosting.losses), self._metrics)
        judge = Judge(metric, watched, lambda raw: self._mean(boosting.losses, raw))

        def watch(trees):
            for rows in watched:
                Walk(trees, self._codes).add_to(rows.raw, rows.X, n_threads)
            judge.score()

        for t in range(first):
            watch(before[t * K : (t + 1) * K])
        reason = STOPPED_EARLY if judge.waited() >= patience else ALL_ROUNDS
        with self._progress(self.n_estimators, X=None, y=None) as progress:
            listening = progress.listening
            for t in range(first, self.n_estimators):
                if reason == STOPPED_EARLY:
                    break
                grown += (new := boosting.round(t))
                if watched:
                    watch(boosting.trees(new))
                if listening and progress(t + 1, boosting.objective(), scores=judge.latest()):
                    reason = CALLBACK
                    break
                if judge.waited() >= patience:
                    reason = STOPPED_EARLY
        trees = boosting.trees(grown)
        if before is None:
            self._warn_if_too_light(grown, boosting)
        else:
            trees = Trees.joined([before, trees])
        self.trees_ = dict(vars(trees))
        self.n_iter_ = trees.n_trees // K
        self._n_outputs = K
        self.evals_result_ = {rows.name: {metric.name: s} for rows, s in zip(watched, judge.scores)}
        for name in ("best_iteration_", "best_score_"):
            self.__dict__.pop(name, None)
        if self.early_stopping_rounds and judge.best_round is None:
            raise ValueError(
                f"early_stopping_rounds: the metric {metric.name!r} was NaN in all {self.n_iter_} rounds"
            )
        if self.early_stopping_rounds:
            self.best_iteration_ = judge.best_round
            self.best_score_ = judge.scores[-1][judge.best_round]
        details = {"best_remaining_gain": boosting.remaining_gain()}
        if watched:
            details["validation_score"] = judge.scores[-1][-1]
        self.optimality_ = Optimality(
            objective=boosting.objective(),
            n_iter=self.n_iter_,
            converged=None if reason == ALL_ROUNDS else True,
            reason=reason,
            details=details,
        )
        self._walk = Walk(self._kept(), self._codes)

    def _warn_if_too_light(self, grown, boosting):
        """Warn where `min_child_weight` let no tree be split: by small weights, or a loss of small units."""
        heaviest = max(tree.nodes["H"][0] * tree.rules.unit_h for tree in grown)
        n_rows = max(tree.nodes["end"][0] for tree in grown)
        light = n_rows > 1 and heaviest < 2.0 * self.min_child_weight
        if light and boosting.remaining_gain(min_child_weight=0.0) > WORTH * abs(boosting.total()):
            warnings.warn(
                f"No tree has a split: each side of one needs Hessians of min_child_weight="
                f"{self.min_child_weight}, and those of a tree's {n_rows} rows together are {heaviest:.3g}. "
                "Lower it, or scale the loss or sample_weight.",
                UserWarning,
                stacklevel=7,  # the line that called fit
            )

    def _goes_on(self):
        """Whether `fit` goes on from the trees of the previous one."""
        return self.warm_start and hasattr(self, "trees_")

    def _trees_before(self, n_outputs):
        """The trees to go on from, or None."""
        if not self._goes_on():
            return None
        if self._n_outputs != n_outputs:
            raise ValueError(
                f"warm_start=True goes on from a fit of {self._n_outputs} outputs; these data need "
                f"{n_outputs}"
            )
        before = Trees(**self.trees_)
        if before.n_trees // n_outputs > self.n_estimators:
            raise ValueError(
                f"n_estimators={self.n_estimators} must not be less than the {before.n_trees // n_outputs} "
                "rounds that were done already, under warm_start=True"
            )
        if before.n_trees // n_outputs == self.n_estimators:
            warnings.warn(
                f"warm_start=True, and all n_estimators={self.n_estimators} rounds are done already: nothing "
                "is fitted",
                UserWarning,
                stacklevel=6,
            )
        return before

    def _seed(self, before):
        """The seed of all rounds; with warm_start that of the first fit."""
        if before is None or not hasattr(self, "_random_seed"):
            self._random_seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        return self._random_seed

    def _set_apart(self, X, y, weight, given_weight, margin, seed):
        """Rows to be judged by, drawn at random; of all classes in their shares, if each has rows enough."""
        n, stratify = X.shape[0], None
        if hasattr(self, "classes_"):
            sizes = np.bincount(y)
            room = min(np.ceil(self.validation_fraction * n), np.floor((1.0 - self.validation_fraction) * n))
            stratify = y if sizes[sizes > 0].min() > 1 and room >= np.count_nonzero(sizes) else None
        rest, apart = train_test_split(
            np.arange(n), test_size=self.validation_fraction, stratify=stratify, random_state=seed
        )
        rest, apart = np.sort(rest), np.sort(apart)

        def take(array, rows):
            return None if array is None else array[rows]

        X = X.tocsr() if scipy.sparse.issparse(X) else X
        held = (X[apart], y[apart], take(given_weight, apart), margin[apart])
        return X[rest], y[rest], take(weight, rest), margin[rest], [held]

    def _watch(self, name, X, y, weight, margin):
        weight, X, y, margin = drop_weightless(weight, X, y, margin)
        return Watched(name, _rows(X), y, weight, margin + self.base_)

    def _base(self, losses, y, weight, has_margin):
        """The constant that the trees are added to, of each output."""
        if has_margin:
            return np.zeros(losses.n_outputs)
        if self.base_score is None:
            return np.asarray(losses.start(y, weight), np.float64)
        return np.array([_raw_of_mean(loss, float(self.base_score)) for loss in losses.of_outputs()])

    def _eval_sets(self, eval_set, weights, margins, encode_targets, has_margin, n_outputs):
        """`[(X, y, weight, margin)]` of what `fit` was handed."""
        if eval_set is None:
            for name, given in (("sample_weight", weights), ("base_margin", margins)):
                if given is not None:
                    raise ValueError(f"{name}_eval_set was given without an eval_set")
            return None
        if has_margin != (margins is not None):
            given, missing = ("", "_eval_set") if has_margin else ("_eval_set", "")
            raise ValueError(
                f"base_margin{given} was given without base_margin{missing}: raw predictions are learned on "
                "top of margins, and mean nothing without them"
            )
        if isinstance(eval_set, tuple) and len(eval_set) == 2 and not isinstance(eval_set[0], tuple):
            eval_set = [eval_set]  # one set alone
            weights = None if weights is None else [weights] if np.ndim(weights[0]) == 0 else weights
            margins = None if margins is None else margins if isinstance(margins, list) else [margins]
        if not isinstance(eval_set, list | tuple) or not all(
            isinstance(rows, list | tuple) and len(rows) == 2 for rows in eval_set
        ):
            raise ValueError("eval_set must be a list of pairs (X, y)")
        weights = [None] * len(eval_set) if weights is None else list(weights)
        margins = [None] * len(eval_set) if margins is None else list(margins)
        for name, given in (("sample_weight", weights), ("base_margin", margins)):
            if len(given) != len(eval_set):
                raise ValueError(
                    f"{name}_eval_set must hold one array for each of the {len(eval_set)} sets, got "
                    f"{len(given)}"
                )
        ready = []
        for (X, y), weight, margin in zip(eval_set, weights, margins):
            X = self._features(X, reset=False)
            y = encode_targets(y)
            if len(y) != X.shape[0]:
                raise ValueError(f"eval_set: X has {X.shape[0]} rows, y has {len(y)}")
            ready.append((X, y, check_weights(weight, X), _margins(margin, len(y), n_outputs)))
        return ready

    # ---------------------------------------------------------------------------------------------- data

    def _encoded(self, y, losses):
        """The targets as the losses take them."""
        return np.ascontiguousarray(y, np.float64)

    def _features(self, X, *, reset):
        """X as numbers, with codes for categories; dense in C or Fortran order, or CSR or CSC.

        Whoever goes on from a previous fit needs the same features and codes.
        """
        reset = reset and not self._goes_on()
        if not reset and self._categorical is None and is_plain_array(self, X, reset=False):
            return X
        return validate_table(self, X, reset=reset)

    # ------------------------------------------------------------------------------------------ prediction

    def _best(self):
        """How many rounds predictions use: up to the best one, after early stopping."""
        best = getattr(self, "best_iteration_", None)
        return self.n_iter_ if best is None else best + 1

    def _kept(self):
        """The trees that predictions use."""
        return Trees(**self.trees_)[: self._best() * self._n_outputs]

    def _raw(self, X, base_margin=None):
        """Raw predictions of shape (n, K)."""
        check_is_fitted(self)
        X = _rows(self._features(X, reset=False))
        raw = _margins(base_margin, X.shape[0], self._n_outputs) + self.base_
        return self._walk.add_to(raw, X, thread_count(self.n_jobs))

    def _staged_raw(self, X):
        """Raw predictions after each round."""
        check_is_fitted(self)
        X = _rows(self._features(X, reset=False))
        raw, trees, K = np.tile(self.base_, (X.shape[0], 1)), Trees(**self.trees_), self._n_outputs
        for t in range(self._best()):
            Walk(trees[t * K : (t + 1) * K], self._codes).add_to(raw, X, thread_count(self.n_jobs))
            yield raw.copy()

    def apply(self, X):
        """The leaf that each row reaches in each tree.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        leaves : ndarray of int32, shape (n_samples, n_trees)
            Indices of nodes; several outputs have a tree each, one behind the other in every round.
        """
        check_is_fitted(self)
        X = _rows(self._features(X, reset=False))
        return self._walk.leaves(X, thread_count(self.n_jobs))

    # -------------------------------------------------------------------------------------------- pickles

    def __getstate__(self):
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_walk"}  # made of the others

    def __setstate__(self, state):
        super().__setstate__(state)
        if "trees_" in state:  # compiled code walks them: what comes from outside is looked at first
            check_state(state)
            self._walk = Walk(self._kept(), self._codes)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags


def _rows(X):
    """X as it is walked: rows of a sparse X one after the other."""
    return X.tocsr() if scipy.sparse.issparse(X) else X


def _margins(base_margin, n, n_outputs):
    """Known parts of the raw predictions, as a new array of shape (n, n_outputs)."""
    if base_margin is None:
        return np.zeros((n, n_outputs))
    margin = check_array(base_margin, dtype=np.float64, ensure_2d=False, input_name="base_margin")
    wanted = (n,) if n_outputs == 1 and margin.ndim == 1 else (n, n_outputs)
    if margin.shape != wanted:
        raise ValueError(f"base_margin must have shape {wanted}, got {margin.shape}")
    return margin.reshape(n, n_outputs).copy()


def _raw_of_mean(loss, mean):
    """The raw prediction of which `mean` is the mean, by bisection: a mean rises with its raw prediction."""
    low, high = -1e3, 1e3
    if float(loss.mean(np.float64(0.5))) == 0.5 and float(loss.mean(np.float64(-2.0))) == -2.0:
        return mean
    if not float(loss.mean(np.float64(low))) < mean < float(loss.mean(np.float64(high))):
        raise ValueError(f"base_score must be a possible mean under {loss!r}, got {mean}")
    for _ in range(200):
        middle = 0.5 * (low + high)
        if float(loss.mean(np.float64(middle))) < mean:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
