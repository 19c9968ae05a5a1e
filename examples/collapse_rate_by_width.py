"""How often gradient descent reaches deep neural collapse, by width: one line of results per width.

python examples/collapse_rate_by_width.py [--balance] [--seeds S] [--lr X] [WIDTH ...]
"""

import argparse

import numpy as np

from deepcollapse.simulate import Ensemble, audit, planned_engine, simulate
from deepcollapse.ufm import Problem

WIDTHS = (10, 20, 40, 70, 140, 280)
AUDITED = 8


def row(ensemble: Ensemble) -> str:
    """Rate with its 95 % interval, and what else the runs did."""
    rate = ensemble.dnc()
    low, high = rate.interval or (0.0, 1.0)
    share = f"{'open' if rate.value is None else f'{rate.value:.3f}'} [{low:.3f}, {high:.3f}]"
    return (
        f"{ensemble.problem.d:>6}  {share:<22}{ensemble.undecided:>4} of {ensemble.runs} undecided"
        f"{ensemble.seconds:>8.1f} s  {ensemble.engine}"
    )


def audited(ensemble: Ensemble) -> str:
    """A few of the runs, repeated without acceleration."""
    problem, law, optimiser = ensemble.problem, ensemble.initialisation, ensemble.descent.optimiser
    full = planned_engine(problem, "auto", seeds=AUDITED, initialisation=law, optimiser=optimiser).engine
    found = audit(ensemble, full, size=AUDITED, generator=np.random.default_rng(0))
    wrong = found.disagreement()
    return (
        f"        audit: {wrong.count} of {wrong.runs} differ, {wrong.undecided} undecided, interval {wrong.interval}"
    )


def main() -> None:
    """Print the table, width after width."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("widths", nargs="*", type=int, default=list(WIDTHS), metavar="WIDTH")
    parser.add_argument("--balance", action="store_true", help="accelerate by balancing, and audit")
    parser.add_argument("--seeds", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.5)
    options = parser.parse_args()
    print(f"{'width':>6}  rate of collapse")
    for width in options.widths:
        problem = Problem(classes=10, layers=2, samples=5, width=width, decay=2.0**-10)
        accelerate = "balance" if options.balance else None
        ensemble = simulate(problem, seeds=options.seeds, lr=options.lr, accelerate=accelerate)
        print(row(ensemble), flush=True)
        if options.balance:
            print(audited(ensemble), flush=True)


if __name__ == "__main__":
    main()
