"""Generated Keras scripts: their format, and the networks that they train."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from branchsweep.config.codec import to_data
from branchsweep.config.sections.columns import NUMERIC, Column
from branchsweep.config.sections.split import RowSplit
from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import BackendError
from branchsweep.models.codegen import generate_script, script_from_manifest
from branchsweep.models.exported_model import ModelMember, Provenance
from branchsweep.models.heads.registry import head_kind
from branchsweep.models.recipe import Recipe
from branchsweep.trial import Params

INPUTS = dict.fromkeys(["load", "wind speed"], NUMERIC)
PROVENANCE = Provenance({"heat": "heat", "steam": "steam flow"}, {"heat": "mse", "steam": "huber"}, 4, 0.25, 1)


def member(params: Params, share: float = 1.0, epochs: int = 0, heads: Sequence[str] = ("heat", "steam")) -> ModelMember:
    return ModelMember(Recipe.of(params, heads), (), share, epochs)


TAPERED = member(
    {
        "trunk.depth": 3,
        "trunk.width": 12,
        "trunk.taper": 0.5,
        "heat.depth": 0,
        "steam.depth": 2,
        "batch_size": 32,
        "learning_rate": 1e-5,
        "learning_rate_schedule": "cosine",
        "weight_decay": 1e-4,
    },
    epochs=3,
)
UNSCALED = member(
    {
        "input_scaling": "none",
        "target_scaling": "none",
        "optimizer": "sgd",
        "momentum": 0.9,
        "learning_rate": 1e-6,
        "loss_balancing": "uncertainty",
    }
)
REGULARISED = member(
    {
        "trunk.layer": "layer_normalization",
        "trunk.dropout": 0.1,
        "heat.dropout": 0.2,
        "steam.depth": 2,
        "activation": "mish",
        "learning_rate_schedule": "coslog4",
        "warmup": 0.1,
        "beta_2": 0.95,
        "ema_momentum": 0.99,
        "clipnorm": 0.5,
        "output_clipping": "training_range",
        "input_factor_rate": 6.0,
        "residual": "equal_widths",
        "target_noise": 0.1,
        "epochs": 2,
    }
)
QUANTILE = member({"input_scaling": "quantile", "activation": "gelu", "heat.loss_weight": 2.5, "epochs": 2})

EARLY = member({"trunk.depth": 3, "heat.exit": 1, "heat.depth": 0, "steam.depth": 2})
CHAIN = member({"steam.reads": "heat", "heat.depth": 2, "heat.exit": 1, "trunk.depth": 1})


def mean_of(*members: ModelMember) -> list[ModelMember]:
    return [replace(member, share=1 / len(members)) for member in members]


SCRIPTS = {
    "single": generate_script("models:/plant@champion", INPUTS, [TAPERED], PROVENANCE),
    "balanced": generate_script("models:/plant@champion", INPUTS, [UNSCALED], PROVENANCE),
    "mean": generate_script("models:/plant/3", INPUTS, mean_of(TAPERED, QUANTILE, TAPERED, UNSCALED), PROVENANCE),
    "stack": generate_script(
        "models:/plant/3",
        INPUTS,
        [
            replace(TAPERED, share=0.4, head_shares={"heat": 0.25, "steam": 0.55}),
            replace(QUANTILE, share=0.6, head_shares={"heat": 0.75, "steam": 0.45}),
        ],
        PROVENANCE,
    ),
    "wide": generate_script(
        "models:/plant/3",
        {f"an input with a {'very ' * 5}long name, number {number}": NUMERIC for number in range(5)},
        mean_of(*(member({"input_scaling": kind}, heads=[f"head-{h}" for h in range(9)]) for kind in ("min_max", "quantile"))),
        Provenance(
            columns={f"head-{h}": f'column "{h}" of what is measured' for h in range(9)},
            losses={f"head-{h}": "mae" for h in range(9)},
            epochs=100,
            test_fraction=0.2,
            test_seed=0,
            sheet="of 'May'",
            duplicates="drop",
            invalid="drop",
        ),
    ),
}

SCRIPTS["early"] = generate_script("m", INPUTS, [EARLY], PROVENANCE)
SCRIPTS["anywhere"] = generate_script("m", INPUTS, mean_of(EARLY, CHAIN, TAPERED), PROVENANCE)
SCRIPTS["chain of many"] = generate_script(
    "m",
    INPUTS,
    [
        member(
            {"trunk.depth": 3, "head-1.reads": "head-0", "head-2.reads": "head-1", "head-2.depth": 0, "head-3.exit": 2},
            heads=[f"head-{h}" for h in range(5)],
        )
    ],
    replace(PROVENANCE, columns={f"head-{h}": f"t{h}" for h in range(5)}, losses={f"head-{h}": "mse" for h in range(5)}),
)
SCRIPTS["regularised"] = generate_script("m", INPUTS, [REGULARISED], PROVENANCE)
SCRIPTS["periodic"] = generate_script("m", INPUTS, [member({"input_scaling": "periodic"})], PROVENANCE)
SCRIPTS["mean of regularised"] = generate_script("m", INPUTS, mean_of(REGULARISED, TAPERED), PROVENANCE)
SCRIPTS["partial"] = generate_script("m", INPUTS, [TAPERED], replace(PROVENANCE, partial_targets=True, missing=[-9, "?"]))
SCRIPTS["weighted"] = generate_script("m", INPUTS, [QUANTILE], replace(PROVENANCE, weights={"heat": ["hours"]}))
SCRIPTS["partial and clipped"] = generate_script("m", INPUTS, [REGULARISED], replace(PROVENANCE, partial_targets=True))
SCRIPTS["partial and weighted"] = generate_script(
    "m",
    INPUTS,
    mean_of(TAPERED, QUANTILE),
    replace(
        PROVENANCE,
        partial_targets=True,
        invalid="drop",
        weights={head: ["hours of operation", f"certainty of the {head} that was measured"] for head in ("heat", "steam")},
        losses={"heat": "mse", "steam": "mae"},
    ),
)

CLASSES = replace(
    PROVENANCE,
    columns={"heat": "heat", "level": "level of water", "alarm": "alarm", "starts": "starts", "steam": "steam flow"},
    losses={
        "heat": "mse",
        "level": "multiclass(3)",
        "alarm": "binary",
        "starts": "count",
        "steam": "quantile(0.1, 0.5, 0.9)",
    },
    classes={"level": ["low", "middle", "high"], "alarm": ["False", "True"]},
)
OF_CLASSES = ModelMember(Recipe.of({"epochs": 2}, list(CLASSES.columns), {"level": 3, "steam": 3}), ())
SCRIPTS["classes"] = generate_script("m", INPUTS, [OF_CLASSES], CLASSES)
SCRIPTS["mean of classes"] = generate_script(
    "m",
    INPUTS,
    [replace(OF_CLASSES, share=0.5, head_shares=dict.fromkeys(CLASSES.columns, 0.5)), replace(OF_CLASSES, share=0.5, epochs=1)],
    replace(CLASSES, partial_targets=True, weights={"level": ["hours"]}, missing=[-9, "?"], invalid="drop"),
)
WEIGHTED_CLASSES = replace(CLASSES, class_weights={"level": "balanced", "alarm": {"True": 5.0}})
SCRIPTS["weighted classes"] = generate_script("m", INPUTS, [OF_CLASSES], WEIGHTED_CLASSES)
SCRIPTS["weighted classes of weighted rows"] = generate_script(
    "m",
    INPUTS,
    mean_of(OF_CLASSES, replace(OF_CLASSES, epochs=1)),
    replace(WEIGHTED_CLASSES, partial_targets=True, weights={"level": ["hours"]}, missing=[-9, "?"], invalid="drop"),
)
MANY = [f"class {number}" for number in range(30)]
SCRIPTS["weights of many classes"] = generate_script(
    "m",
    INPUTS,
    [ModelMember(Recipe.of({"epochs": 2}, ["heat", "level"], {"level": 30}), ())],
    replace(
        PROVENANCE,
        columns={"heat": "heat", "level": "level of water"},
        losses={"heat": "mse", "level": "multiclass(30)"},
        classes={"level": MANY},
        class_weights={"level": {"class 3": 2.5}},
    ),
)
CLIPPED: Params = {"epochs": 2, "output_clipping": "training_range"}
OF_CLIPPED_CLASSES = ModelMember(Recipe.of(CLIPPED, list(CLASSES.columns), {"level": 3, "steam": 3}), ())
SCRIPTS["clipped beside classes"] = generate_script("m", INPUTS, [OF_CLIPPED_CLASSES], CLASSES)
SCRIPTS["mean of clipped beside classes"] = generate_script(
    "m", INPUTS, mean_of(OF_CLIPPED_CLASSES, replace(OF_CLIPPED_CLASSES, epochs=1)), replace(CLASSES, partial_targets=True)
)
QUANTILES = replace(PROVENANCE, losses={"heat": "quantile(0.1, 0.5, 0.9)", "steam": "mse"})
OF_CLIPPED_QUANTILES = ModelMember(Recipe.of(CLIPPED, list(QUANTILES.columns), {"heat": 3}), ())
SCRIPTS["clipped quantiles"] = generate_script("m", INPUTS, [OF_CLIPPED_QUANTILES], QUANTILES)
CODES = replace(CLASSES, classes={"level": ["0", "1", "2"], "alarm": ["1", "2"]})
SCRIPTS["codes of classes"] = generate_script("m", INPUTS, [OF_CLASSES], CODES)

MIXED = {
    "wind speed": Column(kind="numeric", missing="indicator"),
    "load": NUMERIC,
    "kind": Column(kind="categorical", categories=["x", "y, too"], has_gaps=True),
    "day": Column(kind="date", parts=["month", "day_of_week", "year"]),
}
COMPLETE = MIXED | {"kind": MIXED["kind"].model_copy(update={"has_gaps": False})}  # as the table below has them
BINS = member({"input_scaling": "piecewise_linear", "bins": 8})
TREE = member({"input_scaling": "piecewise_linear_tree", "bins": 4, "one_hot_limit": 30})
LONG = {f"an input with a {'very ' * 8}long name, {name}": column for name, column in MIXED.items()} | {
    "town": Column(kind="categorical", categories=[f"the town with the number {number}" for number in range(40)]),
    "hour": Column(kind="date", parts=["hour", "minute", "month", "day_of_year", "elapsed"]),
    "filled": Column(kind="numeric", missing="mean"),
    "zone": Column(kind="categorical", categories=["1", "2.5"]),
}
SCRIPTS["mixed"] = generate_script("m", MIXED, [BINS], PROVENANCE)
SCRIPTS["mean of bins"] = generate_script("m", INPUTS, mean_of(BINS, TREE), PROVENANCE)
SCRIPTS["no numbers"] = generate_script("m", {"day": MIXED["day"], "kind": MIXED["kind"]}, [UNSCALED], PROVENANCE)
SCRIPTS["gaps"] = generate_script("m", {"load": MIXED["wind speed"]}, [UNSCALED], replace(PROVENANCE, invalid="drop"))
ALL_KINDS = (
    "m",
    LONG,
    mean_of(BINS, TREE, QUANTILE, UNSCALED),
    replace(
        PROVENANCE,
        partial_targets=True,
        missing=[-9, "?"],
        invalid="drop",
        weights={"heat": ["hours of operation"]},
        csv_arguments={"decimal": ",", "thousands": "."},
    ),
)
SCRIPTS["all kinds of inputs"] = generate_script(*ALL_KINDS)
SCRIPTS["a table of test rows"] = generate_script(*ALL_KINDS[:3], replace(ALL_KINDS[3], has_test_table=True))
OWN = LONG | {
    "filled": Column(kind="numeric", missing="mean", input_scaling="quantile"),
    f"another input with a {'very ' * 8}long name": Column(kind="numeric", input_scaling="piecewise_linear"),
}
SCRIPTS["encoders of their own"] = generate_script("m", OWN, mean_of(BINS, TREE, UNSCALED), PROVENANCE)

SPLITS: list[dict[str, Any]] = [
    {"group": "batch"},
    {"time": "day", "gap": 14},
    {"time": f'the "{"long " * 12}day"', "gap": "2w"},
    {"column": "part"},
    {"stratify": "kind"},
    {"stratify": "heat", "bins": 1000},
]
SCRIPTS |= {
    f"split by {split}": generate_script(
        "m", INPUTS, [TAPERED], replace(PROVENANCE, split=RowSplit(**split), test_fraction=fraction)
    )
    for split in SPLITS
    for fraction in (0.2, 0.1 + 0.2)
}
SCRIPTS |= {
    f"outer fold of {split}": generate_script(
        "m", INPUTS, [TAPERED], replace(PROVENANCE, split=RowSplit(**split), outer_fold=(2, 10))
    )
    for split in [{}, *(split for split in SPLITS if "column" not in split)]
}


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_a_script_needs_no_changes_by_a_formatter_or_linter(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.py").write_text(text, encoding="utf-8")
    ruff = Path(sys.executable).parent / "ruff"
    rules = ["--select", "B,E,F,I,N,RET,SIM,UP,W", "--target-version", "py311"]
    for arguments in (["format", "--isolated", "--no-cache", "--diff"], ["check", "--isolated", "--no-cache", *rules]):
        done = subprocess.run([ruff, *arguments, "model.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


PROBE = """
import contextlib, io, json, runpy, sys
import keras

