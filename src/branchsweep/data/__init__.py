"""The table: how it is read, checked, split and scaled.

Read `loading.py` first: it turns a path into a checked `Dataset` (`dataset.py`). `splits.py` divides its rows into training,
validation and test rows, `training_rows.py` is the part of them that a trainer may see.

`tables.py` reads and writes xlsx, csv and parquet files; `power_plant.py` finds the built-in table, `download.py` fetches it,
`synthetic_table.py` generates a replacement where it cannot be had. `encoders/` scales columns. `digest.py` identifies
contents.
"""
