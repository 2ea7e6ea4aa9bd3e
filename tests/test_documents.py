"""README and docs are right: their commands, YAML, Python, messages and links are those of the program."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from branchsweep.cli import app
from branchsweep.config.yaml.loading import load_comparison, load_experiment
from branchsweep.errors import ConfigError
from branchsweep.workflows.builder_check import check_builder

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = DOCUMENTS[0].read_text(encoding="utf-8")
EXPERIMENTS = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
COMMANDS: dict[str, Any] = dict(get_command(app).commands)  # type: ignore[attr-defined]  # a group of commands

BASE = {
    "name": "name: boiler",
    "table": "table: {source: boiler.csv, inputs: [load, wind]}",
    "heads": "heads: {PE: {}, V: {}}",
    "space": "space: {dimensions: {trunk.depth: {type: int, low: 1, high: 4}}}",
}
"""The keys that every experiment has, for the parts of experiments in the docs."""

INITIAL_TRIALS = "search: {initial_trials: {article: {trunk.depth: 2}}}"
"""Where a constraint refers to an initial trial."""


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks in a language, without those of other programs, which have titles."""
    return [str(block) for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)]


def titled_block(document: str, title: str) -> str:
    """The fenced block of this title in a document of docs/."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    (block,) = re.findall(rf'```\w+ title="{re.escape(title)}"\n(.*?)```', text, re.DOTALL)
    return str(block)


def in_documents(pattern: str) -> list[tuple[str, str]]:
    """What a pattern finds in the documents, each with its document's name."""
    found = [(path.name, text) for path in DOCUMENTS for text in re.findall(pattern, path.read_text("utf-8"), re.MULTILINE)]
    return list(dict.fromkeys((document, text.strip()) for document, text in found))


def yaml_parts(block: str) -> list[dict[str, str]]:
    """The text of each top-level key of a block; a block that repeats a key shows alternatives, one part for each."""
    parts: list[dict[str, str]] = [{}]
    for key, text in re.findall(r"^((?:\w+)):(.*\n(?:[ #].*\n)*)", block, re.MULTILINE):
        if key in parts[-1]:
            parts.append({})
        parts[-1][key] = f"{key}:{text}"
    return parts


def part_of_an_experiment(part: dict[str, str]) -> str:
    """An experiment with these keys, completed by those that it needs."""
    completed = {**BASE, **part}
    if "article" in part.get("objective", "") and "search" not in part:
        completed["search"] = INITIAL_TRIALS
    return "\n".join(completed.values()) + "\n"


@pytest.mark.parametrize(("document", "line"), in_documents(r"^ {4,}(?:\.venv/bin/)?(branchsweep [^#\n]*)"))
def test_a_line_with_a_command_is_accepted(document: str, line: str) -> None:
    """A word in capitals stands for what users put there."""
    _, name, *arguments = shlex.split(line)
    assert COMMANDS[name].make_context(name, arguments).params, document


@pytest.mark.parametrize(("document", "text"), in_documents(r"`(branchsweep [^`]*)`"))
def test_a_command_in_a_sentence_exists_with_its_options(document: str, text: str) -> None:
    name, *words = re.findall(r"[-\w]+", text.removeprefix("branchsweep "))
    assert name in {*COMMANDS, "COMMAND", "--install-completion"}, document
    parameters = COMMANDS[name].params if name in COMMANDS else []
    options = {option for parameter in parameters for option in parameter.opts} | {"--help"}
    assert {word for word in words if re.match("--?[a-z]", word)} <= options, document


