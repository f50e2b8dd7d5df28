"""The parts of the docstrings that estimators share."""

PARAMETERS = """hidden_layer_sizes : array-like of int, default=(100,)
        Units of each hidden layer.
    activation : str or Activation, default="relu"
        Of the hidden units: one of {activations}; or your own, of which
        ``value(x)`` alone is written, or its name.
    solver : {{"adam", "sgd", "lbfgs"}}, default="adam"
        Steps on batches by Adam, or with momentum; or L-BFGS on all rows at once.
    alpha : float, default=0.0001
        Strength of the L2 penalty of the weights, in the loss: half of it times their sum of squares, divided
        by the number of rows.
    batch_size : int, default="auto"
        Rows to a step; "auto" is 200, or all if there are fewer.
    learning_rate : {{"constant", "invscaling", "adaptive"}}, default="constant"
        How the learning rate of "sgd" changes: not; as the inverse `power_t`-th power of the rows seen; or
        divided by 5 where otherwise training would stop.
    learning_rate_init : float, default=0.001
        The learning rate at the start.
    power_t : float, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=200
        Most epochs; of "lbfgs", iterations.
    shuffle : bool, default=True
        Whether rows are put in a new order before each epoch.
    random_state : int, RandomState instance or None, default=None
        Draws the initial weights, the order of the rows, those set apart, and what dropout drops.
    tol : float, default=1e-4
        Training stops when loss or score has not become better by this for `n_iter_no_change` epochs; "lbfgs"
        when no component of the gradient is larger.
    verbose : bool, default=False
        Print the loss after each epoch.
    warm_start : bool, default=False
        Start from the weights of the previous fit.
    momentum : float, default=0.9
        Of "sgd": the part of the last step that is taken again.
    nesterovs_momentum : bool, default=True
        Of "sgd": whether the gradient is looked at where the momentum leads.
    early_stopping : bool, default=False
        Whether some rows are set apart, their score decides when to stop, and the best weights are put back.
    validation_fraction : float, default=0.1
        Share of the rows that is set apart.
    beta_1 : float, default=0.9
        Of "adam": how much of the running mean of gradients stays from one step to the next.
    beta_2 : float, default=0.999
        The same of the mean of their squares.
    epsilon : float, default=1e-8
        Of "adam": keeps its ratio finite.
    n_iter_no_change : int, default=10
        Epochs without progress, after which training stops.
    max_fun : int, default=15000
        Most evaluations by "lbfgs"."""

EXTRAS = """dropout : float, default=0.0
        Probability that a hidden unit is left out of a step.
    batch_norm : bool, default=False
        Whether the inputs of hidden units are normalised over the batch, then scaled and shifted.
    layer_norm : bool, default=False
        Whether they are over the units of the layer.
    residual : bool, default=False
        Whether there is a way past each hidden layer that is as wide as the hidden layer before.
    clip_norm : float, default=None
        Longer gradients, all layers together, are shortened to this norm.
    weight_decay : float, default=0.0
        Share of the weights, times the learning rate, that each step takes away, apart from the gradient.
    init : {{"glorot", "he", "lecun"}}, default="glorot"
        How weights are drawn: uniformly, by both fans, as scikit-learn does; or normally with a variance of 2
        or 1 over the number of inputs, and biases of 0.
    optimizer : str or UpdateRule, default=None
        An update rule of :mod:`calclearn.optimize`, or your own, in the place of `solver`.  A name takes
        `learning_rate_init`, a rule its own learning rate.
    schedule : str or Schedule, default=None
        A schedule of :mod:`calclearn.optimize`, over `max_iter` epochs, or as many calls of `partial_fit`, in
        the place of `learning_rate`.  To have used them all is no reason to warn then.
    dtype : {{"float32", "float64"}}, default=None
        Of weights and arithmetic; None keeps that of X.
    restore_best : bool, default=False
        Whether the weights of the best epoch are put back also without early stopping: of the highest score
        where there are rows to validate with, else of the lowest loss."""

ATTRIBUTES = """coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer.  Together with `intercepts_` they may be assigned, and are then used.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer.
    loss_ : float
        The loss of the last epoch, penalty included: the mean over its batches, each before its step.
    best_loss_ : float or None
        The lowest of them; None with early stopping.
    loss_curve_ : list of float
        The loss of each epoch; not of "lbfgs".
    validation_scores_ : list of float or None
        The score of each epoch, where rows are set apart or handed in.
    best_validation_score_ : float or None
        The highest of them, with early stopping.
    gradient_norms_ : ndarray of shape (n_epochs, n_layers)
        Euclidean norm of the gradient by each layer's weights, without the penalty: the mean over the batches
        of the epoch.
    optimality_ : Optimality
        The objective over the rows that were trained on, or of many as many evenly spread as a twentieth of
        training took (``details["n_rows"]``), and its gradient at the end, of each layer in `details`; of
        networks with batch norm, over batches.  Nothing is claimed beyond.  Not of `partial_fit`.
    norm_scales_, norm_shifts_ : list of ndarray
        What `batch_norm` or `layer_norm` scale and shift by.
    n_iter_ : int
        Epochs, or iterations.
    n_layers_ : int
        Layers, that of the inputs included.
    n_outputs_ : int
        Units of the last layer.
    out_activation_ : str
        What turns raw predictions into means.
    t_ : int
        Rows seen in training.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings."""

