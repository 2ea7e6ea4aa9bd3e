"""A comparison: one YAML file. Who is compared with whom, on which budget, by which protocol.

Contestants are derived from one experiment, so that adding one takes a few lines: the branched network, a network for each
head, a network without branches, another experiment's, an estimator of scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from branchsweep.config.config_model import ConfigModel, KeyMistake, Name
from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import value_problem
from branchsweep.config.training import Pruning
from branchsweep.config.validation import HoldOut, KFold
from branchsweep.errors import did_you_mean
from branchsweep.trial import ParamValue

N_REPETITIONS = 5
"""Of the division into two halves (Dietterich 1998)."""

N_HALVES = 2 * N_REPETITIONS
"""That every contestant learns from, and is tested on."""

QUICK_EPOCHS, QUICK_TRIALS = 20, 4
"""Of the quick form."""

NO_RUNGS = Pruning(rungs=[])

EstimatorName = Literal["linear_regression", "k_nearest_neighbors", "random_forest", "histogram_gradient_boosting"]

ESTIMATORS: tuple[str, ...] = get_args(EstimatorName)
"""The estimators of scikit-learn's that may compete."""

Fixed = Mapping[str, ParamValue]
"""Tunables held at a value."""


class Network(ConfigModel):
    """One network that predicts all heads."""

    kind: Literal["network"]
    experiment: Experiment | None = Field(
        None, description="A path to another experiment on the same table and heads; the comparison's own if absent."
    )
    fixed: Fixed = Field(default_factory=dict, description="Tunables held at a value instead of being searched.")


class Single(ConfigModel):
    """A network for each head, each with its own search; together they share the budget of one contestant."""

    kind: Literal["single"]
    experiment: Experiment | None = Field(
        None, description="A path to another experiment on the same table and heads; the comparison's own if absent."
    )
    fixed: Fixed = Field(default_factory=dict, description="Tunables held at a value instead of being searched.")


class Estimator(ConfigModel):
    """An estimator of scikit-learn's, with its defaults."""

    kind: Literal["estimator"]
    estimator: EstimatorName = Field(description="Which.")
    chain: list[Name] | None = Field(
        None,
        description="The heads in the order of a RegressorChain, each of which reads the predictions of those before it; one "
        "estimator per head if absent.",
    )


Contestant = Annotated[Network | Single | Estimator, Field(discriminator="kind")]


class Budget(ConfigModel):
    """What the search of one contestant may take, in every half where it is tuned. One of several networks splits it evenly."""

    trials: int = Field(24, ge=1, description="Trials in total, the initial ones included.")
    seconds: float | None = Field(None, gt=0, description="Of wall time, over all halves; whichever is spent first.")


class Transfer(ConfigModel):
    """Between which two contestants a head's gain by sharing is told."""

    shared: Name = Field(description="The contestant with one network for all heads.")
    single: Name = Field(description="The contestant with a network for each head.")


class Sharing(ConfigModel):
    """How a head's R² depends on where its branch leaves the trunk, for one recipe that is not tuned.

    Every head has `layers` hidden layers. Of these 0, 1, … or all are shared.
    """

    layers: int = Field(4, ge=1, le=16, description="Hidden layers between the inputs and each head.")
    fixed: Fixed = Field(default_factory=dict, description="The recipe, beside what the experiment fixes; no depths.")


