"""The command that begins: an experiment for a table, or the shipped examples."""

from __future__ import annotations

import csv as csv_format
import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from branchsweep.cli.context import key_and_value
from branchsweep.cli.help_texts import EXPERIMENT_OPTIONS, OUTPUT_OPTIONS
from branchsweep.cli.options import Sheet, csv_option, output_option
from branchsweep.config.examples import example_files
from branchsweep.errors import DataError, UserError
from branchsweep.reporting.text.literal_console import LiteralConsole
from branchsweep.runtime import write_files

if TYPE_CHECKING:
    from branchsweep.data.table_outline import TableOutline

FEWEST_ROWS = 20
"""Rows that a table needs: fewer leave none to validate and to test."""


def init(
    table: Annotated[
        Path | None,
        typer.Argument(
            metavar="TABLE", help="A file with rows: xlsx, csv, parquet, feather, jsonl, arff. With --example: the folder."
        ),
    ] = None,
    heads: Annotated[
        str | None,
        typer.Option(
            "--heads",
            rich_help_panel=EXPERIMENT_OPTIONS,
            metavar="NAME,NAME",
            help="The columns to predict. Default: they are asked for in a terminal.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        output_option("The experiment to write; default: the table's name with .yaml, in the working directory."),
    ] = None,
    sheet: Sheet = None,
    csv: Annotated[
        list[str] | None,
        csv_option("How a csv file is written, where it is not recognised, such as decimal=,. Repeatable."),
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="Copy the shipped experiments and search spaces instead.")] = False,
    force: Annotated[bool, typer.Option("--force", rich_help_panel=OUTPUT_OPTIONS, help="Overwrite files.")] = False,
) -> None:
    """Write a first experiment for a table, with comments; or, with --example, copy the shipped experiments.

    Columns, splits, budget and space follow from the table. The experiment runs as it is.
    """
    if example:
        _copy_examples(table or Path(), force)
        return
    if table is None:
        raise UserError("got no table; give one (branchsweep init TABLE), or --example for the shipped experiments", "TABLE")
    target = output or Path(f"{table.stem.removesuffix('.csv')}.yaml")
    _refuse_to_overwrite([target], force)
    _write_experiment(table, target, heads, _options(table, sheet, csv or []))


def _copy_examples(folder: Path, force: bool) -> None:
    files = {name: file.read_text(encoding="utf-8") for name, file in example_files().items()}
    _refuse_to_overwrite([folder / name for name in files], force)
    write_files(folder, files)
    first = folder / "experiments" / "quickstart.yaml"
    _say(f"{len(files)} files written into {folder.resolve()}; to begin: branchsweep run {shlex.quote(str(first))}")


def _refuse_to_overwrite(files: list[Path], force: bool) -> None:
    present = [str(file) for file in files if file.exists()]
    if present and not force:
        what = "this file is there already" if len(present) == 1 else f"this file and {len(present) - 1} more are there already"
        raise UserError(f"{what}; give --force to overwrite, or another path", present[0])


def _options(table: Path, sheet: str | None, csv: list[str]) -> Mapping[str, object]:
    """What the user says of how the file is read, as keys of the experiment's table."""
    from branchsweep.config.sections.csv_options import csv_options
    from branchsweep.data.tables import sheet_named

    named = sheet_named(table, sheet)
    given = csv_options(dict(map(key_and_value, csv)), "--csv").given if csv else {}
    return {**({} if named is None else {"sheet": named}), **({"csv": given} if given else {})}


def _write_experiment(table: Path, target: Path, heads: str | None, options: Mapping[str, object]) -> None:
    from branchsweep.config.sections.table import Table
    from branchsweep.config.yaml.json_schema import json_schema
    from branchsweep.data.columns import count_noun
    from branchsweep.data.files.column_selection import ALL_COLUMNS
    from branchsweep.data.table_outline import dependences, outline_table
    from branchsweep.data.tables import FileOptions, read_file
    from branchsweep.workflows.new_experiment import SCHEMA_FILE, NewFile, experiment_name, experiment_text, head_names

    described = Table.model_validate({"source": str(table), "inputs": "*", **options})
    source = read_file(table, FileOptions.of(described), ALL_COLUMNS)
    outline = outline_table(source)
    chosen = _chosen_heads(heads, outline)
    file = NewFile(experiment_name(target.stem), shlex.quote(str(target)), _path_from(target.parent, table), options)
    text = experiment_text(file, outline, chosen, dependences(source, head_names(chosen)))
    files = {target.name: text}
    if not (target.parent / SCHEMA_FILE).exists():
        files[SCHEMA_FILE] = json.dumps(json_schema("experiment"), indent=2) + "\n"
    write_files(target.parent, files)
    size = f"{count_noun(outline.rows, 'row')}, {count_noun(len(chosen), 'head')}"
    _say(f"{target} written for {table} ({size}); to begin: branchsweep run {shlex.quote(str(target))}")


def _path_from(folder: Path, table: Path) -> str:
    """The table as an experiment in this folder names it: a path from there, unless it was given as an absolute one."""
    if table.is_absolute() and not table.is_relative_to(folder.resolve()):
        return str(table)
    return Path(os.path.relpath(table.resolve(), folder.resolve())).as_posix()


def _chosen_heads(given: str | None, outline: TableOutline) -> list[str]:
    """The columns to predict, as they were given or as the user answers.

    Raises:
        DataError: None can be predicted, none is given and nobody can be asked, or one that is given cannot be predicted.
    """
    from branchsweep.workflows.new_experiment import check_heads, listed_columns

    possible = outline.possible_targets
    if outline.rows < FEWEST_ROWS:
        few = f"the table has {outline.rows} rows, and at least {FEWEST_ROWS} are needed to train, validate and test"
        raise DataError(few, outline.location)
    if not possible:
        raise DataError("no column can be predicted: none holds numbers or a few texts, and varies", outline.location)
    if given is not None:
        return check_heads(_names(given), outline, "--heads")
    if not sys.stdin.isatty():
        raise DataError(
            f"say which columns are to be predicted: --heads NAME,NAME; possible are {listed_columns(possible)}",
            outline.location,
        )
    console = LiteralConsole(stderr=True)
    console.print(
        f"Columns of {outline.location} that can be predicted: {listed_columns(possible)}", highlight=False, soft_wrap=True
    )
    while True:
        answer = typer.prompt("Columns to predict, separated by commas", err=True)
        try:
            return check_heads(_names(answer), outline, "--heads")
        except DataError as error:
            console.print(error.message, highlight=False, soft_wrap=True)


def _names(text: str) -> list[str]:
    """The names in a list with commas; a name with a comma stands in double quotes."""
    rows = list(csv_format.reader([text], skipinitialspace=True))
    return list(dict.fromkeys(name.strip() for name in (rows[0] if rows else []) if name.strip()))


def _say(text: str) -> None:
    LiteralConsole(stderr=True).print(text, highlight=False, soft_wrap=True)
