"""An experiment: one YAML file. The question, the table, the heads, the space, the means, the policy of promotion.

These are the words that people write, so they are validated when they are made, and frozen. Reading them from a file, with the
file's lines in every message, is `config`'s work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain, pairwise
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from branchsweep import recipe
from branchsweep.errors import ConfigError, did_you_mean
from branchsweep.space import Choice, Dimension, Mistake, Place, SearchSpace, Written
from branchsweep.trial import Params, ParamValue

CCPP = "ccpp"
"""The name of the built-in table."""

Options = Mapping[str, type]
"""What an algorithm can be told, each with the type of its values."""

_GENETIC: Options = {"population_size": int, "mutation_prob": float, "crossover_prob": float, "swapping_prob": float}

DRIVERS: Mapping[str, Mapping[str, Options]] = {
    "optuna": {
        "tpe": {"n_ei_candidates": int, "multivariate": bool, "constant_liar": bool},
        "gp": {"deterministic_objective": bool},
        "cma_es": {"sigma0": float, "popsize": int, "use_separable_cma": bool, "with_margin": bool, "lr_adapt": bool},
        "nsga2": _GENETIC,
        "nsga3": {**_GENETIC, "dividing_parameter": int},
        "qmc": {"qmc_type": str, "scramble": bool},
        "random": {},
        "grid": {},
        "brute_force": {"avoid_premature_stop": bool},
    },
    "keras_tuner": {
        "random": {},
        "bayesian": {"num_initial_points": int, "alpha": float, "beta": float},
        "hyperband": {"factor": int, "hyperband_iterations": int},
        "grid": {},
    },
    "random": {"random": {}},
}
"""The drivers with their algorithms, the default one first, each with its options under the engine's own names.

They stand here, and not where the engines are, so that a mistake is found before an engine is imported, with its line. A test
compares them with the engines' own signatures.
"""

SEVERAL_OBJECTIVES = {"optuna": frozenset(DRIVERS["optuna"]) - {"cma_es"}, "keras_tuner": frozenset(), "random": {"random"}}
"""By driver, the algorithms that search for several objectives at once."""

AT_ONCE: Mapping[tuple[str, str], int] = {("optuna", "gp"): 16}
"""The most trials that an algorithm is asked for in one round, where a larger one would wait longer for its questions than for
their answers: what a Gaussian process takes grows with the trials already asked."""

MOST_AHEAD = 64
"""Rounds that may be asked ahead."""

IN_STEP = {("optuna", "cma_es"), ("keras_tuner", "hyperband")}
"""The algorithms whose next round is made of the last one's answers, and of nothing else: none is asked ahead."""

MEAN, MIN, WEIGHTED, HEAD = "mean_r2", "min_r2", "weighted", "r2/"
"""What may be maximised: the mean of the heads' R², the worst of them, their weighted mean, or one head's."""

NO_PRUNING = "none"
"""What `pruning` may be instead of rungs: every trial trains all its epochs."""

LADDER = (0.08, 0.16, 0.4)
"""Where the rungs stand if nobody says: at these shares of the epochs."""

LOWEST_RUNG = 3
"""Epochs below which nothing can be said of a network."""

Values = list[tuple[Place, ParamValue]]
"""Values of a tunable, each with its place below the tunable's."""

NAME = r"^[A-Za-z_][A-Za-z0-9_-]*$"
"""What a name that people choose looks like."""

Name = Annotated[str, Field(pattern=NAME)]


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


class Constraint(NamedTuple):
    """`metric >= factor * reference`, or `metric >= factor` where there is no reference.

    Args:
        metric: What is measured, as in an objective.
        factor: A number.
        reference: The known configuration that is measured likewise; empty for none.
    """

    metric: str
    factor: float
    reference: str

    @classmethod
    def parsed(cls, text: str) -> Constraint:
        """The constraint that `r2/PE >= 0.9`, `r2/PE >= 0.99 * article` or `r2/PE >= article` spells.

        Raises:
            ValueError: It spells none.
        """
        found = _CONSTRAINT.fullmatch(text.strip())
        if found is None or not (found["factor"] or found["reference"]):
            raise ValueError(f"got '{text}', expected METRIC >= NUMBER, or METRIC >= NUMBER * KNOWN (r2/PE >= 0.99 * article)")
        return cls(found["metric"], float(found["factor"] or 1.0), found["reference"] or "")


