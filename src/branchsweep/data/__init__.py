"""The table: how it is found, read, checked and split, and how its columns are scaled.

Read `loading.py` first: `load_dataset` turns the table of an experiment into a checked `Dataset` (`dataset.py`). `splits.py`
divides its rows into training, validation and test rows by the `splitters/`, `halves.py` into the halves of a comparison;
`training_rows.py` is the part of them that a trainer may see, `test_table.py` joins test rows that are a table of their own.

A table comes from a file or a DataFrame (`tables.py`, `files/`), a database (`sql_table.py`), or is the built-in power-plant
table, which `built_in_table.py` finds, `power_plant.py` describes, `download.py` fetches, and `synthetic_table.py` replaces
where it cannot be had.

`column_kinds.py` says what each column is: an input (`input_values.py`, `frame_inputs.py`, `group_columns.py`) or a target
(`target_cells.py`, `target_classes.py`, `class_weights.py`), whose cells `columns.py` makes numbers of. `cleaning.py` applies
the table's policies on invalid and repeated rows, `row_warnings.py` says what may be wrong with the rest. `encoders/` scales
columns.

`table_outline.py`, `column_summary.py` and `distributions.py` describe columns for people and for later checks, `digest.py`
identifies contents, `prediction_columns.py` puts predictions beside a table, with texts made harmless by `spreadsheets.py`.
"""
