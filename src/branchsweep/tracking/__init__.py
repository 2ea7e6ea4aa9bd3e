"""The ledgers: where sweeps and comparisons are written down.

`memory` is for tests and dry flows, `mlflow` (sweeps) and `comparisons` for people, `shadow` around either that writes sweeps,
with a `spool` for what a server does not take at once.

MLflow is spoken to in five places: `mlflow` writes sweeps, `lease` says who runs one, `comparisons` writes comparisons,
`registry` keeps models and who reigns among them, `store` is the way to the store that all go. `spelling` says how a result is
written there, `contestants` how a contestant is, `succession` how the reigns are, `address` where the store is; these need no
MLflow.
"""

import os

# Before anything here imports MLflow, which reads the last of these at its import
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # read at each call; standard output is ours

os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # one for each file of a few kilobytes

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # whoever sets it to false gets it