_CONSTRAINT = re.compile(
    r"(?P<metric>\S+)\s*>=\s*(?:(?P<factor>-?\d+(?:\.\d*)?(?:[eE]-?\d+)?)\s*(?:\*\s*|$))?(?P<reference>[A-Za-z_][\w-]*)?"
)


class Objective(Written):
    """What the search is for."""

    maximize: list[str] = Field(
        default_factory=lambda: [MEAN],
        min_length=1,
        description="mean_r2, min_r2, weighted or r2/HEAD; several of them for a Pareto front.",
    )
    weights: Mapping[Name, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="Of `weighted`: by head, its share in the mean; 1 where none is given."
    )
    choose: str | None = Field(
        None, description="By which figure one of a front is chosen to be refitted and promoted; mean_r2 if absent."
    )
    constraints: list[str] = Field(
        default_factory=list,
        description="What the best trial must meet, such as r2/PE >= 0.99 * article (a known configuration).",
    )

    @field_validator("constraints")
    @classmethod
    def _spelt(cls, constraints: list[str]) -> list[str]:
        for text in constraints:
            Constraint.parsed(text)
        return constraints

    @property
    def is_several(self) -> bool:
        """Whether there is a front, rather than a best."""
        return len(self.maximize) > 1

    @property
    def rule(self) -> str:
        """The figure by which one trial is ranked before another."""
        return self.choose or (MEAN if self.is_several else self.maximize[0])

    @property
    def rule_in_words(self) -> str:
        """The rule with its weights: figures by the same words may be compared."""
        if self.rule != WEIGHTED or not self.weights:
            return self.rule
        return f"{WEIGHTED} ({', '.join(f'{head} {weight:g}' for head, weight in self.weights.items())})"

    @property
    def bounds(self) -> list[Constraint]:
        """The constraints, taken apart."""
        return [Constraint.parsed(text) for text in self.constraints]


class Search(Written):
    """Who asks, how much, and where it begins."""

    driver: Literal["random", "optuna", "keras_tuner"] = Field("optuna", description="The engine that suggests trials.")
    algorithm: str | None = Field(None, description="The driver's algorithm; its default one if absent.")
    options: Mapping[str, ParamValue] = Field(
        default_factory=dict, description="What the algorithm can be told beyond that, by the engine's own names."
    )
    trials: int = Field(64, ge=1, description="Trials in total, known configurations and resumed ones included.")
    seconds: float | None = Field(None, gt=0, description="Of wall time for the search; it ends at the next rung.")
    target: float | None = Field(None, lt=1, description="The search ends once a trial reaches this value of the objective.")
    patience: int | None = Field(None, ge=1, description="The search ends after so many trials without a new best.")
    batch: int = Field(32, ge=1, description="Trials of a round: asked at once, before any of them is answered.")
    ahead: int = Field(
        0,
        ge=0,
        le=MOST_AHEAD,
        description="Rounds that are asked before the answers of the last one are there, so that no worker waits for it: what "
        "is asked learns of all rounds but so many.",
    )
    repeats: Literal["recall", "reseed"] = Field(
        "recall",
        description="What becomes of a suggestion that spells the recipe of an earlier trial: recall answers it from the "
        "record and asks on; reseed trains it again from other seeds, as a trial of its own.",
    )
    warm_start: list[str] = Field(
        default_factory=list, description="Earlier sweeps (names or run ids) whose trials the driver is told beforehand."
    )
    known: Mapping[Name, Mapping[str, ParamValue]] = Field(
        default_factory=dict, description="Known configurations by name, asked first."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._refuse(self._mistakes())
        return self

    def _mistakes(self) -> Iterator[Mistake]:
        algorithms = DRIVERS[self.driver]
        algorithm = self.algorithm or next(iter(algorithms))
        if algorithm not in algorithms:
            expected = f"expected one that {self.driver} has ({', '.join(algorithms)})"
            yield ("algorithm",), f"got '{algorithm}', {expected}{did_you_mean(algorithm, algorithms)}"
            return
        options = algorithms[algorithm]
        for name, value in self.options.items():
            if name not in options:
                expected = f"expected one of {', '.join(options)}" if options else f"{algorithm} of {self.driver} has none"
                yield ("options", name), f"got '{name}', {expected}{did_you_mean(name, options)}"
            elif not _is_of(value, options[name]):
                yield ("options", name), f"got {value!r}, expected {_KINDS[options[name]]}"


_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}


def _is_of(value: ParamValue, kind: type) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


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


