"""Search settings from fresh starts, without the atlas, in a process without run-time type checks.

python fresh_starts.py K,L,DECAY[,SAMPLES] [...] prints the settings at which a search from random starts alone, 20 per
rank, finds a point below all known ones, and exits 1 if there is one.
python fresh_starts.py --sample COUNT SEED draws the settings: K 5 to 12, L 2, 3, 4, 6, decays 2^-5 to 2^-19.
"""

import sys

import numpy as np

from deepcollapse.landscape import search
from deepcollapse.theory import known_points
from deepcollapse.ufm import Problem

__all__ = ["beaten"]

_LOWER = 1e-6  # relative


def beaten(problem: Problem) -> str | None:
    """The setting in words with both losses where a fresh search beats what is known; None where it does not."""
    generator = np.random.default_rng([7, problem.classes, problem.layers])
    fresh = search(problem, with_atlas=False, generator=generator).minimum
    best = known_points(problem)[0]
    if fresh.loss >= best.loss * (1 - _LOWER):
        return None
    return f"{problem}: {fresh.loss!r} of rank {fresh.rank} is below {best.loss!r} of {best.name}"


def _sample(count: int, seed: int) -> list[Problem]:
    generator = np.random.default_rng(seed)
    grid = [(k, layers, e) for k in range(5, 13) for layers in (2, 3, 4, 6) for e in (5, 8, 13, 16, 19)]
    chosen = generator.choice(len(grid), size=count, replace=False)
    return [Problem(classes=grid[i][0], layers=grid[i][1], decay=2.0 ** -grid[i][2]) for i in chosen]


def _given(text: str) -> Problem:
    classes, layers, decay, *samples = text.split(",")
    return Problem(classes=int(classes), layers=int(layers), decay=float(decay), samples=int(*samples or [1]))


if __name__ == "__main__":
    drawn = sys.argv[1] == "--sample"
    problems = _sample(*map(int, sys.argv[2:])) if drawn else [_given(text) for text in sys.argv[1:]]
    worse = [line for line in map(beaten, problems) if line]
    sys.stdout.write("".join(line + "\n" for line in worse))
    sys.exit(bool(worse))
