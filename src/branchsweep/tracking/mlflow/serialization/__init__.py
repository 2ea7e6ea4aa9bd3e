"""How what is recorded is written as tags, params and metrics of MLflow, and read back. Nothing here imports MLflow.

`tags` says how any text becomes tags of ours: open it first. `trials` writes results of trials, `records` what is known of a
sweep or a comparison when it starts, `contestants` those of a comparison, and `versions` registered models. `titles` makes the
names that MLflow shows for runs.
"""
