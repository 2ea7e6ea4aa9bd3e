"""What users write: experiments, search spaces and comparisons, as validated values and as YAML.

Read `experiment.py` first: `Experiment` is one YAML file. Its parts have a module each (`table`, `heads`, `search_space` with
`dimensions`, `search`, `objective`, `training`, `validation`, `promotion`, `workers`); `comparison.py` is the other kind of
file. `hyperparameters.py` lists every hyperparameter with its type, default and bounds.

`loading.py` shows how a file becomes a value, and names the module of each step. `recorded.py` writes and reads the YAML text
that stores keep, `identity.py` says what makes two sweeps the same, `json_schema.py` describes the files to editors. `codec.py`
turns frozen values into JSON and back.
"""
