"""Files of tables: xlsx, csv and parquet, read column by column within a stated budget, and written.

`data/tables.py` chooses the reader: read it first. `column_selection.py` says which columns are read, `table_file.py` what a
reader returns and how much it reads. There is a module for each kind of file, `csv_format.py` recognises how a csv file is
written, and `written_table.py` writes all kinds.
"""