NOTES = """Backpropagation is derived in docs/derivations/backpropagation.md; the four equations stand in the
    docstrings of :mod:`calclearn.neural_network.layers`.

    Where weights or loss become NaN or infinite, training stops, warns, and keeps the weights of the best
    epoch.  If weights are not finite after the first epoch, there is none, and `fit` raises a ValueError, as
    scikit-learn does.

    Products are left to BLAS, with one thread where they are small; threads otherwise follow the process's
    share of the machine.  With one thread for BLAS, the same fit has the same bits."""


TABLE_PARAMETERS = """categorical_features : array-like of bool, int or str, "from_dtype" or None
        Which columns are categories: those whose dtype says so, the default; none; a mask, indices or names.
    n_waves : int, default=16
        Waves of each number; 0 leaves the numbers as they are.
    number_size : int, default=3
        Linear combinations of its waves that stand beside each number.
    category_size : int, default=8
        Numbers that stand for a category.
    max_indicators : int, default=8
        Categories of at most so many levels become indicators instead.
    learning_rate_init : float, default=0.0025
        The learning rate at the start, of Adam.
    schedule : str or Schedule, default="cosine"
        How it falls, over epochs.
    batch_size : int, default=256
        Rows to a step.
    max_iter : int, default=256
        Epochs.
    dropout : float, default=0.15
        Probability that a hidden unit is left out of a step.
    weight_decay : float, default=0.1
        Share of the weights, times the learning rate, that each step takes away.
    clip_norm : float, default=None
        Longer gradients, all layers together, are shortened to this norm.
    validation_fraction : float, default=0.2
        Share of the rows that is set apart; the weights kept are those of the epoch that scores best on it.
    n_iter_no_change : int, default=np.inf
        Epochs without a score as good as the best, after which training stops; by default all are run."""

TABLE_FITTING = """random_state : int, RandomState instance or None, default=None
        Draws the rows set apart, the initial weights, the order of the rows, and what dropout drops.
    verbose : bool, default=False
        Print the loss after each epoch."""

TABLE_ATTRIBUTES = """coefs_, intercepts_ : list of ndarray
        Weights and biases of each dense layer.
    embeddings_ : list of ndarray
        Frequencies, phases, weights and biases of the embedded numbers, then one table for each category that
        is embedded.
    categories_ : dict of int to ndarray
        The levels of each categorical column.
    loss_curve_, validation_scores_ : list of float
        Training loss and score of each epoch.
    best_validation_score_ : float
        The highest of the scores.
    gradient_norms_ : ndarray of shape (n_epochs, n_layers)
        As in :class:`MLPClassifier` and :class:`MLPRegressor`.
    optimality_ : Optimality
        The objective over the rows that were trained on, and its gradient; nothing is claimed beyond.
    n_iter_ : int
        Epochs."""

SEEN = """n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings."""

TABLE_NOTES = """Numbers are centred by the median and divided by the distance of the quartiles; outliers are
    drawn in smoothly to 3.  A missing number is taken for the median, with an indicator where some were
    missing in `fit`; missing and unknown categories have no level."""

TABLE_SOURCE = """Source: Holzmüller, Grinsztajn and Steinwart (2024), *Better by default: strong pre-tuned
    MLPs and boosted trees on tabular data*; docs/guide/neural-networks.md says what differs."""


def documented(cls):
    """Class decorator: put the shared parts in the docstring."""
    from ._activations import ACTIVATIONS

    names = ", ".join(f'"{name}"' for name in ACTIVATIONS)
    parts = {"parameters": PARAMETERS, "extras": EXTRAS, "attributes": ATTRIBUTES, "notes": NOTES}
    parts |= {"table_parameters": TABLE_PARAMETERS, "table_fitting": TABLE_FITTING, "seen": SEEN}
    parts |= {"table_attributes": TABLE_ATTRIBUTES, "table_notes": TABLE_NOTES, "table_source": TABLE_SOURCE}
    for name, text in parts.items():
        cls.__doc__ = cls.__doc__.replace(
            "{" + name + "}", text.replace("{activations}", names).replace("{{", "{").replace("}}", "}")
        )
    return cls
