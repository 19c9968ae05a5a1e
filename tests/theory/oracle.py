"""Slow definitions: losses from the formula alone, minimised along a ray by a grid and a bounded search."""

import numpy as np
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from deepcollapse.ufm import Problem

__all__ = ["dense_loss", "least_along", "sizes"]


def dense_loss(logits: np.ndarray, problem: Problem) -> float:
    """Mean cross-entropy sample by sample plus (M decay / 2) sum s^(2/M) of the full K x N logits."""
    columns = np.repeat(logits, problem.class_samples, axis=1)
    data = [
        np.log(np.exp(column - column[label]).sum()) for column, label in zip(columns.T, problem.labels, strict=True)
    ]
    decay = float(np.exp(np.log(problem.factor_decays).mean()))
    values = np.linalg.svd(columns, compute_uv=False)
    values = values[values > 1e-10 * max(values[0], 1e-300)]
    return float(np.mean(data) + problem.factors * decay / 2 * (values ** (2 / problem.factors)).sum())


def least_along(matrix: np.ndarray, problem: Problem, *, largest: float = 200.0) -> float:
    """The least loss of matrix times a scale in [0.05, largest]."""
    grid = np.geomspace(0.05, largest, 300)
    losses = [dense_loss(scale * matrix, problem) for scale in grid]
    at = int(np.argmin(losses))
    bounds = (grid[max(at - 1, 0)], grid[min(at + 1, grid.size - 1)])
    found = minimize_scalar(
        lambda scale: dense_loss(scale * matrix, problem),
        bounds=bounds,
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(min(found.fun, *losses))


@st.composite
def sizes(draw: st.DrawFn, *, most_classes: int = 8) -> dict[str, object]:
    """Arguments of a problem inside or outside every hypothesis: any loss, activation, balance, width and decay."""
    k, layers = draw(st.integers(2, most_classes)), draw(st.integers(1, 5))
    decay = 2.0 ** draw(st.floats(-16, -1))
    shape = draw(st.sampled_from(["plain"] * 4 + ["factors", "imbalance", "narrow", "mse", "relu"]))
    chosen = {"classes": k, "layers": layers, "decay": decay, "samples": draw(st.integers(1, 3))}
    chosen["width"] = k + draw(st.integers(0, 3))
    if shape == "factors":
        chosen["decay"] = tuple(decay * 2.0 ** draw(st.integers(-2, 2)) for _ in range(layers + 1))
    if shape == "imbalance":
        minority = draw(st.integers(1, k - 1))
        chosen["samples"] = (4,) * (k - minority) + (1,) * minority
    if shape == "narrow":
        chosen["width"] = draw(st.integers(1, k))
    if shape == "mse":
        chosen["loss"] = "mse"
    if shape == "relu":
        chosen["activation"] = "relu"
    return chosen
