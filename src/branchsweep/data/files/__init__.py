"""Files of tables: read column by column within a stated budget, and written.

`data/tables.py` chooses the reader: read it first. `column_selection.py` says which columns are read, `table_file.py` what a
reader returns and how much it reads. Each format has a module: `xlsx_table.py`, `csv_table.py`, `arrow_table.py` (parquet and
feather), `json_table.py` (JSON lines), `arff_table.py`. `csv_format.py` and `number_marks.py` recognise how a csv file is
written. `written_table.py` writes xlsx, csv and parquet files.
"""
