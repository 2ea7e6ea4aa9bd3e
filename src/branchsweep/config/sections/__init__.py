"""The sections of an experiment, each of which is one key of its YAML file and one frozen value.

Read `search_space.py` first: a search space is ordered dimensions (`dimensions.py`), by the names of hyperparameters.
`table.py` and `heads.py` say what is predicted from what, `search.py` and `objective.py` what is searched for and how,
`training.py`, `validation.py` and `workers.py` how and where networks are trained and scored, `promotion.py` what happens to
the best.
"""
