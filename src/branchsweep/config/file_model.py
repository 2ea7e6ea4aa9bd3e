"""The base class of what a YAML file is as a whole: an experiment or a comparison, which may also be written in Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from branchsweep.config.config_model import ConfigModel, for_python
from branchsweep.runtime import write_file


class FileModel(ConfigModel):
    """One YAML file, or the same values in Python.

    Raises:
        ConfigError: Everything that is wrong, one line per mistake.
    """

    if not TYPE_CHECKING:  # type checkers know the fields

        @for_python
        def __init__(self, **values: Any) -> None:
            from branchsweep.config.yaml.python_values import python_values, raise_mistakes  # noqa: PLC0415  # knows this

            given = python_values(values)
            try:
                super().__init__(**given)
            except ValidationError as error:
                raise_mistakes(type(self), given, error)

    def to_yaml(self, path: str | Path | None = None) -> str:
        """The value as YAML, with what it includes in place of the paths to it, and with all defaults.

        Loading it gives an equal value, whose sweep or comparison is the same one in a store.

        Args:
            path: The file to write; none if None.

        Returns:
            The text.
        """
        from branchsweep.config.yaml.recorded import dump_yaml  # noqa: PLC0415  # it knows this module

        text = dump_yaml(self)
        if path is not None:
            write_file(Path(path), text)
        return text
