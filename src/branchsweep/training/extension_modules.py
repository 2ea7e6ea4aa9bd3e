"""In a worker: the kinds of encoders, layers and heads that the user registered in the process that started it."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from branchsweep.config import kinds
from branchsweep.errors import BackendError
from branchsweep.training.population import Population


def import_modules(names: Iterable[str]) -> None:
    """Imports the modules that register kinds.

    Args:
        names: As `kinds.extension_modules` of the process that started the worker has them.

    Raises:
        BackendError: One of them cannot be imported here.
    """
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # a user's module may raise anything
            raise BackendError(
                f"the module {name}, which registers a kind of layer, head or encoder, cannot be imported by a worker "
                f"({type(error).__name__}: {error}): put its folder on PYTHONPATH, or install it",
                "workers",
            ) from error


def require_kinds(population: Population) -> None:
    """Checks that this process knows every kind that the lanes have.

    Raises:
        BackendError: A kind was registered in the script or notebook that started the workers, which they do not import, or
            not by the import of its module.
    """
    program = population.program
    scalings = {scaling for recipe in population.recipes for scaling in (recipe.input_scaling, recipe.target_scaling)}
    used = (
        ("encoder", sorted(scalings), kinds.ENCODERS),
        ("layer", program.layers, kinds.LAYERS),
        ("activation", program.activations, kinds.ACTIVATIONS),
        ("head", [name for name in program.losses if not kinds.is_of_task(name)], kinds.HEADS),
    )
    for extension_point, names, known in used:
        for name in names:
            if name not in known:
                raise BackendError(
                    f"the workers do not know the {extension_point} '{name}': they do not import the script or notebook that "
                    f"starts them (__main__). Move the {extension_point} into a module of its own that calls "
                    f"register_{extension_point} when it is imported, and import that module in the script",
                    "workers",
                )
