"""Descent of many codes at once: F over the decay on logits Z = A B^T of one rank.

With A and B balanced, s_i(A) = s_i(B) = s_i(Z)^(1/2), the penalty (M/2) sum s_i(Z)^(2/M) equals
(M/4) (tr (A^T A)^(2/M) + tr (B^T B)^(2/M)); unbalanced factors cost more. So both have the same minima, and the second
form needs r x r eigenvalues only and has rotations as its only flat directions.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["Objective", "descended_codes"]

_MEMORY = 12  # moves that L-BFGS remembers
_ARMIJO = 1e-4  # share of the slope that a step has to gain
_SHORTENINGS = 12
_CURVED = 1e-12  # least cosine between a move and the turn of the gradient for the pair to be remembered
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Objective:
    """F over the decay of a batch of codes (..., 2, K, r), the factors A and B of the logits.

    Attributes:
        layers: L.
        decay: lambda n^(1/M), on which alone F depends.
    """

    layers: int
    decay: float

    def value_and_gradient(
        self, codes: Float[np.ndarray, "B 2 K r"]
    ) -> tuple[Float[np.ndarray, " B"], Float[np.ndarray, "B 2 K r"]]:
        """F / decay and its gradient."""
        data, slope = self._data(codes[:, 0] @ codes[:, 1].swapaxes(-1, -2))
        factors, power = self.layers + 1, 2.0 / (self.layers + 1)
        values, vectors = np.linalg.eigh(codes.swapaxes(-1, -2) @ codes)
        values = np.maximum(values, 1e-14 * values[..., -1:] + np.finfo(float).tiny)
        penalty = 0.25 * factors * np.power(values, power).sum(axis=(-1, -2))
        pull = (vectors * np.power(values, power - 1.0)[..., None, :]) @ vectors.swapaxes(-1, -2)
        gradient = codes @ pull
        gradient[:, 0] += slope @ codes[:, 1]
        gradient[:, 1] += slope.swapaxes(-1, -2) @ codes[:, 0]
        return data + penalty, gradient

    def _data(self, logits: Float[np.ndarray, "B K K"]) -> tuple[Float[np.ndarray, " B"], Float[np.ndarray, "B K K"]]:
        """The mean cross-entropy over the decay and its gradient, without cancellation at large margins."""
        classes = logits.shape[-1]
        diagonal = np.arange(classes)
        gaps = logits - logits[:, diagonal, diagonal][:, None, :]
        gaps[:, diagonal, diagonal] = -np.inf
        top = np.maximum(gaps.max(axis=1, keepdims=True), 0.0)
        wrong = np.exp(gaps - top)
        total = wrong.sum(axis=1)
        per_class = np.where(top[:, 0] > 0, top[:, 0] + np.log(np.exp(-top[:, 0]) + total), np.log1p(total))
        slope = wrong / (np.exp(-top[:, 0]) + total)[:, None, :]
        slope[:, diagonal, diagonal] = -slope.sum(axis=1)
        share = 1.0 / (classes * self.decay)
        return per_class.sum(axis=-1) * share, slope * share


def descended_codes(
    codes: Float[np.ndarray, "B 2 K r"], objective: Objective, *, steps: int, tolerance: float
) -> tuple[Float[np.ndarray, "B 2 K r"], Float[np.ndarray, " B"], Float[np.ndarray, " B"]]:
    """Codes after L-BFGS steps with backtracking, F over the decay there, and the gradient's norm.

    Every code has a history and a step size of its own. A code stops where its gradient is below the tolerance or no
    step lowers F.

    Args:
        codes: where to start.
        objective: F.
        steps: at most.
        tolerance: gradient norm, in decays.
    """
    shape = codes.shape[1:]
    state = _at(codes.reshape(len(codes), -1), objective, shape=shape)
    memory = _Memory(*(np.zeros((_MEMORY, *size)) for size in (state.point.shape, state.point.shape, (len(codes),))))
    active = np.ones(len(codes), dtype=bool)
    for step in range(steps):
        active &= np.linalg.norm(state.gradient, axis=1) > tolerance
        on = np.flatnonzero(active)
        if not on.size:
            break
        before = state.at(on)
        after, moved = _stepped(before, memory.direction(before.gradient, on, step=step), objective, shape=shape)
        memory.remember(before, after, on, slot=step % _MEMORY, moved=moved)
        state.put(on, after)
        active[on[~moved]] = False
    return state.point.reshape(codes.shape), state.value, np.linalg.norm(state.gradient, axis=1)


@dataclass(frozen=True, slots=True)
class _State:
    """Codes as rows of numbers, F over the decay and its gradient there."""

    point: Float[np.ndarray, "B p"]
    value: Float[np.ndarray, " B"]
    gradient: Float[np.ndarray, "B p"]

    def at(self, chosen: np.ndarray) -> "_State":
        return _State(self.point[chosen], self.value[chosen], self.gradient[chosen])

    def put(self, chosen: np.ndarray, other: "_State") -> None:
        self.point[chosen], self.value[chosen], self.gradient[chosen] = other.point, other.value, other.gradient


@dataclass(frozen=True, slots=True)
class _Memory:
    """The last moves of every code, how the gradient turned on each, and one over their product (0: not remembered)."""

    moves: Float[np.ndarray, "m B p"]
    turns: Float[np.ndarray, "m B p"]
    inverse: Float[np.ndarray, "m B"]

    def remember(self, before: _State, after: _State, on: np.ndarray, *, slot: int, moved: np.ndarray) -> None:
        """Put the last move of the codes ``on`` in place of the oldest, where the gradient turned along it."""
        move, turn = after.point - before.point, after.gradient - before.gradient
        product = (move * turn).sum(axis=1)
        good = moved & (product > _CURVED * np.linalg.norm(move, axis=1) * np.linalg.norm(turn, axis=1))
        self.moves[slot], self.turns[slot], self.inverse[slot] = 0.0, 0.0, 0.0
        kept = on[good]
        self.moves[slot, kept], self.turns[slot, kept], self.inverse[slot, kept] = (
            move[good],
            turn[good],
            1 / product[good],
        )

    def direction(self, gradient: Float[np.ndarray, "b p"], on: np.ndarray, *, step: int) -> Float[np.ndarray, "b p"]:
        """The two-loop recursion of L-BFGS for the codes ``on``; down the gradient where that would not descend."""
        order = [index % _MEMORY for index in range(max(0, step - _MEMORY), step)]
        moves, turns, inverse = self.moves[:, on], self.turns[:, on], self.inverse[:, on]
        norms = np.linalg.norm(gradient, axis=1)[:, None]
        way, shares = gradient.copy(), {}
        for index in reversed(order):
            shares[index] = inverse[index] * (moves[index] * way).sum(axis=1)
            way -= shares[index][:, None] * turns[index]
        way *= _first_scale(turns[order[-1]], inverse[order[-1]]) if order else 1.0 / np.maximum(norms, _TINY)
        for index in order:
            way += moves[index] * (shares[index] - inverse[index] * (turns[index] * way).sum(axis=1))[:, None]
        descends = (way * gradient).sum(axis=1) > 0
        return np.where(descends[:, None], -way, -gradient / np.maximum(norms, 1.0))


def _first_scale(turn: Float[np.ndarray, "b p"], inverse: Float[np.ndarray, " b"]) -> Float[np.ndarray, "b 1"]:
    """The newest move's product with its turn over the turn's square: the size of the inverse Hessian."""
    square = (turn**2).sum(axis=1)
    return np.where(inverse > 0, 1.0 / np.maximum(inverse * square, _TINY), 1e-3)[:, None]


def _at(point: Float[np.ndarray, "b p"], objective: Objective, *, shape: tuple[int, ...]) -> _State:
    value, gradient = objective.value_and_gradient(point.reshape(len(point), *shape))
    return _State(point.copy(), value, gradient.reshape(point.shape))


def _stepped(
    before: _State, direction: Float[np.ndarray, "b p"], objective: Objective, *, shape: tuple[int, ...]
) -> tuple[_State, Bool[np.ndarray, " b"]]:
    """The codes after a step of size one, or shortened until F falls enough; and which found such a step."""
    slope = (direction * before.gradient).sum(axis=1)
    after = before.at(np.arange(len(slope)))
    size, left = np.ones(len(slope)), np.arange(len(slope))
    for _ in range(_SHORTENINGS):
        trial = _at(before.point[left] + size[left, None] * direction[left], objective, shape=shape)
        over = trial.value - before.value[left] - size[left] * slope[left]
        fine = trial.value <= before.value[left] + _ARMIJO * size[left] * slope[left]
        after.put(left[fine], trial.at(fine))
        left, over = left[~fine], over[~fine]
        if not left.size:
            break
        best = -slope[left] * size[left] ** 2 / (2.0 * np.maximum(over, _TINY))  # of the parabola through what is known
        size[left] = np.clip(best, 0.1 * size[left], 0.5 * size[left])
    return after, ~np.isin(np.arange(len(slope)), left)