class Confirmation(Written):
    """The best trials are trained again from fresh seeds on fresh folds, for the best of many scores flatters itself."""

    trials: int = Field(4, ge=1, description="How many of the best trials.")
    folds: int = Field(5, ge=2, le=100, description="Parts of the training rows, cut anew; each is once the validation rows.")
    seeds: int = Field(2, ge=1, description="Networks per fold, each from its own initial weights.")
    choose: Literal["best", "one_standard_error"] = Field(
        "best",
        description="The finalist: best has the highest confirmed mean; one_standard_error is the smallest network within one "
        "standard error of it.",
    )


class Ensemble(Written):
    """A finalist of several networks, whose predictions are averaged."""

    size: int = Field(8, ge=2, le=64, description="Networks, at most.")
    choose: Literal["seeds", "greedy"] = Field(
        "seeds",
        description="seeds: the finalist's recipe from so many seeds; greedy: recipes chosen one by one for what they add to "
        "the mean (Caruana et al. 2004), on validation predictions.",
    )


class Gate(Written):
    """When a challenger takes the title from the reigning champion."""

    alpha: float = Field(0.05, gt=0, lt=1, description="Level of the tests, over all heads together (Holm).")
    margin: float = Field(0.002, ge=0, description="R² by which a head may be worse before it counts as worse.")
    bootstrap: int = Field(2000, ge=100, le=100_000, description="Resamples of the test rows behind the intervals.")


class Promotion(Written):
    """What becomes of the finalist."""

    model: Name = Field(description="The registered model's name.")
    ensemble: Ensemble | None = Field(None, description="None: the finalist is one network.")
    gate: Gate = Field(default_factory=Gate, description="When the title changes hands.")


