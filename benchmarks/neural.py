"""Multilayer perceptrons: who trains them, what their training is judged by, and Adam's update alone.

There is no optimum to come near to.  Everybody takes the same number of steps from weights of one
distribution, over batches of one size; so what a fit is judged by is the loss that it ends with.
"""

import itertools

import numpy as np

from . import THREADS
from .objectives import HeldOut

RATE = 1e-3  # of Adam, everybody's default
N_PARAMETERS = 1_000_000  # of "adam-update"


class TrainingLoss(HeldOut):
    """Judges networks by the mean log-loss of the rows fitted, beside the best peer's, over all seeds."""

    def excess(self, model):
        """Return the log-loss; `settle` makes an excess of it when all are known."""
        if model.n_iter_ != self.case.epochs:
            raise RuntimeError(
                f"{self.case.key}: {type(model).__name__} made {model.n_iter_} passes over the rows, "
                f"not {self.case.epochs}"
            )
        return super().excess(model)

    def misses(self, row):
        """Return whether the mean excess is above the tolerance by more than two of its standard errors."""
        return row["excess"] - 2.0 * row.get("standard_error", 0.0) > self.case.tolerance


def training(case):
    """Return what scikit-learn's parameters and ours say of a case."""
    return {
        "hidden_layer_sizes": case.hidden,
        "batch_size": case.batch,
        "learning_rate_init": RATE,
        "max_iter": case.epochs,
        "tol": 0.0,
        "n_iter_no_change": case.epochs,  # nobody stops early
        "random_state": case.seed,
    }


def ours(case, n_rows):
    from calclearn.neural_network import MLPClassifier

    return MLPClassifier(**training(case))


def scikit_learn(case, n_rows):
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(**training(case))


def pytorch(case, n_rows, dtype=None):
    import torch

    torch.set_num_threads(THREADS)
    return TorchNetwork(case.hidden, case.batch, case.epochs, case.seed, dtype)


class TorchNetwork:
    """A plain loop over batches in PyTorch, behind the methods that are timed.

    Like scikit-learn it has one output for two classes, and draws weights and biases uniformly within
    √(6 / (inputs + outputs)).
    """

    def __init__(self, hidden, batch, epochs, seed, dtype=None):
        self.hidden, self.batch, self.epochs, self.seed, self.dtype = hidden, batch, epochs, seed, dtype

    def fit(self, X, y):
        import torch
        from torch import nn

        torch.manual_seed(self.seed)
        self.classes_, codes = np.unique(y, return_inverse=True)
        binary = len(self.classes_) == 2
        X = self.tensor(X)
        if binary:
            target, loss = torch.from_numpy(codes).to(X.dtype), nn.BCEWithLogitsLoss()
        else:
            target, loss = torch.from_numpy(codes), nn.CrossEntropyLoss()
        self.network = self.layers(X.shape[1], 1 if binary else len(self.classes_), X.dtype)
        optimiser = torch.optim.Adam(self.network.parameters(), lr=RATE)
        for _ in range(self.epochs):
            order = torch.randperm(len(X))
            for rows in order.split(self.batch):
                optimiser.zero_grad()
                raw = self.network(X[rows])
                loss(raw.squeeze(1) if binary else raw, target[rows]).backward()
                optimiser.step()
        self.n_iter_ = self.epochs
        return self

    def layers(self, n_inputs, n_outputs, dtype):
        """Return dense layers with relu between them."""
        from torch import nn

        sizes, layers = (n_inputs, *self.hidden, n_outputs), []
        for a, b in itertools.pairwise(sizes):
            dense, bound = nn.Linear(a, b, dtype=dtype), (6.0 / (a + b)) ** 0.5
            nn.init.uniform_(dense.weight, -bound, bound)
            nn.init.uniform_(dense.bias, -bound, bound)
            layers += [dense, nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    def tensor(self, X):
        import torch

        return torch.from_numpy(np.ascontiguousarray(X, self.dtype))

    def raw(self, X):
        import torch

        with torch.inference_mode():
            return self.network(self.tensor(X))

    def predict_proba(self, X):
        raw = self.raw(X)
        if raw.shape[1] > 1:
            return raw.softmax(dim=1).numpy()
        second = raw[:, 0].sigmoid().numpy()
        return np.column_stack([1.0 - second, second])

    def predict(self, X):
        raw = self.raw(X)
        codes = raw.argmax(dim=1) if raw.shape[1] > 1 else (raw[:, 0] > 0).long()
        return self.classes_[codes.numpy()]


def products(case, X, y):
    """Return how many times in a fit, and the products of matrices that one batch cannot do without.

    Forward, and backward to the weights of each layer and to the inputs of each but the first.
    """
    n_classes = len(np.unique(y))
    sizes = (X.shape[1], *case.hidden, 1 if n_classes == 2 else n_classes)
    dtype = np.asarray(X).dtype
    values = [np.ones((case.batch, size), dtype) for size in sizes]
    deltas = [np.ones_like(value) for value in values]
    weights = [np.ones(shape, dtype) for shape in itertools.pairwise(sizes)]
    gradients = [np.ones_like(weight) for weight in weights]

    def batch():
        for k, weight in enumerate(weights):
            np.dot(values[k], weight, values[k + 1])
        for k, weight in enumerate(weights):
            np.dot(values[k].T, deltas[k + 1], gradients[k])
            if k:
                np.dot(deltas[k + 1], weight.T, deltas[k])

    return case.epochs * X.shape[0] / case.batch, batch


def adam_updates(n=N_PARAMETERS):
    """Return, by contestant, a call that takes one step of Adam with n float32 parameters.

    Each returns its parameters.  A contestant whose package is missing is left out.
    """
    rng = np.random.default_rng(0)
    start, gradient = (rng.standard_normal(n, dtype=np.float32) for _ in range(2))
    calls = {"calclearn": our_adam(start, gradient)}
    for way in ("fused", "foreach"):
        try:
            calls[f"PyTorch {way}"] = torch_adam(start, gradient, way)
        except ImportError:
            continue
    return calls


def our_adam(start, gradient):
    from calclearn.optimize import rules

    rule, parameters, step = rules.Adam(learning_rate=RATE), start.copy(), 0
    state = rule.start(parameters)

    def update():
        nonlocal step
        step += 1
        rules.apply(rule, step, parameters, gradient, state)
        return parameters

    return update


def torch_adam(start, gradient, way):
    import torch

    torch.set_num_threads(THREADS)
    parameters = torch.nn.Parameter(torch.from_numpy(start.copy()))
    parameters.grad = torch.from_numpy(gradient.copy())
    optimiser = torch.optim.Adam([parameters], lr=RATE, **{way: True})

    def update():
        optimiser.step()
        return parameters.detach().numpy()

    return update
