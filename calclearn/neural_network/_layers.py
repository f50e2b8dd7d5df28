r"""The mathematics of the layers: each a pair of functions over arrays, forward and backward.

Rows are samples.  What a function writes it is handed, last.  They run interpreted (:mod:`.layers` wraps
them) and inside compiled instructions (:mod:`._instructions`).  `error` is the derivative of the loss by what
a layer puts out, written :math:`\delta` in docs/derivations/backpropagation.md, equations (1) to (24).
"""

import math

import numpy as np
from numba.extending import register_jitable

TURN = 2.0 * math.pi
layer = register_jitable(error_model="numpy")


# --------------------------------------------------------------------------------------------------- dense


@layer
def dense_forward(inputs, weights, outputs):
    r"""Linear combinations of the inputs, :math:`z = h W`; equation (1) without its bias."""
    np.dot(inputs, weights, outputs)


@layer
def add_bias(outputs, bias):
    r"""The constants of equation (1), :math:`z \mathrel{+}= b`."""
    for i in range(outputs.shape[0]):
        for j in range(outputs.shape[1]):
            outputs[i, j] += bias[j]


@layer
def dense_error(error, weights, inputs_error):
    r"""What reaches the inputs, :math:`\delta W^\top`: each input hears of all that it was added to; (3)."""
    np.dot(error, weights.T, inputs_error)


@layer
def dense_gradient(inputs, error, gradient):
    r"""By the weights, :math:`h^\top \delta`: a weight matters by its input and its output's error; (4)."""
    np.dot(inputs.T, error, gradient)


@layer
def bias_gradient(error, gradient):
    r"""By the bias, :math:`\sum_i \delta_i`; equation (5)."""
    for j in range(error.shape[1]):
        gradient[j] = error[0, j]
    for i in range(1, error.shape[0]):
        for j in range(error.shape[1]):
            gradient[j] += error[i, j]


# ------------------------------------------------------------------------------- dense, of sparse inputs


@layer
def sparse_forward(data, indices, indptr, weights, outputs):
    """Equation (1) without its bias, over the entries of CSR rows."""
    for i in range(outputs.shape[0]):
        sums = outputs[i]
        for j in range(sums.shape[0]):
            sums[j] = 0
        for e in range(indptr[i], indptr[i + 1]):
            value, row = data[e], weights[indices[e]]
            for j in range(sums.shape[0]):
                sums[j] += value * row[j]


@layer
def sparse_gradient(data, indices, indptr, error, gradient):
    """Equation (4) over the entries of CSR rows."""
    gradient[:] = 0
    for i in range(error.shape[0]):
        errors = error[i]
        for e in range(indptr[i], indptr[i + 1]):
            value, row = data[e], gradient[indices[e]]
            for j in range(errors.shape[0]):
                row[j] += value * errors[j]


# ---------------------------------------------------------------------------------------------- activation


@layer
def activation_forward(activation, inputs, bias, outputs):
    r""":math:`h = f(z + b)`; `bias` may be empty."""
    biased = bias.shape[0] > 0
    for i in range(inputs.shape[0]):
        for j in range(inputs.shape[1]):
            outputs[i, j] = activation.value(inputs[i, j] + bias[j] if biased else inputs[i, j])


@layer
def activation_training(activation, inputs, bias, outputs):
    r""":math:`h = f(z + b)`, and :math:`f'(z + b)` in the place of `z`: going back is a product then."""
    if bias.shape[0] > 0:
        for i in range(inputs.shape[0]):
            for j in range(inputs.shape[1]):
                x = inputs[i, j] + bias[j]
                outputs[i, j] = activation.value(x)
                inputs[i, j] = activation.derivative(x)
    else:
        for i in range(inputs.shape[0]):
            for j in range(inputs.shape[1]):
                x = inputs[i, j]
                outputs[i, j] = activation.value(x)
                inputs[i, j] = activation.derivative(x)


@layer
def activation_error(error, slope, inputs_error):
    r"""Back through a unit, :math:`\delta \odot f'(z)`: the second factor of equation (3)."""
    for i in range(error.shape[0]):
        for j in range(error.shape[1]):
            inputs_error[i, j] = error[i, j] * slope[i, j]


# ------------------------------------------------------------------------------------------------- dropout

WORD = 0xFFFFFFFF


