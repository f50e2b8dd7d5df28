"""Training by stochastic solvers: epochs, learning rates, and when to stop.

What is drawn, and in which order, is what scikit-learn draws: from the same seed come the same batches.
"""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from ..base import Progress
from ..optimize.schedules import get_schedule
from ._session import Session, block_rows

SHARE_LOOKED_AT, LEAST_LOOKED_AT = 0.05, 1000  # see `looked_at`
LEAST_RATE = 1e-6  # at which an adaptive learning rate falls no more
CONVERGED, LIMIT, DIVERGED = "objective stalled", "iteration limit", "diverged"
INTERRUPTED, CALLBACK = "interrupted", "stopped by the callback"


class Validation(NamedTuple):
    """Rows that are scored after each epoch: features, true labels or numbers, weights."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None


def looked_at(n, n_epochs):
    """Rows evenly spread over which the record is computed: all, or a twentieth of what training took."""
    most = max(LEAST_LOOKED_AT, int(SHARE_LOOKED_AT * n_epochs * n))
    return np.arange(n) if most >= n else np.linspace(0, n - 1, most).astype(np.int64)


class Best:
    """The weights of the best epoch so far: of the highest score, or of the lowest loss."""

    def __init__(self, slack=0.0):
        self.score, self.arrays, self._slack = -np.inf, None, slack

    def see(self, score, *arrays):
        """Keep copies, if this is the best and nothing in it is NaN or infinite."""
        if score > self.score - self._slack and all(np.isfinite(array).all() for array in arrays):
            self.score, self.arrays = max(score, self.score), [array.copy() for array in arrays]

    def restore(self, *arrays):
        """Write back what was best."""
        for array, best in zip(arrays, self.arrays):
            array[:] = best


class EpochProgress(Progress):
    """Says what scikit-learn's networks say."""

    def say(self, iteration, objective, scores):
        print(f"Iteration {iteration}, loss = {objective:.8f}")
        for name, score in scores:
            print(f"{name.capitalize()}: {score:f}")


