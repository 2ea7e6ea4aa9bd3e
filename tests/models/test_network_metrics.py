"""What is known of a network before it is trained, against Keras."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from branchsweep.models.keras_network import build_network
from branchsweep.models.recipe import recipe_for
from branchsweep.trial import ParamValue
from tiny_sweep import tiny_experiment

HEADS = {
    "PE": {},
    "state": {"task": "multiclass", "classes": ["low", "middle", "high"]},
    "V": {"task": "quantile", "quantiles": [0.1, 0.5, 0.9]},
}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"trunk.depth": 3, "trunk.width": 17, "trunk.taper": 0.5, "PE.depth": 0, "V.depth": 2, "trunk.dropout": 0.1},
        {"PE.exit": 1, "trunk.depth": 2, "V.reads": "PE", "PE.depth": 1, "input_factor_rate": 2.0},
        {"input_scaling": "piecewise_linear", "bins": 8, "trunk.width": 64},
    ],
)
def test_parameters_and_their_bytes_are_those_of_the_keras_network(params: Mapping[str, ParamValue]) -> None:
    experiment = tiny_experiment(heads=HEADS)
    columns = list(experiment.table.inputs.values())
    recipe = recipe_for(experiment, params)
    metrics = recipe.network_metrics(columns)
    network = build_network(recipe.architecture, recipe.encoded_width(columns))
    assert metrics["parameters"] == network.count_params()
    assert metrics["size"] == sum(weight.nbytes for weight in network.get_weights())
