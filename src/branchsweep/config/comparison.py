"""A comparison: one YAML file. What is compared, on which budget, by which protocol.

Contestants are derived from one experiment, so that adding one takes a few lines: the branched network, a network for each
head, a network without branches, that of another experiment, an estimator of scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from branchsweep.config.config_model import LONG_TEXT, MAX_TRIALS, ConfigModel, KeyMistake, Name, Seconds, Seed
from branchsweep.config.estimator_names import is_joint
from branchsweep.config.experiment import Experiment
from branchsweep.config.file_model import FileModel, file_path
from branchsweep.config.sections.estimators import TunedEstimator
from branchsweep.config.sections.heads import MAX_HEADS
from branchsweep.config.sections.split import no_halves_reason
from branchsweep.config.sections.training import Pruning
from branchsweep.config.sections.validation import HoldOut, KFold
from branchsweep.errors import did_you_mean
from branchsweep.trial import ParamValue

N_REPETITIONS = 5
"""Divisions of the rows into two halves (Dietterich 1998)."""

N_HALVES = 2 * N_REPETITIONS
"""Halves that every contestant is trained on, and tested on."""

QUICK_EPOCHS, QUICK_TRIALS = 20, 4
"""Epochs and trials of the quick form, at most."""

MAX_CONTESTANTS = 100
"""The most contestants."""

NO_RUNGS = Pruning(rungs=[])

EQUIVALENCE_MARGIN = 0.005
"""The default of `equivalence_margin`."""

Fixed = Mapping[str, ParamValue]
"""Hyperparameters fixed at a value."""


class Network(ConfigModel):
    """One network that predicts all heads."""

    kind: Literal["network"]
    experiment: Experiment | None = Field(
        None, description="A path to another experiment on the same table and heads; the comparison's own if absent."
    )
    fixed: Fixed = Field(default_factory=dict, description="Hyperparameters fixed at a value instead of being searched.")


class Single(ConfigModel):
    """A network for each head, each with a search of its own; they share the budget of one contestant."""

    kind: Literal["single"]
    experiment: Experiment | None = Field(
        None, description="A path to another experiment on the same table and heads; the comparison's own if absent."
    )
    fixed: Fixed = Field(default_factory=dict, description="Hyperparameters fixed at a value instead of being searched.")


class Estimator(TunedEstimator):
    """An estimator of scikit-learn's, its hyperparameters fixed, searched, or at scikit-learn's defaults."""

    kind: Literal["estimator"]
    chain: list[Name] | None = Field(
        None,
        max_length=MAX_HEADS,
        description="The heads in the order of a RegressorChain, where each has the predictions of those before it as inputs; "
        "one estimator per head if absent.",
    )


Contestant = Annotated[Network | Single | Estimator, Field(discriminator="kind")]


class Budget(ConfigModel):
    """The budget of one contestant's search, in every half where it is tuned. Several networks share it evenly."""

    trials: int = Field(24, ge=1, le=MAX_TRIALS, description="Trials in total, the initial ones included.")
    seconds: Seconds | None = Field(None, description="Wall time over all halves; whichever is spent first.")


class Transfer(ConfigModel):
    """The two contestants whose difference is the gain of a head by sharing."""

    shared: Name = Field(description="The contestant with one network for all heads.")
    single: Name = Field(description="The contestant with a network for each head.")


class Sharing(ConfigModel):
    """How the score of a head depends on the number of shared layers, with hyperparameters that are not tuned.

    Every head has `layers` hidden layers. It leaves the trunk after 0, 1, … or all of them, and has the rest for itself.
    """

    layers: int = Field(4, ge=1, le=16, description="Hidden layers between the inputs and each head.")
    fixed: Fixed = Field(
        default_factory=dict, description="Hyperparameters beside those that the experiment fixes; no depth, `exit` or `reads`."
    )


