"""An experiment: one YAML file. The question, the table, the heads, the space, the means, the policy of promotion.

These are the words that people write, so they are validated when they are made, and frozen. Reading them from a file, with the
file's lines in every message, is `config`'s work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from branchsweep import recipe
from branchsweep.errors import ConfigError, did_you_mean
from branchsweep.space import Choice, Dimension, Mistake, Place, SearchSpace, Written
from branchsweep.trial import Params, ParamValue

CCPP = "ccpp"
"""The name of the built-in table."""

DRIVERS: Mapping[str, tuple[str, ...]] = {"random": ("random",), "optuna": ("tpe",)}
"""The drivers with their algorithms, the default one first."""

NO_PRUNING = "none"
"""What `pruning` may be instead of rungs: every trial trains all its epochs."""

LADDER = (0.08, 0.16, 0.4)
"""Where the rungs stand if nobody says: at these shares of the epochs."""

LOWEST_RUNG = 3
"""Epochs below which nothing can be said of a network."""

Values = list[tuple[Place, ParamValue]]
"""Values of a tunable, each with its place below the tunable's."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]


class Table(Written):
    """Where the rows come from and which columns the network reads."""

    source: str = Field(description="A path to an xlsx, csv or parquet file, or 'ccpp' for the built-in table.")
    sheet: str | int | None = Field(
        None, description="The sheet of an xlsx file, by name or by position from 0; the first one if absent."
    )
    inputs: list[str] = Field(min_length=1, description="The input columns, in the order the network reads them.")
    duplicates: Literal["keep", "drop"] = Field("keep", description="What becomes of rows that repeat an earlier one.")
    invalid: Literal["error", "drop"] = Field("error", description="What becomes of rows with a missing or non-numeric value.")

    @field_validator("inputs")
    @classmethod
    def _once(cls, inputs: list[str]) -> list[str]:
        if len(set(inputs)) < len(inputs):
            raise ValueError("each input column may stand only once")
        return inputs


class Head(Written):
    """One output of the network."""

    column: str | None = Field(None, description="The target column; the head's own name if absent.")
    unit: str = Field("", description="The target's unit, for people (MW, cm Hg).")
    loss: Literal["mse", "mae", "huber"] = Field("mse", description="The head's loss on the scaled target.")


