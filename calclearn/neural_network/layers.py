r"""Backpropagation to look at: layers with a step forward, and one back that returns the error and gradients.

A network is a composition of layers, and the derivative of a composition is a product, taken from the loss
backwards.  Each layer is handed :math:`\delta`, the derivative of the loss by what it put out, and answers
with the derivative by what it was put in, and by its parameters.  The four equations of backpropagation are

.. math::
    \delta^L = \frac{\partial \ell}{\partial z^L}, \qquad
    \delta^{l-1} = \bigl(\delta^l (W^l)^\top\bigr) \odot f'(z^{l-1}), \qquad
    \frac{\partial \ell}{\partial W^l} = (h^{l-1})^\top \delta^l, \qquad
    \frac{\partial \ell}{\partial b^l} = \sum_i \delta^l_i,

found in :func:`output_error`, in :meth:`Dense.backward` with :meth:`Activation.backward`, and in
:meth:`Dense.backward` again.

These classes are for reading and teaching: they call, interpreted, the functions that the estimators run
compiled.  Derivation: docs/derivations/backpropagation.md, equations (1) to (24).
"""

import numpy as np

from ..losses import get_loss, pointwise
from . import _layers
from ._activations import get_activation

__all__ = [
    "Activation",
    "BatchNorm",
    "Dense",
    "Dropout",
    "Embedding",
    "Layer",
    "LayerNorm",
    "Residual",
    "Sequential",
    "output_error",
]


def output_error(loss, y, raw):
    r"""The error of the last layer, :math:`\delta^L_i = \frac1n\,\partial \ell(y_i, z_i)/\partial z_i`.

    Parameters
    ----------
    loss : str or Loss
    y : ndarray of shape (n,) or (n, n_outputs)
        Targets; of a loss of several outputs, indices of classes of shape (n,).
    raw : ndarray of shape (n, n_outputs)
        What the last layer put out.

    Returns
    -------
    error : ndarray of shape (n, n_outputs)

    Examples
    --------
    >>> import numpy as np
    >>> output_error("squared_error", y=np.array([1.0, 0.0]), raw=np.array([[3.0], [1.0]])).tolist()
    [[1.0], [0.5]]
    """
    loss, raw = get_loss(loss), _rows(raw)
    y = np.asarray(y, raw.dtype)
    if y.shape[:1] != raw.shape[:1]:
        raise ValueError(f"y must have {len(raw)} rows as raw has, got shape {y.shape}")
    loss.check_targets(y)
    if hasattr(loss, "value_row"):
        if y.size and y.max() >= raw.shape[1]:
            raise ValueError(f"y must hold classes below {raw.shape[1]}, got {y.max():g}")
        return pointwise.gradient(loss, y.ravel(), raw) / len(raw)
    y = np.broadcast_to(y.reshape(len(raw), -1), raw.shape)
    return pointwise.gradient(loss, y.ravel(), raw.ravel()).reshape(raw.shape) / len(raw)


class Layer:
    """What all layers have in common.

    Attributes
    ----------
    parameters : dict of str to ndarray
        What can be learned, by name; `backward` returns gradients by the same names.

    Examples
    --------
    >>> import numpy as np
    >>> class Double(Layer):
    ...     def forward(self, x):
    ...         return 2.0 * x
    ...
    ...     def backward(self, error):
    ...         return 2.0 * error, {}
    >>> network = Sequential(Double(), Activation("identity"))
    >>> raw = network.forward(np.array([[3.0]]))
    >>> raw.tolist(), network.backward(np.array([[1.0]]))[0].tolist()
    ([[6.0]], [[2.0]])
    """

    def __init__(self, **parameters):
        self.parameters = {name: _floats(array) for name, array in parameters.items()}

    def forward(self, x):
        """What the layer makes of its inputs, a row each; it keeps what the way back will need."""
        raise NotImplementedError

    def backward(self, error):
        """The error of the inputs, and the gradients by the parameters.

        Parameters
        ----------
        error : ndarray
            Derivative of the loss by what `forward` returned last, of its shape.

        Returns
        -------
        error : ndarray
            By the inputs, of their shape.
        gradients : dict of str to ndarray
        """
        raise NotImplementedError

    def _like(self):
        return {name: np.zeros_like(array) for name, array in self.parameters.items()}


