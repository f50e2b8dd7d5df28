"""What the classifier and the regressor share: how a network is stated, trained and asked."""

import copy
import dataclasses
import itertools
import warnings
from typing import ClassVar

import numpy as np
import scipy.optimize
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Options
from sklearn.utils.validation import check_is_fitted

from ..base import (
    CalculusEstimator,
    Integral,
    Interval,
    LossParameters,
    Real,
    StrOptions,
    check_weights,
    fitting,
    validate,
)
from ..losses import Loss
from ..optimize import Optimality
from ..optimize._optimality import max_norm
from ..optimize.rules import UpdateRule, get_rule
from ..optimize.schedules import Schedule
from ._activations import Activation, get_activation
from ._network import Network, initial_parameters
from ._rules import HeavyBall, PaperAdam
from ._session import Session, block_rows
from ._training import CALLBACK, INTERRUPTED, EpochProgress, StochasticTraining, Validation

STOCHASTIC = ("sgd", "adam")
OF_STEPS = ("dropout", "clip_norm", "weight_decay", "schedule", "restore_best")  # not of L-BFGS
STOPPED = 99  # what SciPy says where the callback has stopped it
OF_NORMS = ("norm_scales_", "norm_shifts_", "_running")
OF_EPOCHS = ("loss_curve_", "gradient_norms_", "validation_scores_", "best_loss_", "best_validation_score_")
NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
    "preprocessed."
)