class Search(Written):
    """Who asks, how much, and where it begins."""

    driver: Literal["random", "optuna"] = Field("optuna", description="The engine that suggests trials.")
    algorithm: str | None = Field(None, description="The driver's algorithm; its default one if absent.")
    trials: int = Field(64, ge=1, description="Trials in total, known configurations and resumed ones included.")
    batch: int = Field(32, ge=1, description="Trials asked at once, before any of them is answered.")
    known: Mapping[Name, Mapping[str, ParamValue]] = Field(
        default_factory=dict, description="Known configurations by name, asked first."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        algorithms = DRIVERS[self.driver]
        if self.algorithm is not None and self.algorithm not in algorithms:
            expected = f"expected one that {self.driver} has ({', '.join(algorithms)})"
            hint = did_you_mean(self.algorithm, algorithms)
            self._refuse([(("algorithm",), f"got '{self.algorithm}', {expected}{hint}")])
        return self


class EarlyStopping(Written):
    """A lane stops when its score has not risen for `patience` epochs."""

    patience: int = Field(ge=1, description="Epochs without a rise.")
    min_delta: float = Field(0.0, ge=0, description="What counts as a rise of the mean R².")


class Fit(Written):
    """How each network is trained."""

    epochs: int = Field(100, ge=1, description="Passes over the training rows (the most, with early stopping).")
    keep: Literal["best", "last"] = Field(
        "best", description="The weights that are scored: of the best epoch on the validation rows, or of the last."
    )
    early_stopping: EarlyStopping | None = Field(None, description="None: every lane trains all its epochs.")


class Pruning(Written):
    """Successive halving inside a round: after each rung only the most promising trials train on.

    Those that no other beats on every head go first, then the objective decides.
    """

    rungs: list[Annotated[int, Field(ge=1)]] = Field(description="Epochs after which trials are dropped, rising.")
    keep: float = Field(0.5, gt=0, lt=1, description="The share of the trials at a rung that trains on.")

    @field_validator("rungs")
    @classmethod
    def _rising(cls, rungs: list[int]) -> list[int]:
        if any(after <= before for before, after in pairwise(rungs)):
            raise ValueError("rungs must rise")
        return rungs


def ladder(epochs: int) -> Pruning:
    """The rungs of a training of so many epochs where nobody says which; none where it is too short for any."""
    return Pruning(rungs=sorted({round(epochs * share) for share in LADDER if epochs * share >= LOWEST_RUNG}))


class TestRows(Written):
    """The rows that the search never sees: scikit-learn's train_test_split with this fraction and seed."""

    __test__: ClassVar[bool] = False  # pytest takes classes called Test… for its own

    fraction: float = Field(0.2, gt=0, lt=1, description="Share of all rows.")
    seed: int = Field(1, ge=0, description="random_state of the split.")


class KFold(Written):
    """k-fold cross-validation inside the training rows."""

    method: Literal["k_fold"]
    folds: int = Field(3, ge=2, le=100, description="Parts; each is once the validation rows.")
    seeds: int = Field(1, ge=1, description="Networks per fold, each from its own initial weights.")


class HoldOut(Written):
    """One part of the training rows is set aside for validation."""

    method: Literal["hold_out"]
    fraction: float = Field(0.2, gt=0, lt=1, description="Share of the training rows.")
    seeds: int = Field(1, ge=1, description="Networks per trial, each from its own initial weights.")


class Promotion(Written):
    """What becomes of the best trial."""

    model: Name = Field(description="The registered model's name.")


SKLEARN_BASELINES = ("linear_regression",)
"""The baselines that scikit-learn trains."""

YAML_SUFFIXES = (".yaml", ".yml")
"""How the name of a file with an experiment or a space ends."""


class Experiment(Written):
    """One YAML file."""

    name: Name = Field(description="Names the sweep in the terminal and in MLflow.")
    question: str = Field("", description="What the experiment wants to know, in a sentence.")
    seed: int = Field(1, ge=0, description="All randomness derives from it and from the trials' numbers.")
    table: Table = Field(description="Where the rows come from.")
    heads: Mapping[Name, Head] = Field(min_length=1, description="The outputs by name, in order.")
    space: SearchSpace = Field(description="What is varied: a path to a file of search_spaces/, or the space itself.")
    search: Search = Field(default_factory=Search, description="Who asks, and how much.")
    fit: Fit = Field(default_factory=Fit, description="How each network is trained.")
    pruning: Pruning | None = Field(
        None,
        description="Which trials train to their end. Absent: rungs up to two fifths of the epochs, at each the better half.",
    )
    test: TestRows = Field(default_factory=TestRows, description="The rows that the search never sees.")
    validation: Annotated[KFold | HoldOut, Field(discriminator="method")] = Field(
        default_factory=lambda: KFold(method="k_fold"), description="How a trial is scored inside the training rows."
    )
    baselines: list[str] = Field(
        default_factory=list,
        description="What the best trial is compared with: names of scikit-learn baselines (linear_regression), or paths to "
        "experiments of one trial.",
    )
    promotion: Promotion | None = Field(None, description="None: nothing is registered.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = (self._head_mistakes(), self._tunable_mistakes(), self._rung_mistakes(), self._baseline_mistakes())
        self._refuse(chain.from_iterable(mistakes))
        return self

    def _head_mistakes(self) -> Iterator[Mistake]:
        taken = {name.split(".")[0] for name in recipe.TUNABLES} | {"mean"}
        predicted: dict[str, str] = {}
        for head, column in self.columns.items():
            if head in taken:
                yield ("heads", head), "the name is taken by a tunable or a metric; choose another (and give its column)"
            if column in self.table.inputs:
                yield ("heads", head), f"column '{column}' is an input; a network may not read what it predicts"
            if column in predicted:
                yield ("heads", head), f"column '{column}' is already the target of {predicted[column]}"
            predicted[column] = head

    def _tunable_mistakes(self) -> Iterator[Mistake]:
        heads = list(self.heads)
        for place, name, values in self._settings():
            if recipe.tunable_of(name, heads) is None:
                yield place, recipe.unknown(name, heads)
                continue
            for below, value in values:
                wrong = recipe.complaint(name, value, heads)
                if wrong:
                    yield (*place, *below), wrong

    def _settings(self) -> Iterator[tuple[Place, str, Values]]:
        """Every place where a tunable is named, with its name and the values it gets there."""
        for name, dimension in self.space.dimensions.items():
            yield ("space", "dimensions", name), name, list(_decisive(dimension))
        for name, value in self.space.fixed.items():
            yield ("space", "fixed", name), name, [((), value)]
        for known, params in self.search.known.items():
            for name, value in params.items():
                yield ("search", "known", known, name), name, [((), value)]

    def _rung_mistakes(self) -> Iterator[Mistake]:
        for position, rung in enumerate(self.halving.rungs):
            if rung >= self.fit.epochs:
                place = ("pruning", "rungs", position)
                yield place, f"got {rung}, expected fewer epochs than a trial has (fit.epochs {self.fit.epochs})"

    def _baseline_mistakes(self) -> Iterator[Mistake]:
        for position, baseline in enumerate(self.baselines):
            if baseline not in SKLEARN_BASELINES and not baseline.endswith(YAML_SUFFIXES):
                expected = f"expected one of {', '.join(SKLEARN_BASELINES)}, or a path to an experiment (.yaml)"
                yield ("baselines", position), f"got '{baseline}', {expected}{did_you_mean(baseline, SKLEARN_BASELINES)}"

    @property
    def columns(self) -> Mapping[str, str]:
        """The target column of each head."""
        return {name: head.column or name for name, head in self.heads.items()}

    @property
    def algorithm(self) -> str:
        """The driver's algorithm, the default spelled out."""
        return self.search.algorithm or DRIVERS[self.search.driver][0]

    @property
    def halving(self) -> Pruning:
        """The rungs, the default ones spelled out."""
        return self.pruning or ladder(self.fit.epochs)

    @property
    def lanes_per_trial(self) -> int:
        """Networks behind one score: folds x seeds."""
        folds = self.validation.folds if isinstance(self.validation, KFold) else 1
        return folds * self.validation.seeds

    def recipe(self, params: Params) -> recipe.Recipe:
        """What a trial's params mean in this experiment: what they do not name, the space may fix, else the default holds."""
        return recipe.Recipe.of({**self.space.fixed, **params}, list(self.heads))

    def single(self, head: str) -> Experiment:
        """The single-output baseline: the same experiment with this head alone.

        Dimensions, fixed values and known configurations that name other heads fall away, and so do conditions on such
        dimensions.
        """
        if head not in self.heads:
            raise ConfigError(f"got head '{head}', expected one of {', '.join(self.heads)}{did_you_mean(head, self.heads)}")
        gone = tuple(f"{other}." for other in self.heads if other != head)

        def kept(params: Mapping[str, Any]) -> dict[str, Any]:
            return {name: value for name, value in params.items() if not name.startswith(gone)} if gone else dict(params)

        return self.model_copy(
            update={
                "name": f"{self.name}-{head}",
                "heads": {head: self.heads[head]},
                "space": SearchSpace(
                    dimensions={name: _under(kept(it.when or {}), it) for name, it in kept(self.space.dimensions).items()},
                    fixed=kept(self.space.fixed),
                ),
                "search": self.search.model_copy(
                    update={"known": {name: kept(params) for name, params in self.search.known.items()}}
                ),
            }
        )


def _under(when: Mapping[str, list[ParamValue]], dimension: Dimension) -> Dimension:
    """The same dimension under these conditions."""
    return dimension.model_copy(update={"when": when or None})


def _decisive(dimension: Dimension) -> Iterator[tuple[Place, ParamValue]]:
    """The values of a dimension that decide whether all of it is within a tunable's bounds, each with its place."""
    if isinstance(dimension, Choice):
        yield from ((("choices", position), value) for position, value in enumerate(dimension.choices))
    else:
        yield ("low",), dimension.low
        yield ("high",), dimension.high
