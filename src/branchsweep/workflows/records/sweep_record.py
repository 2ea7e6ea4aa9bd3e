"""What is recorded of a sweep when it begins, and recorded sweeps as others read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from branchsweep.config.builders import source_fact, source_file
from branchsweep.config.experiment import Experiment
from branchsweep.config.identity import sweep_key_fields
from branchsweep.config.metric_names import LATENCY
from branchsweep.config.yaml.recorded import dump_space_yaml, dump_yaml
from branchsweep.data.dataset import Dataset, Split
from branchsweep.data.digest import combined_digest
from branchsweep.errors import ConfigError
from branchsweep.models.recipe import recipe_for
from branchsweep.runtime import environment_facts, machine_facts
from branchsweep.tracking.protocols import SweepRecord, TableRecord
from branchsweep.training.resources import CPU, Device, device_fact
from branchsweep.trial import Result


def warm_start_results(experiment: Experiment, dataset: Dataset, earlier: Sequence[RecordedSweep]) -> list[Result]:
    """The results of earlier sweeps that a driver may learn from, with the metrics of their networks.

    Raises:
        ConfigError: A sweep is of another table, or of another space.
    """
    for sweep in earlier:
        if sweep.record.table.digest != dataset.digest:
            message = f"the sweep {sweep} was scored on another table, so its trials cannot be used here"
            raise ConfigError(message, "search.warm_start")
        expected, found = (
            {**compared.space.dimensions, "heads": list(compared.columns)} for compared in (experiment, sweep.experiment)
        )
        if found != expected:
            different = ", ".join(sorted(name for name in expected | found if expected.get(name) != found.get(name)))
            message = f"the sweep {sweep} has another space ({different} differ), so its trials cannot be used here"
            raise ConfigError(message, "search.warm_start")
        if experiment.objective.optimizes_latency and any(LATENCY not in result.score.network for result in sweep.results):
            raise ConfigError(f"the sweep {sweep} measured no latency, which the objective names", "search.warm_start")
    return [_with_network(result, experiment) for sweep in earlier for result in sweep.results]


def _with_network(result: Result, experiment: Experiment) -> Result:
    """A result with the metrics of its network, which earlier versions did not record."""
    if result.score.network:
        return result
    network = recipe_for(experiment, result.trial.params).network_metrics(experiment.table.inputs.values())
    return replace(result, score=replace(result.score, network=network))


@dataclass(frozen=True, slots=True)
class RecordedSweep:
    """A sweep that is recorded, of whatever state.

    Args:
        run_id: In the store.
        record: What was written down when it began.
        experiment: The same, read.
        results: Its trials so far.
    """

    run_id: str
    record: SweepRecord
    experiment: Experiment
    results: Sequence[Result]

    def __str__(self) -> str:
        return f"{self.record.name} ({self.run_id[:8]})"


def new_sweep_record(
    experiment: Experiment, dataset: Dataset, split: Split, prior: Sequence[Result] = (), device: Device = CPU
) -> SweepRecord:
    """The record that the tracker writes when the sweep begins, without a description for the sweep's page.

    The key is a digest of all that decides which trials are asked and what they score: the same key is the same sweep, and a
    larger budget, another question, other baselines or workers do not make it another one. What a driver was told beforehand
    decides what it asks: when an earlier sweep has more trials than it had, the sweep that it warms up is another.
    """
    trained_on = device_fact(device)
    return SweepRecord(
        name=experiment.name,
        key=combined_digest(
            [json.dumps(sweep_key_fields(experiment)), dataset.digest, split.digest, *(_spelt(result) for result in prior)]
        ),
        question=experiment.question,
        yaml=dump_yaml(experiment),
        heads={name: head.unit for name, head in experiment.heads.items()},
        score_metrics=experiment.score_metrics,
        objective=experiment.objective,
        table=table_record(experiment, dataset),
        test_table=_test_table_record(experiment, dataset),
        split_digest=split.digest,
        test_digest=split.test_digest,
        driver=experiment.search.driver,
        algorithm=experiment.algorithm,
        seed=experiment.seed,
        environment={**environment_facts(), **source_fact(experiment.space.builder), **trained_on},
        dimensions=[name for name, dimension in experiment.space.dimensions.items() if not dimension.when],
        log_dimensions=[name for name, dimension in experiment.space.dimensions.items() if getattr(dimension, "log", False)],
        files={
            "search_space.yaml": dump_space_yaml(experiment),
            **_builder_files(experiment),
            "environment.json": json.dumps({**environment_facts(), **machine_facts(), **trained_on}, indent=2) + "\n",
        },
    )


def _builder_files(experiment: Experiment) -> dict[str, str]:
    """The code of the module that builds the networks, where there is one."""
    file = source_file(experiment.space.builder) if experiment.space.builder else None
    return {f"builder/{file.name}": file.read_text(encoding="utf-8", errors="replace")} if file else {}


def table_record(experiment: Experiment, dataset: Dataset) -> TableRecord:
    """What is recorded of the table that an experiment reads."""
    return TableRecord(
        source=dataset.source,
        location=str(dataset.path.resolve()) if dataset.source == "file" and dataset.path else dataset.location,
        digest=dataset.digest,
        rows=dataset.rows,
        name=Path(experiment.table.source.partition("?")[0]).name + " (synthetic)" * dataset.is_synthetic,
        columns=[*dataset.inputs, *experiment.columns.values()],
    )


def _test_table_record(experiment: Experiment, dataset: Dataset) -> TableRecord | None:
    """What is recorded of the table of the test rows, if they have one of their own."""
    test = dataset.test_table
    if test is None:
        return None
    columns = [*dataset.inputs, *experiment.columns.values()]
    return TableRecord("file", str(test.path.resolve()), test.digest, test.rows, test.path.name, columns)


def _spelt(result: Result) -> str:
    return f"{sorted(result.trial.params.items())} {result.score.status} {sorted(result.score.by_head.items())}"
