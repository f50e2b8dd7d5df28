"""Where scikit-learn's own tests fail with our classes, and why: a reviewed list.

A key is `module::test`, with or without its parameters in brackets; without, it stands for all of them.
`PRIVATE` holds tests that assert or replace what is private in scikit-learn: no other implementation can
pass them.  `OTHER` holds the rest, each of which is a difference for the user, and has to have a reason
that the user would accept.
"""

PRIVATE: dict[str, str] = {
    "test_coordinate_descent::test_lassoCV_does_not_set_precompute": "replaces a class in a private module",
    "test_logistic::test_logistic_cv_multinomial_score[neg_log_loss-multiclass_agg_list3]": "asserts that "
    "the private _log_reg_scoring_path, which is scikit-learn's, stops at the same iterate to six decimals",
    "test_logistic::test_logreg_predict_proba_multinomial": "calls the private method _predict_proba_lr",
}

COPY_X = "asserts that copy_X=False overwrites X, which it permits; we never write to X"
INDICES = "asserts that liblinear, sag and saga refuse sparse X with 64-bit indices; ours take them"
STEPS = (
    "asserts that two fits of one step are one of two; ours is preconditioned by the Hessian at its start, "
    "which a warm start moves"
)

OTHER: dict[str, str] = {
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
}
