"""Our boosting under the names of scikit-learn's: for its own tests, and nothing else.

The parameters have other names and units here, and early stopping another metric to watch; that is all that
is translated.  What scikit-learn checks or computes and we do not is not made up for.  In messages of errors
the parameters get their names back.
"""

import inspect
import itertools

import numpy as np
import sklearn.ensemble
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer

from calclearn.ensemble import NewtonBoostingClassifier, NewtonBoostingRegressor
from calclearn.ensemble._trees import Trees
from calclearn.losses import Quantile

MANY = 10_000  # rows, from above which "auto" stops early
NAMES = {
    "max_iter": "n_estimators",
    "learning_rate": "learning_rate",
    "min_samples_leaf": "min_child_samples",
    "l2_regularization": "reg_lambda",
    "max_features": "colsample_bynode",
    "monotonic_cst": "monotone_constraints",
    "categorical_features": "categorical_features",
    "warm_start": "warm_start",
    "verbose": "verbose",
    "random_state": "random_state",
}
RENAMED = NAMES | {"interaction_cst": "interaction_constraints"}


def signed(theirs):
    """Class decorator: an `__init__` with the parameters and defaults of a class of scikit-learn's."""
    signature = inspect.signature(theirs.__init__)

    def __init__(self, *args, **kwargs):
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            if name != "self":
                setattr(self, name, value)

    __init__.__signature__ = signature

    def decorate(cls):
        cls.__init__ = __init__
        return cls

    return decorate


def handed_on(name):
    """A method that is our estimator's."""

    def method(self, X):
        return getattr(self._model(), name)(X)

    method.__name__ = name
    return method


def fitted(name):
    """A fitted attribute that is our estimator's, under the same name or another."""

    def attribute(self):
        if "model" not in vars(self):
            raise AttributeError(name)
        return getattr(self.model, name)

    return property(attribute)


class Adapter(BaseEstimator):
    """What both estimators share; `model` is ours."""

    n_iter_ = fitted("n_iter_")
    n_features_in_ = fitted("n_features_in_")
    feature_names_in_ = fitted("feature_names_in_")
    is_categorical_ = fitted("_categorical")
    n_trees_per_iteration_ = fitted("_n_outputs")
    _random_seed = fitted("_random_seed")  # private in both; scikit-learn's tests compare it between fits
    predict = handed_on("predict")
    staged_predict = handed_on("staged_predict")
    _raw_predict = handed_on("_raw")  # theirs is private, but of the same meaning

    @property
    def _predictors(self):
        """The trees of each round, where scikit-learn's tests compare them and count their levels."""
        model, trees = self.model, Trees(**self.model.trees_)
        bits = np.zeros((model.n_features_in_, 256), bool)  # of categories that there are
        for f, categories in model.categories_.items():
            bits[f, : len(categories)] = True
        seen = np.packbits(bits, axis=1, bitorder="little").view(np.uint64)
        each = [Predictor(trees[t : t + 1], seen) for t in range(trees.n_trees)]
        return [each[t : t + model._n_outputs] for t in range(0, trees.n_trees, model._n_outputs)]

    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
        """Fit our estimator."""
        n, p = np.shape(X)
        stops = n > MANY if self.early_stopping == "auto" else self.early_stopping
        handed, weights = None, None
        if X_val is not None or y_val is not None:
            handed, weights = [(X_val, y_val)], [sample_weight_val]
        elif stops and self.validation_fraction is None:
            handed, weights = [(X, y)], [sample_weight]
        self.model = self._model().set_params(
            **self._translated(n, p),
            early_stopping_rounds=self.n_iter_no_change if stops else None,
            validation_fraction=self.validation_fraction if stops and handed is None else None,
        )
        weights = None if weights is None or weights[0] is None else weights
        try:
            self.model.fit(X, y, sample_weight, eval_set=handed, sample_weight_eval_set=weights)
        except ValueError as error:
            raise ValueError(renamed(str(error))) from error
        score = [-s for scores in self.model.evals_result_.values() for s in next(iter(scores.values()))]
        self.validation_score_ = np.array([] if stops and self.validation_fraction is None else score)
        self.train_score_ = np.array(score if stops and self.validation_fraction is None else [])
        return self

    def _model(self):
        """Ours: the fitted one, from which a warm start goes on, or a new one."""
        return self.model if "model" in vars(self) else self.kind()

    def _translated(self, n, p):
        """Our parameters, for n rows of p features."""
        unlimited = self.max_leaf_nodes is None and self.max_depth is None
        return {ours: getattr(self, theirs) for theirs, ours in NAMES.items()} | {
            "loss": self._translated_loss(),
            "grow_policy": "lossguide",
            "max_leaves": n if unlimited else self.max_leaf_nodes or 0,
            "max_depth": self.max_depth or 0,
            "max_bin": self.max_bins + 1,  # that of missing values is counted here
            "min_child_weight": 1e-3,
            "interaction_constraints": interactions(self.interaction_cst, p),
            "eval_metric": None if self.scoring == "loss" else self._metric(),
        }

    def _translated_loss(self):
        return self.loss

    def _metric(self):
        """A scorer as a function of targets and predictions, of which less is better."""

        def metric(y, prediction, sample_weight=None):
            given = self.given(prediction)
            score = given.score if self.scoring is None else get_scorer(self.scoring)
            first = () if self.scoring is None else (given,)
            weighted = {} if sample_weight is None else {"sample_weight": sample_weight}
            return -score(*first, np.zeros((len(y), 1)), y, **weighted)

        return metric


