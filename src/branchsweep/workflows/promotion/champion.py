"""The champion that a finalist is compared with, and the name under which models are registered."""

from __future__ import annotations

from dataclasses import dataclass

from branchsweep.config.experiment import Experiment
from branchsweep.config.yaml.recorded import parse_recorded_experiment
from branchsweep.data.dataset import Dataset
from branchsweep.errors import ConfigError
from branchsweep.tracking.protocols import Champion, PromotionCause, Registry
from branchsweep.trial import Trial
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate


@dataclass(frozen=True, slots=True)
class CurrentChampion:
    """The champion, with what it takes to compare a finalist with it.

    Args:
        champion: As the registry has it.
        candidate: How it was made, to be trained again on the rows of this sweep; None where that cannot be done.
        why_not: Why it cannot be done, and so does not hinder a promotion; empty where it can.
        cause: The same as a code; None where it can.
        is_fair: Whether it was trained on none of the test rows of this sweep, for they were its own.
    """

    champion: Champion
    candidate: ConfirmationCandidate | None
    why_not: str = ""
    cause: PromotionCause | None = None
    is_fair: bool = False


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
    return CurrentChampion(champion, candidate, is_fair=is_fair)


def model_name(experiment: Experiment, dataset: Dataset) -> str:
    """The name to register under; models of the synthetic table never share a name with real ones."""
    assert experiment.promotion is not None, "only an experiment with a promotion policy registers"
    return f"{experiment.promotion.model}-synthetic" if dataset.is_synthetic else experiment.promotion.model
