"""``deepcollapse simulate``: an ensemble trained to convergence."""

from typing import Literal

from deepcollapse.cli.model import Model, Whole
from deepcollapse.cli.output import print_json, print_lines, print_table, progress_bar
from deepcollapse.errors import ConvergenceError
from deepcollapse.simulate import engine_choice
from deepcollapse.simulate import simulate as run

__all__ = ["simulate"]


def simulate(
    *,
    model: Model,
    seeds: Whole = 64,
    lr: float = 0.5,
    init_scale: float = 1.0,
    steps_max: Whole | None = None,
    tol: float | None = None,
    dtype: Literal["float32", "float64"] = "float64",
    device: str = "cpu",
    require_converged: bool = False,
    engine: Literal["auto", "torch", "cpu"] = "auto",
    json: bool = False,
) -> None:
    """Train an ensemble by full-batch gradient descent to convergence and classify where each run ends.

    Args:
        model: the deep unconstrained feature model.
        seeds: number of independent initialisations (seeds 0, 1, ...).
        lr: learning rate.
        init_scale: s; entries start as N(0, s^2 / d).
        steps_max: horizon, after which a run counts as not converged; default from lr and decay.
        tol: a run has converged when the norm of its gradient is below this; default 1e-6, less for tiny decay.
        dtype: floating point type of the training.
        device: torch device.
        require_converged: exit with code 1 unless every run converged; by default the counts say how many did.
        engine: torch, cpu (a kernel compiled on first use), or auto for the faster one by size.
        json: write one JSON document to standard output.
    """
    problem = model.problem()
    choice = engine_choice(problem, engine, seeds=seeds, dtype=dtype, device=device)
    with progress_bar("training") as advance:
        ensemble = run(
            problem,
            seeds=seeds,
            lr=lr,
            init_scale=init_scale,
            steps_max=steps_max,
            tolerance=tol,
            engine=choice.engine,
            progress=lambda state: advance(state.ended, seeds),
        )
    document = ensemble.as_json() | {"engine_reason": choice.reason}
    if json:
        print_json(document)
    else:
        _print(document)
        print_lines(f"Engine: {ensemble.engine} ({choice.reason})", *ensemble.advice())
    if ensemble.interrupted:
        raise ConvergenceError(
            f"interrupted: expected {seeds} ends, but {ensemble.interrupted} runs have none; the others are reported "
            "above, run again for all"
        )
    if require_converged and ensemble.converged < ensemble.runs:
        raise ConvergenceError(
            f"converged: expected all {ensemble.runs} runs, but found {ensemble.converged}; raise steps-max or lower lr"
        )


def _print(document: dict) -> None:
    if document["structures"]:
        print_table("Where the converged runs ended", ["structure", "runs"], list(document["structures"].items()))
        print_table("Rank of their logits", ["rank", "runs"], list(document["ranks"].items()))
    collapse = document["dnc"]
    if collapse["rate"] is None:
        print_lines(f"None of {document['runs']} runs converged")
        return
    low, high = collapse["interval"]
    print_lines(
        f"{document['converged']} of {document['runs']} runs converged; deep neural collapse in {collapse['count']}: "
        f"rate {collapse['rate']:.3f}, 95% interval {low:.3f} to {high:.3f}; {document['seconds']:.1f} s"
    )
