"""The model card: Markdown that describes a registered model, its data, its scores and its limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import common_metric
from branchsweep.data.dataset import Dataset, Split
from branchsweep.metrics.names import label, other_metrics
from branchsweep.models.drawing import draw_network
from branchsweep.models.exported_model import ModelMember
from branchsweep.models.recipe import recipe_for
from branchsweep.reporting.mlflow_descriptions import escape_markdown
from branchsweep.tracking.protocols import PromotionDecision
from branchsweep.trial import HeadScore
from branchsweep.workflows.candidates import ReevaluatedTrial


def model_card_lines(
    experiment: Experiment,
    finalist: ReevaluatedTrial,
    members: Sequence[ModelMember],
    test: Mapping[str, HeadScore],
    decision: PromotionDecision,
    ranges: Sequence[tuple[float, float]],
    dataset: Dataset,
    split: Split,
) -> Iterator[str]:
    """Lines of Markdown, following Mitchell et al. 2019 (Model Cards for Model Reporting)."""
    heads, score = experiment.heads, finalist.score
    kind = "one branched network" if len(members) == 1 else f"the mean of {len(members)} branched networks"
    yield f"# {experiment.promotion.model if experiment.promotion else experiment.name}"
    yield ""
    yield escape_markdown(experiment.question) or f"Predicts {', '.join(heads)} from {', '.join(dataset.inputs)}."
    yield ""
    yield f"It is {kind} with {finalist.parameters:,} parameters, {finalist.candidate.name} of the sweep {experiment.name}:"
    yield ""
    recipe = recipe_for(experiment, finalist.candidate.trial.params)
    yield from (
        f"    {line}"
        for line in draw_network(recipe.architecture, dataset.inputs, width=recipe.encoded_width(len(dataset.inputs)))
    )
    yield ""
    yield "## Scores"
    yield ""
    others = other_metrics(experiment.score_metrics)
    metric = label(common_metric(experiment.score_metrics.values()))
    columns = [f"searched {metric}", f"confirmed {metric}", f"test {metric}", *(f"test {label(other)}" for other in others)]
    yield f"| head | unit | {' | '.join(columns)} |"
    yield "|---|---" + "|---" * len(columns) + "|"
    searched = finalist.candidate.searched
    for head, measured in test.items():
        in_search = f"{searched.heads[head].score:.4f}" if searched else "-"
        confirmed = f"{score.heads[head].score:.4f} ± {score.heads[head].score_se:.4f}"
        errors = (f"{measured.metrics[other]:.4g}" if other in measured.metrics else "-" for other in others)
        cells = [head, heads[head].unit or "-", in_search, confirmed, f"{measured.score:.4f}", *errors]
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "Searched: on the validation rows of the search; optimistic, as it is the best of many. Confirmed: with new seeds on"
    yield "new folds. Test: on rows that neither training nor any choice has used."
    yield ""
    yield f"{'Promoted to champion' if decision.promote else 'Not promoted'}: {decision.because}."
    yield ""
    yield "## Data"
    yield ""
    yield f"- {dataset.location} ({dataset.source}), {dataset.rows:,} rows, digest `{dataset.digest}`."
    yield f"- {len(split.train):,} rows to train, {len(split.test):,} to test; split digest `{split.digest}`."
    yield ""
    yield "## Limits"
    yield ""
    yield "The training rows cover these ranges of the inputs; outside of them the model extrapolates, which networks do badly."
    yield ""
    yield "| input | from | to |"
    yield "|---|---|---|"
    yield from (f"| {name} | {low:g} | {high:g} |" for name, (low, high) in zip(dataset.inputs, ranges, strict=True))
    yield ""
    yield "## Security"
    yield ""
    yield "Loading it runs its own `serving.py`, and reads `model.keras` in Keras's safe mode, without pickle."