class StochasticTraining:
    """Part of the estimators: how batches train a network."""

    _slack = 0.0  # by which a later epoch may score less and is kept

    def _fit_stochastic(self, problem, X, y, targets, weight, validation, random_state, incremental):
        network, loss, parameters, memory = problem
        rows = np.arange(X.shape[0])
        if self.early_stopping and validation is None:
            if incremental:
                raise ValueError("partial_fit does not support early_stopping=True without X_val and y_val")
            rows, validation = self._set_apart(X, y, targets, weight, random_state)
            X, targets = X[rows], targets[rows]
            weight = None if weight is None else weight[rows]
        self._go_on_recording(network)
        rule = self._rule()
        self._begin(rule, parameters, incremental)
        session = Session(
            network,
            loss,
            X,
            targets,
            weight,
            parameters,
            memory,
            self._rows_of_batch(X.shape[0]),
            rule=rule,
            moments=self._moments,
            clock=self._n_steps,
            l2=self.alpha,
            weight_decay=self.weight_decay,
            clip_norm=self.clip_norm or 0.0,
            seed=random_state.randint(2**31) if self.dropout else 0,
        )

        def as_they_are(_):
            """The attributes at the end of an epoch, for callbacks."""
            return self._named(network, parameters.copy(), memory.copy())

        with session.blas, EpochProgress(self, self.max_iter, as_they_are, X, y, 1.0) as progress:
            reason, best = self._epochs(
                session, loss, validation, random_state, progress, incremental=incremental
            )
        self._n_steps = session.clock
        if reason == DIVERGED:
            self._diverged(best, parameters, memory)
        elif best.arrays is not None and (self.early_stopping or self.restore_best) and not incremental:
            best.restore(parameters, memory)
        if not incremental:
            some = looked_at(X.shape[0], self.n_iter_)
            whole = Session(network, loss, X, targets, weight, parameters, memory, session.size)
            with session.blas:
                value, penalty, gradient = whole.evaluate(self.alpha, some)
            converged = reason == CONVERGED
            self._certify(network, value + penalty, gradient, converged, reason, n_rows=len(some))

    def _rows_of_batch(self, n):
        if self.batch_size == "auto":
            return min(200, n)
        if self.batch_size > n:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
                stacklevel=7,
            )
        return min(self.batch_size, n)

    def _set_apart(self, X, y, targets, weight, random_state):
        """The rows to train on, and those to validate with, as scikit-learn draws them."""
        stratify = self._strata(y)
        train, held = train_test_split(
            np.arange(X.shape[0]),
            random_state=random_state,
            test_size=self.validation_fraction,
            stratify=stratify,
        )
        if len(held) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        return train, Validation(X[held], y[held], None if weight is None else weight[held])

    def _start_record(self, network):
        """The record of epochs before the first."""
        self.loss_curve_ = []
        self.gradient_norms_ = np.zeros((0, network.n_dense))
        self._no_improvement_count = 0
        early = self.early_stopping
        self.best_loss_ = None if early else np.inf
        self.validation_scores_ = [] if early else None
        self.best_validation_score_ = -np.inf if early else None

    def _go_on_recording(self, network):
        """What is missing of the record where an earlier fit was by L-BFGS, or stopped by other numbers."""
        if not hasattr(self, "loss_curve_"):
            self._start_record(network)
        if self.early_stopping and self.best_validation_score_ is None:
            self.best_validation_score_ = -np.inf
        if not self.early_stopping and self.best_loss_ is None:
            self.best_loss_ = np.inf

    def _begin(self, rule, parameters, incremental):
        """What the rule remembers, and the learning rate: new, but where `partial_fit` goes on."""
        shape, whose = (len(rule.state), len(parameters)), [type(rule).__name__, *rule.state]
        same = getattr(self, "_moments_of", None) == whose and self._moments.shape == shape
        if incremental and same:
            self._moments = self._moments.astype(parameters.dtype)  # a copy: a fit that fails changes nothing
            if rule.learning_rate != self._first_rate:  # the parameter was changed between two calls
                self._first_rate = self._rate = rule.learning_rate
            return
        self._moments, self._moments_of = np.zeros(shape, parameters.dtype), whose
        self._n_steps, self._rate, self._n_calls = 0, rule.learning_rate, 0
        self._first_rate = rule.learning_rate

    # -------------------------------------------------------------------------------------------- the epochs

    def _epochs(self, session, loss, validation, random_state, progress, *, incremental):
        """Epoch by epoch; the reason to stop, and the best weights."""
        order, best = np.arange(session.n), Best(self._slack)
        parameters, memory = session.buffers.parameters, session.buffers.memory
        clock, done = self._clock(incremental)
        scorer = None if validation is None else self._scorer(session, validation)
        self.n_iter_ = 0
        self.loss_curve_, norms_of_epochs = list(self.loss_curve_), list(getattr(self, "gradient_norms_", ()))
        self.validation_scores_ = getattr(self, "validation_scores_", None)
        if self.validation_scores_ is not None or scorer is not None:
            self.validation_scores_ = list(self.validation_scores_ or [])
        reason = LIMIT
        try:
            for epoch in range(1 if incremental else self.max_iter):
                if self.shuffle:
                    drawn = np.arange(session.n)
                    random_state.shuffle(drawn)
                    order = order[drawn]
                value, penalty, norms = session.train(
                    order, self._rates(session.n_batches, done + epoch, clock)
                )
                self.n_iter_ += 1
                self.t_ += session.n
                self.loss_ = value * self._reported + penalty
                self.loss_curve_.append(self.loss_)
                norms_of_epochs.append(norms)
                score = None if scorer is None else scorer()
                if score is not None:
                    self.validation_scores_.append(score)
                best.see(-self.loss_ if score is None else score, parameters, memory)
                said = () if score is None else (("validation score", score),)
                stopped = progress(self.n_iter_, self.loss_, parameters, said)
                if clock is not None:
                    clock.tell(self.loss_)
                # a call of partial_fit may start where the loss is infinite: the next one may not be there
                is_lost = np.isnan(self.loss_) if incremental else not np.isfinite(self.loss_)
                if is_lost or not np.isfinite(parameters).all():
                    reason = DIVERGED
                    break
                if self._is_enough(score) or stopped:
                    reason = CALLBACK if stopped else CONVERGED
                    break
            else:
                if not incremental and clock is None:  # a schedule is made for just so many epochs
                    warnings.warn(
                        f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the "
                        "optimization hasn't converged yet.",
                        ConvergenceWarning,
                        stacklevel=7,
                    )
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=7)
            reason = INTERRUPTED
        self.gradient_norms_ = np.array(norms_of_epochs).reshape(
            len(norms_of_epochs), session.network.n_dense
        )
        return reason, best

    def _clock(self, incremental):
        """The clock of the schedule, if there is one, and the calls of `partial_fit` that it has run."""
        done = self._n_calls if incremental else 0
        self._n_calls = done + 1 if incremental else 0
        if self.schedule is None:
            return None, done
        clock = get_schedule(self.schedule).start(self.max_iter)
        for loss in self.loss_curve_[len(self.loss_curve_) - done :]:
            clock.tell(loss)
        return clock, done

    def _rates(self, n_batches, epoch, clock):
        """The learning rate of each batch of an epoch."""
        if clock is None:
            return np.full(n_batches, self._rate)
        times = epoch + np.arange(n_batches) / n_batches
        return self._rate * np.array([clock.factor(time) for time in times])

    def _is_enough(self, score):
        """Whether there was no progress for long; takes note of this epoch; the learning rate may fall."""
        if self.early_stopping and score is not None:
            best = -np.inf if self.best_validation_score_ is None else self.best_validation_score_
            idle = not score >= best + self.tol  # nor is NaN a progress
            self.best_validation_score_ = max(best, score)
        else:
            best = np.inf if self.best_loss_ is None else self.best_loss_
            idle = self.loss_ > best - self.tol
            self.best_loss_ = min(best, self.loss_)
        self._no_improvement_count = self._no_improvement_count + 1 if idle else 0
        is_sgd = self.solver == "sgd" and self.optimizer is None
        if is_sgd and self.learning_rate == "invscaling" and self.schedule is None:
            self._rate = self.learning_rate_init / (self.t_ + 1) ** self.power_t
        if self._no_improvement_count <= self.n_iter_no_change:
            return False
        falls = is_sgd and self.learning_rate == "adaptive" and self.schedule is None
        if falls and self._rate > LEAST_RATE:
            self._rate /= 5.0
            self._no_improvement_count = 0
            return False
        return True

    def _scorer(self, session, validation):
        """A function of nothing: the score of the weights as they are, NaN if predictions are not finite."""
        X, y, weight = validation
        asked = Session(
            session.network,
            session.loss,
            X,
            None,
            None,
            session.buffers.parameters,
            session.buffers.memory,
            min(X.shape[0], block_rows(session.network)),
        )

        def score():
            raw = asked.predict()
            return self._score_raw(y, raw, weight) if np.isfinite(raw).all() else float("nan")

        return score

    def _diverged(self, best, parameters, memory):
        """Back to the best weights, and say so; without any there is nothing to keep."""
        if best.arrays is None:
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and "
                "need to be preprocessed."
            )
        best.restore(parameters, memory)
        warnings.warn(
            f"Training diverged in epoch {self.n_iter_}: the weights or the loss are not finite. The weights "
            f"of the best epoch are kept. A smaller learning_rate_init than {self.learning_rate_init}, "
            "scaled data or clip_norm may help.",
            ConvergenceWarning,
            stacklevel=7,
        )