class Dense(Layer):
    r"""Linear combinations of the inputs, :math:`z = h W + b`; equation (1).

    Parameters
    ----------
    weights : array-like of shape (n_in, n_out)
    bias : array-like of shape (n_out,)

    Examples
    --------
    >>> import numpy as np
    >>> layer = Dense(weights=[[1.0], [2.0]], bias=[0.5])
    >>> layer.forward(np.array([[3.0, 1.0]])).tolist()
    [[5.5]]
    >>> error, gradients = layer.backward(np.array([[10.0]]))
    >>> error.tolist(), gradients["weights"].tolist(), gradients["bias"].tolist()
    ([[10.0, 20.0]], [[30.0], [10.0]], [10.0])
    """

    def __init__(self, weights, bias):
        super().__init__(weights=weights, bias=bias)
        weights, bias = self.parameters.values()
        if weights.ndim != 2 or bias.shape != weights.shape[1:]:
            raise ValueError(
                "weights must have shape (n_in, n_out) and bias (n_out,), "
                f"got {weights.shape} and {bias.shape}"
            )

    def forward(self, x):
        weights, bias = self.parameters.values()
        self._inputs = _rows(x, len(weights))
        outputs = np.empty((len(self._inputs), weights.shape[1]), np.result_type(self._inputs, weights))
        _layers.dense_forward(self._inputs, weights, outputs)
        _layers.add_bias(outputs, bias)
        return outputs

    def backward(self, error):
        r""":math:`\delta W^\top` (3); by parameters :math:`h^\top\delta` (4) and :math:`\sum_i\delta_i` (5).

        Parameters
        ----------
        error : ndarray of shape (n, n_out)

        Returns
        -------
        error : ndarray of shape (n, n_in)
        gradients : dict
        """
        gradients, inputs_error = self._like(), np.empty_like(self._inputs)
        _layers.dense_gradient(self._inputs, error, gradients["weights"])
        _layers.bias_gradient(error, gradients["bias"])
        _layers.dense_error(error, self.parameters["weights"], inputs_error)
        return inputs_error, gradients


class Activation(Layer):
    r"""Each input through a function of one number, :math:`h = f(z)`.

    Parameters
    ----------
    activation : str or calclearn.neural_network.Activation

    Examples
    --------
    >>> import numpy as np
    >>> layer = Activation("relu")
    >>> layer.forward(np.array([[-1.0, 2.0]])).tolist()
    [[0.0, 2.0]]
    >>> layer.backward(np.array([[5.0, 5.0]]))[0].tolist()
    [[0.0, 5.0]]
    """

    def __init__(self, activation):
        super().__init__()
        self.activation = get_activation(activation)

    def forward(self, x):
        self._slope = _rows(x, copy=True)
        outputs = np.empty_like(self._slope)
        _layers.activation_training(self.activation, self._slope, outputs[0, :0], outputs)
        return outputs

    def backward(self, error):
        r""":math:`\delta \odot f'(z)`: the second factor of equation (3).

        Parameters
        ----------
        error : ndarray of shape (n, k)

        Returns
        -------
        error : ndarray of shape (n, k)
        gradients : dict
            Empty.
        """
        inputs_error = np.empty_like(error)
        _layers.activation_error(error, self._slope, inputs_error)
        return inputs_error, {}


class Dropout(Layer):
    """Each input left out with some probability, the others divided by what is kept; equation (15).

    Parameters
    ----------
    rate : float
        The probability, in [0, 1).
    seed : int, default=0
        With it, a number for each step draws the mask, which is nowhere stored.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Dropout(rate=0.5)
    >>> outputs = layer.forward(np.ones((1, 1000)))
    >>> np.unique(outputs).tolist()  # left out, or doubled
    [0.0, 2.0]
    >>> bool((layer.backward(np.ones((1, 1000)))[0] == outputs).all())
    True
    """

    def __init__(self, rate, seed=0):
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"rate must lie in [0, 1), got {rate}")
        self.rate, self.seed, self.step = float(rate), int(seed), 0

    def forward(self, x):
        """Draw a new mask, and let it fall on the inputs."""
        self.step += 1
        return self._masked(x)

    def backward(self, error):
        """The same mask on the error.

        Parameters
        ----------
        error : ndarray of shape (n, k)

        Returns
        -------
        error : ndarray of shape (n, k)
        gradients : dict
            Empty.
        """
        return self._masked(error), {}

    def _masked(self, array):
        masked = _rows(array, copy=True)
        _layers.dropout(_layers.dropout_key(self.seed, self.step, 0), self.rate, 0, masked)
        return masked


