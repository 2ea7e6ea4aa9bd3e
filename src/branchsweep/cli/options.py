"""The words of the command line that several commands know, and what they answer with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

INTERRUPTED_MESSAGE = "stopped. What was finished is recorded: the same command goes on from there"

ExperimentPath = Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="A YAML file, such as experiments/branched.yaml.")]

DataPath = Annotated[Path | None, typer.Option("--data", metavar="PATH", help="Read this table instead of the experiment's.")]

RequireReal = Annotated[bool, typer.Option("--require-real", help="Refuse the embedded stand-in for the built-in table.")]

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one value of the experiment, such as fit.epochs=20. Repeatable."),
]

TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri", metavar="URI", help="MLflow's store; sqlite:///mlflow.db here, unless MLFLOW_TRACKING_URI says."
    ),
]

WorkersOption = Annotated[
    str | None,
    typer.Option(
        "--workers",
        metavar="N|ray|ADDRESS",
        help="So many worker processes, a core each; or those of a Ray cluster: of this machine, or at ray://HOST:PORT. If "
        "neither this nor the experiment says, one process per GPU that TensorFlow sees, or per core where it sees none.",
    ),
]

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A registered model's name, such as ccpp-branched.")]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else.")]
