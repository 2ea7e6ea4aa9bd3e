"""What the recipe is worth that a search would choose after so many seconds: ours, Optuna with Keras, KerasTuner.

    python -m benchmarks.confirmed_quality --tables FOLDER [--data PATH] [--names power-plant,jura,enb,water-quality]
                                           [--seeds 3] [--limit 1800] [--folds 1] [--equal] [--warm] [--store FOLDER]
                                           [--searches branchsweep,optuna,keras_tuner] [--picture FILE.png]
                                           [--set KEY=VALUE] [--quick] [--json]

At every moment a search would choose the trial with the highest score so far. That score is the best of many and flatters, so
it is not what is compared: each recipe that a search would have chosen at some moment is trained again, from fresh seeds on
fresh folds, which are the same for all searches and no others' folds, and the mean of these R² is its confirmed score. All
searches ask the same space, of the same training rows, with the same epochs:

- ours: what `branchsweep run` does, one worker per core, programs compiled anew (`--warm`: kept), with the folds, the rungs,
  the first trial and the confirmation that `branchsweep init` writes for so many rows. At a moment it chooses what a sweep does
  that ends its search early enough to confirm its best trials until then; before that is possible, its best trial;
- Optuna: a study by TPE over `model.fit`, in one pinned process per core, which share it through a journal; a trial is one
  network on a hold-out, or one for each of `--folds`;
- KerasTuner: its Bayesian optimization over `model.fit`, likewise, with its oracle in a process of its own.

With `--equal` ours has as many networks a trial as the peers, no first trial that is given, and confirms none.

The clock of a search starts when its processes have done their imports. `power-plant` has the space of
`experiments/branched.yaml`, the others are tables of FOLDER (arff files and targets.json) with the space of
`benchmarks/mtr.yaml`. What is finished is kept in `--store`: the same command goes on where it was stopped.

`--quick` is one small table, one seed and a few seconds for each search, of short trials.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks import _measure, mtr
from benchmarks._searches import SEARCHES, EndedTrial, Finalist, finalists
from branchsweep.config.codec import from_json, to_json
from branchsweep.config.config_model import MAX_TRIALS
from branchsweep.config.experiment import Experiment
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.data.loading import completed_by_table
from branchsweep.data.training_rows import training_rows
from branchsweep.runtime import cache_folder
from branchsweep.training.local_workers import LocalWorkers
from branchsweep.trial import Params, Trial
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.progress import NoProgress
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate
from branchsweep.workflows.promotion.confirmation import reevaluate
from branchsweep.workflows.resolved_experiment import resolved_by_split
from branchsweep.workflows.session import Session, load_rows
from branchsweep.workflows.starting_point import budget_for

OURS = "branchsweep"

POWER_PLANT = "power-plant"

NAMES = (POWER_PLANT, "jura", "enb", "water-quality")

MOMENTS = (10, 20, 30, 60, 120, 300, 600, 1200, 1800)
"""Seconds at which curves are tabulated, as far as the limit goes."""

CONFIRMATION = "confirmation={trials: 1, folds: 5, seeds: 2}"
"""Fresh folds and seeds of a confirmed score."""

OTHER_FOLDS = 1000
"""Added to the seed, so that these are neither the folds of a search nor those of its own confirmation."""

QUICK = ("fit.epochs=10", "confirmation={trials: 1, folds: 2, seeds: 1}", "search.batch=8")
"""What `--quick` changes: the figures are not those of the benchmark then."""

QUICK_EPOCHS = ("space.dimensions.epochs.low=5", "space.dimensions.epochs.high=10")
"""What it also changes where a trial has its own number of epochs."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A recipe that a search would have chosen, until it found a better one.

    Args:
        seconds: From when on.
        value: Its score in the search.
        params: Its hyperparameters.
        confirmed: Its mean R² on fresh folds from fresh seeds; NaN before that is known, and where it diverged.
    """

    seconds: float
    value: float
    params: Params
    confirmed: float = math.nan


@dataclass(frozen=True, slots=True)
class Curve:
    """What a search would have chosen over time, on one table with one seed.

    Args:
        choices: In order.
        trials: That ended within the limit.
        load: The average number of running processes of the machine before and after, other programs included.
    """

    choices: tuple[Choice, ...]
    trials: int
    load: tuple[float, float] = (0.0, 0.0)

    def at(self, seconds: float) -> float:
        """The confirmed score of the choice at a moment; NaN where there is none yet."""
        return next((choice.confirmed for choice in reversed(self.choices) if choice.seconds <= seconds), math.nan)

    def reaches(self, score: float) -> float | None:
        """The first second with a choice that is worth so much; None if there is none."""
        return next((choice.seconds for choice in self.choices if choice.confirmed >= score), None)

    def seconds_behind(self, other: Curve, limit: float) -> float:
        """For how long, until the limit, the other's choice was worth more, or was the only one."""
        moments = sorted({choice.seconds for curve in (self, other) for choice in curve.choices} | {limit})
        return sum(
            end - begin
            for begin, end in pairwise(moments)
            if not math.isnan(other.at(begin)) and not self.at(begin) >= other.at(begin)
        )


