"""The end of a sweep: the best trials are confirmed, one is refitted, evaluated once on the test rows, and registered.

Whether it becomes the champion is decided by `gate.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from branchsweep.config.metric_names import MEAN, metric_of_head
from branchsweep.config.sections.promotion import Ensemble
from branchsweep.config.yaml.recorded import dump_yaml
from branchsweep.metrics import scores
from branchsweep.metrics.collapse import means_with_medians
from branchsweep.metrics.names import TEST, score_names
from branchsweep.metrics.objectives import ObjectiveEvaluator
from branchsweep.metrics.prediction_intervals import CheckedIntervals
from branchsweep.models.exported_model import EstimatorMember, ExportedModel, ModelMember
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.tracking.optional_outputs import OptionalOutputs
from branchsweep.tracking.registry_protocols import ModelCandidate, PromotionCause, PromotionDecision
from branchsweep.trial import HeadScore, Result
from branchsweep.types import Floats
from branchsweep.workflows.background import in_background
from branchsweep.workflows.context import SweepContext
from branchsweep.workflows.explanation import Explained, Explanation, explain, output_names
from branchsweep.workflows.promotion import gate
from branchsweep.workflows.promotion.baseline_evaluation import Baseline, estimators_of, evaluate_baselines
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate, ReevaluatedTrial
from branchsweep.workflows.promotion.champion import CurrentChampion, current_champion, model_name
from branchsweep.workflows.promotion.confirmation import choose_finalist, reevaluate
from branchsweep.workflows.promotion.ensemble import (
    ChosenMember,
    MemberCandidate,
    choice_of,
    choose_members,
    member_candidates,
    score_ensemble,
)
from branchsweep.workflows.promotion.estimators import ConfirmedEstimator, confirm_estimators
from branchsweep.workflows.promotion.evaluation import export_and_predict, temporary_model_folder
from branchsweep.workflows.promotion.first_version import FirstVersion
from branchsweep.workflows.promotion.intervals import check_intervals, prediction_intervals
from branchsweep.workflows.promotion.latency import with_latency
from branchsweep.workflows.promotion.refit import ExportMembers, RefitRequest, refit, train_members
from branchsweep.workflows.records.baseline_result import BaselineResult
from branchsweep.workflows.records.ensemble_summary import EnsembleSummary
from branchsweep.workflows.records.sweep_summary import PromotionResult
from branchsweep.workflows.reporter import DescribedModel

REMEDY = "branchsweep promote --first any makes it champion nevertheless"
"""What to do about a first version that is not sound."""


@dataclass(frozen=True, slots=True)
class PromotionOutcome:
    """The result of a promotion.

    Args:
        confirmed: All candidates with their confirmed scores.
        finalist: The trial that was chosen; None if none could be.
        test_scores: The score of the exported model on the test rows, by head; None where it was not evaluated.
        members: Networks of the model.
        registered: What the registry holds; None where nothing was registered.
        decision: Whether the model becomes the champion; None where that was not to be decided.
        predictions: `(test rows, heads)` of the exported model, in natural units; None where it was not evaluated.
        model_files: The files of an exported model that is not registered, by name.
        baselines: The baselines with their scores.
        collapses: The refits that collapsed, each in a sentence.
        ensemble: What the model consists of and is worth, where an ensemble was asked for; None where there is none.
        intervals: The prediction intervals of the model, as the test rows have checked them; None where there are none.
        explanation: Which inputs its predictions for the test rows rest on; None where it was not evaluated.
    """

    confirmed: tuple[ReevaluatedTrial, ...]
    finalist: ReevaluatedTrial | None
    test_scores: Mapping[str, float] | None = None
    members: int = 0
    registered: PromotionResult | None = None
    decision: PromotionDecision | None = None
    predictions: Floats | None = field(default=None, repr=False, compare=False)
    model_files: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)
    baselines: tuple[BaselineResult, ...] = ()
    collapses: tuple[str, ...] = ()
    ensemble: EnsembleSummary | None = None
    intervals: CheckedIntervals | None = None
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class PromotionPipeline:
    """The end of a sweep: confirm, refit, evaluate on the test rows, decide, register.

    Args:
        sweep: The sweep.
        evaluator: Ranks trials by its objective, under its constraints.
    """

    sweep: SweepContext
    evaluator: ObjectiveEvaluator

    def run(
        self,
        best: Sequence[ConfirmationCandidate],
        baselines: Sequence[Baseline] = (),
        evaluated: Sequence[BaselineResult] = (),
        dry_run: bool = False,
    ) -> PromotionOutcome:
        """Confirms all candidates, refits the finalist, evaluates it once on the test rows, and registers it.

        Args:
            best: The trials of which one is to be the finalist.
            baselines: What it is compared with.
            evaluated: Baselines that were evaluated before, on the same rows and folds.
            dry_run: Decide without the test rows, and register nothing.
        """
        sweep, experiment = self.sweep, self.sweep.experiment
        networks = [baseline.candidate for baseline in baselines if baseline.candidate]
        sweep.stages.begin("confirmation")
        champion = current_champion(experiment, sweep.dataset, sweep.tracking.registry)
        confirmed_estimators = in_background(lambda: self._estimators(baselines, champion))
        confirmed = reevaluate([*best, *self._rivals(champion), *networks], experiment, sweep.training)
        sweep.stages.begin("baselines")
        estimators, confirmed = confirmed_estimators(), with_latency(confirmed, sweep)  # in this order: then nothing trains
        by_name = {result.candidate.name: result for result in confirmed if result.candidate in networks}
        beside = {name: RefitRequest.of_confirmed(result) for name, result in by_name.items() if result.score.is_complete}

        def compare(
            refitted: Sequence[Sequence[ModelMember]], fitted: Sequence[EstimatorMember] = ()
        ) -> tuple[BaselineResult, ...]:
            sweep.stages.begin("baselines")
            members = dict(zip(beside, refitted, strict=True))
            own = {label: estimator.fitted_among(fitted) for label, estimator in estimators.items()}
            return (*evaluated, *evaluate_baselines(baselines, by_name, own, sweep, members))

        finalist = choose_finalist(confirmed, experiment, self.evaluator)
        if finalist is None or dry_run:
            compared = compare(refit([*beside.values()], experiment, sweep.training).members)
        if finalist is None:
            return PromotionOutcome(tuple(confirmed), None, baselines=compared)
        sweep.stages.begin("ensemble" if self._policy else "confirmation")
        chosen, judged = self._members(finalist, confirmed, estimators)
        rival = self._rival(champion, confirmed, estimators)
        if dry_run:
            decision = self._decide(judged, None, champion, rival)
            decision = self._require_sound(decision, FirstVersion(judged, None, compared), rival)
            return PromotionOutcome(tuple(confirmed), finalist, decision=decision, baselines=compared)
        sweep.stages.begin("refit")
        trained = train_members(chosen, experiment, sweep.training, [*beside.values()])
        compared = compare(trained.others, trained.estimators)
        if not trained.members:
            return PromotionOutcome(tuple(confirmed), finalist, baselines=compared, collapses=trained.collapses)
        ensemble = self._ensemble(trained, judged)
        sweep.stages.begin("test")
        with temporary_model_folder() as folder:
            model, actual = self._model(trained, judged), sweep.dataset.actual.rows(sweep.split.test)
            predictions = export_and_predict(model, sweep.dataset.x[sweep.split.test], sweep.training.trainer, folder)
            test = scores.head_scores(actual, predictions, kinds_by_head(experiment))
            test_scores = {head: measured.score for head, measured in test.items()}
            intervals = check_intervals(model, predictions, actual)
            explanation = self._explain(model, folder)
            registered: PromotionResult | None = None
            decided: PromotionDecision | None = None
            if experiment.registers_model:
                sweep.stages.begin("registration")
                sweep.training.progress.on_stage("registering the model")
                decision = self._decide(judged, predictions, champion, rival)
                decision = self._require_sound(decision, FirstVersion(judged, test_scores, compared), rival)
                evidence = {**decision.evidence, **_evidence(trained)}
                decided = replace(decision, evidence=evidence, against=champion.champion.version if champion else 0)
                exported = _ExportedFinalist(judged, trained, test, folder, compared, intervals, explanation)
                registered = self._register(exported, decided, champion)
            files = {} if registered else {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
        return PromotionOutcome(
            tuple(confirmed),
            finalist,
            test_scores,
            len(trained.members),
            registered,
            decided,
            predictions,
            files,
            compared,
            trained.collapses,
            ensemble,
            intervals,
            explanation,
        )

    def _model(self, trained: ExportMembers, judged: ReevaluatedTrial) -> ExportedModel:
        """The model of these members, with the prediction intervals of what it is judged by."""
        dataset = self.sweep.dataset
        own = (dataset.csv_arguments, dataset.partial_targets, trained.estimators)
        intervals = prediction_intervals(judged, self.sweep.training.rows.actual)
        return replace(ExportedModel.of(self.sweep.experiment, trained.members, *own), intervals=intervals)

    def _explain(self, model: ExportedModel, folder: Path) -> Explanation | None:
        """Which inputs the predictions of an exported model for the test rows rest on."""
        dataset, rows, trainer = self.sweep.dataset, self.sweep.split.test, self.sweep.training.trainer
        of_rows = dataset.x[rows], dataset.actual.rows(rows)
        explained = Explained(model.kinds, dataset.input_columns, output_names(model.described_heads))
        optional = OptionalOutputs(self.sweep.training.progress.on_message, "the report is made without it")
        return optional.make(
            "the explanation of the predictions",
            lambda: explain(lambda x: trainer.predict(folder, x), *of_rows, explained, self.sweep.experiment.seed),
            None,
        )

    @property
    def _policy(self) -> Ensemble | None:
        promotion = self.sweep.experiment.promotion
        return promotion.ensemble if promotion else None

    @property
    def _judges_ensembles(self) -> bool:
        """Whether the model is judged by the scores of the ensemble, and so its champion by those of all its members."""
        return self._policy is not None and self._policy.is_scored

    def _rivals(self, champion: CurrentChampion | None) -> list[ConfirmationCandidate]:
        """What of the champion is trained again."""
        if champion is None or champion.candidate is None:
            return []
        if not self._judges_ensembles:
            return [champion.candidate]
        return [member.candidate for member in champion.members if member.candidate]

    def _estimators(self, baselines: Sequence[Baseline], champion: CurrentChampion | None) -> dict[str, ConfirmedEstimator]:
        """By label, the estimators among the baselines, those to choose from, and the champion's where it is judged by them."""
        experiment, kinds = self.sweep.experiment, kinds_by_head(self.sweep.experiment).values()
        named = [baseline for baseline in baselines if baseline.experiment is None]
        if self._policy and self._policy.members == "any":
            named += estimators_of(experiment)
        by_label = {baseline.label(kinds): baseline.estimator for baseline in named}
        of_champion = champion.estimators if champion and self._judges_ensembles else ()
        return confirm_estimators(by_label, of_champion, experiment, self.sweep.training)

    def _members(
        self,
        finalist: ReevaluatedTrial,
        confirmed: Sequence[ReevaluatedTrial],
        estimators: Mapping[str, ConfirmedEstimator],
    ) -> tuple[list[ChosenMember], ReevaluatedTrial]:
        """What the model consists of, and the finalist with the scores that the model is judged by."""
        policy, experiment, training = self._policy, self.sweep.experiment, self.sweep.training
        if policy is None or policy.choose == "seeds":
            return [ChosenMember(MemberCandidate(finalist), count=policy.size if policy else 1)], finalist
        kinds = kinds_by_head(experiment).values()
        labels = dict.fromkeys(baseline.label(kinds) for baseline in estimators_of(experiment))
        own = [] if policy.members == "networks" else [estimators[label] for label in labels]
        candidates = member_candidates(confirmed, own, policy)
        choose = choice_of(policy, experiment, self.evaluator.objective)
        chosen = choose_members(finalist, candidates, choose, policy, training.rows.actual)
        if not policy.is_scored:
            return chosen, finalist
        return chosen, score_ensemble(finalist, candidates, choose, experiment, training)

    def _rival(
        self,
        champion: CurrentChampion | None,
        confirmed: Sequence[ReevaluatedTrial],
        estimators: Mapping[str, ConfirmedEstimator],
    ) -> ReevaluatedTrial | None:
        """The champion with its confirmed score; None if there is none, or it cannot be trained again.

        Where the model is judged as an ensemble, so is the champion, by the weights that it has. It has no score if one of its
        recipes diverged.
        """
        if champion is None or champion.candidate is None:
            return None
        if not self._judges_ensembles:
            return next(result for result in confirmed if result.candidate is champion.candidate)
        results = {id(result.candidate): result for result in confirmed}
        recipes = [results[id(member.candidate)] for member in champion.members if member.candidate]
        failed = next((result for result in recipes if not result.lane_scores), None)
        first = replace(failed or recipes[0], candidate=champion.candidate)
        if failed:
            return first
        others = [estimators[member.label] for member in champion.estimators]
        candidates = [*map(MemberCandidate, recipes), *map(MemberCandidate, others)]
        heads = self.sweep.experiment.heads
        weights = {index: np.array([member.shares[head] for head in heads]) for index, member in enumerate(champion.members)}
        return score_ensemble(first, candidates, lambda *_: weights, self.sweep.experiment, self.sweep.training)

    def _ensemble(self, trained: ExportMembers, judged: ReevaluatedTrial) -> EnsembleSummary | None:
        """What is recorded of the ensemble; None where none was asked for."""
        if self._policy is None:
            return None
        own = means_with_medians(judged.score) if self._judges_ensembles else None
        return EnsembleSummary(self._policy.choose, trained.described, own)

    def _require_sound(
        self, decision: PromotionDecision, first: FirstVersion, rival: ReevaluatedTrial | None
    ) -> PromotionDecision:
        """The decision; not to promote where there was no champion to compare with, and the model is not sound.

        Args:
            decision: By the gate.
            first: The model with what it is judged by.
            rival: The champion with its confirmed score; None if there is none, or it cannot be trained again.
        """
        experiment = self.sweep.experiment
        assert experiment.promotion is not None, "only an experiment with a promotion policy decides"
        gate = experiment.promotion.gate
        if not decision.promote or gate.first == "any" or (rival and rival.lane_scores):
            return decision
        objection = first.objection(experiment.objective, gate.margin)
        if objection is None:
            return decision
        return replace(decision, promote=False, because=f"{objection.sentence}; {REMEDY}", cause=objection.cause)

    def _decide(
        self,
        finalist: ReevaluatedTrial,
        predictions: Floats | None,
        champion: CurrentChampion | None,
        rival: ReevaluatedTrial | None,
    ) -> PromotionDecision:
        """Whether the finalist becomes the champion: see `gate.decide_promotion`.

        Args:
            finalist: The candidate.
            predictions: Of its exported model on the test rows; None if they are not to be used.
            champion: The current one; None if there is none.
            rival: The champion with its confirmed score; None if it cannot be trained again.
        """
        experiment, dataset, split = self.sweep.experiment, self.sweep.dataset, self.sweep.split
        assert experiment.promotion is not None, "only an experiment with a promotion policy decides"
        if champion and rival is None:
            return PromotionDecision(True, champion.why_not, cause=champion.cause)
        if rival and not rival.lane_scores:
            because = f"{rival.candidate.name} failed when it was trained again ({rival.score.reason})"
            return PromotionDecision(True, because, cause=PromotionCause.CHAMPION_DIVERGED)
        rival_predictions, actual = None, None
        if champion and champion.is_fair and predictions is not None:
            registered = champion.champion
            with self.sweep.tracking.registry.model_files(registered.model, registered.version) as folder:
                rival_predictions = self.sweep.training.trainer.predict(folder, dataset.x[split.test])
            actual = dataset.actual.rows(split.test)
        train, validation = split.confirmation[0]
        measured = gate.GateMeasurements(
            champion=_gate_candidate(rival, rival_predictions) if rival else None,
            challenger=_gate_candidate(finalist, None if actual is None else predictions),
            actual=actual,
            validation_share=len(validation) / (len(train) + len(validation)),
            kinds=kinds_by_head(experiment),
        )
        return gate.decide_promotion(experiment.promotion.gate, experiment.objective, measured, experiment.seed)

    def _register(
        self, exported: _ExportedFinalist, decision: PromotionDecision, current: CurrentChampion | None
    ) -> PromotionResult:
        """Registers the exported model, as the champion if the decision says so."""
        sweep, finalist = self.sweep, exported.finalist
        experiment, dataset, split = sweep.experiment, sweep.dataset, sweep.split
        name, trial, searched = model_name(experiment, dataset), finalist.candidate.trial, finalist.candidate.searched
        assert searched is not None, "the finalist is one of the search's trials"
        champion = current.champion if current else None
        if champion and (champion.sweep, champion.trial) == (sweep.tracking.tracker.run_id, trial.number):
            # promoted before this sweep was cut short
            return PromotionResult(name, champion.version, True, champion.because, champion.cause)
        described = DescribedModel(
            experiment,
            finalist,
            exported.trained.members,
            exported.test,
            decision,
            sweep.training.rows.ranges,
            dataset,
            split,
            exported.baselines,
            exported.trained.described,
            exported.intervals,
            exported.explanation,
        )
        optional = OptionalOutputs(sweep.training.progress.on_message, "the model is registered without it")
        card = optional.make("the model card", lambda: sweep.reporter.model_card(described), "")
        candidate = ModelCandidate(
            model=name,
            folder=exported.folder,
            sweep=sweep.tracking.tracker.run_id,
            experiment_yaml=dump_yaml(experiment),
            result=Result(trial, searched),
            value=self.evaluator.ranked_by(finalist.score),
            rule=experiment.objective.ranking_description,
            test=test_metrics(exported.test, experiment.score_metrics),
            data_digest=dataset.digest,
            split_digest=split.digest,
            files={"MODEL_CARD.md": card} if card else {},
        )
        registered = sweep.tracking.registry.register(candidate, decision)
        return PromotionResult(name, registered.version, decision.promote, decision.because, decision.cause)


