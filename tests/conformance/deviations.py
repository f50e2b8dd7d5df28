"""Where scikit-learn's own tests fail with our classes, and why: a reviewed list.

A key is `module::test`, with or without its parameters in brackets; without, it stands for all of them.
`PRIVATE` holds tests that assert or replace what is private in scikit-learn: no other implementation can
pass them.  `OTHER` holds the rest, each of which is a difference for the user, and has to have a reason
that the user would accept.
"""

PRIVATE: dict[str, str] = {
    "test_svm::test_tweak_params": "sets the private _dual_coef_, which scikit-learn's predictions go by",
    "test_svm::test_svc_raises_error_internal_representation": "breaks the private _n_support",
    "test_coordinate_descent::test_lassoCV_does_not_set_precompute": "replaces a class in a private module",
    "test_logistic::test_logistic_cv_multinomial_score[neg_log_loss-multiclass_agg_list3]": "asserts that "
    "the private _log_reg_scoring_path, which is scikit-learn's, stops at the same iterate to six decimals",
    "test_logistic::test_logreg_predict_proba_multinomial": "calls the private method _predict_proba_lr",
    "test_gradient_boosting::test_should_stop": "calls the private method _should_stop",
    "test_gradient_boosting::test_small_trainset": "calls the private method _get_small_trainset",
    "test_gradient_boosting::test_check_interaction_cst": "calls the private method _check_interaction_cst",
    "test_gradient_boosting::test_binning_train_validation_are_separated": "reads the private _bin_mapper",
    "test_gradient_boosting::test_early_stopping_with_sample_weights": "replaces a function of a private "
    "module, and counts its calls",
    "test_gradient_boosting::test_raw_predict_is_called_with_custom_scorer": "counts calls of the "
    "private method _raw_predict",
    "test_gradient_boosting::test_custom_loss": "hands over a loss of the private module _loss",
    "test_gradient_boosting::test_dataframe_categorical_results_same_as_ndarray": "reads the categories from "
    "the private _preprocessor",
    "test_mlp::test_gradient": "calls the private method _loss_grad_lbfgs",
    "test_mlp::test_learning_rate_warmstart": "reads the learning rate from the private _optimizer",
    "test_mlp::test_adaptive_learning_rate": "reads the learning rate from the private _optimizer",
}

COPY_X = "asserts that copy_X=False overwrites X, which it permits; we never write to X"
INDICES = "asserts that liblinear, sag and saga refuse sparse X with 64-bit indices; ours take them"
STEPS = (
    "asserts that two fits of one step are one of two; ours is preconditioned by the Hessian at its start, "
    "which a warm start moves"
)
WORDING = "asserts scikit-learn's wording of an error; ours is a ValueError too, that says it otherwise"
NO_TOL = "asserts that gains below tol end the rounds; early stopping here has no tol, any gain counts"
POOLED = "asserts an error for more categories than bins; here the rarest of them share a bin"

