"""Tracking: what is recorded of sweeps and comparisons, registered models, and the uses of test rows.

`protocols` says what the workflows need of a store for a sweep (`registry_protocols`, `comparison_protocols` and
`cross_validation_protocols` for the rest), and `open` opens one: open these two first. `memory` implements the protocols over
dictionaries, the folder `mlflow` in MLflow. `async_tracker` lets a thread write beside the training, with an `outbox` on disk
for a server that may be unavailable; `retries` and `retrying_trackers` wait for one.

`run_reader` reads recorded sweeps and comparisons: `sqlite_reader` does so without MLflow's import. `run_records` holds the
values that are read, `champion_history` those of the registry, `recorded_trials` the progress of a sweep. `tracking_uri`
resolves the URI of a store, `ui_pages` makes links to MLflow's pages.
"""

import os

# Set before MLflow is imported, which reads the last of these at its import
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # read at each call; standard output is for results

os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # one for each file of a few kilobytes

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
