"""Entry points: what other installed packages offer to experiments by name.

A package declares them in its `pyproject.toml`, one group for each kind of thing that may be added:

    [project.entry-points."branchsweep.heads"]
    log_cosh = "my_package.heads:LOG_COSH"

They are looked up where a name is no built-in one, and imported where an experiment names them. Otherwise neither happens, for
reading the metadata of all installed packages takes a while. Worker processes look them up in the same way, so nothing has to
be told to them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from typing import Any

from branchsweep.errors import ConfigError, reason


class EntryPointError(ConfigError, ValueError):
    """What a package declares as an entry point cannot be used.

    It is a `ValueError`, too, so that it is reported with the key of the file that names the entry point.
    """


@dataclass(frozen=True, slots=True)
class ExtensionPoint:
    """What packages may add, and how.

    Args:
        group: The group of the entry points.
        what: What one of them is, for messages: `head`.
        built_in: The names that packages cannot take.
        contract: Where the protocol of its objects is written down, for messages.
        attributes: What an object must have.
    """

    group: str
    what: str
    built_in: tuple[str, ...]
    contract: str
    attributes: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """The names that installed packages offer.

        Raises:
            EntryPointError: A package offers a built-in name.
        """
        found = _entry_points(self.group, tuple(sys.path))
        for point in found:
            if point.name in self.built_in:
                raise EntryPointError(
                    f"{self.shown(point)} has the name of a {self.what} of branchsweep's own; the package must choose "
                    "another name, or be uninstalled"
                )
        return list(dict.fromkeys(point.name for point in found))

    def load(self, name: str) -> Any:
        """Import the object that a package offers under a name; None if no package does.

        Raises:
            EntryPointError: Several packages do, its import fails, or the object is not what is expected.
        """
        return _load(self, name, tuple(sys.path))

    def declared(self, name: str) -> str:
        """The entry point of this name, for messages about its object."""
        return next(self.shown(point) for point in _entry_points(self.group, tuple(sys.path)) if point.name == name)

    def check(self, point: metadata.EntryPoint, loaded: Any) -> None:
        """Check that an imported object is what is expected.

        Raises:
            EntryPointError: It is not.
        """
        if isinstance(loaded, type) and self.attributes:
            raise EntryPointError(
                f"{self.shown(point)} is a class; expected an object, that is {self.contract}: write "
                f"{point.value.partition(':')[2].upper()} = {loaded.__name__}() and name that one"
            )
        if not self.attributes and not callable(loaded):
            raise EntryPointError(f"{self.shown(point)} is {_shown(loaded)}; expected {self.contract}")
        lacking = [attribute for attribute in self.attributes if not hasattr(loaded, attribute)]
        if lacking:
            raise EntryPointError(
                f"{self.shown(point)} is {_shown(loaded)}, which lacks {', '.join(lacking)}; expected {self.contract}"
            )
        if "name" in self.attributes and loaded.name != point.name:
            raise EntryPointError(
                f"{self.shown(point)} is an object with the name '{loaded.name}'; both names must be the same"
            )

    def shown(self, point: metadata.EntryPoint) -> str:
        """An entry point, for messages."""
        package = point.dist.name if point.dist else "unknown"
        return f"the {self.what} '{point.name}' of the package {package} (entry point {self.group}, {point.value})"


@lru_cache(maxsize=256)
def _load(extension_point: ExtensionPoint, name: str, path: tuple[str, ...]) -> Any:
    """See `ExtensionPoint.load`; `path` is `sys.path`."""
    if name not in extension_point.names():
        return None
    point, *others = (point for point in _entry_points(extension_point.group, path) if point.name == name)
    declared = extension_point.shown(point)
    if others:
        raise EntryPointError(
            f"{declared} and {extension_point.shown(others[0])} have the same name; uninstall one of the packages"
        )
    try:
        loaded = point.load()
    except Exception as error:  # a module of another package may raise anything
        raise EntryPointError(f"{declared} cannot be imported ({type(error).__name__}: {reason(error)})") from error
    extension_point.check(point, loaded)
    return loaded


@lru_cache(maxsize=32)
def _entry_points(group: str, _path: tuple[str, ...]) -> tuple[metadata.EntryPoint, ...]:
    """The entry points of a group among what is installed; `_path` is `sys.path`, where they are looked for."""
    return tuple(metadata.entry_points(group=group))


def _shown(loaded: Any) -> str:
    article = "an" if type(loaded).__name__[0].lower() in "aeiou" else "a"
    return f"{article} {type(loaded).__name__}"
