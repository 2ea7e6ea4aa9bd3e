"""The table: how it is found, read, checked and split, and how its columns are scaled.

Read `loading.py` first: `load_dataset` turns the table of an experiment into a checked `Dataset` (`dataset.py`). `splits.py`
divides its rows into training, validation and test rows, `halves.py` into the halves of a comparison; `training_rows.py` is the
part of them that a trainer may see.

`tables.py` reads files (those of `files/`) and DataFrames, `columns.py` makes numbers of their columns, `cleaning.py` applies
the table's policies on invalid and repeated rows, `row_warnings.py` says what may be wrong with the rest, and
`prediction_columns.py` puts predictions beside a table. `built_in_table.py` finds the power-plant table, which
`power_plant.py` describes, `download.py` fetches and `synthetic_table.py` replaces where it cannot be had. `digest.py`
identifies contents. `encoders/` scales columns.
"""
