"""A picture of how gradients flow back through a network: their norms, by layer, while it is trained."""

import numpy as np

from ._display import axes_for, last_step, legend_over_curves, options_for_lines, pyplot_for

MOST_NAMES = 10  # layers, above which the legend names the first and the last alone
COLUMNS = 4  # of the legend
FEW_EPOCHS = 20  # that are marked one by one
DARKEST, BRIGHTEST = 0.0, 0.9  # of the colour map: from the layer of the features to that of the targets


class GradientFlowDisplay:
    r"""Norms of the gradients of each layer's weights, over the epochs of a fit.

    It is best made by `from_estimator`.  A layer's error is that of the layer after it, times weights and the
    slope of the activation; so norms that shrink by the same factor from layer to layer, towards the
    features, are gradients that vanish, and those that grow are gradients that explode.  The axis is
    logarithmic, where both are equal distances between the lines.

    Parameters
    ----------
    gradient_norms : array-like of shape (n_epochs, n_layers)
        Euclidean norms, not negative; of the layer that takes the features first.
    layer_names : sequence of str of length n_layers, default=None
        By default "layer 1" and so on.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn; as the others set by `plot`.
    figure_ : matplotlib.figure.Figure
    lines_ : list of matplotlib.lines.Line2D
        One a layer.

    Raises
    ------
    ValueError
        If there are not two dimensions, or not as many names as layers.

    See Also
    --------
    calclearn.neural_network.MLPClassifier : Its `gradient_norms_` are what is drawn.

    Examples
    --------
    >>> from calclearn.inspection import GradientFlowDisplay
    >>> norms = [[1e-4, 1e-2, 1.0], [1e-5, 1e-3, 0.1]]  # two epochs of three layers, that vanish
    >>> display = GradientFlowDisplay(gradient_norms=norms, layer_names=["first", "second", "last"])
    >>> display.plot().figure_.savefig("flow.png")  # doctest: +SKIP
    """

    def __init__(self, *, gradient_norms, layer_names=None):
        self.gradient_norms = np.asarray(gradient_norms, np.float64)
        if self.gradient_norms.ndim != 2:
            raise ValueError(
                f"gradient_norms must have shape (n_epochs, n_layers), got shape {self.gradient_norms.shape}"
            )
        n_layers = self.gradient_norms.shape[1]
        if layer_names is None:
            layer_names = [f"layer {k + 1}" for k in range(n_layers)]
        if len(layer_names) != n_layers:
            raise ValueError(f"layer_names must hold {n_layers} names, got {len(layer_names)}")
        self.layer_names = list(layer_names)

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, layer_names=None, **kwargs):
        """Draw the gradients of a fitted network.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor, or a pipeline or search that ends with one
            Fitted in epochs, which leave their `gradient_norms_`.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        layer_names : sequence of str of length n_layers, default=None
            By default "layer 1" and so on.
        **kwargs : dict
            For ``ax.plot``.

        Returns
        -------
        display : GradientFlowDisplay

        Raises
        ------
        TypeError
            If the estimator has no `gradient_norms_`.
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(estimator)
        network = last_step(estimator)
        norms = getattr(network, "gradient_norms_", None)
        if norms is None:
            raise TypeError(
                f"estimator must have gradient_norms_, as networks that are fitted in epochs do, "
                f"got {type(network).__name__}"
            )
        return cls(gradient_norms=norms, layer_names=layer_names).plot(ax=ax, **kwargs)

    def plot(self, *, ax=None, **kwargs):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        **kwargs : dict
            For ``ax.plot``, the same for all layers.

        Returns
        -------
        display : GradientFlowDisplay

        Raises
        ------
        ImportError
            Where matplotlib is not installed.
        """
        pyplot, ax = pyplot_for(self), axes_for(self, ax)
        n_epochs, n_layers = self.gradient_norms.shape
        colours = pyplot.get_cmap("viridis")(np.linspace(DARKEST, BRIGHTEST, n_layers))
        marker = "o" if n_epochs <= FEW_EPOCHS else None
        self.lines_ = []
        for k, (name, colour) in enumerate(zip(self.layer_names, colours)):
            named = n_layers <= MOST_NAMES or k in (0, n_layers - 1)
            options = options_for_lines({"color": colour, "marker": marker, "markersize": 3.5}, kwargs)
            norms = self.gradient_norms[:, k]
            norms = np.where(norms > 0.0, norms, np.nan)  # zeros have no place on the axis: the line ends
            self.lines_ += ax.plot(
                np.arange(1, n_epochs + 1), norms, label=name if named else "_" + name, **options
            )
        if (self.gradient_norms > 0.0).any():
            ax.set_yscale("log")
        ax.set(xlabel="epoch", ylabel="norm of the gradient")
        ax.xaxis.get_major_locator().set_params(integer=True)
        legend_over_curves(ax, COLUMNS)
        return self
