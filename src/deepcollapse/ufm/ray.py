"""The objective along a ray of logits: one pattern, one free scale.

F(beta X) = h(beta) + decay * (M / 2) * sum_i (beta v_i)^(2/M), with h the data term and v_i the singular values of the
pattern's N columns. A stationary scale solves phi(beta) = -h'(beta) beta^(1 - 2/M) = decay * sum_i v_i^(2/M); phi rises
and falls, so for M >= 3 a minimum exists only while the right side is below the largest phi (the fold).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar, root_scalar

from deepcollapse.errors import UndefinedError
from deepcollapse.ufm.problem import Problem

__all__ = ["Block", "Column", "Ray"]

_GRID = 400


@dataclass(frozen=True, slots=True)
class Column:
    """All columns of one type in a pattern: how the correct logit compares with the others.

    Attributes:
        weight: share of these columns in the mean loss.
        gaps: distinct differences x_ij - x_jj over the wrong classes i, and
        counts: how many wrong classes have each.
        diagonal: x_jj.
        square: ||x_j||^2.
    """

    weight: float
    gaps: Float[np.ndarray, " g"]
    counts: Float[np.ndarray, " g"]
    diagonal: float
    square: float


@dataclass(frozen=True, slots=True)
class Block:
    """A pattern of logits with one free scale, in the numbers the objective depends on.

    Attributes:
        columns: its columns by type; their weights add up to the share of its classes.
        values: distinct non-zero singular values of its columns repeated over the samples, and
        multiplicities: how often each occurs.
    """

    columns: tuple[Column, ...]
    values: Float[np.ndarray, " v"]
    multiplicities: Float[np.ndarray, " v"]

    @property
    def rank(self) -> int:
        """Number of non-zero singular values."""
        return int(self.multiplicities.sum())


@dataclass(frozen=True, slots=True)
class Ray:
    """F(beta X) as a function of the scale beta >= 0 for the pattern of one block.

    >>> from deepcollapse.ufm.structures import simplex
    >>> ray = Ray(simplex(problem := Problem(classes=10, samples=5, layers=2)).blocks[0], problem)
    >>> round(ray.minimum(), 10)
    7.0375384944
    """

    block: Block
    problem: Problem

    def data(self, scale: float) -> float:
        """The data term h(beta) of this block's columns."""
        return float(sum(column.weight * self._column_loss(column, scale) for column in self.block.columns))

    def loss(self, scale: float) -> float:
        """h(beta) plus the Schatten penalty."""
        cost = 0.5 * self.problem.factors * self.problem.mean_decay * self._values_power
        return self.data(scale) + cost * scale**self.problem.penalty_power

    def slope(self, scale: Float[np.ndarray, "*g"] | float) -> Float[np.ndarray, "*g"]:
        """phi(beta) = -h'(beta) beta^(1 - 2/M), at one scale or many."""
        scales = np.asarray(scale, dtype=float)
        descent = -sum(column.weight * self._column_slope(column, scales) for column in self.block.columns)
        return np.asarray(descent * scales ** (1.0 - self.problem.penalty_power))

    def fold(self) -> tuple[float, float]:
        """Scale at which phi is largest, and the largest decay at which a stationary scale exists there.

        For L = 1 the fold lies at scale 0.
        """
        if self.problem.layers == 1:
            return 0.0, float(self.slope(0.0) / self._values_power)
        grid = self._grid()
        top = int(np.argmax(self.slope(grid)))
        low, high = np.log(grid[max(top - 1, 0)]), np.log(grid[min(top + 1, grid.size - 1)])
        found: Any = minimize_scalar(  # its result has x and fun, which stubs do not always say
            lambda t: -float(self.slope(np.exp(t))),
            bounds=(low, high),
            method="bounded",
            options={"xatol": 1e-13},
        )
        return float(np.exp(found.x)), float(-found.fun / self._values_power)

    def minimum(self) -> float:
        """The scale of the lowest local minimum along the ray.

        Raises:
            UndefinedError: the decay is above the fold's, so that only scale 0 is stationary.
        """
        scales = self._minima()
        if not scales:
            limit = self.fold()[1]
            raise UndefinedError(
                f"scale: expected a decay below {limit:.9g}, but found {self.problem.mean_decay:.9g}; "
                "at this decay only Z = 0 is stationary along the ray: lower the decay"
            )
        return min(scales, key=self.loss)

    def _minima(self) -> list[float]:
        level = self.problem.mean_decay * self._values_power

        def excess(beta: float) -> float:
            return float(self.slope(beta)) - level

        fold = self.fold()[0]
        grid = np.union1d(self._grid(), [fold] if fold > 0 else [])
        if self.problem.layers == 1:
            grid = np.concatenate([[0.0], grid])
        high = grid[-1]
        while excess(high) > 0:
            high *= 2.0
        points = np.append(grid, high)
        above = self.slope(points) > level
        falls = np.flatnonzero(above[:-1] & ~above[1:])
        brackets = [(points[i], points[i + 1]) for i in falls]
        return [float(root_scalar(excess, bracket=pair, xtol=1e-300, rtol=1e-15).root) for pair in brackets]

    def _grid(self) -> Float[np.ndarray, " g"]:
        sizes = np.abs(np.concatenate([column.gaps[column.gaps != 0] for column in self.block.columns]))
        return np.geomspace(1e-6 / sizes.max(), 50.0 / sizes.min(), _GRID)

    @property
    def _values_power(self) -> float:
        return float(self.block.multiplicities @ self.block.values**self.problem.penalty_power)

    def _column_loss(self, column: Column, scale: float) -> float:
        if self.problem.loss == "mse":
            return 0.5 * (scale**2 * column.square - 2.0 * scale * column.diagonal + 1.0)
        exponents = scale * column.gaps
        shift = exponents.max()
        return float(np.logaddexp(0.0, shift + np.log(column.counts @ np.exp(exponents - shift))))

    def _column_slope(self, column: Column, scales: Float[np.ndarray, "*g"]) -> Float[np.ndarray, "*g"]:
        if self.problem.loss == "mse":
            return np.asarray(scales * column.square - column.diagonal)
        exponents = scales[..., None] * column.gaps
        shift = np.maximum(exponents.max(axis=-1), 0.0)
        weights = column.counts * np.exp(exponents - shift[..., None])
        return np.asarray((weights @ column.gaps) / (np.exp(-shift) + weights.sum(axis=-1)))