models, fit = [], keras.Model.fit

def recorded_fit(model, *args, **kwargs):
    models.append(model)
    return fit(model, *args, **kwargs)

keras.Model.fit = recorded_fit

def layers(model):
    return {layer.name: [layer.units, layer.activation.__name__] for layer in model.layers if hasattr(layer, "units")}

results, names = {}, sys.argv[1:]
for name in names:
    models.clear()
    sys.argv = [name, "plant.csv"]
    with contextlib.redirect_stdout(io.StringIO()) as output:
        runpy.run_path(name)
    results[name] = [
        [[layers(model), model.count_params(), model.optimizer.iterations.numpy().item()] for model in models],
        output.getvalue(),
    ]
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[list[Any], str]]:
    """The networks that the scripts trained and their output; run in one process, which imports TensorFlow once."""
    folder = tmp_path_factory.mktemp("scripts")
    random = np.random.default_rng(0)
    load, wind = random.uniform(0, 1, 160), random.normal(size=160)
    columns: Mapping[str, Any] = {
        "steam flow": 7 * load - wind,
        "load": load,
        "note": "x",
        "wind speed": wind,
        "heat": 40 * load,
        "kind": random.choice(["x", "y, too"], 160),
        "day": pd.date_range("2024-01-01", periods=160),
        "level of water": np.array(["low", "middle", "high"])[np.digitize(load, [0.3, 0.7])],
        "alarm": wind > 0.5,
        "starts": np.round(5 * load).astype(int),
        "hours": 1.0,
    }
    pd.DataFrame(columns).to_csv(folder / "plant.csv", index=False)
    names: tuple[str, ...] = ("single", "mean", "mixed", "anywhere", "regularised", "classes", "mean of classes")
    names += ("weighted classes", "weighted classes of weighted rows")
    names += ("clipped beside classes", "mean of clipped beside classes", "clipped quantiles")
    for name in names:
        (folder / f"{name}.py").write_text(SCRIPTS[name], encoding="utf-8")
    command = [sys.executable, "-c", PROBE, *(f"{name}.py" for name in names)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    return {name: results[f"{name}.py"] for name in names}


def exported_network(
    member: ModelMember, columns: Mapping[str, Column], losses: Mapping[str, str] | None = None
) -> tuple[dict[str, list[Any]], int]:
    """The layers by name, each with its units and its activation, and the parameters of the network that we export."""
    from branchsweep.models import keras_network

    width = member.recipe.encoded_width(columns.values())
    model = keras_network.build_network(member.recipe.architecture, width, losses=losses)
    return {
        layer.name: [layer.units, layer.activation.__name__] for layer in model.layers if hasattr(layer, "units")
    }, model.count_params()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "columns", "members"),
    [
        ("single", INPUTS, [TAPERED]),
        ("mean", INPUTS, [TAPERED, QUANTILE, TAPERED, UNSCALED]),
        ("mixed", COMPLETE, [BINS]),
        ("anywhere", INPUTS, [EARLY, CHAIN, TAPERED]),
        ("regularised", INPUTS, [REGULARISED]),
    ],
)
def test_a_script_trains_the_networks_of_the_exported_model(
    ran: Mapping[str, tuple[list[Any], str]], name: str, columns: Mapping[str, Column], members: list[ModelMember]
) -> None:
    trained, output = ran[name]
    assert [(layers, parameters) for layers, parameters, _ in trained] == [
        exported_network(member, columns) for member in members
    ]
    epochs = [member.epochs or member.recipe.epochs or PROVENANCE.epochs for member in members]
    steps = [count * -(-120 // member.recipe.batch_size) for count, member in zip(epochs, members, strict=True)]
    assert [iterations for _, _, iterations in trained] == steps
    for head in ("heat", "steam"):
        assert f"{head}: R2 " in output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "networks", "provenance"),
    [
        ("classes", 1, CLASSES),
        ("mean of classes", 2, CLASSES),
        ("weighted classes", 1, CLASSES),
        ("weighted classes of weighted rows", 2, CLASSES),
        ("clipped beside classes", 1, CLASSES),
        ("mean of clipped beside classes", 2, CLASSES),
        ("clipped quantiles", 1, QUANTILES),
    ],
)
def test_a_script_trains_heads_of_several_outputs_beside_scaled_regressions(
    ran: Mapping[str, tuple[list[Any], str]], name: str, networks: int, provenance: Provenance
) -> None:
    trained, output = ran[name]
    units = {head: head_kind(loss).units for head, loss in provenance.losses.items()}
    network = ModelMember(Recipe.of({}, list(units), {head: own for head, own in units.items() if own > 1}), ())
    expected = exported_network(network, INPUTS, provenance.losses)
    assert [(layers, parameters) for layers, parameters, _ in trained] == [expected] * networks
    printed = dict(line.removesuffix(" on the test rows").split(": ") for line in output.splitlines() if "test rows" in line)
    assert printed.keys() == provenance.columns.keys()
    assert all(np.isfinite(float(score.removeprefix("R2 "))) for score in printed.values())


