"""From the confirmed finalist to the champion: refit, one meeting with the test rows, a decision on evidence."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import MEAN, metric_of_head
from branchsweep.config.recorded import dump_yaml, parse_recorded_experiment
from branchsweep.data.dataset import Dataset, Split
from branchsweep.errors import ConfigError
from branchsweep.metrics import scores
from branchsweep.metrics.names import TEST, score_names
from branchsweep.metrics.objectives import ObjectiveEvaluator, ranking_value
from branchsweep.models import ensemble_selection
from branchsweep.models.exported_model import ExportedModel, ModelMember, Provenance
from branchsweep.models.recipe import Recipe
from branchsweep.tracking.protocols import Champion, ModelCandidate, PromotionDecision, Registry, Tracking
from branchsweep.training.lanes import Lane, refit_lanes
from branchsweep.training.protocols import Trainer
from branchsweep.trial import HeadScore, Result, Trial
from branchsweep.types import Floats
from branchsweep.workflows import promotion_gate
from branchsweep.workflows.confirmation import ConfirmationCandidate, ReevaluatedTrial, choose_finalist, reevaluate
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.reporter import TABLES_ONLY, SweepReporter
from branchsweep.workflows.sweep_result import PromotionResult
from branchsweep.workflows.train_lanes import train_lanes

SPARE_SEEDS = 2
"""Fresh seeds that are tried beyond those that are needed, in case a refit diverges."""


@dataclass(frozen=True, slots=True)
class RefitRequest:
    """A recipe to be trained anew on all training rows.

    Args:
        name: For people.
        recipe: What is trained.
        epochs: For how long.
        count: How many networks, each from a seed of its own.
    """

    name: str
    recipe: Recipe
    epochs: int
    count: int = 1

    @classmethod
    def of_confirmed(cls, confirmed: ReevaluatedTrial, count: int = 1) -> RefitRequest:
        """As many epochs as the confirmed lanes needed for the weights that were scored, on average.

        No validation rows are left to stop by.
        """
        return cls(confirmed.contender.name, confirmed.contender.recipe, max(1, round(confirmed.score.epochs)), count)


def train_members(
    finalist: ReevaluatedTrial,
    confirmed: Sequence[ReevaluatedTrial],
    experiment: Experiment,
    training: TrainingContext,
    judged: ObjectiveEvaluator,
) -> list[ModelMember]:
    """The networks of the exported model, trained anew on all training rows; none if all diverge.

    One of the finalist's recipe; or, where an ensemble is asked for, so many of it from as many seeds, or of the recipes that
    a greedy choice takes on the predictions that the confirmation made for rows that its networks were not trained on.
    """
    policy = experiment.promotion.ensemble if experiment.promotion else None
    if policy is None:
        return refit([RefitRequest.of_confirmed(finalist)], experiment, training)[0]
    if policy.choose == "seeds":
        return _averaged(refit([RefitRequest.of_confirmed(finalist, policy.size)], experiment, training), [1.0])
    eligible = [candidate for candidate in confirmed if candidate.contender.searched is not None and candidate.lane_scores]
    predictions = {index: candidate.predictions for index, candidate in enumerate(eligible)}
    heads = list(experiment.heads)
    shares = ensemble_selection.select_greedily(predictions, training.rows.y, heads, policy.size, judged.objective)
    requests = [
        RefitRequest.of_confirmed(eligible[index], max(1, round(share * policy.size))) for index, share in shares.items()
    ]
    return _averaged(refit(requests, experiment, training), list(shares.values()))


def refit(requests: Sequence[RefitRequest], experiment: Experiment, training: TrainingContext) -> list[list[ModelMember]]:
    """Trains recipes anew on all training rows, all networks side by side.

    Networks that diverge are replaced from other seeds, `SPARE_SEEDS` for each recipe.

    Args:
        requests: What is trained.
        experiment: Of all of them.
        training: Trains them.

    Returns:
        The networks of each request, as many as did not diverge.
    """
    members: list[list[ModelMember]] = [[] for _ in requests]
    first = 0
    for spare in (0, SPARE_SEEDS):
        lanes = {
            index: refit_lanes(request.recipe, experiment, range(first, first + (spare or request.count)), request.epochs)
            for index, request in enumerate(requests)
            if len(members[index]) < request.count
        }
        trained = _train_on_all_rows(lanes, requests, experiment, training)
        for index, found in trained.items():
            members[index].extend(found[: requests[index].count - len(members[index])])
        first = max(request.count for request in requests)
    return members


def _train_on_all_rows(
    lanes: Mapping[int, Sequence[Lane]], requests: Sequence[RefitRequest], experiment: Experiment, training: TrainingContext
) -> dict[int, list[ModelMember]]:
    """By the index of a request, the networks that did not diverge, in order of their seeds."""
    every_lane = [lane for own in lanes.values() for lane in own]
    if not every_lane:
        return {}
    names = ", ".join(requests[index].name for index in lanes)
    outcomes = train_lanes(every_lane, experiment, training, f"{names}, on all training rows", keep_weights=True)
    members: dict[int, list[ModelMember]] = {index: [] for index in lanes}
    for index, own in lanes.items():
        for lane in own:
            outcome = outcomes[lane.key]
            if outcome.failed_at:
                where = f"{requests[index].name} diverged after epoch {outcome.failed_at}"
                training.progress.on_message(f"a refit of {where}; it is trained again from another seed")
            elif outcome.weights is not None:
                members[index].append(ModelMember(lane.recipe, outcome.weights, epochs=outcome.epochs))
    return members


def _averaged(groups: Sequence[Sequence[ModelMember]], shares: Sequence[float]) -> list[ModelMember]:
    """All members, those of a group with its share in equal parts; groups that are empty leave theirs to the others."""
    standing = [(group, share) for group, share in zip(groups, shares, strict=True) if group]
    total = sum(share for _, share in standing)
    return [replace(member, share=share / total / len(group)) for group, share in standing for member in group]


@contextmanager
def temporary_model_folder() -> Iterator[Path]:
    """A folder for a model's files until the registry has taken them."""
    with tempfile.TemporaryDirectory(prefix="branchsweep-") as folder:
        yield Path(folder)