@dataclass(frozen=True, slots=True)
class Compared:
    """Ours against a peer, on one table with one seed.

    Args:
        peer_score: What the peer's choice at the limit is worth.
        peer_seconds: When the peer first had a choice that is worth so much.
        ours_seconds: When ours had; None if it never had.
        times_sooner: The quotient of both; None if ours never had, and where the peer has none.
        seconds_behind: For how long the peer's choice was worth more than ours.
        gain: By how much our choice at the limit is worth more.
    """

    peer_score: float
    peer_seconds: float | None
    ours_seconds: float | None
    times_sooner: float | None
    seconds_behind: float
    gain: float

    @classmethod
    def of(cls, own: Curve, peer: Curve, limit: float) -> Compared:
        """From both curves."""
        score = peer.at(limit)
        first, second = peer.reaches(score), own.reaches(score)
        sooner = first / second if first and second else None
        return cls(score, first, second, sooner, own.seconds_behind(peer, limit), own.at(limit) - score)


def choices_of(trials: Sequence[EndedTrial]) -> list[Choice]:
    """What would have been chosen over time: each trial whose score is the highest so far."""
    chosen: list[Choice] = []
    for trial in trials:
        if math.isfinite(trial.value) and (not chosen or trial.value > chosen[-1].value):
            chosen.append(Choice(trial.seconds, trial.value, trial.params))
    return chosen


def with_finalists(choices: Sequence[Choice], final: Sequence[Finalist]) -> list[Choice]:
    """What a sweep would have chosen over time: its best trial until the first confirmation, then what confirmations choose.

    Args:
        choices: By the scores of the search.
        final: By confirmations.
    """
    ordered = sorted(final, key=lambda finalist: finalist.seconds)
    found = [choice for choice in choices if not ordered or choice.seconds < ordered[0].seconds]
    for finalist in ordered:
        if not found or finalist.params != found[-1].params:
            found.append(Choice(finalist.seconds, finalist.value, finalist.params))
    return found


def setting_of(name: str, seed: int, options: argparse.Namespace, more: Sequence[str] = ()) -> _measure.Setting:
    """A table with what is searched on it; the seed decides rows and trials alike.

    Args:
        name: Of the table.
        seed: Of the division of the rows and of the search.
        options: Those of the command.
        more: Overrides that follow all others but the user's.
    """
    overrides = [*_measure.SPACE, _measure.PRUNED, "search.driver=optuna", "search.algorithm=tpe", "search.batch=32"]
    overrides += [f"seed={seed}", f"test={{fraction: 0.2, seed: {seed}}}", CONFIRMATION]
    overrides += [f"validation={{method: k_fold, folds: {options.folds}}}"] if options.folds > 1 else []
    overrides += [*more, *(QUICK if options.quick else ())]
    if name == POWER_PLANT:
        experiment = load_experiment(_measure.EXPERIMENTS / "branched.yaml", [*overrides, *options.set])
    else:
        overrides += [*(QUICK_EPOCHS if options.quick else ()), *mtr.table_overrides(name, options.tables)]
        experiment = load_experiment(mtr.EXPERIMENT, [*overrides, *options.set])
    return _resolved(experiment, options.data if name == POWER_PLANT else None)


def _resolved(experiment: Experiment, data: Path | None) -> _measure.Setting:
    experiment = completed_by_table(experiment, data)
    dataset, split = load_rows(experiment, Session(data=data))
    return _measure.Setting(resolved_by_split(experiment, dataset, split), dataset, split)


def own_setting_of(name: str, seed: int, options: argparse.Namespace, peers: _measure.Setting) -> _measure.Setting:
    """What ours searches and confirms: as the peers, with what `branchsweep init` writes beside the space.

    Args:
        name: Of the table.
        seed: Of the division of the rows and of the search.
        options: Those of the command.
        peers: What the peers search.
    """
    more = [f"search.trials={MAX_TRIALS}", f"search.seconds={options.limit}"]
    if not options.equal:
        budget = budget_for(len(peers.split.train), test_fraction=0.0)
        validation = {"method": "k_fold", "folds": budget.folds} if budget.folds > 1 else {"method": "hold_out"}
        more += ["search.default_trial=true", "search.first_batch=1", _measure.as_override("validation", validation)]
        confirmation = dict(zip(("trials", "folds"), budget.confirmed, strict=True)) | {"seeds": 1}
        more += [] if options.quick else [_measure.as_override("confirmation", confirmation)]
    own = setting_of(name, seed, options, more)
    assert (own.split.train == peers.split.train).all(), "the test rows are no others"
    return own


