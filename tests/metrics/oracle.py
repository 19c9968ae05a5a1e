"""The definitions of the collapse metrics, written out with loops and dense matrices."""

from itertools import permutations

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


def loop_cdnv(features: np.ndarray, labels: np.ndarray, *, classes: int, ddof: int = 0) -> float:
    """Mean of (v_k + v_l) / (2 ||mu_k - mu_l||^2) over ordered pairs."""
    of = [features[labels == k] for k in range(classes)]
    means = [x.mean(axis=0) for x in of]
    variances = [sum(float((x - m) @ (x - m)) for x in xs) / (len(xs) - ddof) for xs, m in zip(of, means, strict=True)]
    terms = [
        (variances[k] + variances[l]) / (2.0 * float((means[k] - means[l]) @ (means[k] - means[l])))
        for k in range(classes)
        for l in range(classes)
        if k != l
    ]
    return float(np.mean(terms))


def simplex_gram(classes: int) -> np.ndarray:
    """The Gram matrix of a simplex of K vectors, of norm one."""
    gram = np.eye(classes) - np.ones((classes, classes)) / classes
    return gram / np.linalg.norm(gram)


def loop_nc4(features: np.ndarray, means: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> int:
    """Samples for which the classifier and the nearest class mean agree, one by one."""
    count = 0
    for x in features:
        logits = [float(w @ x) + b for w, b in zip(weight, bias, strict=True)]
        distances = [float((x - m) @ (x - m)) for m in means]
        count += int(np.argmax(logits)) == int(np.argmin(distances))
    return count


def loop_structure_distance(logits: np.ndarray, parts: list[np.ndarray]) -> float:
    """Least distance at equal norm over all class permutations and a fine choice of scales of one or two parts."""
    logits = logits - logits.mean(axis=0)
    logits = logits / np.linalg.norm(logits)
    angles = np.linspace(0.0, np.pi / 2, 2001) if len(parts) == 2 else np.zeros(1)
    scales = np.stack([np.cos(angles), np.sin(angles)])[: len(parts)]
    best = np.inf
    for p in map(list, permutations(range(len(logits)))):
        values = [float((logits[np.ix_(p, p)] * part).sum()) / np.linalg.norm(part) for part in parts]
        best = min(best, float(np.sqrt(np.maximum(2.0 - 2.0 * (values @ scales), 0.0)).min()))
    return best
