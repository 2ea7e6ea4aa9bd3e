"""Imports what formats the help, in half the time: without the parts of Rich for Markdown and tracebacks.

Typer imports them together with the others. It uses them where help texts are Markdown and where it prints exceptions itself,
and this command has neither.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType

_UNUSED = {"rich.markdown": "Markdown", "rich.traceback": "Traceback"}
"""By module the class that Typer imports from it."""


def import_help(arguments: Sequence[str]) -> None:
    """Import what formats the help, if these arguments of the command line ask for it."""
    if not arguments or "--help" in arguments:
        absent = {module: name for module, name in _UNUSED.items() if module not in sys.modules}
        for module, name in absent.items():
            sys.modules[module] = ModuleType(module)
            setattr(sys.modules[module], name, type(name, (), {}))
        try:
            import typer.rich_utils  # noqa: F401  # takes as long as all else that the help needs
        finally:
            for module in absent:
                del sys.modules[module]