def fresh_setting_of(name: str, seed: int, options: argparse.Namespace, peers: _measure.Setting) -> _measure.Setting:
    """What recipes are confirmed on: the training rows that the searches have, on other folds from other seeds.

    Args:
        name: Of the table.
        seed: Of the division of the rows.
        options: Those of the command.
        peers: What the peers search.
    """
    fresh = setting_of(name, seed, options, [f"seed={OTHER_FOLDS + seed}"])
    assert (fresh.split.train == peers.split.train).all(), "the test rows are no others"
    return fresh


def curve_of(search: str, setting: _measure.Setting, seed: int, options: argparse.Namespace) -> Curve:
    """What a search would have chosen, not yet confirmed."""
    before = os.getloadavg()[0]
    with _measure.cold_cache() if search == OURS and not options.warm else nullcontext():
        trials = SEARCHES[search](setting, options.limit, seed)
        final = finalists(setting, trials, options.limit) if search == OURS and not options.equal else []
    return Curve(tuple(with_finalists(choices_of(trials), final)), len(trials), (before, os.getloadavg()[0]))


def confirmed(curves: Mapping[str, Curve], setting: _measure.Setting) -> dict[str, Curve]:
    """The curves of one table and seed with the confirmed scores of all choices, which are trained together."""
    recipes = list({to_json(choice.params): choice.params for curve in curves.values() for choice in curve.choices}.values())
    if not recipes:
        return dict(curves)
    candidates = [ConfirmationCandidate(str(n), setting.experiment, Trial(n, params)) for n, params in enumerate(recipes)]
    rows = training_rows(setting.dataset, setting.split)
    with LocalWorkers(rows, cache_folder=cache_folder()) as trainer:
        scored = reevaluate(candidates, setting.experiment, TrainingContext(trainer, rows, NoProgress()))
    scores = {to_json(params): result.score.value for params, result in zip(recipes, scored, strict=True)}
    return {
        search: Curve(
            tuple(Choice(own.seconds, own.value, own.params, scores[to_json(own.params)]) for own in curve.choices),
            curve.trials,
            curve.load,
        )
        for search, curve in curves.items()
    }


def measure(name: str, seed: int, options: argparse.Namespace, store: Path) -> dict[str, Curve]:
    """By search, the confirmed curve on one table with one seed, or what is kept of it."""
    peers = setting_of(name, seed, options)
    settings = {search: own_setting_of(name, seed, options, peers) if search == OURS else peers for search in options.searches}
    curves: dict[str, Curve] = {}
    keys: list[str] = []
    for search, setting in settings.items():
        deciding = f"{to_json(setting.experiment)} {setting.split.digest} {options.limit} {options.warm}"
        keys.append(f"{name}-{seed}-{hashlib.sha256(deciding.encode()).hexdigest()[:12]}-{search}")
        kept = store / f"{keys[-1]}.json"
        if not kept.is_file():
            kept.write_text(to_json(curve_of(search, setting, seed, options)), encoding="utf-8")
        curves[search] = from_json(Curve, kept.read_text(encoding="utf-8"))
    kept = store / f"{name}-{seed}-{hashlib.sha256(json.dumps([*keys, OTHER_FOLDS]).encode()).hexdigest()[:12]}-confirmed.json"
    if not kept.is_file():
        found = confirmed(curves, fresh_setting_of(name, seed, options, peers))
        kept.write_text(json.dumps({search: json.loads(to_json(curve)) for search, curve in found.items()}), encoding="utf-8")
    read = {
        search: from_json(Curve, json.dumps(curve)) for search, curve in json.loads(kept.read_text(encoding="utf-8")).items()
    }
    for search, curve in read.items():
        _measure.note(f"{name}, seed {seed}: {search} {curve.at(options.limit):.4f} at last, {curve.trials} trials ended")
    return read


def comparisons(by_seed: Sequence[Mapping[str, Curve]], limit: float) -> dict[str, dict[str, object]]:
    """By peer, medians over the seeds; of the gain at the limit also each seed's."""
    peers = [search for search in by_seed[0] if search != OURS and OURS in by_seed[0]]
    found: dict[str, dict[str, object]] = {}
    for peer in peers:
        each = [Compared.of(curves[OURS], curves[peer], limit) for curves in by_seed]
        found[peer] = {
            field: median([getattr(own, field) for own in each])
            for field in ("peer_score", "peer_seconds", "ours_seconds", "times_sooner", "seconds_behind", "gain")
        }
        found[peer]["gains"] = [number_or_none(own.gain) for own in each]
        found[peer]["seeds_in_which_ours_got_there"] = sum(own.ours_seconds is not None for own in each)
    return found


