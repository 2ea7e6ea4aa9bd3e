"""Calls a function that draws in a process of its own, beside what this process draws meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from branchsweep.training.local_workers import available_cores
from branchsweep.training.spawning import SPAWN, end_with_parent, without_interrupts, without_main_module

Drawn = TypeVar("Drawn")


@contextmanager
def drawn_beside(function: Callable[..., Drawn], *arguments: Any) -> Iterator[Callable[[], Drawn]]:
    """Call a function in another process, where there is a core for it; what waits for its result.

    What is waited for is called here where there is no second core, where function or arguments cannot be handed over, and
    where the other process fails: an error of the function is raised here. The process ends with the context at the latest.

    Args:
        function: Draws. It depends on its arguments alone.
        arguments: Its arguments.
    """

    def drawn_here() -> Drawn:
        return function(*arguments)

    if len(available_cores()) == 1:
        yield drawn_here
        return
    executor = ProcessPoolExecutor(1, SPAWN, end_with_parent)
    try:
        try:
            with without_main_module(), without_interrupts():
                future: Future[Drawn] = executor.submit(function, *arguments)
        except OSError:  # the system starts no more processes
            yield drawn_here
            return

        def wait() -> Drawn:
            try:
                return future.result()
            except Exception:  # noqa: BLE001  # whatever it was: here the function succeeds, or fails in its own way
                return drawn_here()

        yield wait
    finally:
        for process in (executor._processes or {}).values():  # noqa: SLF001  # there is no other way to end one that draws
            process.kill()
        executor.shutdown(cancel_futures=True)
