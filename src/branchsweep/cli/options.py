"""Options that several commands have, and the exit code and message of an interrupted command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from branchsweep.cli.help_texts import EXECUTION_OPTIONS, EXPERIMENT_OPTIONS, OUTPUT_OPTIONS
from branchsweep.config.addresses import Address

INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells."""

INTERRUPTED_MESSAGE = "stopped. What has finished is recorded: run the same command again to resume"

ExperimentPath = Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="A YAML file, such as experiments/branched.yaml.")]

DataPath = Annotated[
    Path | None,
    typer.Option(
        "--data", rich_help_panel=EXPERIMENT_OPTIONS, metavar="PATH", help="Read this table instead of the experiment's."
    ),
]

TestDataPath = Annotated[
    Path | None,
    typer.Option(
        "--test-data",
        rich_help_panel=EXPERIMENT_OPTIONS,
        metavar="PATH",
        help="Read the test rows from this table (test.path); all rows of the other one are training rows.",
    ),
]

RequireReal = Annotated[
    bool,
    typer.Option(
        "--require-real",
        rich_help_panel=EXPERIMENT_OPTIONS,
        help="Fail rather than use the synthetic table where the built-in one cannot be had.",
    ),
]


def output_option(meaning: str, metavar: str = "PATH") -> Any:
    """The option that names what a command writes."""
    return typer.Option("-o", "--output", rich_help_panel=OUTPUT_OPTIONS, metavar=metavar, help=meaning)


def csv_option(meaning: str) -> Any:
    """The option that says how a csv file is written."""
    return typer.Option("--csv", rich_help_panel=EXPERIMENT_OPTIONS, metavar="KEY=VALUE", help=meaning)


def _overrides(what: str, example: str) -> Any:
    """The option that changes values of an experiment or a comparison."""
    return typer.Option(
        "--set",
        rich_help_panel=EXPERIMENT_OPTIONS,
        metavar="KEY=VALUE",
        help=f"Change one value of the {what}, such as {example}. Repeatable.",
    )


Overrides = Annotated[list[str] | None, _overrides("experiment", "fit.epochs=20")]

ComparisonOverrides = Annotated[list[str] | None, _overrides("comparison", "budget.trials=8")]

Sheet = Annotated[
    str | None,
    typer.Option(
        "--sheet", rich_help_panel=EXPERIMENT_OPTIONS, help="The sheet of an xlsx file, by name or by position from 0."
    ),
]

PageOutput = Annotated[
    Path | None,
    output_option("Also write the result to this path, as one HTML file."),
]

TrackingUri = Annotated[
    Address | None,
    typer.Option(
        "--tracking-uri",
        rich_help_panel=OUTPUT_OPTIONS,
        metavar="URI",
        parser=Address,
        help="MLflow's tracking URI; default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db.",
    ),
]

WorkersOption = Annotated[
    str | None,
    typer.Option(
        "--workers",
        rich_help_panel=EXECUTION_OPTIONS,
        metavar="N|ray|ADDRESS",
        help="Number of worker processes, one core each; or ray for a Ray cluster on this machine, or ray://HOST:PORT. "
        "Default: the experiment's, else one process per GPU that TensorFlow sees, or one per core where it sees none.",
    ),
]

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A registered model's name, such as ccpp-branched.")]

AsJson = Annotated[
    bool,
    typer.Option("--json", rich_help_panel=OUTPUT_OPTIONS, help="Print one JSON object on standard output, and nothing else."),
]
