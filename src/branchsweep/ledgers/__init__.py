"""The ledgers: where sweeps are written down. `memory` for tests and dry flows, `mlflow` for people, `shadow` around either.

`spelling` says how a result is written in a tracking store, `address` where the store is; neither needs MLflow.
"""
