"""Tracking in MLflow, through `MlflowClient` with explicit run ids.

`tracker` records sweeps, `registry` registered models, `test_audit` the uses of test rows, `comparison` comparisons, and
`run_lock` which process runs a sweep. All go through `store`; `run_tracker` is what trackers of sweeps and comparisons share.
`model` saves and loads models in MLflow's format, `run_store` reads what is recorded. The folder `serialization` says how
results, contestants and registered versions are written as tags, params and metrics, and `ui_views` how MLflow's pages show a
sweep; these do not import MLflow.

Open `tracker` first. Other folders open all this through `tracking.open`.
"""
