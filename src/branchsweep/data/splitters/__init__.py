"""How rows are divided: at random one by one, by groups, in the order of time, as a column says, or by strata.

Read `splitter.py` first: it is the contract of all kinds. Each kind is a module with a frozen value that holds what it knows of
the rows (`shuffle.py`, `group.py`, `time.py`, `given.py`, `stratify.py`; `random_splitter.py` is what random ones share, with
the checks of `sizes.py`). `reading.py` makes it from the section `split` of an experiment and the table. Everything else
(`data/splits.py`, `data/halves.py`, nested searches) divides rows by a `Splitter`, whatever kind it is.
"""