def evaluate_on_test_set(
    experiment: Experiment,
    members: Sequence[ModelMember],
    dataset: Dataset,
    split: Split,
    trainer: Trainer,
    folder: Path,
) -> Floats:
    """Exports the model, and returns what its files say of the test rows: `(test rows, heads)`."""
    units = {name: head.unit for name, head in experiment.heads.items()}
    trainer.export(folder, ExportedModel(members, experiment.table.inputs, units, Provenance.of(experiment)))
    return trainer.predict(folder, dataset.x[split.test])


@dataclass(frozen=True, slots=True)
class CurrentChampion:
    """Who holds the title, as far as it can be put to the test here.

    Args:
        champion: Who.
        contender: How it was made, to be trained again on the rows of this sweep; None where that cannot be.
        why_not: Why it cannot be; empty where it can.
        is_fair: Whether it has not learnt from any of the test rows of this sweep, for they were its own.
    """

    champion: Champion
    contender: ConfirmationCandidate | None
    why_not: str = ""
    is_fair: bool = False


def current_champion(experiment: Experiment, dataset: Dataset, registry: Registry) -> CurrentChampion | None:
    """The champion under the name that the finalist would be registered under; None for none.

    Its recipe is trained again on the folds of this sweep, so it does not matter that it was scored on other rows.
    """
    if experiment.promotion is None:
        return None
    champion = registry.champion(model_name(experiment, dataset))
    if champion is None:
        return None
    name = f"version {champion.version}"
    with registry.model_files(champion.model, champion.version) as folder:
        file = folder / "experiment.yaml"
        yaml = file.read_text(encoding="utf-8") if file.is_file() else ""
    if not yaml:
        return CurrentChampion(champion, None, f"{name} does not say how it was made, so nothing speaks for it")
    try:
        its = parse_recorded_experiment(yaml, name)
    except ConfigError as error:
        return CurrentChampion(
            champion, None, f"{name} was made by another version of branchsweep and cannot be trained again ({error})"
        )
    ours, theirs = (f"{list(one.columns)} from {one.table.inputs}" for one in (experiment, its))
    if ours != theirs:
        raise ConfigError(
            f"promotion.model: {name} of '{champion.model}' predicts {theirs}, this experiment {ours}: choose another name"
        )
    alike = its.model_copy(update={"seed": experiment.seed, "validation": experiment.validation})
    is_fair = champion.data_digest == dataset.digest and its.test == experiment.test
    return CurrentChampion(
        champion, ConfirmationCandidate(name, alike, Trial(champion.trial, champion.params)), is_fair=is_fair
    )


