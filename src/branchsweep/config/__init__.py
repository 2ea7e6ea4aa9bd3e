"""What users write: experiments, search spaces and comparisons, as validated values and as YAML.

Read `experiment.py` first: `Experiment` is one YAML file, whose sections have a module each in `sections/`; `comparison.py` is
the other kind of file. `hyperparameters.py` lists every hyperparameter with its type, default and bounds.
`experiment_checks.py` has the checks that need several sections, `kinds.py` the kinds of encoders, layers and heads that the
extension points offer.

`yaml/` makes a value of a file and writes it again, with messages that name file and line. `identity.py` says what makes two
sweeps the same. `codec.py` turns frozen values into JSON and back.
"""
