"""The definitions of the collapse metrics, written out with loops and dense matrices."""

import numpy as np


def spread_features(rng: np.random.Generator, *, classes: int, width: int, spread: float, rank: int | None = None):
    """Features with unequal class sizes, class means of the given rank and this spread within classes."""
    labels = np.repeat(np.arange(classes), rng.integers(2, 12, classes))
    rng.shuffle(labels)
    means = rng.standard_normal((classes, width))
    if rank is not None:
        means = rng.standard_normal((classes, rank)) @ rng.standard_normal((rank, width))
    return means[labels] + spread * rng.standard_normal((labels.size, width)), labels


def covariances(features: np.ndarray, labels: np.ndarray, *, classes: int, centre: str = "class"):
    """Sigma_W (mean over samples) and Sigma_B (mean over classes), d x d."""
    means = [features[labels == k].mean(axis=0) for k in range(classes)]
    middle = np.mean(means, axis=0) if centre == "class" else features.mean(axis=0)
    within = sum(np.outer(x - means[k], x - means[k]) for x, k in zip(features, labels, strict=True)) / len(labels)
    between = sum(np.outer(m - middle, m - middle) for m in means) / classes
    return within, between


def trace_nc1(features: np.ndarray, labels: np.ndarray, *, classes: int, rtol: float, centre: str = "class") -> float:
    """tr(Sigma_W Sigma_B^+) with the d x d pseudo-inverse that drops eigenvalues below rtol^2 of the largest."""
    within, between = covariances(features, labels, classes=classes, centre=centre)
    return float(np.trace(within @ np.linalg.pinv(between, rcond=rtol**2, hermitian=True)))
