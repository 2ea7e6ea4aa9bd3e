"""The workflows, such as a sweep or a comparison: each is a function that `launch.py` calls in a session.

Read `sweep.py` first: search (`search_loop`), confirmation of the best trials (`confirmation`), refit, evaluation on the test
rows and promotion (`promotion`, decided by `promotion_gate`), baselines (`baseline_evaluation`). `train_lanes.py` trains lanes
for all of them; `trial_runner.py` trains the trials of a round and prunes them. `comparison/` compares single- with
multi-output networks. `context.py` holds what travels together.

`replay.py` trains a recorded trial again, `dry_run.py` says what a sweep would train, with the help of `simulator.py`;
`leaderboard.py` and `search_space_summary.py` collect what is shown. `sweep_summary.py` is what is kept of a finished sweep.
"""
