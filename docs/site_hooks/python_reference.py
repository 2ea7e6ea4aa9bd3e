"""The page of the Python API: every public name with its docstring, by mkdocstrings."""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import branchsweep

PAGE = "reference/python.md"
INTRODUCTION = """# Python

The public names of `branchsweep`; [In Python](../python.md) shows them at work. The fields of `Experiment`, `Comparison`,
`Head`, `Column`, `Int`, `Float` and `Choice` are the keys of the [YAML files](yaml.md).
"""
MEMBERS = {
    **dict.fromkeys(("Experiment", "Comparison"), "[from_yaml, to_yaml]"),
    **dict.fromkeys(("Head", "Column", "Int", "Float", "Choice"), "false"),
}
"""What is shown of classes whose fields stand on another page."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """The page's text: functions first, then classes."""
    names = [name for name in branchsweep.__all__ if not name.startswith("_")]
    return "\n".join([INTRODUCTION, *map(entry, sorted(names, key=lambda name: (name[0].isupper(), name)))])


def entry(name: str) -> str:
    """What mkdocstrings replaces by the docstring of a public name."""
    return f"::: branchsweep.{name}\n" + (f"    options: {{members: {MEMBERS[name]}}}\n" if name in MEMBERS else "")
