"""An estimator that is a baseline and a member of the model is fitted to all training rows once."""

from __future__ import annotations

from branchsweep.models.exported_model import EstimatorMember
from branchsweep.workflows.promotion.estimators import ChosenEstimator, confirm_estimator, fit_estimator
from tiny_sweep import TinySweep, tiny_experiment


def test_an_estimator_takes_the_fit_of_a_member_that_is_the_same() -> None:
    sweep = TinySweep(tiny_experiment())
    chosen = ChosenEstimator("k nearest neighbors", "k_nearest_neighbors", {"": {"n_neighbors": 3}})
    confirmed = confirm_estimator(chosen, sweep.experiment, sweep.training)
    fitted = fit_estimator(chosen, sweep.experiment, sweep.training)
    member = EstimatorMember("any label", chosen.name, {"": {"n_neighbors": 3}}, fitted, {})
    assert confirmed.fitted is None
    assert confirmed.fitted_among([member]).fitted is fitted
    for other in (
        EstimatorMember(member.label, chosen.name, {"": {"n_neighbors": 4}}, fitted, {}),
        EstimatorMember(member.label, "linear_regression", chosen.params, fitted, {}),
    ):
        assert confirmed.fitted_among([other]).fitted is None
