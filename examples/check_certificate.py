"""Check the log of `deepcollapse certify` without the package: python examples/check_certificate.py LOG.

It prints the least loss that the log proves. The mathematics is in docs/theory/lower-bound.md.
"""

import itertools
import json
import re
import sys
from pathlib import Path

import numpy as np
from flint import arb, arb_mat, ctx

ctx.prec = 100
HEAD, *LEAVES = map(json.loads, Path(sys.argv[1]).read_text(encoding="utf-8").splitlines())
K, L, RADIUS = HEAD["classes"], HEAD["layers"], HEAD["radius"]
PAIRS = list(itertools.combinations(range(K), 2))
MU = arb(HEAD["samples"])
for decay in HEAD["decays"]:
    MU *= arb(decay)
MU = MU.root(L + 1)


def form(weights):
    """Q = sum of w_ij (e_i - e_j)(e_i - e_j)^T."""
    rows = [[arb(0)] * K for _ in range(K)]
    for (i, j), w in zip(PAIRS, weights, strict=True):
        rows[i][j] = rows[j][i] = -arb(w)
        rows[i][i], rows[j][j] = rows[i][i] + arb(w), rows[j][j] + arb(w)
    return arb_mat(rows)


def floats(matrix):
    return np.array([[float(entry) for entry in row] for row in matrix.table()])


def empty(low, high):
    """Whether no positive semidefinite form between the corners has its diagonal in falling order."""
    if any(high[i, i] < low[i + 1, i + 1] for i in range(K - 1)):
        return True
    vector = arb_mat([[arb(x)] for x in np.linalg.eigh(floats(high))[1][:, 0]])
    return bool((vector.transpose() * high * vector)[0, 0] < 0)


def bound(low, high, wrong):
    if wrong is None:
        return float("inf") if empty(form(low), form(high)) else float("-inf")
    chances = iter(wrong)
    error = [[-arb(next(chances)) if i != j else arb(0) for j in range(K)] for i in range(K)]
    for j in range(K):
        error[j][j] = -sum((row[j] for row in error), arb(0))
    gram = arb_mat(error).transpose() * form(high) * arb_mat(error)
    size = np.linalg.norm(floats(gram), 2) * (1 + 1e-9) + 1e-200
    gap = arb_mat([[arb(size) * (i == j) - gram[i, j] for j in range(K)] for i in range(K)])
    if not all(arb_mat([row[:n] for row in gap.table()[:n]]).det() > 0 for n in range(1, K + 1)):  # Sylvester
        return float("-inf")
    share = min(arb(1), (K * MU / arb(size).sqrt()).lower(), key=float)
    chances = [(i == j) - share * error[i][j] for i in range(K) for j in range(K)]
    if not all(chance >= 0 for chance in chances):
        return float("-inf")
    entropy = sum((-chance * chance.log() for chance in chances if chance > 0), arb(0)) / K
    values = [value.real.lower() for value in (form(low) - arb_mat([[1] * K] * K)).eig(multiple=True)]  # ones: -K
    trace = sum((value.root(L - 1) for value in values if value > 0), arb(0))
    return (entropy + MU * (L - 1) / 2 * trace).lower()


def least(path, low, high, leaves):
    """The least proven bound of the leaves that begin with a path, which must fill its box."""
    below = {leaf: wrong for leaf, wrong in leaves.items() if leaf[: len(path)] == path != leaf}
    if not below:
        return bound(low, high, leaves[path])
    (axis,) = {int(leaf[len(path)][:-1]) for leaf in below}
    middle = 0.5 * (low[axis] + high[axis])
    lower, upper = [*high], [*low]
    lower[axis] = upper[axis] = middle
    halves = [(f"{axis}-", low, lower), (f"{axis}+", upper, high)]
    return min((least((*path, side), *corners, below) for side, *corners in halves), key=float)


sys.setrecursionlimit(10_000)
PROVEN = {tuple(re.findall(r"\d+[-+]", leaf["path"])): leaf["wrong"] for leaf in LEAVES}
outside = MU * (L - 1) / 2 * arb(2 * RADIUS).root(L - 1)
inside = least((), [-RADIUS] * len(PAIRS), [RADIUS] * len(PAIRS), PROVEN)
print(min(float(inside), float(outside)))