class _Norm(Layer):
    def __init__(self, scale, shift, epsilon=1e-5):
        super().__init__(scale=scale, shift=shift)
        scale, shift = self.parameters.values()
        if scale.ndim != 1 or shift.shape != scale.shape:
            raise ValueError(f"scale and shift must have shape (k,), got {scale.shape} and {shift.shape}")
        if not epsilon >= 0:
            raise ValueError(f"epsilon must be >= 0, got {epsilon}")
        self.epsilon = float(epsilon)

    def backward(self, error):
        gradients, inputs_error = self._like(), np.empty_like(self._normalised)
        self._back(
            error,
            self._normalised,
            self.parameters["scale"],
            self._inverse,
            gradients["scale"],
            gradients["shift"],
            inputs_error,
        )
        return inputs_error, gradients


class BatchNorm(_Norm):
    """Each column with mean 0 and variance 1 over the batch, then scaled and shifted; equations (16) to (20).

    Parameters
    ----------
    scale, shift : array-like of shape (k,)
    epsilon : float, default=1e-5
        Added to the variance.
    share : float, default=0.1
        By which the running mean and variance move towards each batch's.

    Attributes
    ----------
    running : ndarray of shape (2, k)
        Running mean and variance.

    Examples
    --------
    >>> import numpy as np
    >>> layer = BatchNorm(scale=[1.0], shift=[0.0], epsilon=0.0)
    >>> layer.forward(np.array([[1.0], [3.0]])).tolist()
    [[-1.0], [1.0]]
    """

    _back = staticmethod(_layers.batch_norm_backward)

    def __init__(self, scale, shift, epsilon=1e-5, share=0.1):
        super().__init__(scale, shift, epsilon)
        self.share = float(share)
        self.running = np.array([np.zeros(len(scale)), np.ones(len(scale))])

    def forward(self, x):
        scale, shift = self.parameters.values()
        self._normalised = _rows(x, len(scale), copy=True)
        self._inverse, outputs = np.empty_like(scale), np.empty_like(self._normalised)
        _layers.batch_norm_training(
            self._normalised, scale, shift, self.epsilon, self._inverse, self.running, self.share, outputs
        )
        return outputs

    def predict(self, x):
        """The same with the running statistics.

        Parameters
        ----------
        x : ndarray of shape (n, k)

        Returns
        -------
        ndarray of shape (n, k)
        """
        x = _rows(x, self.running.shape[1])
        outputs = np.empty_like(x)
        _layers.batch_norm_forward(x, *self.parameters.values(), self.epsilon, self.running, outputs)
        return outputs


class LayerNorm(_Norm):
    """Each row with mean 0 and variance 1, then scaled and shifted; equations (21) and (22).

    Parameters
    ----------
    scale, shift : array-like of shape (k,)
    epsilon : float, default=1e-5
        Added to the variance.

    Examples
    --------
    >>> import numpy as np
    >>> layer = LayerNorm(scale=[1.0, 1.0], shift=[0.0, 10.0], epsilon=0.0)
    >>> layer.forward(np.array([[1.0, 3.0]])).tolist()
    [[-1.0, 11.0]]
    """

    _back = staticmethod(_layers.layer_norm_backward)

    def forward(self, x):
        self._normalised = _rows(x, len(self.parameters["scale"]), copy=True)
        self._inverse, outputs = (
            np.empty(len(self._normalised), self._normalised.dtype),
            np.empty_like(self._normalised),
        )
        _layers.layer_norm_forward(
            self._normalised, *self.parameters.values(), self.epsilon, self._inverse, outputs
        )
        return outputs


