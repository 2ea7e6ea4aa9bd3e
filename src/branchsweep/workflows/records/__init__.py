"""What is recorded of sweeps, trials and replays, as users and programs read it.

Read `sweep_record.py` first, recorded when a sweep begins, then `sweep_summary.py`, recorded at its end, with
`search_facts.py`, `baseline_result.py` and `ensemble_summary.py`. `leaderboard.py` lists the trials, chosen by
`trial_filter.py`; `trial_details.py` is one of them with all that is recorded of it, `trial_diff.py` the difference of two
(`compared_trial.py`, `paired_scores.py`). `recorded_params.py` checks that they can be trained. `trial_json.py` and
`sweep_summary_json.py` are the forms in which commands print them for programs. `report_tables.py` writes and reads the tables
beside a report, `unfinished_report.py` is that of a sweep before its end; `replay_result.py` compares a replayed trial with the
recorded one, `cross_validation_result.py` is the nested score. `live_sweep.py` is a sweep at a moment while it runs.
"""
