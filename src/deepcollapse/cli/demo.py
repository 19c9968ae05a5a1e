"""``deepcollapse demo``: the whole product once, from theory to a report page."""

from pathlib import Path

from deepcollapse.cli.model import Whole
from deepcollapse.cli.output import print_json, print_lines, progress_bar
from deepcollapse.curvature import Spectrum, structure_spectrum
from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments import train_experiment, train_spec
from deepcollapse.networks import digits
from deepcollapse.report import demo_sections, write_report
from deepcollapse.simulate import simulate
from deepcollapse.theory import overview
from deepcollapse.ufm import Problem
from deepcollapse.ufm.structures import structures

__all__ = ["demo"]


def demo(*, out: Path = Path("build/demo"), seeds: Whole = 64, json: bool = False) -> None:
    """Theory, an ensemble and a network on real images, and a page with the figures.

    The model is that of the paper's first experiment: 10 classes, 5 samples each, 2 layers, width 70, decay 2^-10.

    Args:
        out: folder of the report page.
        seeds: size of the ensemble.
        json: write one JSON document to standard output.
    """
    _expect_ready(out, seeds)
    problem = Problem(classes=10, samples=5, layers=2, width=70, decay=2.0**-10)
    say = (lambda *_: None) if json else print_lines
    theory = overview(problem, rigorous=True).as_json()
    say(*_theory_verdict(theory))
    with progress_bar("ensemble") as advance:
        ensemble = simulate(problem, seeds=seeds, lr=2.0, progress=lambda state: advance(state.ended, seeds)).as_json()
    say(_ensemble_verdict(ensemble))
    with progress_bar("digits network") as progress:
        network = train_experiment(train_spec("digits"), progress=progress).as_json()
    say(_digits_verdict(network))
    page = write_report(
        out / "index.html",
        demo_sections(
            overview=theory,
            spectra=_spectra(problem),
            ensemble=ensemble,
            digits=network,
            structures=structures(problem),
        ),
    )
    say(f"Report: {page}")
    if json:
        print_json({"theory": theory, "ensemble": ensemble, "digits": network, "report": str(page)})


def _expect_ready(out: Path, seeds: int) -> None:
    """Fail before the work, not after it: the folder, the number of seeds, the data set."""
    if seeds < 1:
        raise InvalidInputError(f"seeds: expected at least 1, but found {seeds}; ask for 64")
    out.mkdir(parents=True, exist_ok=True)
    digits()


def _spectra(problem: Problem) -> dict[str, Spectrum]:
    known = {found.name: found for found in structures(problem)}
    return {name: structure_spectrum(known[name], problem) for name in ("simplex", "paired", "partition-2-2-2-4")}


def _theory_verdict(theory: dict) -> list[str]:
    collapse, best = theory["dnc"], theory["structures"][0]
    certificate = theory["certificate"]
    proof = "verified in interval arithmetic" if certificate["verified"] else "not verified in interval arithmetic"
    return [
        "Theory, K=10, L=2, n=5, d=70, decay 2^-10",
        f"  deep neural collapse: loss {collapse['loss']:.9f}, rank {collapse['rank']}, stable: {collapse['stable']}",
        f"  best known structure: {best['name']}, loss {best['loss']:.9f}, rank {best['rank']}",
        f"  collapse is not the global minimum: {proof} (at least {certificate['dnc_lower_bound']:.9f} against at most "
        f"{certificate['competitor_upper_bound']:.9f} for {certificate['competitor']})",
    ]


def _ensemble_verdict(ensemble: dict) -> str:
    collapse = ensemble["dnc"]
    ends = ", ".join(f"{name} {count}" for name, count in ensemble["structures"].items())
    low, high = collapse["interval"]
    rate = "rate open" if collapse["rate"] is None else f"rate {collapse['rate']:.3f}"
    return (
        f"Ensemble, {ensemble['runs']} seeds at lr 2: {collapse['undecided']} undecided; collapse in "
        f"{collapse['count']} ({rate}, 95% interval {low:.3f} to {high:.3f}); ends: {ends}; {ensemble['seconds']:.0f} s"
    )


def _digits_verdict(digits: dict) -> str:
    side, rank = "below" if digits["below_bound"] else "not below", digits["rank"]
    return (
        f"Digits network: objective {digits['objective']:.6f}, {side} the collapse bound {digits['dnc_bound']:.6f}; "
        f"rank {rank['scale_free']} ({rank['paper']} singular values above the paper's 1e-6); "
        f"training error {digits['train_error']:.4f}; converged: {digits['converged']}"
    )
