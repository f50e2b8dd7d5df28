"""XGBoost's JSON model format: what both sides agree on, and the estimators' methods for it.

Both libraries add up trees and a base, of each output, and apply an inverse link.  What differs is told here
and in `_exporting` and `_importing`:

* XGBoost computes in float32.  It asks ``x < condition`` where we ask ``x <= threshold``.
* Its base is stated as one mean.  What that cannot say in float32 goes into the leaves of the first trees.
* A categorical split of XGBoost lists the codes that go right; ours keeps the bins that go left.
"""

import json
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ..losses import (
    AbsoluteError,
    Gamma,
    LogLoss,
    Loss,
    MultinomialLogLoss,
    Poisson,
    Quantile,
    SquaredError,
    Tweedie,
)
from ._documents import numbers_in, object_at, read_document
from ._exporting import document_of
from ._importing import model_of
from ._predicting import Walk

CLASSES = ("binary:logistic", "multi:softprob", "multi:softmax")
SAME_LOSS: dict[Any, str] = {
    SquaredError: "reg:squarederror",
    AbsoluteError: "reg:absoluteerror",
    Poisson: "count:poisson",
    Gamma: "reg:gamma",
    LogLoss: "reg:logistic",
}
LOSS_OF = {objective: loss.name for loss, objective in SAME_LOSS.items()} | {"reg:linear": "squared_error"}
LINKS = dict.fromkeys(("binary:logistic", "reg:logistic"), "logit") | dict.fromkeys(
    ("count:poisson", "reg:gamma", "reg:tweedie"), "log"
)  # of the others the identity
KNOWN = (*CLASSES, *LOSS_OF, "reg:tweedie", "reg:quantileerror")


class Objective(NamedTuple):
    """What XGBoost calls a loss, with its parameters as they are written, and the link."""

    name: str
    parameters: dict
    link: str


def objective(name, **parameters):
    """The objective of a name."""
    return Objective(name, parameters, LINKS.get(name, "identity"))


# ----------------------------------------------------------------------------------------- losses, objectives


def objective_of_numbers(losses):
    """The objective that stands for the losses of a regressor.

    Parameters
    ----------
    losses : list of Loss

    Raises
    ------
    ValueError
        For a link that no objective has, or several losses other than quantiles.
    """
    if all(isinstance(loss, Quantile) for loss in losses):
        levels = ",".join(repr(float(loss.quantile)) for loss in losses)
        return objective("reg:quantileerror", quantile_loss_param={"quantile_alpha": f"[{levels}]"})
    if len(losses) > 1:
        raise ValueError(
            f"XGBoost has no model of the losses {losses!r} side by side, but of quantiles alone"
        )
    (loss,) = losses
    if type(loss) in SAME_LOSS:
        return _with_parameters(SAME_LOSS[type(loss)])
    if isinstance(loss, Tweedie):  # XGBoost takes powers from 1 to below 2; to predict, the link is enough
        if not 1 <= loss.power < 2:
            return _with_parameters("reg:gamma" if loss.power >= 2 else "count:poisson")
        power = repr(float(loss.power))
        return objective("reg:tweedie", tweedie_regression_param={"tweedie_variance_power": power})
    if type(loss).mean is Loss.mean:  # to predict, the identity is enough
        return _with_parameters("reg:squarederror")
    raise ValueError(f"XGBoost has no objective that predicts what the loss {loss!r} does")


def _with_parameters(name):
    if name == "count:poisson":
        return objective(name, poisson_regression_param={"max_delta_step": "0.7"})
    if name == "reg:absoluteerror":
        return objective(name)
    return objective(name, reg_loss_param={"scale_pos_weight": "1"})


def objective_of_classes(losses, n_outputs):
    """The objective that stands for the losses of a classifier.

    Parameters
    ----------
    losses : list of Loss
    n_outputs : int

    Raises
    ------
    ValueError
        For a loss without a counterpart, and for several classes one against the rest.
    """
    loss = losses[0]
    if isinstance(loss, MultinomialLogLoss):
        parameters = {"num_class": str(n_outputs)}
        return objective("multi:softprob", softmax_multiclass_param=parameters)
    if isinstance(loss, LogLoss) and n_outputs == 1:
        return objective("binary:logistic", reg_loss_param={"scale_pos_weight": "1"})
    rest = ", one class against the rest" if n_outputs > 1 else ""
    raise ValueError(f"XGBoost has no objective that predicts classes as the loss {loss!r} does{rest}")


