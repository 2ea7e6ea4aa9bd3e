"""The end of a sweep: the best trials are confirmed, one is refitted, evaluated once on the test rows, and registered.

Whether it becomes the champion is decided by `gate.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from branchsweep.config.metric_names import MEAN, metric_of_head
from branchsweep.config.yaml.recorded import dump_yaml
from branchsweep.metrics import scores
from branchsweep.metrics.names import TEST, score_names
from branchsweep.metrics.objectives import ObjectiveEvaluator, ranking_value
from branchsweep.models.exported_model import ExportedModel, ModelMember
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.tracking.optional_outputs import OptionalOutputs
from branchsweep.tracking.protocols import ModelCandidate, PromotionCause, PromotionDecision
from branchsweep.trial import HeadScore, Result
from branchsweep.types import Floats
from branchsweep.workflows.context import SweepContext
from branchsweep.workflows.promotion import gate
from branchsweep.workflows.promotion.baseline_evaluation import Baseline, evaluate_baselines
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate, ReevaluatedTrial
from branchsweep.workflows.promotion.champion import CurrentChampion, current_champion, model_name
from branchsweep.workflows.promotion.confirmation import choose_finalist, reevaluate
from branchsweep.workflows.promotion.evaluation import export_and_predict, temporary_model_folder
from branchsweep.workflows.promotion.first_version import FirstVersion
from branchsweep.workflows.promotion.refit import train_members
from branchsweep.workflows.records.baseline_result import BaselineResult
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
        members: Networks whose mean the model is.
        registered: What the registry holds; None where nothing was registered.
        decision: Whether the model becomes the champion; None where that was not to be decided.
        predictions: `(test rows, heads)` of the exported model, in natural units; None where it was not evaluated.
        model_files: The files of an exported model that is not registered, by name.
        baselines: The baselines with their scores.
        collapses: The refits that collapsed, each in a sentence.
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
        sweep = self.sweep
        networks = [baseline.candidate for baseline in baselines if baseline.candidate]
        champion = current_champion(sweep.experiment, sweep.dataset, sweep.tracking.registry)
        rivals = [champion.candidate] if champion and champion.candidate else []
        confirmed = reevaluate([*best, *rivals, *networks], sweep.experiment, sweep.training)
        by_name = {result.candidate.name: result for result in confirmed if result.candidate in networks}
        compared = (*evaluated, *evaluate_baselines(baselines, by_name, sweep))
        finalist = choose_finalist(confirmed, sweep.experiment, self.evaluator)
        if finalist is None:
            return PromotionOutcome(tuple(confirmed), None, baselines=compared)
        rival = next((result for result in confirmed if champion and result.candidate is champion.candidate), None)
        if dry_run:
            decision = self._decide(finalist, None, champion, rival)
            decision = self._require_sound(decision, FirstVersion(finalist, None, compared), rival)
            return PromotionOutcome(tuple(confirmed), finalist, decision=decision, baselines=compared)
        trained = train_members(finalist, confirmed, sweep.experiment, sweep.training, self.evaluator)
        members = trained.members
        if not members:
            return PromotionOutcome(tuple(confirmed), finalist, baselines=compared, collapses=trained.collapses)
        with temporary_model_folder() as folder:
            x = sweep.dataset.x[sweep.split.test]
            model = ExportedModel.of(sweep.experiment, members, sweep.dataset.csv_arguments, sweep.dataset.partial_targets)
            predictions = export_and_predict(model, x, sweep.training.trainer, folder)
            test = scores.head_scores(sweep.dataset.actual.rows(sweep.split.test), predictions, kinds_by_head(sweep.experiment))
            test_scores = {head: measured.score for head, measured in test.items()}
            registered: PromotionResult | None = None
            decided: PromotionDecision | None = None
            if sweep.experiment.registers_model:
                sweep.training.progress.on_stage("registering the model")
                decision = self._decide(finalist, predictions, champion, rival)
                decision = self._require_sound(decision, FirstVersion(finalist, test_scores, compared), rival)
                evidence = {**decision.evidence, **({"collapses": list(trained.collapses)} if trained.collapses else {})}
                decided = replace(decision, evidence=evidence, against=champion.champion.version if champion else 0)
                exported = _ExportedFinalist(finalist, members, test, folder, compared)
                registered = self._register(exported, decided, champion)
            files = {} if registered else {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
        return PromotionOutcome(
            tuple(confirmed),
            finalist,
            test_scores,
            len(members),
            registered,
            decided,
            predictions,
            files,
            compared,
            trained.collapses,
        )

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
            exported.members,
            exported.test,
            decision,
            sweep.training.rows.ranges,
            dataset,
            split,
            exported.baselines,
        )
        optional = OptionalOutputs(sweep.training.progress.on_message, "the model is registered without it")
        card = optional.make("the model card", lambda: sweep.reporter.model_card(described), "")
        candidate = ModelCandidate(
            model=name,
            folder=exported.folder,
            sweep=sweep.tracking.tracker.run_id,
            experiment_yaml=dump_yaml(experiment),
            result=Result(trial, searched),
            value=ranking_value(experiment.objective, finalist.score.by_head),
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
        finalist: The finalist.
        members: The networks of the model.
        test: The model's scores on the test rows, by head.
        folder: Its files.
        baselines: What it was compared with.
    """

    finalist: ReevaluatedTrial
    members: Sequence[ModelMember]
    test: Mapping[str, HeadScore]
    folder: Path
    baselines: Sequence[BaselineResult]


def _gate_candidate(confirmed: ReevaluatedTrial, predictions: Floats | None) -> gate.GateCandidate:
    keys = sorted(confirmed.lane_scores)
    experiment = confirmed.candidate.experiment
    return gate.GateCandidate(
        name=confirmed.candidate.name,
        scores={head: tuple(confirmed.lane_scores[key][head] for key in keys) for head in experiment.heads},
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