@pytest.mark.parametrize(
    ("name", "of_head", "predicted", "expected"),
    [
        (
            "clipped beside classes",
            [0, 1, 1, 1, 2, 3, 4, 4, 4],
            [9, -9, 9, 9, 9, 9, -9, 0.5, 9],
            [1, -9, 9, 9, 9, 9, 0, 0.5, 1],
        ),
        ("clipped quantiles", [0, 0, 0, 1], [-9, 0.5, 9, 9], [0, 0.5, 1, 1]),
    ],
)
def test_a_script_clips_every_output_of_numbers_to_the_range_of_its_own_target(
    name: str, of_head: list[int], predicted: list[float], expected: list[float]
) -> None:
    text = SCRIPTS[name]
    lines = text[text.index("# No prediction") : text.index("scores = {")]
    targets = [f"t{number}" for number in range(1 + of_head[-1])]
    train = pd.DataFrame({target: [0.0, 1.0] for target in targets})
    names = {"np": np, "train": train, "TARGETS": targets, "OF_HEAD": of_head, "predicted": np.array([predicted])}
    exec(lines, names)  # noqa: S102  # the script's own lines
    np.testing.assert_array_equal(names["predicted"], [expected])


@pytest.mark.parametrize("name", ["weighted classes", "weighted classes of weighted rows"])
def test_a_script_weighs_rows_to_train_on_by_their_classes_as_the_sweep_does(name: str) -> None:
    text = SCRIPTS[name]
    constants = text[text.index("HEADS = ") : text.index("def end_with")]
    functions = text[text.index("def weights_of") : text.index("return weights\n", text.index("def training_weights_of"))]
    names: dict[str, Any] = {"np": np, "compute_sample_weight": compute_sample_weight}
    exec(constants + functions + "return weights\n", names)  # noqa: S102  # the script's own lines
    random = np.random.default_rng(0)
    values = {head: random.integers(0, 3 if head == "level" else 2, 50).astype(float) for head in CLASSES.columns}
    values["level"][:5] = np.nan
    hours = 1.0 + np.arange(50) % 2
    table = pd.DataFrame({CLASSES.columns[head]: own for head, own in values.items()} | {"hours": hours})
    by_hand = np.column_stack([np.where(np.isnan(own), 0.0, 1.0) for own in values.values()])
    if "hours" in text:
        by_hand[:, 1] *= hours
    y = np.column_stack(list(values.values()))
    weights = np.where(by_hand > 0, by_hand, 1.0)
    rows = TrainingRows(y, y, (), weights=weights, class_weights=(None, "balanced", (1.0, 5.0), None, None))
    found = names["training_weights_of"](table)
    np.testing.assert_allclose(np.column_stack([found[head] for head in CLASSES.columns]), rows.loss_weights(np.arange(50)))


