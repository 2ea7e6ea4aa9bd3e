"""What makes two sweeps, or two comparisons, the same: the fields that their key in a store is a digest of.

A store resumes a sweep that has the same key. So these fields keep the names and the order that they had first, whatever they
are called today: a renamed key of the YAML file changes nothing of what is trained.
"""

from __future__ import annotations

from typing import Any

from branchsweep.config.builders import source_digest
from branchsweep.config.comparison import EQUIVALENCE_MARGIN, Comparison, Estimator
from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import DEFAULT_OBJECTIVE
from branchsweep.config.sections.promotion import FIRST_DEFAULT, MEMBERS_DEFAULT, Ensemble
from branchsweep.config.sections.search import RENAMED_KEYS

STOPPING_CRITERIA = ("trials", "seconds", "target", "patience")
"""The keys of `search` that say how much is searched, and not what is asked."""


_FIRST_KEYS = ("column", "unit", "loss")
"""What the first versions said of a head, even where it was nothing."""


def sweep_key_fields(experiment: Experiment) -> dict[str, Any]:
    """All that decides which trials are asked and what they score, apart from the rows.

    A larger budget, another question, other baselines, another promotion policy or other workers do not make it another sweep.

    Args:
        experiment: The sweep's experiment.

    Returns:
        Plain data. The path of the table is not in it, nor how it is read: the digest of the rows says more.
    """
    fields = experiment.model_dump(
        exclude={
            "question": True,
            "baselines": True,
            "confirmation": True,
            "promotion": True,
            "workers": True,
            "search": set(STOPPING_CRITERIA),
            "table": {"source", "csv", "query"},
            "test": {"path"},
        }
    )
    return _with_first_names(fields) | _epoch_fields(experiment)


def _epoch_fields(experiment: Experiment) -> dict[str, str]:
    """By what epochs are chosen, where the first versions did it by another rule: what they recorded is then not resumed.

    These chose epochs by the mean of the scores whatever the objective, and later ones by a head's score whatever its metric.
    """
    is_other = experiment.fit.chooses_epochs and experiment.objective.ranking_metric != DEFAULT_OBJECTIVE
    return _metric_fields(experiment) or ({"epochs_kept_by": "objective"} if is_other else {})


def _metric_fields(experiment: Experiment) -> dict[str, str]:
    """That epochs are chosen by the metric that the objective names, where they are: earlier versions took the head's score."""
    return {"epochs_kept_by": "metric"} if experiment.epoch_metric else {}


def comparison_key_fields(comparison: Comparison) -> dict[str, Any]:
    """All that decides what comes out of a comparison, apart from the rows; what trains it does not.

    Args:
        comparison: As loaded, with its experiments in place of their paths.

    Returns:
        Plain data.
    """
    left_out = {"workers"}
    fields = comparison.model_dump(
        exclude={"question": True, "experiment": left_out, "contestants": {"__all__": {"experiment": left_out}}}
    )
    if comparison.equivalence_margin == EQUIVALENCE_MARGIN:
        del fields["equivalence_margin"]  # the first versions had none
    _with_first_names(fields["experiment"]).update(_metric_fields(comparison.experiment))
    for name, contestant in fields["contestants"].items():
        own = comparison.contestants[name]
        if not isinstance(own, Estimator) and own.experiment:
            _with_first_names(contestant["experiment"]).update(_metric_fields(own.experiment))
        if contestant["kind"] == "estimator":
            fields["contestants"][name] = _estimator_fields(contestant)
    return fields


def _estimator_fields(estimator: dict[str, Any]) -> dict[str, Any]:
    """An estimator's fields: the first versions had these three in this order, and no hyperparameters."""
    first = {key: estimator[key] for key in ("kind", "estimator", "chain")}
    return first | {key: value for key, value in estimator.items() if key not in first and value not in (None, {})}


def ensemble_key_fields(ensemble: Ensemble) -> dict[str, Any]:
    """What decides of which networks a model consists; the first versions had fewer keys."""
    return {key: value for key, value in ensemble.model_dump().items() if (key, value) != ("members", MEMBERS_DEFAULT)}


def _with_first_names(experiment: dict[str, Any]) -> dict[str, Any]:
    """The experiment's fields as the first versions had them: those of `search` by other names, one of the gate not at all."""
    promotion = experiment.get("promotion") or {}
    gate, ensemble = promotion.get("gate", {}), promotion.get("ensemble") or {}
    if gate.get("first") == FIRST_DEFAULT:
        del gate["first"]  # the first versions had none
    if ensemble.get("members") == MEMBERS_DEFAULT:  # likewise
        del ensemble["members"]
    experiment["space"] = _space_fields(experiment["space"])
    experiment["search"] = _search_fields(experiment["search"])
    if experiment["pruning"]:  # the first versions trained all networks of a trial up to each rung
        experiment["pruning"] = {key: value for key, value in experiment["pruning"].items() if value is not None}
    experiment["split"] = {key: value for key, value in experiment["split"].items() if value is not None}
    if not experiment["split"]:  # the first versions had no such key, and later ones fewer keys in it
        del experiment["split"]
    experiment["test"] = {key: value for key, value in experiment["test"].items() if value is not None}  # likewise its keys
    del experiment["targets"]  # decides which rows there are, whose digest says more
    if experiment["table"]["weight"] is None:  # the first versions had no such key
        del experiment["table"]["weight"]
    experiment["heads"] = {name: _with_first_keys(head) for name, head in experiment["heads"].items()}
    experiment["table"].pop("exclude", None)  # what is left out of all columns; the inputs are those that are left
    for key in ("csv", "query"):  # likewise
        if experiment["table"].get(key) is None:
            experiment["table"].pop(key, None)
    if not experiment["table"]["missing"]:  # the first versions had no such key
        del experiment["table"]["missing"]
    return experiment


def _search_fields(search: dict[str, Any]) -> dict[str, Any]:
    """The fields of `search` by their first names, without later ones that change nothing."""
    first_names = {new: old for old, new in RENAMED_KEYS.items()}
    later = {"default_trial": False, "first_batch": None}  # the default trial itself is an initial one
    return {first_names.get(key, key): value for key, value in search.items() if key not in later or value != later[key]}


def _space_fields(space: dict[str, Any]) -> dict[str, Any]:
    """The fields of a space, with a digest of the code that builds its networks; the first versions had no such key."""
    if space["builder"] is None:
        return {key: value for key, value in space.items() if key != "builder"}
    return {**space, "builder_source": source_digest(space["builder"])}


def _with_first_keys(head: dict[str, Any]) -> dict[str, Any]:
    """A head's fields without those that say nothing and that the first versions did not have."""
    return {key: value for key, value in head.items() if key in _FIRST_KEYS or value is not None}
