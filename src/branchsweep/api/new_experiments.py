"""A first experiment for a table, in Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from branchsweep.api.arguments import check_name, check_table, checked_columns
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.table import DATAFRAME, Table
from branchsweep.data.files.column_selection import ALL_COLUMNS
from branchsweep.data.loading import TableData
from branchsweep.data.table_outline import dependences, outline_table
from branchsweep.data.tables import FileOptions, from_dataframe, read_file
from branchsweep.runtime import temporary_folder, write_file
from branchsweep.workflows.new_experiment import NewFile, check_heads, experiment_text, head_names


def new_experiment(data: str | TableData, heads: Sequence[str], name: str = "experiment") -> Experiment:
    """A first experiment for a table, as `branchsweep init` writes one: columns, split, budget and space follow from the table.

    Args:
        data: A DataFrame, which is then passed to `sweep`, too; or the path of a table.
        heads: The columns to predict; all others are inputs, unless they cannot be.
        name: The name of the experiment, and of the model that it registers.

    Raises:
        UserError: The table cannot be read, or a column cannot be predicted.
    """
    check_table(data)
    check_name(name, "name")
    columns = checked_columns(heads, "heads")
    if isinstance(data, (str, Path)):
        path = Path(data).expanduser().absolute()
        location, options = str(path), FileOptions.of(Table.model_validate({"source": str(path), "inputs": "*"}))
        table = read_file(path, options, ALL_COLUMNS)
    else:
        location, table = DATAFRAME, from_dataframe(data)
    outline = outline_table(table)
    chosen = check_heads(columns, outline, "heads")
    text = experiment_text(NewFile(name, "", location, {}), outline, chosen, dependences(table, head_names(chosen)))
    with temporary_folder() as folder:
        write_file(folder / "experiment.yaml", text)
        return Experiment.from_yaml(folder / "experiment.yaml")