class MultilayerPerceptron(StochasticTraining, LossParameters, CalculusEstimator):
    """Networks of dense layers: parameters, data, training, and what is kept of it."""

    _parameter_constraints: ClassVar[dict] = {
        "loss": [str, Loss],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [str, Activation],
        "solver": [StrOptions({"lbfgs", *STOCHASTIC})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "batch_norm": ["boolean"],
        "layer_norm": ["boolean"],
        "residual": ["boolean"],
        "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "init": [StrOptions({"glorot", "he", "lecun"})],
        "optimizer": [str, UpdateRule, None],
        "schedule": [str, Schedule, None],
        "dtype": [StrOptions({"float32", "float64"}), None],
        "restore_best": ["boolean"],
    }

    # ------------------------------------------------------------------------------------------- the problem

    def _check_options(self, X_val):
        """Raise a ValueError for parameters that do not go together."""
        if self.batch_norm and self.layer_norm:
            raise ValueError("batch_norm=True and layer_norm=True: choose one of them")
        sizes = self._hidden_sizes()
        if not all(isinstance(size, Integral) for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be integers, got {self.hidden_layer_sizes!r}")
        if any(size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        if not self._is_stochastic:
            given = {name: getattr(self, name) for name in OF_STEPS if getattr(self, name)}
            given |= {} if X_val is None else {"X_val": "..."}
            for name, value in given.items():
                raise ValueError(
                    f"{name}={value} needs a stochastic solver, 'sgd' or 'adam', got solver='lbfgs'"
                )

    def _hidden_sizes(self):
        sizes = self.hidden_layer_sizes
        return list(sizes) if hasattr(sizes, "__iter__") else [sizes]

    def _form(self):
        """The activation, the norm, and whether there are ways past, as the parameters ask for."""
        norm = "batch" if self.batch_norm else "layer" if self.layer_norm else ""
        return self.activation, norm, bool(self.residual)

    def _network(self, units, form):
        """A network of so many units in each layer."""
        activation, norm, residual = form
        return Network(
            tuple(units),
            get_activation(activation),
            dropout=float(self.dropout),
            norm=norm,
            residual=residual,
        )

    def _network_asked_for(self, n_features):
        return self._network((n_features, *map(int, self._hidden_sizes()), self.n_outputs_), self._form())

    def _network_of_weights(self):
        """What has been fitted, whatever the parameters ask for by now."""
        units = [np.shape(self.coefs_[0])[0], *(np.shape(weights)[1] for weights in self.coefs_)]
        return self._network(units, vars(self).get("_fitted_form") or self._form())

    def _rule(self):
        """The update rule; one that is handed in keeps its own learning rate."""
        rate = self.learning_rate_init
        if isinstance(self.optimizer, str):
            try:
                return get_rule(self.optimizer, learning_rate=rate)
            except ValueError as error:
                raise ValueError(f"optimizer={self.optimizer!r}: {error}") from error
        if self.optimizer is not None:
            if "learning_rate" not in (field.name for field in dataclasses.fields(self.optimizer)):
                raise ValueError(f"optimizer={self.optimizer!r} must have a field learning_rate")
            return self.optimizer
        if self.solver == "adam":
            return PaperAdam(rate, self.beta_1, self.beta_2, self.epsilon)
        return HeavyBall(rate, self.momentum, float(self.nesterovs_momentum))

    @property
    def _is_stochastic(self):
        return self.solver in STOCHASTIC or self.optimizer is not None

    # ----------------------------------------------------------------------------------------- fit, and more

    @fitting
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None):
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 is kept.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets: class labels, an indicator of labels, or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows.
        X_val, y_val : array-like, default=None
            Rows to score after each epoch, in the place of those that `early_stopping` would set apart.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters or data, or if the weights are not finite after the first epoch.
        """
        return self._fit(X, y, sample_weight, X_val, y_val, incremental=False)

    def _fit(self, X, y, sample_weight, X_val, y_val, *, incremental):
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        self._check_options(X_val)
        X, y = self._validate_targets(X, y, incremental=incremental, reset=first)
        weight = self._weights(sample_weight, X, y)
        targets, loss = self._targets(y), self._loss()
        self.n_outputs_ = self._count_outputs(targets)
        network = self._network_asked_for(X.shape[1])
        random_state = check_random_state(self.random_state)
        dtype = self._precision(X if first else self.coefs_[0])
        if first:
            parameters = initial_parameters(network, self.init, random_state, dtype)
            self._start(network, parameters)
        elif self._form()[1] != vars(self).get("_fitted_form", self._form())[1]:
            raise ValueError(
                f"batch_norm={self.batch_norm} and layer_norm={self.layer_norm}, but the network that is to "
                "go on has learned otherwise: leave them as they were, or start anew"
            )
        self._fitted_form = self._form()
        parameters, memory = self._pack(network, dtype)
        problem = network, loss, parameters, memory
        validation = self._validation_rows(X_val, y_val)
        if self._is_stochastic:
            self._fit_stochastic(problem, X, y, targets, weight, validation, random_state, incremental)
        else:
            self._fit_lbfgs(problem, X, y, targets, weight)
        self._keep(network, parameters, memory)
        if not np.isfinite(parameters).all():
            raise ValueError(NOT_FINITE)
        return self

    def _precision(self, *arrays):
        """The dtype asked for, else float32 where all arrays are of it: assigned ones may be of any."""
        single = all(np.asarray(array).dtype == np.float32 for array in arrays)
        return np.dtype(self.dtype or ("float32" if single else "float64"))

    def _start(self, network, parameters):
        """The attributes before the first step."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(network.units)
        self.out_activation_ = self._out_activation()
        for name in (*OF_NORMS, *OF_EPOCHS):  # of another fit
            self.__dict__.pop(name, None)
        self._keep(network, parameters, network.new_memory())
        if self._is_stochastic:
            self._start_record(network)

    def _keep(self, network, parameters, memory):
        """Weights and biases as views of the flat vector, and what norms have learned."""
        for name, value in self._named(network, parameters, memory).items():
            setattr(self, name, value)

    def _named(self, network, parameters, memory):
        """The same by the names of the attributes."""
        arrays, spread = network.views(parameters), network.n_dense
        named = {"coefs_": arrays[:spread], "intercepts_": arrays[spread : 2 * spread]}
        if network.norm:
            hidden = spread - 1
            named["norm_scales_"] = arrays[2 * spread : 2 * spread + hidden]
            named["norm_shifts_"] = arrays[2 * spread + hidden : 2 * spread + 2 * hidden]
        if network.norm == "batch":
            named["_running"] = memory
        if network.inputs is not None:
            named["embeddings_"] = arrays[len(arrays) - len(network.inputs.shapes) :]
        return named

    def _pack(self, network, dtype):
        """A flat copy of the parameters, and of the running statistics."""
        arrays = [*self.coefs_, *self.intercepts_]
        if network.norm:
            arrays += [*getattr(self, "norm_scales_", ()), *getattr(self, "norm_shifts_", ())]
        if network.inputs is not None:
            arrays += self.embeddings_
        shapes, memory = [np.shape(array) for array in arrays], np.zeros(0)
        if shapes != network.shapes:
            raise ValueError(
                f"coefs_, intercepts_ and what else was fitted have arrays of shapes {shapes}; "
                f"the parameters ask for {network.shapes}"
            )
        flat = np.concatenate([np.asarray(array, dtype).ravel() for array in arrays])
        if network.norm == "batch":
            memory = np.array(getattr(self, "_running", memory))
            if memory.size != network.new_memory().size:
                raise ValueError("batch_norm=True: the fit before had none, or other hidden layers")
        return flat, memory

    # -------------------------------------------------------------------------------------------- L-BFGS

    def _fit_lbfgs(self, problem, X, y, targets, weight):
        """Minimise over all rows at once, with SciPy."""
        network, loss, parameters, memory = problem
        size = X.shape[0] if network.norm == "batch" else min(X.shape[0], block_rows(network))
        session = Session(network, loss, X, targets, weight, parameters, memory, size)

        def value_gradient(x):
            parameters[:] = x
            value, penalty, gradient = session.evaluate(self.alpha)
            return value + penalty, gradient

        def as_they_are(x):
            """The attributes at the end of an iteration, for callbacks."""
            return self._named(network, x.astype(parameters.dtype), memory.copy())

        # the statistics of batch norm are gathered at the end alone: until then there is no model
        fitted = None if network.norm == "batch" else as_they_are
        found = scipy.optimize.OptimizeResult(x=parameters.astype(np.float64), nit=0, success=False)
        with session.blas, EpochProgress(self, self.max_iter, fitted, X, y, 1.0) as progress:

            def after_iteration(intermediate_result):
                found.update(x=intermediate_result.x.copy(), nit=found.nit + 1)
                if progress(found.nit, float(intermediate_result.fun), found.x):
                    raise StopIteration

            try:
                found = scipy.optimize.minimize(
                    value_gradient,
                    found.x,
                    method="L-BFGS-B",
                    jac=True,
                    callback=after_iteration,
                    options={"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol},
                )
            except KeyboardInterrupt:
                found.update(status=None, message=INTERRUPTED)
            parameters[:] = found.x
            self.n_iter_ = min(int(found.nit), self.max_iter)
            value, penalty, gradient = session.evaluate(self.alpha)
            if network.norm == "batch":
                session.renew_statistics()
        self.loss_ = value * self._reported + penalty
        reason = "gradient within tol" if found.success else "iteration limit"
        if found.status is None:
            warnings.warn("Training interrupted by user.", stacklevel=6)
            reason = INTERRUPTED
        elif found.status == STOPPED:
            reason = CALLBACK
        self._certify(network, value + penalty, gradient, found.success, reason, n_rows=X.shape[0])
        if not found.success and reason not in (INTERRUPTED, CALLBACK):
            message = found.message if isinstance(found.message, str) else found.message.decode("latin1")
            warnings.warn(
                f"lbfgs failed to converge after {found.nit} iteration(s) (status={found.status}):\n"
                f"{message}\n\n"
                "Increase the number of iterations (max_iter) or scale the data.",
                ConvergenceWarning,
                stacklevel=6,
            )

    def _objective_of(self, X, y, sample_weight):
        """What :func:`calclearn.inspection.check_gradients` asks for.

        Value and gradient on all rows as a function of the flat parameters; those as they are, or before the
        first step; and where those of each layer lie.
        """
        fitted = hasattr(self, "coefs_")
        other = copy.copy(self)
        other.dtype = "float64"
        X, y = other._validate_targets(X, y, incremental=fitted, reset=not fitted)
        weight, targets = other._weights(sample_weight, X, y), other._targets(y)
        other.n_outputs_ = other._count_outputs(targets)
        network = other._network_of_weights() if fitted else other._network_asked_for(X.shape[1])
        if not fitted:
            random_state = check_random_state(other.random_state)
            other._start(network, initial_parameters(network, other.init, random_state, np.float64))
        parameters, memory = other._pack(network, np.dtype(np.float64))
        start = parameters.copy()
        session = Session(network, other._loss(), X, targets, weight, parameters, memory, X.shape[0])

        def objective(x):
            parameters[:] = x
            value, penalty, gradient = session.evaluate(other.alpha)
            return value + penalty, gradient

        spread, starts = network.n_dense, network.starts
        names = [f"{what} of layer {k + 1}" for what in ("weights", "biases") for k in range(spread)]
        hidden = range(spread - 1) if network.norm else ()
        names += [f"{what} of layer {k + 1}" for what in ("scales", "shifts") for k in hidden]
        names += [f"embedding {k + 1}" for k in range(len(network.shapes) - len(names))]
        return objective, start, dict(zip(names, itertools.pairwise(starts)))

    def _certify(self, network, value, gradient, converged, reason, n_rows):
        starts = network.starts
        norms = {
            f"gradient_norm_layer_{k + 1}": max_norm(gradient[starts[k] : starts[k + 1]])
            for k in range(network.n_dense)
        }
        norms["n_rows"] = n_rows
        self.optimality_ = Optimality(
            value,
            gradient_norm=max_norm(gradient),
            n_iter=self.n_iter_,
            converged=bool(converged),
            reason=reason,
            details=norms,
        )

    # ------------------------------------------------------------------------------------------- predictions

    def _rows(self, X, y="no_validation", **options):
        """X, or X and y, as the network takes them."""
        return validate(self, X, y, **options)

    def _weights(self, sample_weight, X, y):
        """Weights of the rows, or None."""
        return check_weights(sample_weight, X)

    def _validation_rows(self, X, y):
        """What `fit` was handed to validate with."""
        if X is None and y is None:
            return None
        if X is None or y is None:
            raise ValueError(f"{'y_val needs X_val' if X is None else 'X_val needs y_val'}, got None")
        try:
            X = self._rows(X, reset=False)
        except ValueError as error:
            raise ValueError(f"X_val: {error}") from error
        y = y.toarray() if issparse(y) else np.asarray(y)
        if y.shape[:1] != X.shape[:1]:
            raise ValueError(f"X_val has {X.shape[0]} rows, but y_val has shape {y.shape}")
        y = y.ravel() if y.ndim == 2 and y.shape[1] == 1 else y
        self._check_validation_targets(y)
        return Validation(X, y, None)

    def _raw(self, X):
        """Raw predictions of shape (n_samples, n_outputs)."""
        check_is_fitted(self)
        X = self._rows(X, reset=False)
        network = self._network_of_weights()
        dtype = self._precision(X, self.coefs_[0])
        parameters, memory = self._pack(network, dtype)
        size = min(X.shape[0], block_rows(network))
        return Session(network, None, X, None, None, parameters, memory, size).predict()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
