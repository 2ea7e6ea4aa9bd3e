"""Random changes of YAML files, tables and records: of their text, and of what it stands for."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from branchsweep.config.config_model import KeyPath
from branchsweep.config.yaml.yaml_parser import write_yaml

ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**32, 2**63, 10**18, 10**299, -(10**18), 0.0, -0.0, 1e-320, 1e308, float("inf"),
    float("nan"), "", " ", "nan", "1", "x" * 300, "x" * 5000, "a b", "y_1", "inputs", "mean", "é", "\u202e", "\0", "\x1b[31m",
    "../x.yaml", "/", "~nobody/x.csv", "ccpp", "dataframe", [], {}, [[]], [{}], {"": 1}, {"kind": "network"}, {"low": 1},
    ["x"] * 50, [1, "1", True, 1.0],
]  # fmt: skip
"""Values that are seldom right."""

TOKENS = [
    "[", "]", "{", "}", ":", ": ", "- ", "? ", "&a ", "*a ", "!!set ", "!x ", "|", ">", "'", '"', "#", "%", "@", "`", "\t",
    "\n", "\n  ", "\0", "\ufeff", "---\n", "...\n", "<<: *a\n", "~", "1e999", "0x", ".nan", "é", "\u2028", "\\", ",", "=",
    "x" * 2000,
]  # fmt: skip
"""Pieces of text with a meaning in YAML or CSV."""


@st.composite
def changed_text(draw: st.DrawFn, text: str) -> str:
    """A text with a few places deleted, doubled, moved or replaced."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        piece = text[start:end]
        change = draw(st.sampled_from(["delete", "double", "insert", "replace", "move", "cut"]))
        token = draw(st.sampled_from(TOKENS) | st.text(max_size=3))
        match change:
            case "delete":
                text = text[:start] + text[end:]
            case "double":
                text = text[:end] + piece * draw(st.integers(1, 40)) + text[end:]
            case "insert":
                text = text[:start] + token + text[start:]
            case "replace":
                text = text[:start] + token + text[end:]
            case "move":
                rest = text[:start] + text[end:]
                place = draw(st.integers(0, len(rest)))
                text = rest[:place] + piece + rest[place:]
            case "cut":
                text = text[:start]
    return text


@st.composite
def changed_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes with a few of them deleted, flipped, doubled or inserted."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 50)))
        change = draw(st.sampled_from(["delete", "flip", "double", "insert", "cut"]))
        match change:
            case "delete":
                content = content[:start] + content[end:]
            case "flip":
                content = (
                    content[:start] + bytes(byte ^ 1 << draw(st.integers(0, 7)) for byte in content[start:end]) + content[end:]
                )
            case "double":
                content = content[:end] + content[start:end] * draw(st.integers(1, 20)) + content[end:]
            case "insert":
                content = content[:start] + draw(st.binary(max_size=8)) + content[start:]
            case "cut":
                content = content[:start]
    return content


def changed_yaml(data: dict[str, Any]) -> st.SearchStrategy[str]:
    """Changed data, as YAML."""
    return changed_data(data).map(write_yaml)


@st.composite
def changed_data(draw: st.DrawFn, data: Any) -> Any:
    """Plain data with a few values replaced, removed, renamed or exchanged."""
    changed = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 3))):
        paths = list(_paths(changed, ()))
        if not paths:
            break
        *around, last = draw(st.sampled_from(paths))
        holder = _at(changed, around)
        change = draw(st.sampled_from(["replace", "replace", "delete", "rename", "copy", "nest"]))
        match change:
            case "replace":
                holder[last] = draw(st.sampled_from(ODD_VALUES) | st.integers() | st.floats() | st.text(max_size=5))
            case "delete":
                del holder[last]
            case "rename" if isinstance(holder, dict):
                holder[draw(st.sampled_from(["x", "y_1", "PE", "trunk.depth", "", "x" * 120, "when"]))] = holder.pop(last)
            case "copy":
                holder[last] = copy.deepcopy(_at(changed, draw(st.sampled_from(paths))))
            case "nest":
                holder[last] = draw(st.sampled_from([[holder[last]], {"x": holder[last]}, [holder[last]] * 30]))
    return changed


def _paths(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


def _at(value: Any, path: list[str | int] | KeyPath) -> Any:
    for key in path:
        value = value[key]
    return value