def losses_of(name, parameters):
    """What an objective of XGBoost stands for.

    Parameters
    ----------
    name : str
    parameters : dict
        The objective as read, unchecked.

    Returns
    -------
    losses : list of str or Loss
        One, or one for each output.
    link : str

    Raises
    ------
    ValueError
        For an objective without a counterpart, or broken parameters.
    """
    if name not in KNOWN:
        raise ValueError(
            f"the model's objective {name!r} has no counterpart here; those that have are {', '.join(KNOWN)}"
        )
    link = objective(name).link
    if name == "reg:tweedie":
        given = object_at(parameters, "tweedie_regression_param", "objective")
        where = "objective.tweedie_regression_param.tweedie_variance_power"
        power = numbers_in(given.get("tweedie_variance_power"), where)
        if len(power) != 1 or not 1 <= power[0] < 2:
            raise ValueError(f"{where} must be one number from 1 to below 2, got {power.tolist()}")
        return [Tweedie(float(str(np.float32(power[0]))))], link  # 1.3, where XGBoost wrote 1.29999995
    if name == "reg:quantileerror":
        given = object_at(parameters, "quantile_loss_param", "objective")
        where = "objective.quantile_loss_param.quantile_alpha"
        levels = numbers_in(given.get("quantile_alpha"), where)
        if not ((levels > 0) & (levels < 1)).all():
            raise ValueError(f"{where} must be between 0 and 1, got {levels.tolist()}")
        return [Quantile(float(level)) for level in levels], link
    return ["log_loss" if name == "binary:logistic" else LOSS_OF.get(name, "multinomial_log_loss")], link


# ---------------------------------------------------------------------------------------------------- methods


