"""The base classes of what users write in Python, too: a YAML file as a whole, and the parts of it that have a public class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from branchsweep.config.config_model import ConfigModel, for_python
from branchsweep.errors import ConfigError
from branchsweep.runtime import write_file


class PythonModel(ConfigModel):
    """A value that users construct: what is wrong with it is said as of a file. Within documents it is validated as any other.

    Raises:
        ConfigError: Everything that is wrong, one line per mistake.
    """

    if not TYPE_CHECKING:  # type checkers know the fields

        @for_python
        def __init__(self, **values: Any) -> None:
            from branchsweep.config.yaml.python_values import raise_mistakes, to_document  # noqa: PLC0415  # knows this

            document, found = to_document(type(self), values)
            error = None
            try:
                super().__init__(**document.data)
            except ValidationError as refused:
                error = refused
            if error or found:
                raise_mistakes(type(self), document, found, error)


class FileModel(PythonModel):
    """One YAML file, or the same values in Python.

    Raises:
        ConfigError: Everything that is wrong, one line per mistake.
    """

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
            write_file(file_path(path), text)
        return text


def file_path(path: object) -> Path:
    """The path of a YAML file as users give it.

    Raises:
        ConfigError: It is none.
    """
    if not isinstance(path, (str, Path)):
        raise ConfigError(f"got a value of type {type(path).__name__}, expected the path of a YAML file", "path")
    return Path(path)
