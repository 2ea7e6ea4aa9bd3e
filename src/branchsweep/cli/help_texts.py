"""What `--help` shows beside the texts of commands and options: the groups of both, and examples of commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

EXPERIMENT_OPTIONS = "Experiment and table"
EXECUTION_OPTIONS = "Execution"
OUTPUT_OPTIONS = "Tracking and output"
"""The groups of options; one that only its command has is in click's own group, Options."""

EXAMPLES: Mapping[str, Sequence[str]] = {
    "run": (
        "branchsweep run experiments/quickstart.yaml",
        "branchsweep run experiments/branched.yaml --trials 16 --set fit.epochs=40",
        "branchsweep run experiments/branched.yaml --workers ray --dry-run",
    ),
    "compare": (
        "branchsweep compare experiments/compare.yaml --quick",
        "branchsweep compare experiments/compare.yaml -o report.html",
    ),
    "show": (
        "branchsweep show",
        "branchsweep show branched --sort r2/PE --where trunk.depth>=2",
        "branchsweep show branched 12",
    ),
    "diff": (
        "branchsweep diff branched:12 branched:5",
        "branchsweep diff ccpp-branched@champion ccpp-branched@challenger -o diff.html",
    ),
    "watch": ("branchsweep watch", "branchsweep watch branched --port 5020 --no-open"),
    "report": ("branchsweep report branched -o report.html", "branchsweep report branched -o report --interactive"),
    "replay": ("branchsweep replay branched --trial 12", "branchsweep replay branched --trial 12 --tolerance 0"),
    "promote": ("branchsweep promote branched --dry-run", "branchsweep promote branched --trial 12 --model plant"),
    "init": (
        "branchsweep init boiler.csv --heads heat,steam",
        "branchsweep init Folds5x2_pp.xlsx --heads PE,V -o plant.yaml",
        "branchsweep init --example",
    ),
    "data": ("branchsweep data experiments/branched.yaml --data Folds5x2_pp.xlsx",),
    "space": ("branchsweep space search_spaces/branched.yaml --samples 5",),
    "draw": (
        "branchsweep draw experiments/article.yaml",
        "branchsweep draw experiments/article.yaml --initial-trial article -o network.png",
    ),
    "schema": ("branchsweep schema > experiment.schema.json", "branchsweep schema space > space.schema.json"),
    "predict": (
        "branchsweep predict models:/ccpp-branched@champion TABLE.xlsx -o predictions.csv",
        "branchsweep predict models:/ccpp-branched/2 TABLE.xlsx -o predictions.csv --warn",
    ),
    "explain": (
        "branchsweep explain models:/ccpp-branched@champion TABLE.xlsx",
        "branchsweep explain models:/ccpp-branched@champion TABLE.xlsx -o figures",
    ),
    "check": (
        "branchsweep check models:/ccpp-branched@champion NEW_ROWS.xlsx",
        "branchsweep check models:/ccpp-branched@champion NEW_ROWS.csv --json",
    ),
    "export": (
        "branchsweep export models:/ccpp-branched@champion --format keras -o model.keras",
        "branchsweep export models:/ccpp-branched@champion --format tflite -o model.tflite",
        "branchsweep export models:/ccpp-branched@champion --format code -o train.py",
    ),
    "history": ("branchsweep history ccpp-branched",),
    "rollback": ("branchsweep rollback ccpp-branched",),
    "export-study": ("branchsweep export-study branched --storage sqlite:///study.db",),
    "ui": ("branchsweep ui", "branchsweep ui --port 5001 --no-open"),
}
"""Commands as users write them, by the command's name."""


def epilog(command: str) -> str:
    """The examples of a command as the end of its help; lines are separate paragraphs, which are kept as they are."""
    examples = EXAMPLES.get(command, ())
    return "\n\n".join([f"Example{'s' * (len(examples) > 1)}:", *(f"  {example}" for example in examples)]) if examples else ""
