"""What users write: experiments, search spaces and comparisons, as validated values and as YAML.

Read `experiment.py` first: `Experiment` is one YAML file. Its parts have a module each (`table`, `heads`, `search_space`,
`search`, `objective`, `training`, `validation`, `promotion`, `workers`); `comparison.py` is the other kind of file.
`hyperparameters.py` lists every tunable with its type, default and bounds.

`loading.py` reads and writes the files: `yaml_document` keeps the line of every key, `overrides` applies `--set`, `messages`
turns what pydantic refuses into a message with file and line, `json_schema` describes the files to editors.
"""