@layer
def mixed(word):
    """A number of 32 bits from another, each bit of it by all bits of the other (a finaliser of hashes)."""
    word = ((word ^ (word >> 16)) * 0x7FEB352D) & WORD
    word = ((word ^ (word >> 15)) * 0x846CA68B) & WORD
    return word ^ (word >> 16)


@layer
def dropout_key(seed, step, number):
    """What tells the mask of this step and layer from all others."""
    return mixed((mixed((mixed(seed & WORD) + step) & WORD) + 0x9E3779B9 * (number + 1)) & WORD)


@layer
def dropout(key, rate, first, values):
    r"""Set each value to 0 with probability `rate`, and divide the others by the share that is kept; (15).

    `first` is the number of the first row.  Entry j of row i is kept if the hash of (key, i, j) says so: a
    mask needs no memory, and going back is the same product with the same key.
    """
    lowest = int(rate * 4294967296.0)
    kept = values.dtype.type(1.0 / (1.0 - rate))
    zero = values.dtype.type(0)
    columns = values.shape[1]
    for i in range(values.shape[0]):
        for j in range(columns):
            drawn = mixed(((first + i) * columns + j) ^ key)
            values[i, j] = values[i, j] * (kept if drawn >= lowest else zero)


# ---------------------------------------------------------------------------------------------- batch norm


@layer
def batch_norm_training(inputs, scale, shift, epsilon, inverse, running, share, outputs):
    r"""Each column with mean 0 and variance 1 over the batch, :math:`\hat z`, scaled and shifted; (16), (17).

    `inputs` become :math:`\hat z`, and `inverse` :math:`1/\sigma`.  `running`, of shape (2, columns), moves
    by `share` towards the batch's mean and its variance with divisor n - 1.  Statistics are of float64.
    """
    n, columns = inputs.shape
    mean, square = np.zeros(columns), np.zeros(columns)
    for i in range(n):
        for j in range(columns):
            mean[j] += inputs[i, j]
    for j in range(columns):
        mean[j] /= n
    for i in range(n):
        for j in range(columns):
            e = inputs[i, j] - mean[j]
            square[j] += e * e
    for j in range(columns):
        inverse[j] = 1.0 / math.sqrt(square[j] / n + epsilon)
        if n > 1:
            running[0, j] += share * (mean[j] - running[0, j])
            running[1, j] += share * (square[j] / (n - 1) - running[1, j])
    for i in range(n):
        for j in range(columns):
            inputs[i, j] = (inputs[i, j] - mean[j]) * inverse[j]
            outputs[i, j] = scale[j] * inputs[i, j] + shift[j]


@layer
def batch_norm_forward(inputs, scale, shift, epsilon, running, outputs):
    """The same with the running mean and variance: what predictions go by."""
    number = inputs.dtype.type
    for j in range(inputs.shape[1]):
        factor = number(scale[j] / math.sqrt(running[1, j] + epsilon))
        mean = number(running[0, j])
        for i in range(inputs.shape[0]):
            outputs[i, j] = (inputs[i, j] - mean) * factor + shift[j]


@layer
def batch_norm_backward(error, normalised, scale, inverse, scale_gradient, shift_gradient, inputs_error):
    r"""Back through (16) and (17): what all rows share is taken out; equations (18) to (20)."""
    n, columns = error.shape
    along, total = np.zeros(columns), np.zeros(columns)
    for i in range(n):
        for j in range(columns):
            along[j] += error[i, j] * normalised[i, j]
            total[j] += error[i, j]
    for j in range(columns):
        scale_gradient[j] = along[j]  # (18)
        shift_gradient[j] = total[j]  # (19)
        along[j] /= n
        total[j] /= n
    for i in range(n):
        for j in range(columns):
            e = error[i, j] - total[j] - normalised[i, j] * along[j]
            inputs_error[i, j] = scale[j] * inverse[j] * e  # (20)


# ---------------------------------------------------------------------------------------------- layer norm


@layer
def layer_norm_forward(inputs, scale, shift, epsilon, inverse, outputs):
    r"""Each row with mean 0 and variance 1, then scaled and shifted; equations (21) and (17).

    `inputs` become :math:`\hat z`, and `inverse` :math:`1/\sigma`, by row.
    """
    n, columns = inputs.shape
    for i in range(n):
        mean, square = 0.0, 0.0
        for j in range(columns):
            mean += inputs[i, j]
        mean /= columns
        for j in range(columns):
            square += (inputs[i, j] - mean) * (inputs[i, j] - mean)
        inverse[i] = 1.0 / math.sqrt(square / columns + epsilon)
        for j in range(columns):
            inputs[i, j] = (inputs[i, j] - mean) * inverse[i]
            outputs[i, j] = scale[j] * inputs[i, j] + shift[j]