class Predictor:
    """One of our trees by the names of scikit-learn's, whose class for it is private."""

    def __init__(self, tree, seen):
        self.tree = tree
        parts = {name: array for name, array in vars(tree).items() if len(array) == len(tree.feature)}
        kinds = [(name, array.dtype, array.shape[1:]) for name, array in parts.items()]
        self.nodes = np.empty(len(tree.feature), kinds)
        for name, array in parts.items():
            self.nodes[name] = array
        sets = tree.set[tree.categorical] & seen[tree.feature[tree.categorical]]
        self.raw_left_cat_bitsets = sets.view(np.uint32)  # the same where categories are their own bins

    def get_max_depth(self):
        """Most splits on a path."""
        return self.tree.depths().max()

    def get_n_leaf_nodes(self):
        """How many leaves there are."""
        return (self.tree.feature < 0).sum()


def interactions(groups, p):
    """Groups of features as lists; those in no group are one together, where with us each is alone."""
    if groups is None:
        return None
    if groups == "no_interactions":
        return [[f] for f in range(p)]
    if groups == "pairwise":
        return [list(pair) for pair in itertools.combinations(range(p), 2)]
    lists = [list(group) if np.iterable(group) else group for group in groups]
    named = {f for group in lists if isinstance(group, list) for f in group}
    rest = [f for f in range(p) if f not in named]
    return [*lists, rest] if rest else lists


def renamed(message):
    """A message with scikit-learn's names of parameters."""
    for theirs, ours in RENAMED.items():
        message = message.replace(ours, theirs)
    return message


class GivenNumbers(RegressorMixin, BaseEstimator):
    """What a scorer asks for predictions that are there already."""

    def __init__(self, prediction):
        self.prediction = prediction

    def fit(self, X, y):
        """Needed by scorers, which look for it."""
        return self

    def predict(self, X):
        """The predictions."""
        return self.prediction


class GivenProbabilities(ClassifierMixin, GivenNumbers):
    """The same of classes, that are 0, 1, ...; of two, the second one's are handed over."""

    def __init__(self, prediction):
        two = prediction.ndim == 1
        super().__init__(np.column_stack([1.0 - prediction, prediction]) if two else prediction)

    @property
    def classes_(self):
        """The classes."""
        return np.arange(self.prediction.shape[1])

    def predict(self, X):
        """The most probable."""
        return self.prediction.argmax(axis=1)

    def predict_proba(self, X):
        """The probabilities."""
        return self.prediction


@signed(sklearn.ensemble.HistGradientBoostingRegressor)
class HistGradientBoostingRegressor(RegressorMixin, Adapter):
    """`NewtonBoostingRegressor` by scikit-learn's names."""

    kind, given = NewtonBoostingRegressor, GivenNumbers

    def _translated_loss(self):
        return Quantile(self.quantile) if self.loss == "quantile" else self.loss


@signed(sklearn.ensemble.HistGradientBoostingClassifier)
class HistGradientBoostingClassifier(ClassifierMixin, Adapter):
    """`NewtonBoostingClassifier` by scikit-learn's names."""

    kind, given = NewtonBoostingClassifier, GivenProbabilities
    classes_ = fitted("classes_")
    predict_proba = handed_on("predict_proba")
    decision_function = handed_on("decision_function")
    staged_predict_proba = handed_on("staged_predict_proba")
    staged_decision_function = handed_on("staged_decision_function")

    def _translated(self, n, p):
        return super()._translated(n, p) | {"class_weight": self.class_weight}
