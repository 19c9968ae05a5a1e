"""Slow definitions: the Hessian by automatic differentiation of the loss written anew, critical points by search."""

import warnings

import numpy as np
import torch
from scipy.optimize import minimize

from deepcollapse.curvature import dense_hessian, flatten, unflatten
from deepcollapse.ufm import (
    factor_shapes,
    gaussian_factors,
    gradient,
    read_factors,
    regularised_loss,
)


def torch_loss(problem):
    """The regularised loss of flattened factors, in torch's own words."""
    shapes = factor_shapes(problem)
    labels = torch.tensor(problem.labels)

    def loss(vector):
        parts = torch.split(vector, [rows * columns for rows, columns in shapes])
        factors = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        output = factors[1] @ factors[0]
        for weight in factors[2:]:
            output = weight @ (torch.relu(output) if problem.activation == "relu" else output)
        if problem.loss == "ce":
            data = torch.nn.functional.cross_entropy(output.T, labels)
        else:
            data = (output - torch.eye(problem.classes, dtype=output.dtype)[:, labels]).square().sum()
            data = data / (2 * problem.total_samples)
        decays = zip(problem.factor_decays, factors, strict=True)
        return data + sum(decay / 2 * factor.square().sum() for decay, factor in decays)

    return loss


def torch_hessian(factors, problem):
    """Dense Hessian by forward over reverse differentiation."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)  # torch's own use
        return torch.func.hessian(torch_loss(problem))(torch.from_numpy(flatten(factors))).numpy()


def torch_eigenvalues(factors, problem):
    return np.linalg.eigvalsh(torch_hessian(factors, problem))


def repeated(spectrum):
    """All eigenvalues of a spectrum, ascending, one entry per parameter."""
    return np.repeat(spectrum.eigenvalues, spectrum.multiplicities)


def critical_factors(problem, *, seed, steps=20, scale=1.5):
    """A critical point of the problem: quasi-Newton descent, then Newton steps on what is not null."""
    shapes = factor_shapes(problem)

    def value(vector):
        factors = unflatten(vector, shapes)
        return regularised_loss(factors, problem), flatten(gradient(factors, problem))

    start = flatten(gaussian_factors(problem, np.random.default_rng(seed), scale=scale))
    options = {"maxiter": 300, "ftol": 1e-16, "gtol": 1e-9}
    vector = minimize(value, start, jac=True, method="L-BFGS-B", options=options).x
    for _ in range(steps):
        slope = value(vector)[1]
        if np.linalg.norm(slope) < 1e-12 * problem.mean_decay:
            break
        hessian = dense_hessian(unflatten(vector, shapes), problem)
        vector = vector - np.linalg.pinv(hessian, rcond=1e-8) @ slope
    return unflatten(vector, shapes)


def critical_logits(problem, rank, *, seed):
    """Class logits of a critical point of at most this rank, found at the width of the rank."""
    narrow = problem.replace(width=rank)
    return read_factors(critical_factors(narrow, seed=seed), narrow).logits