def test_every_command_is_documented() -> None:
    commands = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `branchsweep ([\w-]+)", commands, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize(
    ("document", "block"), [(path.name, block) for path in DOCUMENTS for block in blocks(path.read_text("utf-8"), "yaml")]
)
def test_documented_yaml_is_valid(document: str, block: str, tmp_path: Path) -> None:
    for folder in ("experiments", "search_spaces"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    path = tmp_path / "experiments" / "documented.yaml"
    parts = yaml_parts(block)
    assert all(parts), document
    for part in parts:
        is_comparison = "contestants" in part
        path.write_text("\n".join(part.values()) if is_comparison else part_of_an_experiment(part), encoding="utf-8")
        load_comparison(path) if is_comparison else load_experiment(path)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documented_python_compiles(document: Path) -> None:
    for block in re.findall(r"```python.*?\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL):
        compile(block, document.name, "exec")


def test_the_documented_network_of_ones_own_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_networks.py").write_text(titled_block("own-networks.md", "my_networks.py"), encoding="utf-8")
    (block,) = blocks((ROOT / "docs" / "own-networks.md").read_text(encoding="utf-8"), "yaml")
    (tmp_path / "own.yaml").write_text(block, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    said: list[str] = []
    check_builder(load_experiment(tmp_path / "own.yaml"), said.append)
    assert "my_networks:residual builds the networks" in said[0]


def test_the_sweep_of_other_programs_is_the_same() -> None:
    """The search spaces of W&B and Ludwig have the ranges, trials and epochs of ours."""
    text = (ROOT / "docs" / "coming-from.md").read_text(encoding="utf-8")
    ours, wandb, ludwig = map(
        YAML(typ="safe").load,
        [
            *blocks(text, "yaml"),
            *(titled_block("coming-from.md", title) for title in ("sweep.yaml, of W&B", "boiler.yaml, of Ludwig")),
        ],
    )

    def ends(values: dict[str, Any]) -> list[Any]:
        listed = next((values[key] for key in ("choices", "values", "categories") if key in values), ())
        numbers = [value for key, value in values.items() if key in {"low", "high", "min", "max", "lower", "upper"}]
        return [min(listed or numbers), max(listed or numbers)]

    ranges = [ends(dimension) for dimension in ours["space"]["dimensions"].values()]
    assert [ends(wandb["parameters"][name.replace(".", "_")]) for name in ours["space"]["dimensions"]] == ranges
    assert sorted(map(ends, ludwig["hyperopt"]["parameters"].values())) == sorted(ranges)
    budget = (ours["search"]["trials"], ours["fit"]["epochs"])
    assert (wandb["run_cap"], wandb["parameters"]["epochs"]["value"]) == budget
    assert (ludwig["hyperopt"]["executor"]["num_samples"], ludwig["trainer"]["epochs"]) == budget


def test_the_error_message_is_the_one_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = re.findall(r"^ {4}(boiler\.yaml:.*)$", EXPERIMENTS, re.MULTILINE)
    example, *_ = blocks(EXPERIMENTS, "yaml")
    monkeypatch.chdir(tmp_path)
    Path("boiler.yaml").write_text(example.replace("loss: mae", "loss: mea"), encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_experiment(Path("boiler.yaml"))
    assert str(raised.value) == shown


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^ {4}make (\w+)", README, re.MULTILINE)) <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_linked_section_exists(document: Path) -> None:
    for path, anchor in re.findall(r"\]\((?!http)([^)#]*)#([^)]+)\)", document.read_text(encoding="utf-8")):
        target = document.parent / path if path else document
        headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, f"{path}#{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_linked_file_exists(document: Path) -> None:
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text(encoding="utf-8")):
        assert (document.parent / path).exists(), path


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    listed = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert {path.name for path in DOCUMENTS[1:]} <= set(listed)


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    """In a script without `if __name__ == "__main__"`, as people write them first."""
    (code,) = blocks(README, "python")
    write_boiler_table(tmp_path)
    output = run_script(code, tmp_path)
    assert "trunk.depth" in output and output.rstrip().endswith("[200 rows x 2 columns]")


@pytest.mark.slow
def test_the_code_of_the_python_page_runs(tmp_path: Path) -> None:
    """Its blocks one after the other, on a table of its columns."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"load": rng.normal(10, 2, 200), "wind": rng.normal(0, 1, 200)})
    frame.assign(heat=3 * frame["load"], steam=frame["load"] - frame["wind"]).to_csv(tmp_path / "boiler.csv", index=False)
    code = "\n".join(blocks((ROOT / "docs" / "python.md").read_text(encoding="utf-8"), "python"))
    output = run_script(f"{code}\nprint(branchsweep.load_sweep('boiler').summary.stopped_by)", tmp_path)
    assert "trials, best: Result(" in output and output.split()[-1] in {"callback", "trials"}


@pytest.mark.slow
def test_the_keras_tuner_code_runs(tmp_path: Path) -> None:
    """As it stands, on the experiment and the table that it names."""
    (code,) = blocks((ROOT / "docs" / "search.md").read_text(encoding="utf-8"), "python")
    for folder in ("experiments", "search_spaces"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    output = run_script(code, tmp_path)
    assert "Trial 8 Complete" in output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("title", "shortening"),
    [
        ("boiler.py, with KerasTuner", ("max_trials=32", "max_trials=2")),
        ("boiler.py, with Optuna", ("n_trials=32", "n_trials=2")),
    ],
)
def test_the_same_sweep_runs_with_other_programs(title: str, shortening: tuple[str, str], tmp_path: Path) -> None:
    """As it stands, with fewer trials and epochs."""
    write_boiler_table(tmp_path)
    code = titled_block("coming-from.md", title)
    assert shortening[0] in code and "epochs=40" in code
    run_script(code.replace(*shortening).replace("epochs=40", "epochs=2"), tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq (apt install jq)")
def test_the_steps_of_the_github_workflow_run(tmp_path: Path) -> None:
    """Those that search, write the scores as a table, and write the report; on the experiment of the page beside it."""
    workflow = YAML(typ="safe").load(titled_block("github-actions.md", ".github/workflows/sweep.yml"))
    steps = {step["name"]: step.get("run") for step in workflow["jobs"]["sweep"]["steps"] if "name" in step}
    (tmp_path / "experiments").mkdir()
    example, *_ = blocks(README, "yaml")
    (tmp_path / "experiments" / "boiler.yaml").write_text(example.replace("boiler.csv", "../boiler.csv"), encoding="utf-8")
    write_boiler_table(tmp_path)
    (tmp_path / "branchsweep").write_text(f'#!/bin/sh\nexec {sys.executable} -P -m branchsweep "$@"\n', encoding="utf-8")
    (tmp_path / "branchsweep").chmod(0o755)
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    for name in ("Search", "Write the scores as a table", "Write the report"):
        command = ["bash", "-eo", "pipefail", "-c", steps[name]]
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, **variables}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    lines = (tmp_path / "summary.md").read_text(encoding="utf-8").splitlines()
    assert lines[:4] == ["### Sweep boiler", "", "| R² on test rows | heat | steam |", "|---|---|---|"]
    assert (tmp_path / "report.html").stat().st_size


@pytest.mark.slow
def test_the_scikit_learn_code_runs(tmp_path: Path) -> None:
    """As it stands, and leaves no file."""
    code = "\n".join(blocks((ROOT / "docs" / "scikit-learn.md").read_text(encoding="utf-8"), "python"))
    assert run_script(code, tmp_path).split() == ["(20,", "3)", "True", "2", "True"]
    assert [path.name for path in tmp_path.iterdir()] == ["script.py"]


def write_boiler_table(folder: Path) -> None:
    """The table of the examples, `boiler.csv`."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"load": rng.normal(10, 2, 200), "wind": rng.normal(0, 1, 200), "note": "x"})
    steam = frame["load"] - 2 * frame["wind"] + rng.normal(0, 0.1, 200)
    frame.assign(heat=3 * frame["load"] + frame["wind"], **{"steam flow": steam}).to_csv(folder / "boiler.csv", index=False)


def run_script(code: str, folder: Path) -> str:
    """The standard output of a script that runs to its end."""
    script = folder / "script.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, script], cwd=folder, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout
