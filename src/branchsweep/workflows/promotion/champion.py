"""The champion that a finalist is compared with, and the name under which models are registered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from branchsweep.config.codec import from_data
from branchsweep.config.experiment import Experiment
from branchsweep.config.yaml.recorded import parse_recorded_experiment
from branchsweep.data.dataset import Dataset
from branchsweep.errors import MALFORMED, ConfigError
from branchsweep.models.recipe import Recipe
from branchsweep.models.serving import MANIFEST_FILE
from branchsweep.tracking.registry_protocols import Champion, PromotionCause, Registry
from branchsweep.trial import ParamValue, Trial
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate
from branchsweep.workflows.promotion.estimators import ChosenEstimator


@dataclass(frozen=True, slots=True)
class ChampionMember:
    """A recipe or an estimator of which the champion consists.

    Args:
        shares: By head, what its prediction weighs.
        candidate: The recipe, to be trained again on the rows of this sweep; None for an estimator.
        estimator: The estimator, with the hyperparameters that it has; None for a recipe.
    """

    shares: Mapping[str, float]
    candidate: ConfirmationCandidate | None = None
    estimator: ChosenEstimator | None = None


@dataclass(frozen=True, slots=True)
class CurrentChampion:
    """The champion, with what it takes to compare a finalist with it.

    Args:
        champion: As the registry has it.
        candidate: How it was made, to be trained again on the rows of this sweep; None where that cannot be done.
        why_not: Why it cannot be done, and so does not hinder a promotion; empty where it can.
        cause: The same as a code; None where it can.
        is_fair: Whether it was trained on none of the test rows of this sweep, for they were its own.
        members: What it consists of; the recipe of `candidate` alone where that is not recorded. Empty without a candidate.
    """

    champion: Champion
    candidate: ConfirmationCandidate | None
    why_not: str = ""
    cause: PromotionCause | None = None
    is_fair: bool = False
    members: Sequence[ChampionMember] = ()

    @property
    def estimators(self) -> list[ChosenEstimator]:
        """The estimators among its members."""
        return [member.estimator for member in self.members if member.estimator]


def current_champion(experiment: Experiment, dataset: Dataset, registry: Registry) -> CurrentChampion | None:
    """The champion under the name that the finalist would be registered under; None for none.

    Its recipe is trained again on the folds of this sweep, so it does not matter that it was scored on other rows.
    """
    if not experiment.registers_model:
        return None
    champion = registry.champion(model_name(experiment, dataset))
    if champion is None:
        return None
    name = f"version {champion.version}"
    with registry.model_files(champion.model, champion.version) as folder:
        file = folder / "experiment.yaml"
        yaml = file.read_text(encoding="utf-8") if file.is_file() else ""
        described = folder / MANIFEST_FILE
        manifest = described.read_text(encoding="utf-8") if described.is_file() else "{}"
    if not yaml:
        why_not = f"{name} does not say how it was made, so nothing speaks for it"
        return CurrentChampion(champion, None, why_not, PromotionCause.CHAMPION_NOT_RECORDED)
    try:
        recorded = parse_recorded_experiment(yaml, name)
    except ConfigError as error:
        why_not = f"{name} was made by another version of branchsweep and cannot be trained again ({error})"
        return CurrentChampion(champion, None, why_not, PromotionCause.CHAMPION_UNREADABLE)
    expected, found = (f"{list(compared.columns)} from {list(compared.table.inputs)}" for compared in (experiment, recorded))
    if found != expected:
        message = f"{name} of '{champion.model}' predicts {found}, this experiment {expected}: choose another name"
        raise ConfigError(message, "promotion.model")
    here = recorded.model_copy(update={"seed": experiment.seed, "validation": experiment.validation})
    is_fair = champion.data_digest == dataset.digest and (recorded.test, recorded.split) == (experiment.test, experiment.split)
    candidate = ConfirmationCandidate(name, here, Trial(champion.trial, champion.params))
    return CurrentChampion(champion, candidate, is_fair=is_fair, members=_members(manifest, candidate))


def _members(described: str, candidate: ConfirmationCandidate) -> list[ChampionMember]:
    """What a champion consists of, by the text of its `serving.json`: networks of one recipe are one member.

    The recipe of its finalist alone, where that cannot be read.
    """
    heads = list(candidate.experiment.heads)
    recipes: list[Recipe] = []
    shares: list[dict[str, float]] = []
    try:
        manifest: Any = json.loads(described)
        for network in manifest.get("members", []):
            recipe = from_data(Recipe, network["recipe"])
            if recipe not in recipes:
                recipes.append(recipe)
                shares.append(dict.fromkeys(heads, 0.0))
            own = shares[recipes.index(recipe)]
            for head in heads:
                own[head] += float(network["shares"][head] if "shares" in network else network["share"])
        estimators = [
            ChampionMember(
                {head: float(member["shares"][head]) for head in heads},
                estimator=ChosenEstimator(
                    f"{candidate.name}, {member['label']}",
                    member["estimator"],
                    from_data(dict[str, dict[str, ParamValue]], member["params"]),
                ),
            )
            for member in manifest.get("estimators", {}).get("members", [])
        ]
    except MALFORMED:
        recipes, estimators = [], []
    if not recipes:
        return [ChampionMember(dict.fromkeys(heads, 1.0), candidate)]
    networks = [
        ChampionMember(own, replace(candidate, name=f"{candidate.name}, recipe {number}", recorded=recipe))
        for number, (recipe, own) in enumerate(zip(recipes, shares, strict=True), start=1)
    ]
    return [*networks, *estimators]


def model_name(experiment: Experiment, dataset: Dataset) -> str:
    """The name to register under; models of the synthetic table never share a name with real ones."""
    assert experiment.promotion is not None, "only an experiment with a promotion policy registers"
    return f"{experiment.promotion.model}-synthetic" if dataset.is_synthetic else experiment.promotion.model
