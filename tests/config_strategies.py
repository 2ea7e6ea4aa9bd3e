"""Hypothesis strategies of experiments, search spaces and comparisons, and the settings of tests with them."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from branchsweep.config.comparison import Comparison
from branchsweep.config.estimator_names import ESTIMATORS, is_joint
from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import HYPERPARAMETERS, Hyperparameter, hyperparameter_names
from branchsweep.config.sections.driver_options import DRIVERS, MULTI_OBJECTIVE_ALGORITHMS
from branchsweep.config.sections.search_space import SearchSpace

reproducible = settings(derandomize=True, max_examples=40, deadline=None)
"""The same examples in every run, and none of them too slow for a busy machine."""

FOR_ALL_HEADS = [HYPERPARAMETERS[name] for name in hyperparameter_names([])]
"""The hyperparameters that can be given for the whole network."""

RESERVED = {name.split(".")[0] for name in HYPERPARAMETERS} | {"mean"}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
"""Texts of any characters, such as a question or the name of a column."""

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,9}", fullmatch=True)
"""Names that users choose."""


def values(hyperparameter: Hyperparameter) -> st.SearchStrategy[Any]:
    """Values that a hyperparameter can have."""
    if hyperparameter.choices:
        return st.sampled_from(list(hyperparameter.choices))
    if isinstance(hyperparameter.default, int):
        return st.integers(int(hyperparameter.low), int(hyperparameter.high))
    return st.floats(hyperparameter.low, hyperparameter.high)


@st.composite
def dimensions(draw: st.DrawFn, hyperparameter: Hyperparameter, earlier: dict[str, Any]) -> dict[str, Any]:
    """A dimension of a hyperparameter, maybe with a condition on an earlier one that is a choice."""
    is_choice: bool = draw(st.booleans())
    if hyperparameter.choices or is_choice:
        choices = draw(st.lists(values(hyperparameter), min_size=1, max_size=4, unique=True))
        dimension: dict[str, Any] = {"type": "choice", "choices": choices}
    else:
        low, high = sorted([draw(values(hyperparameter)), draw(values(hyperparameter))])
        kind = "int" if isinstance(hyperparameter.default, int) else "float"
        dimension = {"type": kind, "low": low, "high": high, "log": low > 0 and draw(st.booleans())}
    choices_before = [name for name, other in earlier.items() if other["type"] == "choice"]
    has_condition: bool = draw(st.booleans())
    if choices_before and has_condition:
        name = draw(st.sampled_from(choices_before))
        dimension["when"] = {name: draw(st.lists(st.sampled_from(earlier[name]["choices"]), min_size=1, max_size=3))}
    return dimension


@st.composite
def space_data(draw: st.DrawFn) -> dict[str, Any]:
    """A search space as plain data, over hyperparameters of the whole network."""
    order = draw(st.lists(st.sampled_from(FOR_ALL_HEADS), max_size=6, unique_by=lambda hyperparameter: hyperparameter.name))
    varied = draw(st.integers(0, len(order)))
    space: dict[str, Any] = {"dimensions": {}, "fixed": {}}
    for hyperparameter in order[:varied]:
        space["dimensions"][hyperparameter.name] = draw(dimensions(hyperparameter, space["dimensions"]))
    for hyperparameter in order[varied:]:
        space["fixed"][hyperparameter.name] = draw(values(hyperparameter))
    return space


def spaces() -> st.SearchStrategy[SearchSpace]:
    """Search spaces."""
    return space_data().map(SearchSpace.model_validate)


@st.composite
def heads_data(draw: st.DrawFn) -> dict[str, Any]:
    """Heads as plain data, each with a column of its own."""
    chosen = draw(st.lists(names.filter(lambda name: name not in RESERVED), min_size=1, max_size=3, unique=True))
    return {name: {"column": f"target {name}", "unit": draw(texts)} for name in chosen}


columns = texts.filter(lambda name: bool(name) and not name.startswith("target "))
"""Columns that no head predicts."""


@st.composite
def splits(draw: st.DrawFn, heads: list[str], has_halves: bool) -> dict[str, Any]:
    """How rows are divided; with `has_halves`, in a way that a comparison may divide them, too."""
    gaps = st.integers(0, 10**9) | st.sampled_from(["2w", "7d", "12 h", "30min", "45s"])
    kinds: list[st.SearchStrategy[dict[str, Any]]] = [
        st.just({}),
        columns.map(lambda name: {"group": name}),
        st.tuples(columns | st.sampled_from(heads), st.none() | st.integers(2, 1000)).map(
            lambda drawn: {"stratify": drawn[0], "bins": drawn[1]}
        ),
    ]
    if not has_halves:
        kinds.append(columns.map(lambda name: {"column": name}))
        kinds.append(st.tuples(columns, st.none() | gaps).map(lambda drawn: {"time": drawn[0], "gap": drawn[1]}))
    return draw(st.one_of(kinds))


@st.composite
def experiments(draw: st.DrawFn, has_halves: bool = False) -> Experiment:
    """Experiments, with about every key; with `has_halves`, such as a comparison takes."""
    heads = draw(heads_data())
    driver = draw(st.sampled_from(list(DRIVERS)))
    algorithm = draw(st.sampled_from(list(DRIVERS[driver])))
    objectives = ["mean_r2", "min_r2", "weighted", *(f"r2/{head}" for head in heads)]
    most = len(objectives) if algorithm in MULTI_OBJECTIVE_ALGORITHMS[driver] else 1
    hyperparameters = st.sampled_from(FOR_ALL_HEADS).flatmap(
        lambda hyperparameter: st.tuples(st.just(hyperparameter.name), values(hyperparameter))
    )
    return Experiment.model_validate(
        {
            "name": draw(names),
            "question": draw(texts),
            "seed": draw(st.integers(0, 2**31)),
            "table": {
                "source": "/tables/plant.csv",
                "inputs": draw(st.lists(texts.filter(lambda name: not name.startswith("target ")), min_size=1, unique=True)),
                "sheet": draw(st.none() | st.integers(0, 9) | texts),
            },
            "heads": heads,
            "split": draw(splits(list(heads), has_halves)),
            "space": draw(space_data()),
            "objective": {
                "maximize": draw(st.lists(st.sampled_from(objectives), min_size=1, max_size=most, unique=True)),
                "weights": draw(st.dictionaries(st.sampled_from(list(heads)), st.floats(1e-9, 1e9))),
            },
            "search": {
                "driver": driver,
                "algorithm": algorithm,
                "trials": draw(st.integers(1, 10**6)),
                "seconds": draw(st.none() | st.floats(1e-3, 1e9)),
                "target": draw(st.none() | st.floats(-1e9, 0.999)),
                "pending_rounds": draw(st.integers(0, 64)),
                "first_batch": draw(st.none() | st.integers(1, 32)),
                "default_trial": draw(st.booleans()),
                "initial_trials": draw(st.dictionaries(names, st.lists(hyperparameters, max_size=4).map(dict), max_size=3)),
            },
            "fit": {"epochs": draw(st.integers(1, 10**6))},
            "pruning": draw(st.none() | st.just({"rungs": []})),
            "baselines": draw(st.sampled_from([[], ["linear_regression"], ["/baselines/network.yaml"]])),
            "promotion": draw(st.none() | names.map(lambda name: {"model": name})),
        }
    )


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    """Comparisons of networks and estimators, all on one experiment's table and heads."""
    experiment = draw(experiments(has_halves=True))
    heads = list(experiment.heads)
    networks = st.sampled_from(["network", "single"]).flatmap(
        lambda kind: st.sampled_from([{"kind": kind}, {"kind": kind, "experiment": experiment.model_dump()}])
    )
    estimators = st.sampled_from(ESTIMATORS).flatmap(
        lambda name: (st.none() if is_joint(name) else st.permutations(heads)).map(
            lambda chain: {"kind": "estimator", "estimator": name, "chain": chain}
        )
    )
    contestants = draw(st.dictionaries(names, networks | estimators, min_size=2, max_size=4))
    return Comparison.model_validate(
        {
            "name": draw(names),
            "question": draw(texts),
            "experiment": experiment.model_dump(),
            "contestants": contestants,
            "reference": draw(st.none() | st.sampled_from(list(contestants))),
            "alpha": draw(st.floats(1e-6, 0.5)),
            "sharing": draw(st.none() | st.integers(1, 16).map(lambda layers: {"layers": layers})),
        }
    )