class Processes(Written):
    """Worker processes on this machine."""

    kind: Literal["local"]
    count: int | None = Field(
        None, ge=1, description="How many, a core each; if absent one per GPU, or one per core without any."
    )
    gpus: int | None = Field(
        None,
        ge=0,
        description="How many GPUs train, a process each; if absent all that TensorFlow sees, unless count is given.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.count and self.gpus:
            raise ValueError(
                f"got count: {self.count} and gpus: {self.gpus}, expected one of them: a GPU has one process, and count is of "
                "processors"
            )
        return self


AUTO = "auto"
"""The address of the Ray cluster that runs on this machine, or that RAY_ADDRESS names."""


class Cluster(Written):
    """Workers on the nodes of a Ray cluster that runs already."""

    kind: Literal["ray"]
    address: str = Field(
        AUTO,
        description="auto: the cluster that this machine is a node of; ray://HOST:PORT: one that is reached from outside; "
        "HOST:PORT: its head, from a node.",
    )
    cpus_per_worker: int = Field(1, ge=1, description="Of a node's processors, a worker's; it trains on as many threads.")
    gpus_per_worker: float = Field(0.0, ge=0, description="Of a node's GPUs, a worker's; a fraction where several share one.")

    @field_validator("address")
    @classmethod
    def _spelt(cls, address: str) -> str:
        if address != AUTO and not _ADDRESS.fullmatch(address):
            raise ValueError(f"got '{address}', expected auto, ray://HOST:PORT or HOST:PORT{did_you_mean(address, [AUTO])}")
        return address


_ADDRESS = re.compile(r"(ray://)?[A-Za-z0-9._-]+:\d{1,5}")

Workers = Processes | Cluster
"""Who trains. It decides nothing of what comes out."""

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
    objective: Objective = Field(
        default_factory=Objective, description="What the search is for; the mean of the heads' R² if absent."
    )
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
    confirmation: Confirmation = Field(
        default_factory=Confirmation, description="How the best trials are confirmed before one is chosen."
    )
    promotion: Promotion | None = Field(None, description="None: nothing is registered.")
    workers: Annotated[Workers, Field(discriminator="kind")] = Field(
        default_factory=lambda: Processes(kind="local"), description="Who trains; what comes out does not depend on it."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = (
            self._head_mistakes(),
            self._tunable_mistakes(),
            self._objective_mistakes(),
            self._rung_mistakes(),
            self._baseline_mistakes(),
        )
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

    def _objective_mistakes(self) -> Iterator[Mistake]:
        objective, metrics = self.objective, [MEAN, MIN, WEIGHTED, *(f"{HEAD}{head}" for head in self.heads)]

        def wrong(place: Place, metric: str | None) -> Iterator[Mistake]:
            if metric is not None and metric not in metrics:
                yield (
                    ("objective", *place),
                    f"got '{metric}', expected one of {', '.join(metrics)}{did_you_mean(metric, metrics)}",
                )

        for position, metric in enumerate(objective.maximize):
            yield from wrong(("maximize", position), metric)
        yield from wrong(("choose",), objective.choose)
        for head in objective.weights:
            if head not in self.heads:
                yield ("objective", "weights", head), f"got '{head}', expected a head{did_you_mean(head, self.heads)}"
        for position, constraint in enumerate(objective.bounds):
            yield from wrong(("constraints", position), constraint.metric)
            known = self.search.known
            if constraint.reference and constraint.reference not in known:
                message = f"got '{constraint.reference}', expected a known configuration (search.known)"
                yield ("objective", "constraints", position), message + did_you_mean(constraint.reference, known)
        if objective.is_several and self.algorithm not in SEVERAL_OBJECTIVES[self.search.driver]:
            able = ", ".join(sorted(SEVERAL_OBJECTIVES["optuna"]))
            message = f"{self.algorithm} of {self.search.driver} knows one objective, not several; of optuna these know: {able}"
            yield ("objective", "maximize"), message

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
        return self.search.algorithm or next(iter(DRIVERS[self.search.driver]))

    @property
    def batch(self) -> int:
        """Trials of a round: as many as are asked for at once, and no more than the algorithm should be asked for."""
        return min(self.search.batch, AT_ONCE.get((self.search.driver, self.algorithm), self.search.batch))

    @property
    def ahead(self) -> int:
        """Rounds that are asked before the answers of the last one are there."""
        return self.search.ahead if self.may_ask_ahead else 0

    @property
    def may_ask_ahead(self) -> bool:
        """Whether the algorithm can ask without the last round's answers."""
        return (self.search.driver, self.algorithm) not in IN_STEP

    @property
    def halving(self) -> Pruning:
        """The rungs, the default ones spelled out. Hyperband halves by itself."""
        if self.pruning is None and self.algorithm == "hyperband":
            return Pruning(rungs=[])
        return self.pruning or ladder(self.fit.epochs)

    @property
    def folds(self) -> int:
        """Parts of the training rows that validate in turn: one for a hold-out."""
        return self.validation.folds if isinstance(self.validation, KFold) else 1

    @property
    def lanes_per_trial(self) -> int:
        """Networks behind one score: folds x seeds."""
        return self.folds * self.validation.seeds

    def recipe(self, params: Params) -> recipe.Recipe:
        """What a trial's params mean in this experiment: what they do not name, the space may fix, else the default holds."""
        return recipe.Recipe.of({**self.space.fixed, **params}, list(self.heads))

    def holding(self, fixed: Params) -> Experiment:
        """The same experiment with these tunables held at a value, where they were searched, fixed or known otherwise.

        What is asked only if a dimension has some value is asked always where the held value is one of them, and never where it
        is not.
        """
        dimensions: dict[str, Dimension] = {}
        for name, it in self.space.dimensions.items():
            when = it.when or {}
            asked = all(fixed[other] in allowed if other in fixed else other in dimensions for other, allowed in when.items())
            if asked and name not in fixed:
                dimensions[name] = _under({other: allowed for other, allowed in when.items() if other not in fixed}, it)
        known = {
            name: {tunable: fixed.get(tunable, value) for tunable, value in params.items()}
            for name, params in self.search.known.items()
        }
        return self.model_copy(
            update={
                "space": SearchSpace(dimensions=dimensions, fixed={**self.space.fixed, **fixed}),
                "search": self.search.model_copy(update={"known": known}),
            }
        )

    def single(self, head: str) -> Experiment:
        """The single-output baseline: the same experiment with this head alone.

        Dimensions, fixed values and known configurations that name other heads fall away, and so do those that weigh heads
        against each other, and conditions on such dimensions. What is maximised is this head's R², under the constraints that
        it had.
        """
        if head not in self.heads:
            raise ConfigError(f"got head '{head}', expected one of {', '.join(self.heads)}{did_you_mean(head, self.heads)}")
        gone = tuple(f"{other}." for other in self.heads if other != head)

        weighing = ("loss_weight", f"{head}.loss_weight", "loss_balancing")

        def kept(params: Mapping[str, Any]) -> dict[str, Any]:
            return {name: value for name, value in params.items() if name not in weighing and not name.startswith(gone)}

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
                "objective": Objective(
                    constraints=[
                        text
                        for text, bound in zip(self.objective.constraints, self.objective.bounds, strict=True)
                        if bound.metric == f"{HEAD}{head}"
                    ]
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
