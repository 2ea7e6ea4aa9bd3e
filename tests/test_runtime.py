"""What the project stands on: pinned libraries, reasons for each, one version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import branchsweep

ROOT = Path(__file__).parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
DEPENDENCIES = tomllib.loads(PROJECT)["project"]["dependencies"]
DEVELOPMENT = tomllib.loads(PROJECT)["project"]["optional-dependencies"]["dev"]
PINS = {match[1]: match[2] for match in re.finditer(r"^([a-z0-9.-]+)==(\S+)", LOCK, re.MULTILINE)}


def test_the_lock_has_nothing_but_pins_and_hashes() -> None:
    pin = re.compile(r"[a-z0-9.-]+==[0-9a-z.+!-]+( ; [^;#]+)? \\")
    hash_line = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert [line for line in LOCK.splitlines() if not pin.fullmatch(line) and not hash_line.fullmatch(line)] == []


@pytest.mark.parametrize("text", ["://", "torch", "nvidia", "cuda", "--find-links", "--index"])
def test_the_lock_has_no_addresses_and_no_libraries_that_are_not_needed(text: str) -> None:
    assert text not in LOCK


@pytest.mark.parametrize("requirement", [*DEPENDENCIES, *DEVELOPMENT])
def test_the_lock_holds_every_dependency_within_its_range(requirement: str) -> None:
    parsed = Requirement(requirement)
    assert PINS[canonicalize_name(parsed.name)] in parsed.specifier


@pytest.mark.parametrize("requirement", [*DEPENDENCIES, *DEVELOPMENT])
def test_every_dependency_has_its_reason(requirement: str) -> None:
    lines = [line for line in PROJECT.splitlines() if line.strip().startswith(f'"{requirement}"')]  # more, with an extra
    assert lines
    assert all(re.search(r'",\s+# \w', line) for line in lines)


def test_the_version_is_the_one_of_the_changelog() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", branchsweep.__version__)
    assert f"## {branchsweep.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("[", "").replace(
        "]", ""
    )
