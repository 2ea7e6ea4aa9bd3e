"""Tracking in MLflow, through `MlflowClient` with explicit run ids.

`tracker` records sweeps, `comparison` comparisons and `cross_validation` outer cross-validations, the latter two part by part
(`parts_tracker`); `run_tracker` is what all three share, `experiment_description` what MLflow shows above them. `registry`
keeps registered models: `model_uploads` adds a version, `champion_change` changes the champion, `model` saves and loads models
in MLflow's format. `test_audit` counts the uses of test rows. `run_lock` says which process runs a sweep (`lock_owner`), and
`killed_runs` marks those whose process was killed.

All go through `store` and the client of `connection`, whose answers are checked (`checked_client`), whose patience is limited
(`request_limits`), and whose errors are translated (`error_translation`); `new_database` makes the database of a new store.
`run_store` reads what is recorded. The folder `serialization` says how results, contestants and registered versions are written
as tags, params and metrics, and `ui_views` how MLflow's pages show a sweep; these do not import MLflow.

Open `tracker` first. Other folders open all this through `tracking.open`.
"""