class Embedding(Layer):
    """A row of a table for each code; a code that has none, such as -1, gets zeros; equation (24).

    Parameters
    ----------
    table : array-like of shape (n_codes, k)

    Examples
    --------
    >>> import numpy as np
    >>> layer = Embedding(table=[[1.0, 2.0], [3.0, 4.0]])
    >>> layer.forward(np.array([1, -1])).tolist()
    [[3.0, 4.0], [0.0, 0.0]]
    """

    def __init__(self, table):
        super().__init__(table=table)

    def forward(self, x):
        """The rows of the codes `x`, of shape (n,)."""
        self._codes, table = np.asarray(x), self.parameters["table"]
        outputs = np.empty((len(x), table.shape[1]), table.dtype)
        _layers.embedding_forward(self._codes, table, outputs)
        return outputs

    def backward(self, error):
        """Nothing for the codes, which have no derivative, and the gradient by the table.

        Parameters
        ----------
        error : ndarray of shape (n, k)

        Returns
        -------
        error : None
        gradients : dict
        """
        gradients = self._like()
        _layers.embedding_gradient(self._codes, error, gradients["table"])
        return None, gradients


class Sequential(Layer):
    """Layers one after the other: forward in their order, and backward in the opposite one.

    Parameters
    ----------
    *layers : Layer

    Examples
    --------
    >>> import numpy as np
    >>> network = Sequential(Dense([[2.0]], [0.0]), Activation("tanh"), Dense([[1.0]], [0.0]))
    >>> raw = network.forward(np.array([[0.3]]))
    >>> error, gradients = network.backward(output_error("squared_error", np.array([0.0]), raw))
    >>> bool(np.isclose(gradients["0.weights"][0, 0], 0.3 * np.tanh(0.6) * (1 - np.tanh(0.6) ** 2)))
    True
    """

    def __init__(self, *layers):
        self.layers = layers

    @property
    def parameters(self):
        """Of all layers, as ``number.name``."""
        return {
            f"{number}.{name}": array
            for number, layer in enumerate(self.layers)
            for name, array in layer.parameters.items()
        }

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, error):
        gradients = {}
        for number, layer in reversed(list(enumerate(self.layers))):
            error, by_name = layer.backward(error)
            gradients |= {f"{number}.{name}": gradient for name, gradient in by_name.items()}
        return error, {name: gradients[name] for name in self.parameters}


class Residual(Sequential):
    r"""Layers with a way past them, :math:`h + g(h)`; equation (23).

    Parameters
    ----------
    *layers : Layer
        Together they must put out as many numbers as they are put in.

    Examples
    --------
    >>> import numpy as np
    >>> block = Residual(Dense([[0.5]], [0.0]))
    >>> block.forward(np.array([[2.0]])).tolist()
    [[3.0]]
    >>> block.backward(np.array([[1.0]]))[0].tolist()
    [[1.5]]
    """

    def forward(self, x):
        x = _rows(x)
        outputs = super().forward(x)
        if outputs.shape != x.shape:
            raise ValueError(f"the layers turn shape {x.shape} into {outputs.shape}: nothing leads past them")
        _layers.add(x, outputs)
        return outputs

    def backward(self, error):
        r"""The error through the layers, and the one along the way past.

        Parameters
        ----------
        error : ndarray of shape (n, k)

        Returns
        -------
        error : ndarray of shape (n, k)
        gradients : dict
        """
        inputs_error, gradients = super().backward(error)
        _layers.add(error, inputs_error)
        return inputs_error, gradients


def _rows(x, width=None, *, copy=False):
    """Rows of numbers of float32 or float64, in C order."""
    x = np.array(x, np.result_type(np.asarray(x), np.float32), order="C", copy=copy or None)
    if x.ndim != 2 or width not in (None, x.shape[1]):
        raise ValueError(f"x must have shape (n, {'k' if width is None else width}), got {x.shape}")
    return x


def _floats(array):
    """A C-contiguous array of float32 or float64."""
    array = np.ascontiguousarray(array)
    return array if array.dtype == np.float32 else array.astype(np.float64, copy=False)