def model_name(experiment: Experiment, dataset: Dataset) -> str:
    """The name to register under; models of the stand-in never share a name with real ones."""
    assert experiment.promotion is not None, "only an experiment with a promotion policy registers"
    return f"{experiment.promotion.model}-stand-in" if dataset.is_synthetic else experiment.promotion.model


@dataclass(frozen=True, slots=True)
class PromotionOutcome:
    """What came of the final.

    Args:
        confirmed: What all contenders are worth.
        finalist: Which of the trials went on; None if none could.
        test_scores: The score of the finished model on the test rows, by head; None where it did not come to that.
        members: Networks whose mean the model is.
        crowning: What the registry holds; None where nothing was registered.
        verdict: What was decided about the title; None where there is none to decide about.
        predictions: `(test rows, heads)` what the finished model says of the test rows, in natural units; None for none.
    """

    confirmed: tuple[ReevaluatedTrial, ...]
    finalist: ReevaluatedTrial | None
    test_scores: Mapping[str, float] | None = None
    members: int = 0
    crowning: PromotionResult | None = None
    verdict: PromotionDecision | None = None
    predictions: Floats | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class PromotionPipeline:
    """The end of a sweep: what the finalist goes through.

    Args:
        experiment: Gives the policy.
        dataset: The table.
        split: Where the test rows are.
        training: Trains and exports.
        tracking: Registers.
        reporter: Describes the model.
    """

    experiment: Experiment
    dataset: Dataset
    split: Split
    training: TrainingContext
    tracking: Tracking
    reporter: SweepReporter = TABLES_ONLY

    def hold(
        self,
        best: Sequence[ConfirmationCandidate],
        networks: Sequence[ConfirmationCandidate],
        judged: ObjectiveEvaluator,
        is_rehearsal: bool = False,
    ) -> PromotionOutcome:
        """Confirms all contenders, refits the finalist, has it meet the test rows once, decides about the title, registers.

        Args:
            best: The trials of which one is to be the finalist.
            networks: What it is compared with.
            judged: By which objective, and under which constraints.
            is_rehearsal: The decision is made and told, and nothing is registered; the test rows are left alone.
        """
        reign = current_champion(self.experiment, self.dataset, self.tracking.registry)
        rivals = [reign.contender] if reign and reign.contender else []
        confirmed = reevaluate([*best, *rivals, *networks], self.experiment, self.training)
        finalist = choose_finalist(confirmed, self.experiment, judged)
        if finalist is None:
            return PromotionOutcome(tuple(confirmed), None)
        if is_rehearsal:
            return PromotionOutcome(tuple(confirmed), finalist, verdict=self._decide(finalist, None, reign, confirmed))
        return self._crown(finalist, confirmed, reign, judged)

    def _crown(
        self,
        finalist: ReevaluatedTrial,
        confirmed: Sequence[ReevaluatedTrial],
        reign: CurrentChampion | None,
        judged: ObjectiveEvaluator,
    ) -> PromotionOutcome:
        members = train_members(finalist, confirmed, self.experiment, self.training, judged)
        if not members:
            return PromotionOutcome(tuple(confirmed), finalist)
        heads = list(self.experiment.heads)
        with temporary_model_folder() as folder:
            predictions = evaluate_on_test_set(
                self.experiment, members, self.dataset, self.split, self.training.trainer, folder
            )
            test = scores.head_scores(self.dataset.y[self.split.test], predictions, heads)
            crowning, verdict = None, None
            if self.experiment.promotion:
                self.training.progress.on_stage("registering the model")
                verdict = replace(
                    self._decide(finalist, predictions, reign, confirmed), against=reign.champion.version if reign else 0
                )
                crowning = self._register(finalist, members, test, verdict, reign, folder)
        test_scores = {head: measured.score for head, measured in test.items()}
        return PromotionOutcome(tuple(confirmed), finalist, test_scores, len(members), crowning, verdict, predictions)

    def _decide(
        self,
        finalist: ReevaluatedTrial,
        predictions: Floats | None,
        reign: CurrentChampion | None,
        confirmed: Sequence[ReevaluatedTrial],
    ) -> PromotionDecision:
        """Whether the finalist gets the title: see `evidence.decide`, which has the last word."""
        assert self.experiment.promotion is not None, "only an experiment with a promotion policy decides"
        rival = next((each for each in confirmed if reign and each.contender is reign.contender), None)
        if reign and rival is None:
            return PromotionDecision(True, reign.why_not)
        if rival and not rival.lane_scores:
            return PromotionDecision(True, f"{rival.contender.name} failed when it was trained again ({rival.score.reason})")
        met, actual = None, None
        if reign and reign.is_fair and predictions is not None:
            with self.tracking.registry.model_files(reign.champion.model, reign.champion.version) as folder:
                met = self.training.trainer.predict(folder, self.dataset.x[self.split.test])
            actual = self.dataset.y[self.split.test]
        learning, validation = self.split.confirmation[0]
        return promotion_gate.decide_promotion(
            self.experiment.promotion.gate,
            self.experiment.objective,
            _gate_candidate(rival, met) if rival else None,
            _gate_candidate(finalist, None if actual is None else predictions),
            actual,
            len(validation) / (len(learning) + len(validation)),
            self.experiment.seed,
        )

    def _register(
        self,
        finalist: ReevaluatedTrial,
        members: Sequence[ModelMember],
        test: Mapping[str, HeadScore],
        verdict: PromotionDecision,
        reign: CurrentChampion | None,
        folder: Path,
    ) -> PromotionResult:
        """Registers the exported model, and gives it the title if the verdict says so."""
        name, trial, searched = model_name(self.experiment, self.dataset), finalist.contender.trial, finalist.contender.searched
        assert searched is not None, "the finalist is one of the search's trials"
        champion = reign.champion if reign else None
        if champion and (champion.sweep, champion.trial) == (self.tracking.tracker.run_id, trial.number):
            return PromotionResult(name, champion.version, True, champion.because)  # crowned before this sweep was cut short
        described = (self.experiment, finalist, members, test, verdict, self.training.rows.ranges, self.dataset, self.split)
        card = self.reporter.model_card(*described)
        candidate = ModelCandidate(
            model=name,
            folder=folder,
            sweep=self.tracking.tracker.run_id,
            experiment_yaml=dump_yaml(self.experiment),
            result=Result(trial, searched),
            value=ranking_value(self.experiment.objective, finalist.score.by_head),
            rule=self.experiment.objective.ranking_description,
            test=test_metrics(test, self.experiment.score_metrics),
            data_digest=self.dataset.digest,
            split_digest=self.split.digest,
            files={"MODEL_CARD.md": card} if card else {},
        )
        registered = self.tracking.registry.register(candidate, verdict)
        return PromotionResult(name, registered.version, verdict.promote, verdict.because)


def _gate_candidate(one: ReevaluatedTrial, predictions: Floats | None) -> promotion_gate.GateCandidate:
    keys = sorted(one.lane_scores)
    heads = list(one.contender.experiment.heads)
    return promotion_gate.GateCandidate(
        name=one.contender.name,
        scores={head: tuple(one.lane_scores[key][head] for key in keys) for head in heads},
        score_metrics=one.contender.experiment.score_metrics,
        folds=tuple(fold for fold, _ in keys),
        predictions=predictions,
    )


def test_metrics(test: Mapping[str, HeadScore], score_metrics: Mapping[str, str]) -> dict[str, float]:
    """The metrics on the test rows by their names in the store (`test_r2/mean`, `test_r2/PE`, `test_rmse/PE`, …)."""
    metrics = {score_names(score_metrics, TEST)[MEAN]: scores.mean_score(test)}
    for head, measured in test.items():
        metrics |= {metric_of_head(TEST.format(name), head): value for name, value in measured.metrics.items()}
    return metrics
