"""Whether an optional package is installed: a folder of its name, as a user's own, is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from branchsweep.runtime import is_installed


def test_what_can_be_imported_is_installed() -> None:
    assert is_installed("numpy") and is_installed("json") and not is_installed("no_such_package")


def test_a_folder_without_modules_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package_of_this_test").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not is_installed("package_of_this_test")
    (tmp_path / "package_of_this_test" / "__init__.py").touch()
    assert is_installed("package_of_this_test")
