"""What follows a search: the best trials are confirmed, one is refitted, evaluated once on the test rows, and promoted.

Read `pipeline.py` first, which is these steps in their order: `confirmation.py` trains the `candidates.py` again, with their
`latency.py` where it is bounded; `ensemble.py` chooses members, networks and `estimators.py`; `refit.py` trains the finalist on
all training rows; `evaluation.py` exports it and predicts; `intervals.py` measures its errors; `baseline_evaluation.py` scores
the baselines. `champion.py` finds the present champion, `decision.py` decides by the `gate.py`, or by `first_version.py` where
there is no champion, and `registration.py` registers the model.
"""