class Comparison(ConfigModel):
    """One YAML file."""

    name: Name = Field(description="Names the comparison in the terminal and in MLflow.")
    question: str = Field("", description="What the comparison wants to know, in a sentence.")
    seed: int = Field(1, ge=0, description="All randomness derives from it.")
    experiment: Experiment = Field(description="A path to the experiment that contestants are derived from.")
    contestants: Mapping[Name, Contestant] = Field(min_length=2, description="Who competes, by name, in order.")
    reference: Name | None = Field(None, description="With whom all others are compared; the first contestant if absent.")
    budget: Budget = Field(default_factory=Budget, description="Of each contestant that is tuned.")
    tuning: Literal["nested", "once"] = Field(
        "nested",
        description="nested: anew inside each of the ten training halves, which is honest; once: on the experiment's own "
        "training rows, most of which are then tested on too, which is cheaper and flatters what is tuned.",
    )
    validation: Annotated[KFold | HoldOut, Field(discriminator="method")] = Field(
        default_factory=lambda: HoldOut(method="hold_out", fraction=0.25),
        description="How a trial is scored inside the rows that a contestant is tuned on; a hold-out of a quarter if absent.",
    )
    networks: int = Field(1, ge=1, le=32, description="Networks per half and recipe, from different initial weights.")
    alpha: float = Field(0.05, gt=0, lt=1, description="Level of the tests, over all heads and contestants together (Holm).")
    transfer: Transfer | None = Field(
        None, description="Whose difference is the gain by sharing; the first network and the first single if absent."
    )
    sharing: Sharing | None = Field(None, description="None: how much is shared is not varied.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = (
            self._contestant_mistakes(),
            self._name_mistakes(),
            self._transfer_mistakes(),
            self._sharing_mistakes(),
        )
        self._refuse(chain.from_iterable(mistakes))
        return self

    def _contestant_mistakes(self) -> Iterator[KeyMistake]:
        heads = list(self.experiment.heads)
        for name, one in self.contestants.items():
            place = ("contestants", name)
            if isinstance(one, Estimator):
                if one.chain is not None and sorted(one.chain) != sorted(heads):
                    yield (*place, "chain"), f"got {', '.join(one.chain)}, expected each of the heads {', '.join(heads)} once"
                continue
            yield from _fixed_mistakes((*place, "fixed"), one.fixed, heads)
            if one.experiment is not None:
                ours, theirs = (
                    f"heads {dict(of.columns)} and inputs {of.table.inputs}" for of in (self.experiment, one.experiment)
                )
                if ours != theirs:
                    message = f"got an experiment with {theirs}, expected those of the comparison's experiment: {ours}"
                    yield (*place, "experiment"), message

    def _name_mistakes(self) -> Iterator[KeyMistake]:
        if self.reference is not None and self.reference not in self.contestants:
            message = f"got '{self.reference}', expected a contestant{did_you_mean(self.reference, self.contestants)}"
            yield ("reference",), message

    def _transfer_mistakes(self) -> Iterator[KeyMistake]:
        if self.transfer is None:
            return
        for key, name, kind in (("shared", self.transfer.shared, Network), ("single", self.transfer.single, Single)):
            able = [each for each, one in self.contestants.items() if isinstance(one, kind)]
            if name not in able:
                word = kind.__name__.lower()
                message = f"got '{name}', expected a contestant of kind {word}{did_you_mean(name, able)}"
                yield ("transfer", key), message

    def _sharing_mistakes(self) -> Iterator[KeyMistake]:
        if self.sharing is None:
            return
        heads = list(self.experiment.heads)
        yield from _fixed_mistakes(("sharing", "fixed"), self.sharing.fixed, heads)
        for name in self.sharing.fixed:
            if name.endswith(".depth"):
                yield ("sharing", "fixed", name), "the depths are what is varied here: see sharing.layers"

    @property
    def gain(self) -> tuple[str, str] | None:
        """The contestants (shared, single) whose difference is the gain by sharing; None where there are none."""
        if self.transfer:
            return self.transfer.shared, self.transfer.single
        shared = next((name for name, one in self.contestants.items() if isinstance(one, Network)), None)
        single = next((name for name, one in self.contestants.items() if isinstance(one, Single)), None)
        return (shared, single) if shared and single else None

    @property
    def compared_with(self) -> str:
        """The reference, the default spelled out."""
        return self.reference or next(iter(self.contestants))

    def quick(self) -> Comparison:
        """A small form for a first look: the networks, hardly tuned, and the two quickest estimators."""
        quickest = {"linear_regression", "k_nearest_neighbors"}
        staying = {
            name: one
            for name, one in self.contestants.items()
            if not isinstance(one, Estimator) or one.estimator in quickest or name == self.reference
        }
        fit = self.experiment.fit.model_copy(update={"epochs": min(self.experiment.fit.epochs, QUICK_EPOCHS)})
        return self.model_copy(
            update={
                "experiment": self.experiment.model_copy(update={"fit": fit, "pruning": NO_RUNGS}),
                "contestants": staying,
                "budget": Budget(trials=min(self.budget.trials, QUICK_TRIALS)),
                "tuning": "once",
                "networks": 1,
                "sharing": None,
            }
        )

    def derived(self, contestant: Network | Single) -> Experiment:
        """The experiment that a contestant's network comes from, with this comparison's seed."""
        base = (contestant.experiment or self.experiment).with_fixed(contestant.fixed)
        return base.model_copy(update={"seed": self.seed})


def experiment_depth(path: Sequence[str | int]) -> int:
    """How many keys of a path in a comparison's file lead to the experiment that the rest of it is in; 0 if it is in none."""
    match path:
        case ["experiment", _, *_]:
            return 1
        case ["contestants", _, "experiment", _, *_]:
            return 3
    return 0


def _fixed_mistakes(place: tuple[str, ...], fixed: Fixed, heads: list[str]) -> Iterator[KeyMistake]:
    for name, value in fixed.items():
        wrong = value_problem(name, value, heads)
        if wrong:
            yield (*place, name), wrong
