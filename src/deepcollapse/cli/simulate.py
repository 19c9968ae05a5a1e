"""``deepcollapse simulate``: an ensemble trained to convergence."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from deepcollapse.cli.descent import Rule, Start
from deepcollapse.cli.interruption import keeping
from deepcollapse.cli.model import Model, Whole
from deepcollapse.cli.output import print_json, print_lines, print_table, progress_bar
from deepcollapse.errors import ConvergenceError, InvalidInputError
from deepcollapse.experiments import KeptRuns, run_settings
from deepcollapse.simulate import (
    DECIDED,
    STATUSES,
    Engine,
    EngineChoice,
    Ensemble,
    Status,
    planned_engine,
    stabilities,
    trajectories,
)
from deepcollapse.simulate import audit as compared
from deepcollapse.simulate import simulate as run

__all__ = ["simulate"]

_RULE, _START = Rule(), Start()


def simulate(
    *,
    model: Model,
    seeds: Whole = 64,
    rule: Rule = _RULE,
    start: Start = _START,
    dtype: Literal["float32", "float64"] = "float64",
    device: str = "cpu",
    engine: Literal["auto", "torch", "cpu"] = "auto",
    accelerate: Literal["balance"] | None = None,
    audit: Whole = 0,
    kinks: bool = False,
    stability: bool = False,
    watch: Whole = 0,
    keep: Path | None = None,
    require_converged: bool = False,
    json: bool = False,
) -> None:
    """Train an ensemble by full-batch descent to convergence and classify where each run ends.

    Args:
        model: the deep unconstrained feature model.
        seeds: number of independent initialisations (seeds 0, 1, ...).
        rule: how runs step, and when they end.
        start: where runs begin.
        dtype: floating point type of the training.
        device: torch device.
        engine: torch, cpu (a kernel compiled on first use), or auto for the faster one by size.
        accelerate: balance goes on at width min(d, K) once the factors are nearly balanced; approximate, see audit.
        audit: repeat so many runs, chosen at random, without acceleration and report how often the end differs.
        kinks: decide undecided ends of a ReLU model by the rest points on kinks next to them; seconds a run or more.
        stability: tell minima from saddles among the ends.
        watch: repeat so many of the first runs and give their trajectories (with --json).
        keep: file of ended runs, to stop at any time and go on by the same command.
        require_converged: exit with code 1 unless every run converged, settled or is at zero.
        json: write one JSON document to standard output.
    """
    problem, law = model.problem(), start.initialisation()
    descent = rule.descent(problem, law)
    _expect_repeats({"audit": audit, "watch": watch}, seeds=seeds, accelerate=accelerate)
    training = {"initialisation": law, "optimiser": descent.optimiser}
    plan = partial(planned_engine, problem, engine, **training, dtype=dtype, device=device)
    choice = plan(seeds=seeds, accelerate=accelerate)
    settings = run_settings(problem, descent, initialisation=law, dtype=dtype, accelerate=accelerate, kinks=kinks)
    kept = KeptRuns.open(keep, settings) if keep else None
    with progress_bar("training") as advance:
        ensemble = run(
            problem,
            seeds=seeds,
            lr=descent.lr,
            **training,
            tolerance=descent.tolerance,
            steps_max=descent.steps_max,
            engine=choice.engine,
            kinks=kinks,
            ledger=kept,
            progress=lambda state: advance(state.ended, seeds),
        )
    document = ensemble.as_json() | {"engine_reason": choice.reason}
    with keeping(lambda: f"the ended runs are in {keep}, the same command goes on" if keep else ""):
        if stability:
            document |= _stability(ensemble)
        if not ensemble.interrupted:
            document |= _repeats(ensemble, plan, audit=audit, watch=watch)
    if json:
        print_json(document)
    else:
        _print(document)
        print_lines(f"Engine: {ensemble.engine} ({choice.reason})", *ensemble.advice())
    _expect_ends(ensemble, kept, require_converged=require_converged)


def _expect_repeats(numbers: dict[str, int], *, seeds: int, accelerate: str | None) -> None:
    """Before the work, not after it."""
    for name, number in numbers.items():
        if not 0 <= number <= seeds:
            raise InvalidInputError(
                f"{name}: expected a number from 0 to the {seeds} seeds, but found {number}; repeat fewer"
            )
    if numbers["audit"] and accelerate is None:
        raise InvalidInputError(
            f"audit: expected 0 without an acceleration, but found {numbers['audit']}; add --accelerate balance"
        )


def _expect_ends(ensemble: Ensemble, kept: KeptRuns | None, *, require_converged: bool) -> None:
    if ensemble.interrupted:
        remedy = "run the same command to go on" if kept else "run again with --keep FILE to be able to go on"
        raise ConvergenceError(
            f"interrupted: expected {ensemble.runs} ends, but {ensemble.interrupted} runs have none; the others are "
            f"reported above, {remedy}"
        )
    if require_converged and ensemble.undecided:
        raise ConvergenceError(
            f"converged: expected all {ensemble.runs} runs to converge or settle, but found {ensemble.decided} "
            f"({_undecided(ensemble.counts)}); raise --steps-max or lower --lr"
        )


def _undecided(counts: Mapping[Status, int]) -> str:
    """Statuses of undecided runs, with how many have them."""
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count and name not in DECIDED)


def _stability(ensemble: Ensemble) -> dict[str, object]:
    """Keys of the document: how many ends are of which kind, and each of them, in the order of ``ends``."""
    found = stabilities([run.verdict for run in ensemble.finished], ensemble.problem)
    decided = (kind for run, kind in zip(ensemble.finished, found, strict=True) if run.decided)
    kinds = Counter(kind.verdict or f"undecided: {kind.undecided}" for kind in decided)
    return {"stability": dict(kinds.most_common()), "stabilities": [kind.as_json() for kind in found]}


def _repeats(ensemble: Ensemble, plan: Callable[..., EngineChoice], *, audit: int, watch: int) -> dict[str, object]:
    """Keys of the document for what is run once more, in full."""
    found: dict[str, object] = {}
    if audit:
        found["audit"] = _audit(ensemble, plan(seeds=audit).engine, audit)
    if watch:
        problem, rule = ensemble.problem, ensemble.descent
        starts = ensemble.initialisation.starts(problem, range(watch))
        looked_at = trajectories(problem, starts, descent=rule, engine=plan(seeds=watch).engine)
        found["trajectories"] = [trajectory.as_json() for trajectory in looked_at]
    return found


def _audit(ensemble: Ensemble, engine: Engine, size: int) -> dict[str, object]:
    with progress_bar("audit") as advance:
        found = compared(
            ensemble,
            engine,
            size=size,
            generator=np.random.default_rng(0),
            progress=lambda state: advance(state.ended, size),
        )
    return found.as_json()


def _print(document: dict) -> None:
    if document["structures"]:
        print_table("Where the decided runs ended", ["structure", "runs"], list(document["structures"].items()))
        print_table("Rank of their logits", ["rank", "runs"], list(document["ranks"].items()))
    if "stability" in document:
        print_table("Hessian at their ends", ["kind", "runs"], list(document["stability"].items()))
    print_lines(f"{_collapse_line(document)}; {document['seconds']:.1f} s")
    if "audit" in document:
        print_lines(_audit_line(document["audit"]))


def _collapse_line(document: dict) -> str:
    """How the runs ended, and the rate of collapse as far as it is known."""
    collapse, counts = document["dnc"], {status: document[status.replace(" ", "_")] for status in STATUSES}
    ends = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return f"{collapse['runs']} runs: {ends}; deep neural collapse in {collapse['count']}: {_rate(collapse)}"


def _rate(share: dict) -> str:
    low, high = share["interval"]
    value = f"rate {share['rate']:.3f}" if share["rate"] is not None else f"rate open, {share['undecided']} undecided"
    return f"{value}, 95% interval {low:.3f} to {high:.3f}"


def _audit_line(found: dict) -> str:
    wrong = found["disagreement"]
    return f"Audit: {wrong['count']} of {wrong['runs']} runs end elsewhere without acceleration: {_rate(wrong)}"
