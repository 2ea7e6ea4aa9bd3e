"""The sampler of another package, whose mistakes are reported as those of that package."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.driver_options import DRIVERS_OF_PACKAGES
from branchsweep.errors import BackendError, ConfigError, UserError, reason
from branchsweep.search.protocols import Observation, Sampler
from branchsweep.trial import Params

_ATTRIBUTES = ("is_stateful", "has_initial_design", "is_exhaustive", "suggest", "mark_pending", "observe")


class PackageSampler:
    """A `Sampler` that asks the one of another package, and checks its suggestions. Made by `open`.

    Args:
        experiment: Determines the space.
        sampler: The package's.
    """

    def __init__(self, experiment: Experiment, sampler: Sampler) -> None:
        self._experiment, self._sampler = experiment, sampler
        self.is_stateful, self.has_initial_design = sampler.is_stateful, sampler.has_initial_design
        self.is_exhaustive = sampler.is_exhaustive

    @classmethod
    def open(cls, experiment: Experiment) -> PackageSampler:
        """The sampler of the driver that the experiment names.

        Raises:
            ConfigError: The package's function rejects the experiment's options by a `ValueError`.
            BackendError: It raises something else, or returns no sampler.
        """
        driver = experiment.search.driver
        open_sampler: Callable[[Experiment], Sampler] = DRIVERS_OF_PACKAGES.load(driver)
        try:
            sampler = open_sampler(experiment)
        except UserError:
            raise
        except ValueError as error:
            raise ConfigError(f"the driver '{driver}' does not take these options: {error}", "search.options") from error
        except Exception as error:  # another package's function may raise anything
            declared = DRIVERS_OF_PACKAGES.declared(driver)
            raise BackendError(f"{declared} fails with {type(error).__name__}: {reason(error)}", "search.driver") from error
        lacking = [attribute for attribute in _ATTRIBUTES if not hasattr(sampler, attribute)]
        if lacking:
            declared = DRIVERS_OF_PACKAGES.declared(driver)
            message = f"{declared} returns an object of {type(sampler).__name__}, which lacks {', '.join(lacking)}"
            raise BackendError(f"{message}; expected a Sampler (branchsweep.search.protocols)", "search.driver")
        return cls(experiment, sampler)

    def suggest(self, number: int, attempt: int) -> Params | None:
        """A point of the space; None if there is none.

        Raises:
            BackendError: The package's sampler fails, or suggests what is no point of the space.
        """
        with self._naming_the_package("suggest"):
            params = self._sampler.suggest(number, attempt)
        if params is not None and not self._experiment.space.contains(params):
            declared = DRIVERS_OF_PACKAGES.declared(self._experiment.search.driver)
            message = f"{declared} suggests {dict(params)} for trial {number}, which is no point of the search space"
            raise BackendError(f"{message}: expected a value for each of its dimensions, within its bounds", "search.driver")
        return params

    def mark_pending(self, params: Params) -> None:
        """Add a point whose result is not known yet."""
        with self._naming_the_package("mark_pending"):
            self._sampler.mark_pending(params)

    def observe(self, observations: Sequence[Observation | None]) -> None:
        """Learn results."""
        with self._naming_the_package("observe"):
            self._sampler.observe(observations)

    @contextmanager
    def _naming_the_package(self, method: str) -> Iterator[None]:
        try:
            yield
        except UserError:
            raise
        except Exception as error:  # another package's method may raise anything
            declared = DRIVERS_OF_PACKAGES.declared(self._experiment.search.driver)
            message = f"{declared} fails in {method} with {type(error).__name__}: {reason(error)}"
            raise BackendError(message, "search.driver") from error
