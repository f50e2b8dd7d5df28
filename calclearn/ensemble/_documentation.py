"""The part of the docstring that both estimators share."""

PARAMETERS = """n_estimators : int, default=100
        Rounds; a tree each, or one for each output.
    learning_rate : float, default=0.3
        By what the leaves of each tree are multiplied.
    max_depth : int, default=6
        Most splits on a path; 0 or None for no limit.
    max_leaves : int, default=0
        Most leaves of a tree; 0 or None for no limit.  One of the two limits must be set.
    grow_policy : {{"depthwise", "lossguide"}}, default="depthwise"
        Which leaf is split next: level by level, or the one of the largest gain.
    max_bin : int, default=256
        Most bins of a feature, that of missing values included; from 3 to 256.
    min_child_weight : float, default=1.0
        Least sum of Hessians on either side of a split.
    min_child_samples : int, default=0
        Least number of rows on either side.
    gamma : float, default=0.0
        Least gain of a split.
    reg_lambda : float, default=1.0
        L2 penalty of the leaves' weights.
    reg_alpha : float, default=0.0
        L1 penalty of the leaves' weights.
    max_delta_step : float, default=0.0
        Largest absolute weight of a leaf, before the learning rate; 0 for no limit.
    subsample : float, default=1.0
        Share of rows that each tree is grown on, drawn without replacement.
    colsample_bytree : float, default=1.0
        Share of features drawn for each tree.
    colsample_bylevel : float, default=1.0
        Share of those drawn for each level.
    colsample_bynode : float, default=1.0
        Share of those drawn for each node.
    base_score : float, default=None
        The prediction before the first tree, as a mean; None for the constant of the least loss.
    monotone_constraints : array-like of shape (n_features,) or dict, default=None
        1, -1 or 0 for each feature: whether predictions must rise or fall with it, or are free.  A dict names
        some features, the others are free.
    interaction_constraints : list of lists of features, default=None
        Features that may meet on a path.  One that is in no list meets nothing but itself.
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Which features are categories: those of such a dtype in a pandas or polars frame, or those of a mask,
        of indices or of names.  With more categories than bins, the rarest share one, which tells them apart
        no more.  A category that was not seen in `fit` goes where missing values go.
    eval_metric : str, callable or None, default=None
        What `eval_set` is judged by: None or "loss" for the loss, {metrics}, or
        ``f(y_true, prediction, sample_weight=None)``, of which less is better.  Weights of classes
        play no part.  A function is handed what it would be by XGBoost: for classes the codes 0, 1, ... of
        the labels in `y_true`, and the probabilities of all classes, of the second one alone where there are
        two; under losses without probabilities, raw predictions.
    early_stopping_rounds : int, default=None
        Stop when the last evaluation set has not become better for so many rounds; predictions then use the
        rounds up to the best one.
    validation_fraction : float, default=None
        Share of the rows to set apart as an evaluation set, where `fit` is handed none.
    importance_type : {{"gain", "weight", "cover", "total_gain", "total_cover"}}, default="gain"
        What `feature_importances_` tells.
    warm_start : bool, default=False
        Go on from the trees of the previous fit, up to `n_estimators`.
    random_state : int, RandomState instance or None, default=None
        Seed of what is drawn.
    n_jobs : int or None, default=None
        Threads; None takes what the process may use.  The result has the same bits for any number.
    verbose : int, default=0
        Print the training loss, and the scores of the evaluation sets, after each round."""

ATTRIBUTES = """trees_ : dict of str to ndarray
        The nodes of all trees; `trees_to_dataframe` is the readable form.
    base_ : ndarray of shape (n_outputs,)
        The raw prediction before the first tree.
    feature_importances_ : ndarray of shape (n_features,)
        Of the kind `importance_type`; the sum is 1.
    optimality_ : Optimality
        The training loss; in `details` the largest gain that a further split of the last round's trees
        would have had, and the last score of the evaluation set.
    evals_result_ : dict
        Scores of each round by evaluation set, "validation_0" and so on, and by metric.
    best_iteration_ : int
        The round, from 0, with the best score; with early stopping alone.
    best_score_ : float
        Its score.
    n_iter_ : int
        Rounds done.
    categories_ : dict of int to ndarray
        The categories of each categorical feature.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings."""


def documented(metrics):
    """Class decorator: put the shared parameters and attributes in the docstring's places for them."""

    def decorate(cls):
        names = ", ".join(f'"{name}"' for name in metrics)
        cls.__doc__ = cls.__doc__.replace("{parameters}", PARAMETERS.format(metrics=names)).replace(
            "{attributes}", ATTRIBUTES
        )
        return cls

    return decorate