def median(values: Sequence[float | None]) -> float | None:
    """Of those that are numbers; None for none."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return statistics.median(known) if known else None


def number_or_none(value: float) -> float | None:
    """The number; None for NaN, which JSON does not have."""
    return value if math.isfinite(value) else None


def draw(curves: Mapping[str, Sequence[Mapping[str, Curve]]], limit: float, path: Path) -> None:
    """Draw the confirmed scores against seconds: for each table a panel, for each seed a thin line, medians in bold.

    Args:
        curves: By table, then by seed and search.
        limit: Seconds of a search.
        path: The PNG file.
    """
    import numpy as np
    from matplotlib.figure import Figure

    colours = {OURS: "#b5485d", "optuna": "#3f6fb0", "keras_tuner": "#5d8f3a"}
    figure = Figure(figsize=(8.4, 2.6 * -(-len(curves) // 2)), layout="constrained")
    panels = figure.subplots(-(-len(curves) // 2), min(2, len(curves)), squeeze=False).ravel()
    moments = np.geomspace(1.0, limit, 400)
    for panel, (name, by_seed) in zip(panels, curves.items(), strict=False):
        for search in by_seed[0]:
            scores = np.array([[own[search].at(moment) for moment in moments] for own in by_seed])
            panel.step(moments, scores.T, color=colours[search], linewidth=0.6, alpha=0.5, where="post")
            all_known = np.isfinite(scores).all(axis=0)
            panel.step(
                moments[all_known],
                np.median(scores[:, all_known], axis=0),
                color=colours[search],
                linewidth=2,
                where="post",
                label=search.replace("_", " "),
            )
        panel.set(xscale="log", xlim=(1, limit), title=name, xlabel="seconds", ylabel="confirmed R²")
    for panel in panels[len(curves) :]:
        panel.axis("off")
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150, metadata={"Software": None})


def main() -> None:
    """Measures and prints."""
    options = parsed()
    curves: dict[str, list[dict[str, Curve]]] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-confirmed-") as temporary:
        store = Path(temporary) if options.quick else options.store
        store.mkdir(parents=True, exist_ok=True)
        for name in options.names:
            curves[name] = [measure(name, seed, options, store) for seed in range(1, 1 + options.seeds)]
    if options.picture:
        draw(curves, options.limit, options.picture)
    moments = [moment for moment in MOMENTS if moment < options.limit] + [options.limit]
    measurements = {
        "limit": options.limit,
        "seeds": options.seeds,
        "folds": options.folds,
        "equal": options.equal,
        "load": max(load for by_seed in curves.values() for own in by_seed for curve in own.values() for load in curve.load),
        "tables": {
            name: {
                "trials": {search: median([own[search].trials for own in by_seed]) for search in by_seed[0]},
                "confirmed": {
                    search: {f"{moment:g}": median([own[search].at(moment) for own in by_seed]) for moment in moments}
                    for search in by_seed[0]
                },
                "against": comparisons(by_seed, options.limit),
            }
            for name, by_seed in curves.items()
        },
    }
    _measure.conclude(measurements, options.json)


def parsed() -> argparse.Namespace:
    """The options."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--tables", type=Path, help="a folder of arff files and targets.json")
    parser.add_argument("--names", help=f"of the tables: {','.join(NAMES)}; with --quick jura")
    parser.add_argument("--seeds", type=int, help="how many: 3, or 1 with --quick")
    parser.add_argument("--limit", type=float, help="seconds of each search: 1,800, or 8 with --quick")
    parser.add_argument("--folds", type=int, default=1, help="networks of a trial of the peers: 1, on a hold-out")
    parser.add_argument("--equal", action="store_true", help="ours has as many, and no first trial that is given")
    parser.add_argument("--searches", default=",".join(SEARCHES), help=f"of {','.join(SEARCHES)}")
    parser.add_argument("--warm", action="store_true", help="keep the programs that earlier searches compiled")
    parser.add_argument("--store", type=Path, default=Path("confirmed-store"), help="where curves are kept; not with --quick")
    parser.add_argument("--picture", type=Path, help="draw the curves as a PNG file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the experiment; repeatable")
    options = parser.parse_args()
    options.names = options.names or ("jura" if options.quick else ",".join(NAMES))
    options.seeds = options.seeds or (1 if options.quick else 3)
    options.limit = options.limit or (8.0 if options.quick else 1800.0)
    options.names, options.searches = options.names.split(","), options.searches.split(",")
    for given, known, argument in ((options.names, NAMES, "--names"), (options.searches, SEARCHES, "--searches")):
        if unknown := [each for each in given if each not in known]:
            parser.error(f"{argument}: got {', '.join(unknown)}, expected some of {', '.join(known)}")
    if options.names != [POWER_PLANT] and options.tables is None:
        parser.error("--tables: a folder is needed for all tables but the power plant's")
    return options


if __name__ == "__main__":
    main()