OTHER: dict[str, str] = {
    "test_svm::test_svr_errors": "asserts that a callable whose values have the wrong shape is found out in "
    "predict; here fit refuses it",
    "test_svm::test_linear_svm_convergence_warnings": "asserts that two iterations are too few; for Newton's "
    "method they are enough",
    **{
        f"test_sparse::test_sparse_oneclasssvm[{kind}-linear-X_train2-None-X_test2]": "compares multipliers "
        "that are not unique: four free ones of rows with two columns; decisions agree"
        for kind in ("csr_matrix", "csr_array", "lil_matrix", "lil_array")
    },
    "test_coordinate_descent::test_lasso_dual_gap": "compares digits of the gap's rounding: 1e-15 and 2e-15",
    "test_coordinate_descent::test_warm_start": "asserts that twice five sweeps are ten; here Newton's steps "
    "lie between sweeps, and the second fit begins with other ones",
    **{
        f"test_coordinate_descent::test_1d_multioutput_{kind}_cv": "compares seven digits with the "
        "multi-task solver of scikit-learn, which stops further from the optimum"
        for kind in ("enet_and_multitask_enet", "lasso_and_multitask_lasso")
    },
    "test_coordinate_descent::test_check_input_false": "asserts an error for X in C order without the check, "
    "which works here",
    "test_coordinate_descent::test_enet_copy_X_False_check_input_False": COPY_X,
    "test_glm::test_linalg_warning_with_newton_solver": "asserts a warning that newton-cholesky falls back "
    "to lbfgs where the Hessian is singular; ours solves the singular system",
    **{f"test_base::test_inplace_data_preprocessing[42-{weights}-None]": COPY_X for weights in (True, False)},
    **{
        f"test_logistic::test_large_sparse_matrix[csr_{kind}-{solver}]": INDICES
        for kind in ("matrix", "array")
        for solver in ("liblinear", "sag", "saga")
    },
    **{
        f"test_logistic::test_warm_start_newton_solver[{C}-{fit_intercept}-newton-cg]": STEPS
        for C in (1, "inf")
        for fit_intercept in (True, False)
    },
    "test_logistic::test_logisticregression_warns_with_n_jobs": "asserts a warning that n_jobs has no "
    "effect; here it is the number of threads",
    "test_logistic::test_logistic_regression_callback_support_warning": "asserts a warning that solvers "
    "other than lbfgs support no callbacks; ours all do",
    "test_logistic::test_logistic_regression_callback_support": "asserts the task without an iteration that "
    "SciPy's L-BFGS leaves behind, and an iteration with max_iter=0; callbacks here hear of iterations only",
    "test_logistic::test_newton_cholesky_fallback_to_lbfgs": "asserts as many iterations as lbfgs takes, "
    "to which newton-cholesky falls back where the Hessian is singular; ours solves the singular system",
    "test_logistic::test_scores_attribute_layout_elasticnet": "compares warm with cold starts to 1e-3 in "
    "the score, which tol=1e-3, a bound of the gradient here, does not promise; the warm are the nearer",
    **{
        f"test_gradient_boosting::{name}": WORDING
        for name in (
            "test_init_parameters_validation",
            "test_gamma_y_positive",
            "test_poisson_y_positive[y0]",
            "test_categorical_spec_errors",  # two of ten pass
            "test_categorical_spec_errors_with_feature_names",
            "test_X_val_raises_missing_y_val",
        )
    },
    **{
        f"test_gradient_boosting::test_early_stopping_{name}": NO_TOL
        for name in (
            *(
                f"regression[{scoring}-None-True-5-0.1]"
                for scoring in ("neg_mean_squared_error", None, "loss")
            ),
            *(f"classification[loss-None-True-5-0.1-data{k}]" for k in (0, 1)),
            "default[HistGradientBoostingClassifier-X1-y1]",
            "default[HistGradientBoostingRegressor-X3-y3]",
        )
    },
    "test_gradient_boosting::test_early_stopping_classification[loss-0.1-True-5-1e-07-data0]": "asserts that "
    "the loss of three rows, drawn at random, has a minimum within 50 rounds; under other seeds "
    "scikit-learn's has none either",
    "test_gradient_boosting::test_poisson_y_positive[y1]": "asserts an error where all counts are 0; the "
    "mean here is then nearly 0",
    **{
        f"test_gradient_boosting::test_sample_weight_effect[42-{kind}_classification]": "compares seven "
        "digits, and which of two splits of equal gain is taken; gradients here are rounded to a unit that "
        "depends on the number of rows"
        for kind in ("binary", "multiclass")
    },
    "test_gradient_boosting::test_single_node_trees[HistGradientBoostingClassifier]": "asserts that a "
    "classifier can be fitted to one class; here it is an error, as with most of scikit-learn's",
    "test_gradient_boosting::test_categorical_bad_encoding_errors": POOLED,
    "test_gradient_boosting::test_dataframe_categorical_errors": POOLED,
    "test_gradient_boosting::test_X_val_raises_with_early_stopping_false": "asserts an error for validation "
    "rows without early stopping; here they are scored, and nothing else",
    "test_monotonic_constraints::test_input_error": "asserts scikit-learn's wording of errors, and "
    "one for constraints with several classes; here they hold for the raw prediction of each",
    "test_monotonic_constraints::test_input_error_related_to_feature_names": WORDING,
    "test_warm_start::test_warm_start_early_stopping": "asserts that a fit which has stopped early makes a "
    "round more when it is started again; here the rounds before count, and it makes none",
    "test_warm_start::test_max_iter_with_warm_start_validation": WORDING,
}
