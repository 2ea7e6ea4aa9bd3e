"""A registered model with estimators of scikit-learn: through MLflow and over HTTP it answers as its members do together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.pyfunc import load_model, scoring_server

from branchsweep.data.training_rows import TrainingRows
from branchsweep.models.baselines import fit, make_estimators
from branchsweep.models.exported_model import EstimatorMember, ExportedModel, ModelMember
from branchsweep.models.heads.regression import MSE
from branchsweep.models.initial_weights import initial_weights
from branchsweep.models.recipe import Recipe
from branchsweep.tracking.mlflow.model import save_model
from branchsweep.training.trainer import PopulationTrainer

INPUTS, UNITS = ["AT", "AP", "RH"], {"PE": "MW", "V": "cm Hg"}


def test_a_model_with_estimators_answers_alike_in_python_and_over_http(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(size=(80, 3)), random.normal(size=(80, 2))
    trainer = PopulationTrainer(TrainingRows(x, y, ()))
    recipe = Recipe.of({"trunk.width": 3}, list(UNITS))
    network = ModelMember(recipe, initial_weights(recipe.architecture, 3, (1,)), 0.5, head_shares={"PE": 0.25, "V": 0.75})
    forest = fit(make_estimators("extra_trees", dict.fromkeys(UNITS, MSE)), x, y)
    member = EstimatorMember("extra trees", "extra_trees", {}, forest, {"PE": 0.75, "V": 0.25})
    trainer.export(tmp_path / "network", ExportedModel([ModelMember(recipe, network.weights)], INPUTS, UNITS))
    trainer.export(tmp_path / "both", ExportedModel([network], INPUTS, UNITS, estimators=[member]))
    expected = trainer.predict(tmp_path / "network", x) * [0.25, 0.75] + forest.predict(x) * [0.75, 0.25]

    save_model(tmp_path / "both", tmp_path / "model")
    table = pd.DataFrame(x, columns=INPUTS)
    loaded = load_model(str(tmp_path / "model"))
    np.testing.assert_allclose(np.asarray(loaded.predict(table)), expected, rtol=1e-6)
    invoke: Any = scoring_server.invocations
    body = json.dumps({"dataframe_records": table.to_dict("records")})
    answered = invoke(body, "application/json", loaded, loaded.metadata.signature.inputs)
    assert answered.status == 200, answered.response
    np.testing.assert_allclose(pd.DataFrame(json.loads(answered.response)["predictions"]), expected, rtol=1e-6)

    pinned = (tmp_path / "model" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert {line.partition("==")[0] for line in pinned} >= {"scikit-learn", "skops", "keras"}
    assert all("==" in line for line in pinned)
    assert not list((tmp_path / "model").rglob("*.pkl")), "nothing is pickled"