class Comparison(FileModel):
    """One YAML file, or the same values in Python."""

    name: Name = Field(description="Names the comparison in the terminal and in MLflow.")
    question: str = Field("", max_length=LONG_TEXT, description="The question that the comparison answers, in a sentence.")
    seed: Seed = Field(1, description="All randomness derives from it.")
    experiment: Experiment = Field(description="A path to the experiment that contestants are derived from.")
    contestants: Mapping[Name, Contestant] = Field(
        min_length=2, max_length=MAX_CONTESTANTS, description="What is compared, by name, in order."
    )
    reference: Name | None = Field(
        None, description="The contestant that all others are compared with; the first one if absent."
    )
    budget: Budget = Field(default_factory=Budget, description="The budget of each contestant that is tuned.")
    tuning: Literal["nested", "once"] = Field(
        "nested",
        description="nested: anew within each of the ten training halves, which is unbiased; once: on the experiment's own "
        "training rows, most of which are then tested on too, which is cheaper and biased in favour of tuned contestants.",
    )
    validation: Annotated[KFold | HoldOut, Field(discriminator="method")] = Field(
        default_factory=lambda: HoldOut(method="hold_out", fraction=0.25),
        description="How a trial is scored within the rows that a contestant is tuned on; a hold-out of a quarter if absent.",
    )
    networks: int = Field(1, ge=1, le=32, description="Networks per half, from different initial weights.")
    alpha: float = Field(0.05, gt=0, lt=1, description="Significance level, within each family of tests (Holm).")
    equivalence_margin: float = Field(
        EQUIVALENCE_MARGIN,
        gt=0,
        le=1,
        description="The difference of scores up to which contestants count as equal, where two one-sided tests show that.",
    )
    transfer: Transfer | None = Field(
        None,
        description="Their difference is the gain by sharing; the first network and the first single if absent.",
    )
    sharing: Sharing | None = Field(None, description="None: the number of shared layers is not varied.")

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """The comparison in a YAML file.

        Args:
            path: The file. Paths in it are looked up from its folder, then from the working directory.

        Raises:
            ConfigError: Everything that is wrong, one line per mistake, each with its file and line.
        """
        from branchsweep.config.yaml.loading import load_comparison  # noqa: PLC0415  # reading files knows this module

        return cls.model_validate(load_comparison(file_path(path)))

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = (
            self._split_mistakes(),
            self._contestant_mistakes(),
            self._reference_mistakes(),
            self._transfer_mistakes(),
            self._sharing_mistakes(),
        )
        self._raise_mistakes(chain.from_iterable(mistakes))
        return self

    def _split_mistakes(self) -> Iterator[KeyMistake]:
        split = self.experiment.split
        if reason := no_halves_reason(split):
            yield ("experiment", "split", split.kind), reason

    def _contestant_mistakes(self) -> Iterator[KeyMistake]:
        heads = list(self.experiment.heads)
        expected = _columns(self.experiment)
        for name, contestant in self.contestants.items():
            path = ("contestants", name)
            if isinstance(contestant, Estimator):
                chain = contestant.chain
                if chain is not None and is_joint(contestant.estimator):
                    yield (*path, "chain"), f"{contestant.estimator} learns all heads together, not in a chain; leave it out"
                elif chain is not None and sorted(chain) != sorted(heads):
                    yield (*path, "chain"), f"got {', '.join(chain)}, expected each of the heads {', '.join(heads)} once"
                continue
            yield from _fixed_mistakes((*path, "fixed"), contestant.fixed, contestant.experiment or self.experiment)
            if contestant.experiment is not None and (given := _columns(contestant.experiment)) != expected:
                message = f"got an experiment with {given}, expected those of the comparison's experiment: {expected}"
                yield (*path, "experiment"), message

    def _reference_mistakes(self) -> Iterator[KeyMistake]:
        if self.reference is not None and self.reference not in self.contestants:
            message = f"got '{self.reference}', expected a contestant{did_you_mean(self.reference, self.contestants)}"
            yield ("reference",), message

    def _transfer_mistakes(self) -> Iterator[KeyMistake]:
        if self.transfer is None:
            return
        for key, name, kind in (("shared", self.transfer.shared, Network), ("single", self.transfer.single, Single)):
            valid = [other for other, contestant in self.contestants.items() if isinstance(contestant, kind)]
            if name not in valid:
                message = f"got '{name}', expected a contestant of kind {kind.__name__.lower()}{did_you_mean(name, valid)}"
                yield ("transfer", key), message

    def _sharing_mistakes(self) -> Iterator[KeyMistake]:
        if self.sharing is None:
            return
        if self.experiment.space.builder:
            message = f"the layers that heads share are varied of built-in networks alone, and {self.experiment.space.builder} "
            yield ("sharing",), f"{message}builds these; leave it out"
            return
        yield from _fixed_mistakes(("sharing", "fixed"), self.sharing.fixed, self.experiment)
        for name in self.sharing.fixed:
            if name.endswith((".depth", ".exit", ".reads")):
                yield ("sharing", "fixed", name), "depths, and where branches begin, are varied here: see sharing.layers"

    @property
    def transfer_pair(self) -> tuple[str, str] | None:
        """The contestants (shared, single) whose difference is the gain by sharing; None where there are none."""
        if self.transfer:
            return self.transfer.shared, self.transfer.single
        shared = next((name for name, contestant in self.contestants.items() if isinstance(contestant, Network)), None)
        single = next((name for name, contestant in self.contestants.items() if isinstance(contestant, Single)), None)
        return (shared, single) if shared and single else None

    @property
    def reference_name(self) -> str:
        """The reference, with its default."""
        return self.reference or next(iter(self.contestants))

    def quick(self) -> Comparison:
        """A small comparison of the same contestants for a first look; `quick_cuts` says what it leaves out."""
        fit = self.experiment.fit.model_copy(update={"epochs": min(self.experiment.fit.epochs, QUICK_EPOCHS), "steps": None})
        return self.model_copy(
            update={
                "experiment": self.experiment.model_copy(update={"fit": fit, "pruning": NO_RUNGS}),
                "budget": self.budget.model_copy(update={"trials": min(self.budget.trials, QUICK_TRIALS)}),
                "tuning": "once",
                "networks": 1,
                "sharing": None,
                "contestants": {name: _quick(contestant) for name, contestant in self.contestants.items()},
            }
        )

    def quick_cuts(self) -> tuple[str, ...]:
        """What `quick` cuts off this comparison, in words."""
        return tuple(self._quick_cuts(self.quick()))

    def _quick_cuts(self, quick: Comparison) -> Iterator[str]:
        fit, networks = self.experiment.fit, self.networks
        if quick.budget.trials < self.budget.trials:
            yield f"{quick.budget.trials} trials of tuning instead of {self.budget.trials}"
        if quick.tuning != self.tuning:
            yield "tuning once instead of inside every half"
        training = []
        if fit.steps is not None:
            training.append(f"{quick.experiment.fit.epochs} epochs instead of {fit.steps} steps")
        elif quick.experiment.fit.epochs < fit.epochs:
            training.append(f"{quick.experiment.fit.epochs} epochs instead of {fit.epochs}")
        if self.experiment.pruning_schedule.rungs:
            training.append("no pruning")
        own = [name for name, contestant in self.contestants.items() if getattr(contestant, "experiment", None)]
        apart = f" (but for {', '.join(own)}: as in the experiment that is named there)" if own else ""
        yield from (f"{cut}{apart}" for cut in training)
        if quick.networks < networks:
            yield f"one network in every half instead of {networks}"
        if self.sharing:
            yield "no scores by the number of shared layers"

    def with_experiments(self, change: Callable[[Experiment], Experiment]) -> Comparison:
        """The comparison with its experiment and those of its contestants changed."""
        contestants = {
            name: contestant.model_copy(update={"experiment": change(contestant.experiment)})
            if not isinstance(contestant, Estimator) and contestant.experiment
            else contestant
            for name, contestant in self.contestants.items()
        }
        return self.model_copy(update={"experiment": change(self.experiment), "contestants": contestants})

    def experiment_of(self, contestant: Network | Single) -> Experiment:
        """The experiment that a contestant's networks are trained by, with the seed of the comparison."""
        experiment = (contestant.experiment or self.experiment).with_fixed(contestant.fixed)
        return experiment.model_copy(update={"seed": self.seed})


def _quick(contestant: Contestant) -> Contestant:
    """A contestant of the quick form: an estimator has no more trials than the others."""
    if not isinstance(contestant, Estimator) or contestant.trials is None:
        return contestant
    return contestant.model_copy(update={"trials": min(contestant.trials, QUICK_TRIALS)})


def experiment_depth(path: Sequence[str | int]) -> int:
    """How many keys of a path in a comparison's file lead to the experiment that the rest of it is in; 0 if it is in none."""
    match path:
        case ["experiment", _, *_]:
            return 1
        case ["contestants", _, "experiment", _, *_]:
            return 3
    return 0


def _columns(experiment: Experiment) -> str:
    """The heads and inputs of an experiment, for messages."""
    return f"heads {dict(experiment.columns)} and inputs {list(experiment.table.inputs)}"


def _fixed_mistakes(path: tuple[str, ...], fixed: Fixed, experiment: Experiment) -> Iterator[KeyMistake]:
    for name, value in fixed.items():
        problem = experiment.value_problem(name, value)
        if problem:
            yield (*path, name), problem