@layer
def layer_norm_backward(error, normalised, scale, inverse, scale_gradient, shift_gradient, inputs_error):
    r"""Back through (21): as (20), with rows in the place of columns; equation (22)."""
    n, columns = error.shape
    scale_gradient[:] = 0
    shift_gradient[:] = 0
    for i in range(n):
        along, total = 0.0, 0.0
        for j in range(columns):
            scaled = scale[j] * error[i, j]
            along += scaled * normalised[i, j]
            total += scaled
            scale_gradient[j] += error[i, j] * normalised[i, j]
            shift_gradient[j] += error[i, j]
        along /= columns
        total /= columns
        for j in range(columns):
            e = scale[j] * error[i, j] - total - normalised[i, j] * along
            inputs_error[i, j] = inverse[i] * e


# --------------------------------------------------------------------------------- residual, and embedding


@layer
def add(values, outputs):
    r"""A way past a block, :math:`h + g(h)`; backward, the error that comes along it; equation (23)."""
    for i in range(outputs.shape[0]):
        for j in range(outputs.shape[1]):
            outputs[i, j] += values[i, j]


@layer
def embedding_forward(codes, table, outputs):
    """The row of the table that each code names; a code that is in no row, such as -1, is given zeros."""
    for i in range(codes.shape[0]):
        row = int(codes[i])
        for j in range(outputs.shape[1]):
            outputs[i, j] = table[row, j] if 0 <= row < table.shape[0] else 0


@layer
def embedding_gradient(codes, error, gradient):
    """By the table: each row is given the errors of those who had it; equation (24)."""
    gradient[:] = 0
    for i in range(codes.shape[0]):
        row = int(codes[i])
        if 0 <= row < gradient.shape[0]:
            for j in range(error.shape[1]):
                gradient[row, j] += error[i, j]


@layer
def periodic_forward(inputs, frequencies, phases, weights, bias, waves, outputs):
    r"""A number beside combinations of its waves, :math:`(x, \cos(2\pi(\omega x + \varphi)) W + b)`; (26).

    `frequencies` and `phases` are of shape (columns, F), `weights` (columns F, E), `bias` (columns, E);
    `waves`, of shape (rows, 2 columns F), keeps cosine and sine.
    """
    n_waves, width = frequencies.shape[1], bias.shape[1] + 1
    for i in range(inputs.shape[0]):
        for j in range(frequencies.shape[0]):
            x = inputs[i, j]
            outputs[i, j * width] = x
            for e in range(bias.shape[1]):
                outputs[i, j * width + 1 + e] = bias[j, e]
            for f in range(n_waves):
                angle = TURN * (frequencies[j, f] * x + phases[j, f])
                wave, place = math.cos(angle), j * n_waves + f
                waves[i, 2 * place] = wave
                waves[i, 2 * place + 1] = math.sin(angle)
                for e in range(bias.shape[1]):
                    outputs[i, j * width + 1 + e] += wave * weights[place, e]


@layer
def periodic_gradient(inputs, weights, waves, error, by_frequencies, by_phases, by_weights, by_bias):
    r"""By the four parameters of (26): equations (27) to (29).  The inputs are data, and hear of no error."""
    n_waves, width = by_frequencies.shape[1], by_bias.shape[1] + 1
    by_frequencies[:] = 0
    by_phases[:] = 0
    by_weights[:] = 0
    by_bias[:] = 0
    for i in range(inputs.shape[0]):
        for j in range(by_frequencies.shape[0]):
            x, start = inputs[i, j], j * width + 1
            for e in range(by_bias.shape[1]):
                by_bias[j, e] += error[i, start + e]
            for f in range(n_waves):
                place = j * n_waves + f
                wave, along = waves[i, 2 * place], weights[place, 0] * 0
                for e in range(by_bias.shape[1]):
                    by_weights[place, e] += wave * error[i, start + e]  # (27)
                    along += weights[place, e] * error[i, start + e]
                by_phase = -TURN * waves[i, 2 * place + 1] * along  # (28)
                by_phases[j, f] += by_phase
                by_frequencies[j, f] += by_phase * x  # (29)
