"""The ledgers: where sweeps are written down. `memory` for tests and dry flows, `mlflow` for people, `shadow` around either.

MLflow is spoken to in three places: `mlflow` writes sweeps, `registry` keeps models and who reigns among them, `store` is the
way to the store that both go. `spelling` says how a result is written there, `succession` how the reigns are, `address` where
the store is; these need no MLflow.
"""

import os

# Before anything here imports MLflow, which reads the last of these at its import
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # read at each call; standard output is ours
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # one for each file of a few kilobytes
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # whoever sets it to false gets it