@dataclass(frozen=True, slots=True)
class _ExportedFinalist:
    """The finalist with its exported model.

    Args:
        finalist: The finalist, with the scores that the model is judged by.
        trained: What the model consists of.
        test: The model's scores on the test rows, by head.
        folder: Its files.
        baselines: What it was compared with.
        intervals: Its prediction intervals; None where there are none.
        explanation: Which inputs its predictions rest on.
    """

    finalist: ReevaluatedTrial
    trained: ExportMembers
    test: Mapping[str, HeadScore]
    folder: Path
    baselines: Sequence[BaselineResult]
    intervals: CheckedIntervals | None
    explanation: Explanation | None


def _evidence(trained: ExportMembers) -> dict[str, Any]:
    """What is kept of the members as evidence, where there is anything to say."""
    members = [{"name": own.name, "networks": own.networks, "weights": dict(own.weights)} for own in trained.described]
    return {
        **({"collapses": list(trained.collapses)} if trained.collapses else {}),
        **({"members": members} if len(members) > 1 else {}),
    }


def _gate_candidate(confirmed: ReevaluatedTrial, predictions: Floats | None) -> gate.GateCandidate:
    keys = sorted(confirmed.lane_scores)
    experiment = confirmed.candidate.experiment
    return gate.GateCandidate(
        name=confirmed.candidate.name,
        scores={head: tuple(confirmed.lane_scores[key][head] for key in keys) for head in experiment.heads},
        ranked=tuple(confirmed.ranked[key] for key in keys) if confirmed.ranked else (),
        score_metrics=experiment.score_metrics,
        folds=tuple(fold for fold, _ in keys),
        predictions=predictions,
    )


def test_metrics(test: Mapping[str, HeadScore], score_metrics: Mapping[str, str]) -> dict[str, float]:
    """The metrics on the test rows by their names in the store (`test_r2/mean`, `test_r2/PE`, `test_rmse/PE`, …)."""
    metrics = {score_names(score_metrics, TEST)[MEAN]: scores.mean_score(test)}
    for head, measured in test.items():
        metrics |= {metric_of_head(TEST.format(name), head): value for name, value in measured.metrics.items()}
    return metrics