def test_a_model_whose_words_of_classes_were_not_recorded_has_no_script() -> None:
    with pytest.raises(BackendError, match="words"):
        generate_script("m", INPUTS, [OF_CLASSES], replace(CLASSES, classes={}, has_words=True))


def test_the_learning_rate_schedule_has_the_epochs_of_the_search() -> None:
    assert "epochs, batch_size = 3, 32\n" in SCRIPTS["single"]  # the member's own
    assert "steps = 4 * math.ceil(len(train) / batch_size)\n" in SCRIPTS["single"]


def test_a_comment_names_loss_balancing_that_fit_does_not_support() -> None:
    assert "uncertainty" in SCRIPTS["balanced"] and "loss_balancing" in SCRIPTS["balanced"]
    assert "loss_balancing" not in SCRIPTS["single"]


def test_members_of_equal_recipes_share_a_function() -> None:
    assert SCRIPTS["mean"].count("def network_") == 3
    assert SCRIPTS["mean"].count("(0.25, network_1)") == 2


def test_a_model_without_provenance_has_no_script() -> None:
    with pytest.raises(BackendError, match="models:/plant/1"):
        script_from_manifest("models:/plant/1", {"inputs": list(INPUTS), "provenance": None})


def test_a_model_with_estimators_has_no_script() -> None:
    manifest = {"inputs": list(INPUTS), "members": [], "provenance": to_data(PROVENANCE)}
    with pytest.raises(BackendError, match="scikit-learn"):
        script_from_manifest("models:/plant/1", {**manifest, "estimators": {"members": [{"name": "random_forest"}]}})
