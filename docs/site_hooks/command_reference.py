"""The page of the commands: arguments, options and examples of each, from the command line itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.main import get_command

from branchsweep.cli import COMMANDS, app
from branchsweep.cli.help_texts import EXAMPLES

PAGE = "reference/commands.md"
INTRODUCTION = """# All options of all commands

What `branchsweep COMMAND --help` shows. [Commands at a glance](../commands.md) has them in one table.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """The page's text."""
    parts = [INTRODUCTION]
    commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]  # a group of commands
    for group, functions in COMMANDS.items():
        parts.append(f"## {group}")
        for function in functions:
            name = function.__name__.replace("_", "-")
            parts += description(name, commands[name])
    return "\n\n".join(parts) + "\n"


def description(name: str, command: Any) -> Iterator[str]:
    """The parts of the section of a command."""
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    yield f"### {name}"
    yield command.help or ""
    named = {(argument.metavar or argument.name.upper()).strip("[]"): argument for argument in arguments}
    operands = [metavar if argument.required else f"[{metavar}]" for metavar, argument in named.items()]
    yield "\n".join(["```text", " ".join(["branchsweep", name, *operands, "[OPTIONS]"]), "```"])
    if arguments:
        yield table("argument", list(named.items()))
    in_groups = sorted(options, key=lambda option: option.rich_help_panel or "")
    for group, members in groupby(in_groups, key=lambda option: option.rich_help_panel):
        yield f"**{group or 'Options'}**"
        yield table("option", [(", ".join([*option.opts, *option.secondary_opts]), option) for option in members])
    yield "\n".join(["```bash", *EXAMPLES.get(name, ()), "```"])


def table(title: str, rows: list[tuple[str, Any]]) -> str:
    """A table in Markdown of arguments or options."""
    lines = [f"| {title} | default | |", "| --- | --- | --- |"]
    for name, parameter in rows:
        default = parameter.default
        shown = "required" if parameter.required else f"`{default}`" if default not in (None, False, "", (), []) else ""
        text = re.sub(r"\s+", " ", parameter.help or "").replace("|", r"\|")
        lines.append(f"| `{name}` | {shown} | {text} |")
    return "\n".join(lines)
