"""A model as a script in plain Keras: it reads well, it runs, and it builds the networks that it tells of."""

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

from branchsweep.errors import BackendError
from branchsweep.models.codegen import generate_script, script_from_manifest
from branchsweep.models.exported_model import ModelMember, Provenance
from branchsweep.models.recipe import Recipe
from branchsweep.trial import Params

INPUTS = ["load", "wind speed"]
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
QUANTILE = member({"input_scaling": "quantile", "activation": "gelu", "heat.loss_weight": 2.5, "epochs": 2})


def mean_of(*members: ModelMember) -> list[ModelMember]:
    return [replace(one, share=1 / len(members)) for one in members]


SCRIPTS = {
    "one": generate_script("models:/plant@champion", INPUTS, [TAPERED], PROVENANCE),
    "balanced": generate_script("models:/plant@champion", INPUTS, [UNSCALED], PROVENANCE),
    "mean": generate_script("models:/plant/3", INPUTS, mean_of(TAPERED, QUANTILE, TAPERED, UNSCALED), PROVENANCE),
    "wide": generate_script(
        "models:/plant/3",
        [f"an input with a {'very ' * 5}long name, number {number}" for number in range(5)],
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


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_a_formatter_and_a_linter_leave_it_as_it_is(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.py").write_text(text, encoding="utf-8")
    ruff = Path(sys.executable).parent / "ruff"
    rules = ["--select", "B,E,F,I,N,RET,SIM,UP,W", "--target-version", "py311"]
    for words in (["format", "--isolated", "--no-cache", "--diff"], ["check", "--isolated", "--no-cache", *rules]):
        done = subprocess.run([ruff, *words, "model.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


PROBE = """
import contextlib, io, json, runpy, sys
import keras

models, fit = [], keras.Model.fit

def seen(model, *words, **more):
    models.append(model)
    return fit(model, *words, **more)

keras.Model.fit = seen

def layers(model):
    return {layer.name: [layer.units, layer.activation.__name__] for layer in model.layers[1:]}

told, names = {}, sys.argv[1:]
for name in names:
    models.clear()
    sys.argv = [name, "plant.csv"]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        runpy.run_path(name)
    told[name] = [
        [[layers(model), model.count_params(), model.optimizer.iterations.numpy().item()] for model in models],
        said.getvalue(),
    ]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[list[Any], str]]:
    """What two of the scripts trained, and what they said; run one after the other, for each would import TensorFlow."""
    folder = tmp_path_factory.mktemp("scripts")
    random = np.random.default_rng(0)
    load, wind = random.uniform(0, 1, 160), random.normal(size=160)
    columns: Mapping[str, Any] = {
        "steam flow": 7 * load - wind,
        "load": load,
        "note": "x",
        "wind speed": wind,
        "heat": 40 * load,
    }
    pd.DataFrame(columns).to_csv(folder / "plant.csv", index=False)
    names = ("one", "mean")
    for name in names:
        (folder / f"{name}.py").write_text(SCRIPTS[name], encoding="utf-8")
    command = [sys.executable, "-c", PROBE, *(f"{name}.py" for name in names)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    return {name: told[f"{name}.py"] for name in names}


def of_recipe(one: ModelMember) -> tuple[dict[str, list[Any]], int]:
    """The layers by name, each with its units and its activation, and the parameters of the network that we export."""
    from branchsweep.models import keras_network

    model = keras_network.build_network(one.recipe.architecture, len(INPUTS))
    return {layer.name: [layer.units, layer.activation.__name__] for layer in model.layers[1:]}, model.count_params()


@pytest.mark.parametrize(
    ("name", "members"), [("one", [TAPERED]), ("mean", [TAPERED, QUANTILE, TAPERED, UNSCALED])], ids=["one", "mean"]
)
def test_it_trains_the_networks_that_are_exported(
    ran: Mapping[str, tuple[list[Any], str]], name: str, members: list[ModelMember]
) -> None:
    trained, said = ran[name]
    assert [(layers, parameters) for layers, parameters, _ in trained] == [of_recipe(one) for one in members]
    epochs = [one.epochs or one.recipe.epochs or PROVENANCE.epochs for one in members]
    steps = [count * -(-120 // one.recipe.batch_size) for count, one in zip(epochs, members, strict=True)]
    assert [iterations for _, _, iterations in trained] == steps
    for head in ("heat", "steam"):
        assert f"{head}: R2 " in said


def test_a_schedule_is_laid_out_for_the_epochs_of_the_search() -> None:
    assert "epochs, batch_size = 3, 32\n" in SCRIPTS["one"]
    assert "steps = 4 * math.ceil(len(train) / batch_size)\n" in SCRIPTS["one"]


def test_what_fit_cannot_say_is_said() -> None:
    assert "loss_balancing: uncertainty" in SCRIPTS["balanced"].replace("\n# ", " ")
    assert "balanced" not in SCRIPTS["one"]


def test_equal_recipes_are_told_once() -> None:
    assert SCRIPTS["mean"].count("def network_") == 3
    assert SCRIPTS["mean"].count("(0.25, network_1)") == 2


def test_a_model_that_does_not_say_where_it_comes_from_has_no_script() -> None:
    with pytest.raises(BackendError, match="models:/plant/1 does not say how it was trained"):
        script_from_manifest("models:/plant/1", {"inputs": INPUTS, "provenance": None})
