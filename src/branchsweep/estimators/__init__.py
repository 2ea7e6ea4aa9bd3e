"""The estimators of scikit-learn: one network for all targets, with or without a search.

    from branchsweep import BranchedRegressor

    regressor = BranchedRegressor(n_trials=16, random_state=0)
    cross_val_score(make_pipeline(SimpleImputer(), regressor), X, Y)

They train in memory and leave no files: `branchsweep.sweep` records and registers what it does. `network_estimator.py` is what
`regressor.py` and `classifier.py` have in common.
"""
