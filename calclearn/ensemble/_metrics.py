"""What early stopping looks at: the loss, a named metric, or a function of the user's."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score


class Metric(NamedTuple):
    """A name, ``score(y, raw, prediction, weight)``, and whether more is better.

    The predictions for classes have a column for each class, of probabilities or, under losses without, of
    raw predictions; or one of raw predictions for two classes.
    """

    name: str
    score: object
    ascending: bool = False


def _rmse(y, raw, prediction, weight):
    return np.sqrt(np.average(_residual(y, prediction) ** 2, weights=weight))


def _mae(y, raw, prediction, weight):
    return np.average(np.abs(_residual(y, prediction)), weights=weight)


def _residual(y, prediction):
    if prediction.ndim > 1:
        raise ValueError(
            "eval_metric: 'rmse' and 'mae' are for one loss; for a list take 'loss' or a function"
        )
    return prediction - y


def _logloss(y, raw, prediction, weight):
    chosen = prediction[np.arange(len(y)), y.astype(np.intp)]
    return -np.average(np.log(np.maximum(chosen, np.finfo(np.float64).tiny)), weights=weight)


def _error(y, raw, prediction, weight):
    found = prediction[:, 0] > 0.0 if prediction.shape[1] == 1 else prediction.argmax(axis=1)
    return np.average(found != y, weights=weight)


def _auc(y, raw, prediction, weight):
    if prediction.shape[1] <= 2:
        return roc_auc_score(y, prediction[:, -1], sample_weight=weight)
    return roc_auc_score(
        y, prediction, sample_weight=weight, multi_class="ovr", labels=np.arange(prediction.shape[1])
    )


OF_REGRESSORS = {"rmse": Metric("rmse", _rmse), "mae": Metric("mae", _mae)}
OF_CLASSIFIERS = {
    **{name: Metric(name, _logloss) for name in ("logloss", "mlogloss")},
    **{name: Metric(name, _error) for name in ("error", "merror")},
    "auc": Metric("auc", _auc, ascending=True),
}


class Watched(NamedTuple):
    """Rows that a fit does not learn from, but is judged by."""

    name: str
    X: object
    y: np.ndarray
    weight: np.ndarray | None
    raw: np.ndarray  # predictions so far


@dataclass
class Judge:
    """The scores of evaluation sets, round after round; the last set says which round is the best.

    Parameters
    ----------
    metric : Metric
    watched : list of Watched
    mean : callable
        From raw predictions to those that metrics are handed.
    """

    metric: Metric
    watched: list
    mean: object
    scores: list = field(init=False)
    best_round: int | None = field(init=False, default=None)

    def __post_init__(self):
        self.scores = [[] for _ in self.watched]

    def score(self):
        """Score the raw predictions after one more round."""
        for rows, scores in zip(self.watched, self.scores):
            scores.append(float(self.metric.score(rows.y, rows.raw, self.mean(rows.raw), rows.weight)))
        if not self.watched or np.isnan(self.scores[-1][-1]):
            return
        sign = -1.0 if self.metric.ascending else 1.0
        if self.best_round is None or sign * self.scores[-1][-1] < sign * self.scores[-1][self.best_round]:
            self.best_round = len(self.scores[-1]) - 1

    def latest(self):
        """What each evaluation set's score is now, as pairs of a name and a number."""
        return [
            (f"{rows.name} {self.metric.name}", scores[-1]) for rows, scores in zip(self.watched, self.scores)
        ]

    def waited(self):
        """How many rounds have been no better than the best one."""
        return len(self.scores[-1]) - 1 - (self.best_round or 0) if self.watched else 0


def find_metric(wanted, loss_metric, known):
    """The metric that `eval_metric` asks for.

    Parameters
    ----------
    wanted : None, str or callable
        None or "loss": the loss that is minimised.  A callable is called as
        ``f(y_true, prediction, sample_weight=None)`` and should become less; see the estimators.
    loss_metric : Metric
    known : dict of str to Metric

    Raises
    ------
    ValueError
        For a name that is not known.
    """
    if wanted is None or wanted == "loss":
        return loss_metric
    if callable(wanted):
        name = getattr(wanted, "__name__", type(wanted).__name__)

        def score(y, raw, prediction, weight):
            if prediction.ndim == 2 and raw.shape[1] == 1:
                prediction = prediction[:, -1]  # of two classes, the second one's
            return float(
                wanted(y, prediction) if weight is None else wanted(y, prediction, sample_weight=weight)
            )

        return Metric(name, score)
    if wanted not in known:
        raise ValueError(
            f"eval_metric must be None, 'loss', a function, or one of {sorted(known)}, got {wanted!r}"
        )
    return known[wanted]