class Exchange:
    """Boosted trees as XGBoost's files, both ways."""

    def to_xgboost_json(self, path):
        """Write the model as a file that XGBoost loads.

        The rounds that predictions use are written, so after early stopping those up to the best one.

        Parameters
        ----------
        path : str or path-like
            XGBoost knows its JSON format by the ending ``.json``.

        Raises
        ------
        ValueError
            For a loss that no objective of XGBoost predicts like, and for leaves beyond float32.  Also if
            the model was read from a file without labels, and a fit that went on from it sends codes right
            that were not known.

        Warns
        -----
        UserWarning
            For names of features that XGBoost does not take, for one of ``[ ] <`` in them or as two are the
            same: all names are left out then, and the first such one is told.

        See Also
        --------
        from_xgboost_json : The way back.

        Notes
        -----
        ====================================================== =============================
        loss                                                   objective
        ====================================================== =============================
        log_loss of two classes                                binary:logistic
        log_loss of several classes, multinomial_log_loss      multi:softprob
        squared_error                                          reg:squarederror
        absolute_error                                         reg:absoluteerror
        quantile, or a list of them                            reg:quantileerror
        poisson; tweedie of a power below 1                    count:poisson
        gamma; tweedie of a power from 2                       reg:gamma
        tweedie                                                reg:tweedie
        log_loss in a regressor                                reg:logistic
        all others whose mean is the raw prediction, your own  reg:squarederror
        ====================================================== =============================

        The last line predicts the same, but training goes on in XGBoost under another loss.  The other losses
        have no counterpart.

        XGBoost loads the file from 1.7 on, with categories from 2.1 on.  As old versions know one base score
        in float32 alone, what `base_` says beyond that is in the leaves of the first round.

        Rows in float32 reach the same leaves.  XGBoost rounds float64 to float32, so it cannot tell values
        apart that are closer than that.  It takes no infinite values, and of a sparse matrix it takes absent
        entries for missing, where we take them for zeros: hand it a dense one.

        Labels of classes are numbered, in the order of `classes_`.  Categories of a frame, if all are
        integers or strings in ASCII, are written with their labels, which XGBoost from 3.1 on looks up.
        Where there are none, of an array say, categories that are whole numbers are their codes, and all
        others are numbered as in `categories_`: a frame must then have its categories in that order.  A
        category that was declared but not seen in `fit` goes where missing values go, in both; a code that
        is not known at all XGBoost sends left.
        """
        check_is_fitted(self)
        classes = getattr(self, "classes_", None)
        wanted = (
            objective_of_numbers(self._losses())
            if classes is None
            else objective_of_classes(*self._outputs())
        )
        attributes = {"scikit_learn": {"_estimator_type": "regressor" if classes is None else "classifier"}}
        if hasattr(self, "best_iteration_"):
            attributes |= {"best_iteration": self.best_iteration_, "best_score": float(self.best_score_)}
        if classes is not None and set(map(type, classes.tolist())) in ({str}, {int}, {float}, {bool}):
            attributes["classes"] = classes.tolist()
        document = document_of(
            self._kept(),
            wanted,
            self.base_,
            n_features=self.n_features_in_,
            names=getattr(self, "feature_names_in_", None),
            codes=self._codes,
            categories=self.categories_,
            attributes=attributes,
        )
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)  # XGBoost undoes no escapes
        data = text.encode("utf-8")
        with open(path, "wb") as file:
            file.write(data)

    @classmethod
    def from_xgboost_json(cls, path):
        """Read a model that XGBoost trained, as a fitted estimator.

        Everything in the file is checked before it is used.

        Parameters
        ----------
        path : str or path-like
            A file that XGBoost, from 1.7 on, wrote by ``save_model("....json")``.

        Returns
        -------
        model : object
            An estimator of this class.  It predicts as XGBoost's scikit-learn estimators do: up to the best
            iteration, if the file states one.

        Raises
        ------
        ValueError
            For a file that is not such a model, or a broken one, with what is wrong and in which tree; for
            models of the other class, and for what has no counterpart here: other objectives, the boosters
            dart and gblinear, trees of vectors, several targets.

        See Also
        --------
        to_xgboost_json : The way there.

        Notes
        -----
        ============================================ ====================================
        objective                                    loss
        ============================================ ====================================
        binary:logistic                              log_loss, two classes
        multi:softprob, multi:softmax                multinomial_log_loss
        reg:squarederror, reg:linear                 squared_error
        reg:absoluteerror                            absolute_error
        reg:quantileerror                            quantile; a list of several levels
        count:poisson, reg:gamma, reg:logistic       poisson, gamma, log_loss
        reg:tweedie                                  tweedie of the same power
        ============================================ ====================================

        Classes are 0, 1, ..., unless `to_xgboost_json` wrote their labels.  Values in float64 go where
        XGBoost sends them, which rounds them to float32 first.  In `apply`, leaves have XGBoost's numbers,
        but for trees that were pruned.

        Categories have the labels of XGBoost's training frame where the file tells them, as it does from 3.1
        on; a label that is not known goes where missing values go.  Else categories are the codes 0, 1, ...,
        and so must be those of X: then `categories_` ends with ``...``, which stands for all other numbers.
        As in XGBoost they go left at each split, be they negative or too large, and of 2.7 the code is 2.

        There may be 2 ** 20 categories to a feature, in 256 groups that the splits tell apart, and 2 ** 24
        features.  From 256 groups no fit goes on by ``warm_start=True``, which has bins for 255.

        The file does not state the training's parameters, nor how many rows were in a node: parameters are
        the defaults but for `loss` and `n_estimators`, counts are zero, and there is no `optimality_`.
        """
        model = model_of(read_document(path), losses_of)
        of_classes = model.objective in CLASSES
        if of_classes != issubclass(cls, ClassifierMixin):
            other = "NewtonBoostingClassifier" if of_classes else "NewtonBoostingRegressor"
            raise ValueError(f"the model's objective is {model.objective}: read it by {other}")
        loss = model.losses[0] if len(model.losses) == 1 else model.losses
        if of_classes and len(model.base) > 2:
            loss = "log_loss"  # which several classes make the multinomial one
        estimator = cls(loss=loss, n_estimators=model.n_rounds)
        estimator._adopt(model)
        return estimator

    def _adopt(self, model):
        """Become fitted, by a model that was read."""
        self.n_features_in_ = model.n_features
        if model.names is not None:
            self.feature_names_in_ = np.array(model.names, dtype=object)
        if model.classes is not None:
            self.classes_ = model.classes
        self._categorical, self.categories_, self._codes = model.categorical, model.categories, model.codes
        self.base_, self._n_outputs, self.n_iter_ = model.base, len(model.base), model.n_rounds
        self.trees_ = dict(vars(model.trees))
        self.evals_result_ = {}
        if model.best_iteration is not None:
            self.best_iteration_, self.best_score_ = model.best_iteration, model.best_score
        self._walk = Walk(self._kept(), self._codes)
