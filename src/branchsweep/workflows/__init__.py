"""The workflows, such as a sweep or a comparison: each is a function that `launch.py` calls in a session.

Read `sweep.py` first: the search (`search_loop.py`; `trial_runner.py` trains the trials of a round and prunes them), then
`promotion/`, from the confirmation of the best trials to the registry. `train_lanes.py` trains lanes for all of them,
`lane_scores.py` makes the score of a trial of theirs. `outer_cross_validation.py` runs a sweep for each fold of all rows.
`comparison/` compares single- with multi-output networks. `fit_network.py` is behind the estimators of scikit-learn.

`session.py` opens table, workers and store, `context.py` holds what travels together. `started_workers.py` starts worker
processes before the table is read, `first_round.py` says which programs they load before the store is open.
`resolved_experiment.py` completes an experiment by its rows, `starting_point.py` says where a search on a new table begins, and
`new_experiment.py` writes that as YAML. `progress.py` is the callback of the display, `callbacks.py` those of users,
`stages.py` takes the times.

`recorded_sweeps.py` reads what is needed to work on a recorded sweep again: `replay.py` trains one of its trials once more.
`dry_run.py` says what a sweep would train, with the help of `simulator.py`; `live_poller.py` reads a sweep that another process
runs. `explanation.py` and `table_check.py` apply a model to a table. `records/` is what is kept of sweeps and trials, as others
read it; `reporter.py` is the protocol by which a sweep's report is written from `sweep_report.py`.
"""
