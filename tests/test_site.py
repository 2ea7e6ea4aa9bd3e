"""The documentation site has what is generated: every YAML key, every option, every public name, and what pages link to."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command

import branchsweep
from branchsweep.cli import app
from branchsweep.config.yaml.json_schema import ROOT_MODELS, FileKind, json_schema

pytest.importorskip("mkdocs", reason='the site is not looked at: pip install "branchsweep[docs]"')

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks" / "README.md"]


def hook(name: str) -> ModuleType:
    """A hook, which MkDocs loads as a file, too."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "site_hooks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_key_of_the_yaml_files_has_a_row() -> None:
    shown = hook("yaml_reference").page()
    kinds: list[FileKind] = list(ROOT_MODELS)
    for schema in map(json_schema, kinds):
        definitions: list[dict[str, Any]] = [schema, *schema["$defs"].values()]
        for key, value in (item for definition in definitions for item in definition.get("properties", {}).items()):
            assert value.get("deprecated") or f"| `{key}` |" in shown, key


def test_links_within_the_page_of_yaml_files_lead_to_a_section() -> None:
    shown = hook("yaml_reference").page()
    assert set(re.findall(r"\]\(#([\w-]+)\)", shown)) <= set(re.findall(r"\{#([\w-]+)\}", shown))


def test_every_option_of_every_command_has_a_row() -> None:
    shown = hook("command_reference").page()
    commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]  # a group of commands
    for name, command in commands.items():
        section = shown.partition(f"### {name}\n")[2].partition("\n## ")[0].partition("\n### ")[0]
        assert all(option in section for parameter in command.params for option in parameter.opts if option.startswith("-"))


def test_every_public_name_of_python_is_listed() -> None:
    names = {name for name in branchsweep.__all__ if not name.startswith("_")}
    assert set(re.findall(r"^::: branchsweep\.(\w+)$", hook("python_reference").page(), re.MULTILINE)) == names


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_lists_tables_and_code_are_the_same_read_as_a_file(document: Path) -> None:
    """By the rules of CommonMark, as code hosts show it; the site's are older: a list needs a blank line before it."""
    from markdown import markdown
    from markdown_it import MarkdownIt

    text = document.read_text(encoding="utf-8")
    shown = markdown(text, extensions=["tables", "pymdownx.superfences"])
    read = MarkdownIt().enable("table").render(text)
    for tag in ("li", "tr", "pre", "h2", "img"):
        assert len(re.findall(rf"<{tag}[ >]", shown)) == len(re.findall(rf"<{tag}[ >]", read)), tag


@pytest.mark.parametrize(
    ("place", "link", "uri"),
    [
        ("README.md", "docs/search.md", "search.md"),
        ("docs/search.md", "../benchmarks/README.md", "repository/benchmarks/README.md"),
        ("docs/experiments.md", "../experiments", "repository/experiments/index.md"),
        ("docs/scale.md", "../benchmarks/scale.py", "repository/benchmarks/scale.py.md"),
        ("benchmarks/README.md", "../docs/mtr.png", "mtr.png"),
        ("docs/python.md", "notebooks/power_plant.ipynb", "notebooks/power_plant.md"),
    ],
)
def test_a_link_of_a_file_leads_to_a_page(place: str, link: str, uri: str) -> None:
    pages = hook("repository_pages")
    assert pages.page_of(pages.linked_from(place, link)) == uri
