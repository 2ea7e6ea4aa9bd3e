"""Commands that say what an experiment is before it runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from branchsweep.cli.context import read_table
from branchsweep.cli.options import AsJson, DataPath, ExperimentPath, Overrides, RequireReal
from branchsweep.errors import ConfigError, UserError

if TYPE_CHECKING:
    from branchsweep.models.architecture import Architecture


def data(
    experiment: ExperimentPath = Path("experiments/branched.yaml"),
    data: DataPath = None,
    require_real: RequireReal = False,
    overrides: Overrides = None,
) -> None:
    """Say which table an experiment reads, what is in it, and how its rows are split."""
    from branchsweep.config.loading import load_experiment
    from branchsweep.reporting.text.experiment import render_data_summary

    chosen = load_experiment(experiment, overrides or [])
    dataset, split = read_table(chosen, data, require_real, Console(stderr=True))
    Console().print(render_data_summary(dataset, split, {name: head.unit for name, head in chosen.heads.items()}))


def space(
    path: Annotated[Path, typer.Argument(metavar="SPACE", help="A file of search_spaces/, or an experiment.")],
    overrides: Overrides = None,
    samples: Annotated[int, typer.Option("--samples", min=0, help="How many networks to draw at random.")] = 3,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of the samples; else the experiment's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a search space holds: its dimensions, its size, and a few of its networks as pictures.

    Heads and inputs are the experiment's. Of a space alone, heads are those that it names, such as PE in PE.depth.
    """
    from branchsweep.config.loading import experiment_around_space, is_space_file, load_experiment
    from branchsweep.models.drawing import COLUMNS
    from branchsweep.reporting.text import layout
    from branchsweep.reporting.text.experiment import render_search_space_summary
    from branchsweep.workflows.search_space_summary import summarize_space

    if is_space_file(path):
        if overrides:
            raise ConfigError(f"{path} is a space alone, expected an experiment, whose values can be changed", where="--set")
        chosen, name = experiment_around_space(path), path.stem
    else:
        chosen = load_experiment(path, overrides or [])
        name = chosen.name
    if seed is not None:
        chosen = chosen.model_copy(update={"seed": seed})
    console = Console()
    if as_json:
        typer.echo(summarize_space(name, chosen, samples).to_json())
    else:
        columns = min(console.width - layout.INDENT, COLUMNS)
        console.print(render_search_space_summary(summarize_space(name, chosen, samples, columns)))


def draw(
    experiment: ExperimentPath,
    known: Annotated[str, typer.Option("--known", metavar="NAME", help="This known configuration; all if not given.")] = "",
    overrides: Overrides = None,
    columns: Annotated[
        int | None, typer.Option("--columns", min=40, help="Letters of a line; the terminal's if not given.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="PATH", help="Let Keras and Graphviz draw: a .png, .svg or .pdf file."),
    ] = None,
) -> None:
    """Draw the networks that an experiment names: its known configurations, or else what is fixed and default.

    As text, or with -o one of them into a file, as keras.utils.plot_model draws it.
    """
    from branchsweep.config.loading import load_experiment
    from branchsweep.models.drawing import COLUMNS
    from branchsweep.reporting.text import layout
    from branchsweep.reporting.text.experiment import render_network_drawings
    from branchsweep.workflows.search_space_summary import known_networks

    chosen = load_experiment(experiment, overrides or [])
    console = Console(width=columns)
    reach = console.width - layout.INDENT
    samples = known_networks(chosen, known, reach if columns else min(reach, COLUMNS))
    if output is None:
        console.print(render_network_drawings(samples))
        return
    if len(samples) > 1:
        names = ", ".join(sample.known for sample in samples)
        raise UserError(f"a file holds one network, and {chosen.name} knows {len(samples)} ({names}); choose with --known NAME")
    _draw_into(output, samples[0].architecture, chosen.table.inputs)
    title = f"{chosen.name} {samples[0].known}".rstrip()
    sentence = f"{output} written: {title}, {samples[0].parameters:,} parameters"
    Console(stderr=True).print(sentence, highlight=False, soft_wrap=True)


def _draw_into(output: Path, architecture: Architecture, inputs: Sequence[str]) -> None:
    """What is missing is told before TensorFlow takes its seconds to start."""
    from branchsweep.models.drawing import check_output_path, render_dot, require_graphviz
    from branchsweep.runtime import silence_stderr

    check_output_path(output)
    require_graphviz()
    with silence_stderr():
        from branchsweep.models.drawing import network_dot
    render_dot(network_dot(architecture, inputs), output)


def schema(
    kind: Annotated[
        Literal["experiment", "space", "comparison"],
        typer.Argument(metavar="experiment|space|comparison", help="Which kind of file."),
    ] = "experiment",
) -> None:
    """Print the JSON Schema of the YAML files, for editors to complete and check them."""
    from branchsweep.config.json_schema import json_schema

    typer.echo(json.dumps(json_schema(kind), indent=2))
