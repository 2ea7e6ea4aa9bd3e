"""What follows a search: the best trials are confirmed, one is refitted, evaluated once on the test rows, and promoted.

Read `pipeline.py` first, which is these steps in their order: `confirmation.py` trains the `candidates.py` again,
`refit.py` trains the finalist on all training rows, `evaluation.py` exports it and predicts, `baseline_evaluation.py` scores
the baselines, `champion.py` finds the present champion, `decision.py` decides by the `gate.py`, and `registration.py` registers
the model.
"""
