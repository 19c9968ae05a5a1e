"""Search every atlas setting of given numbers of classes from fresh starts, in a process without run-time type checks.

python fresh_starts.py CLASSES [CLASSES ...] prints the settings that a fresh search beats, and exits 1 if there is one.
At least 200 random starts per setting, from a seed that building the atlas never used.
"""

import sys

import numpy as np

from deepcollapse.landscape import atlas, search

__all__ = ["beaten"]


def beaten(classes: int) -> list[str]:
    found = []
    for (k, layers, decay), entry in atlas().items():
        if k == classes:
            generator = np.random.default_rng([7, k, layers])
            fresh = search(entry.problem, restarts=-(-200 // (k - 1)), generator=generator).minimum
            if fresh.loss < entry.loss * (1 - 1e-9):
                found.append(f"K={k}, L={layers}, decay={decay}: {fresh.loss!r} below {entry.loss!r}")
    return found


if __name__ == "__main__":
    worse = [line for classes in map(int, sys.argv[1:]) for line in beaten(classes)]
    sys.stdout.write("".join(line + "\n" for line in worse))
    sys.exit(bool(worse))
