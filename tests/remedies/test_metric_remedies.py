"""Advice about class moments and metrics works when it is followed."""

import inspect

import numpy as np

from deepcollapse.metrics import (
    between_class,
    cdnv,
    collapse_metrics,
    equiangularity,
    equinorm,
    generalised_nc2,
    nc1,
    nc3,
    nc3_cosines,
    nc3_etf,
    nc4_agreement,
    nc5,
    schatten,
    spectrum,
    structure_distances,
    subspace_residual,
    variability_quotient,
)
from deepcollapse.stats import ClassMoments, MomentStream, class_moments, gathered
from remedies.refusal import Refusal, cases

GENERATOR = np.random.default_rng(0)
LABELS = np.repeat(np.arange(3), 4)
MEANS = GENERATOR.normal(size=(3, 5))
FEATURES = MEANS[LABELS] + 0.1 * GENERATOR.normal(size=(12, 5))
WEIGHT = GENERATOR.normal(size=(3, 5))
BIAS = np.zeros(3)
ONE_EACH = LABELS[[0, 4, 8]]
NAN = np.where(np.eye(3, 5) == 1, np.nan, WEIGHT)


def moments(features=FEATURES, labels=LABELS, classes=3, **options):
    return class_moments(features, labels, classes=classes, **options)


def taken(*given, **options):
    return lambda: moments(*given, **options)


def measured(**options):
    return lambda: collapse_metrics(moments(), **options)


def streamed(*batches):
    def moments_of():
        stream = MomentStream(3)
        for features, labels in batches:
            stream.add(features, labels)
        return stream.moments()

    return moments_of


def merged(first, second):
    return lambda: first().merge(second())


def agreement(features=FEATURES, means=MEANS, weight=WEIGHT, **bias):
    return lambda: nc4_agreement(features, means=means, weight=weight, **bias)


ALL = (FEATURES, LABELS)
MOMENTS = [
    Refusal(
        "features: expected a NumPy array",
        "np.asarray",
        lambda: inspect.unwrap(class_moments)(FEATURES.tolist(), LABELS, classes=3),
        taken(np.asarray(FEATURES.tolist())),
    ),
    Refusal("features: expected at least one sample", "pass those", taken(FEATURES[:0], LABELS[:0]), taken()),
    Refusal("features: expected one row per sample", "flatten", taken(FEATURES[:, None]), taken(FEATURES)),
    Refusal("features: expected floating-point", "float64", taken(FEATURES.astype(int)), taken(FEATURES.astype(float))),
    Refusal("features: expected squares within float64", "rescale", taken(FEATURES * 1e200), taken(FEATURES / 1e3)),
    Refusal("features: expected finite", "", taken(np.where(LABELS[:, None], FEATURES, np.inf)), taken()),
    Refusal("labels: expected one number per sample", "class indices", taken(FEATURES, np.eye(3)[LABELS]), taken()),
    Refusal("labels: expected 0 to 2", "raise the number", taken(FEATURES, LABELS + 1), taken(FEATURES, LABELS + 1, 4)),
    Refusal("labels: expected 0 to 2", "relabel", taken(FEATURES, LABELS + 1), taken(FEATURES, LABELS)),
    Refusal("labels: expected whole numbers", "int64", taken(FEATURES, LABELS * 1.0), taken(FEATURES, LABELS)),
    Refusal("classes: expected at least 2, but found 1", "compare", taken(classes=1), taken(classes=2), "labels: "),
    Refusal("features: expected width 5", "one stream", streamed(ALL, (WEIGHT[:, :4], ONE_EACH)), streamed(ALL)),
    Refusal("features: expected at least one sample", "add batches", streamed(), streamed(ALL)),
    Refusal("features: expected a NumPy array or", "np.asarray", streamed((FEATURES.tolist(), LABELS)), streamed(ALL)),
    Refusal(
        "within: expected the scatter matrix",
        "scatter=True",
        lambda: moments(scatter=False).within,
        lambda: moments(scatter=True).within,
    ),
    Refusal("merge: expected a scatter", "same", merged(taken(), taken(scatter=False)), merged(taken(), taken())),
    Refusal("merge: expected 3 classes", "same layer", merged(taken(), taken(classes=4)), merged(taken(), taken())),
    Refusal(
        "classes: expected samples of at least 2",
        "measure more",
        lambda: moments(FEATURES[:4], LABELS[:4]).present(),
        lambda: moments().present(),
    ),
    Refusal(
        "classes: expected samples of all 4",
        "present()",
        lambda: moments(classes=4).centred_means(),
        lambda: moments(classes=4).present().centred_means(),
    ),
    Refusal(
        "classes: expected samples of all 3",
        "merge further",
        lambda: moments(FEATURES[:8], LABELS[:8]).centred_means(),
        lambda: moments(FEATURES[:8], LABELS[:8]).merge(moments(FEATURES[8:], LABELS[8:])).centred_means(),
    ),
    Refusal(
        "centre: expected",
        "one of the two",
        lambda: inspect.unwrap(ClassMoments.centred_means)(moments(), "mean"),
        lambda: moments().centred_means("class"),
    ),
    Refusal(
        "class means: expected at least two",
        "another one",
        lambda: nc1(moments(np.ones((12, 5)))),
        lambda: nc1(moments()),
    ),
    Refusal(
        "spread: expected a class of at least 2",
        "measure more",
        lambda: variability_quotient(moments(WEIGHT, np.arange(3))),
        lambda: variability_quotient(moments()),
    ),
    Refusal("gathered: expected torch.distributed", "as they are", lambda: gathered(moments()), taken()),
]
METRICS = [
    Refusal(
        "convention: expected",
        "one of the two",
        lambda: inspect.unwrap(nc1)(moments(), convention="x"),
        lambda: nc1(moments()),
    ),
    Refusal(
        "nc1: expected moments with",
        "scatter=True",
        lambda: nc1(moments(scatter=False)),
        lambda: nc1(moments(scatter=True)),
    ),
    Refusal(
        "nc1: expected moments with",
        "variability_quotient",
        lambda: nc1(moments(scatter=False)),
        lambda: variability_quotient(moments(scatter=False)),
    ),
    Refusal(
        "rtol: expected a share",
        "1e-3",
        lambda: between_class(moments(), rtol=1.0),
        lambda: between_class(moments(), rtol=1e-3),
    ),
    Refusal(
        "cdnv: expected two classes",
        "measure more",
        lambda: cdnv(moments(WEIGHT, np.arange(3)), unbiased=True),
        lambda: cdnv(moments(), unbiased=True),
    ),
    Refusal(
        "vectors: expected one that", "another layer", lambda: equinorm(np.zeros((3, 4))), lambda: equinorm(WEIGHT)
    ),
    Refusal(
        "vectors: expected none to be zero",
        "leave these",
        lambda: equiangularity(np.concatenate([WEIGHT, BIAS[None, [0] * 5]])),
        lambda: equiangularity(WEIGHT),
    ),
    Refusal("vectors: expected a matrix", "stack", lambda: equinorm(WEIGHT[0]), lambda: equinorm(np.stack([*WEIGHT]))),
    Refusal(
        "vectors: expected finite entries",
        "remove NaN",
        lambda: equinorm(NAN),
        lambda: equinorm(NAN[:, ~np.isnan(NAN).any(axis=0)]),
    ),
    Refusal(
        "kernel: expected",
        "one of the two",
        lambda: inspect.unwrap(generalised_nc2)(WEIGHT, kernel="x"),
        lambda: generalised_nc2(WEIGHT),
    ),
    Refusal(
        "vectors: expected at least 3",
        "equiangularity",
        lambda: generalised_nc2(WEIGHT[:2]),
        lambda: equiangularity(WEIGHT[:2]),
    ),
    Refusal(
        "vectors: expected directions that differ",
        'kernel="distance"',
        lambda: generalised_nc2(WEIGHT[[0, 0, 1]]),
        lambda: generalised_nc2(WEIGHT[[0, 0, 1]], kernel="distance"),
    ),
    Refusal(
        "nc3: expected weight and means of one shape",
        "transpose",
        lambda: nc3(WEIGHT.T, MEANS),
        lambda: nc3(WEIGHT, MEANS),
    ),
    Refusal(
        "nc3: expected weight and means other",
        "another layer",
        lambda: nc3(np.zeros((3, 5)), MEANS),
        lambda: nc3(WEIGHT, MEANS),
    ),
    Refusal(
        "weight: expected none to be zero",
        "leave these",
        lambda: nc3_cosines(np.diag([1.0, 1.0, 0.0]), np.eye(3)),
        lambda: nc3_cosines(np.diag([1.0, 1.0, 0.0])[:2], np.eye(3)[:2]),
    ),
    Refusal(
        "nc3_etf: expected W M^T",
        "layer it reads",
        lambda: nc3_etf(np.eye(2, 4), np.eye(2, 4)[:, ::-1]),
        lambda: nc3_etf(np.eye(2, 4), np.eye(2, 4)),
    ),
    Refusal(
        "subspace_residual: expected weight and means of one width",
        "transpose",
        lambda: subspace_residual(WEIGHT.T, MEANS),
        lambda: subspace_residual(WEIGHT, MEANS),
    ),
    Refusal(
        "rtol: expected a share",
        "1e-3",
        lambda: subspace_residual(WEIGHT, MEANS, rtol=1.0),
        lambda: subspace_residual(WEIGHT, MEANS, rtol=1e-3),
    ),
    Refusal("features: expected at least one sample", "N >= 1", agreement(FEATURES[:0]), agreement(FEATURES[:1])),
    Refusal("features: expected a matrix", "classifier reads", agreement(FEATURES[:, :4]), agreement(FEATURES)),
    Refusal(
        "features: expected scores", "rescale", agreement(FEATURES.clip(0.1) * 1e307, MEANS * 1e9), agreement(FEATURES)
    ),
    Refusal("weight: expected the shape", "transpose", agreement(weight=WEIGHT.T), agreement(weight=WEIGHT)),
    Refusal("bias: expected shape", "leave it out", agreement(bias=np.zeros(4)), agreement()),
    Refusal(
        "outlier_mean: expected a vector",
        "one layer's",
        lambda: nc5(MEANS, np.ones(4)),
        lambda: nc5(MEANS, FEATURES.mean(axis=0)),
    ),
    Refusal("matrix: expected an entry", "another layer", lambda: spectrum(np.zeros((3, 3))), lambda: spectrum(WEIGHT)),
    Refusal("rtol and atol: expected", "1e-3 and 0", lambda: spectrum(WEIGHT, rtol=-1), lambda: spectrum(WEIGHT)),
    Refusal("p and atol: expected", "p = 1", lambda: schatten(np.ones(3), p=0), lambda: schatten(np.ones(3), p=1)),
    Refusal(
        "p: expected a value within", "raise p", lambda: schatten(np.ones(3), p=1e-4), lambda: schatten(np.ones(3), p=1)
    ),
    Refusal(
        "singular_values: expected a vector",
        "decomposition",
        lambda: schatten(WEIGHT, p=1),
        lambda: schatten(np.linalg.svd(WEIGHT, compute_uv=False), p=1),
    ),
    Refusal(
        "singular_values: expected finite",
        "decomposition",
        lambda: schatten(-np.ones(3), p=1),
        lambda: schatten(np.linalg.svd(WEIGHT, compute_uv=False), p=1),
    ),
    Refusal(
        "logits: expected a square",
        "mean logits",
        lambda: structure_distances(FEATURES @ WEIGHT.T),
        lambda: structure_distances(MEANS @ WEIGHT.T),
    ),
    Refusal(
        "logits: expected columns that vary",
        "trained",
        lambda: structure_distances(np.ones((3, 3))),
        lambda: structure_distances(np.eye(3)),
    ),
    Refusal(
        "rtol: expected a share",
        "1e-3",
        lambda: structure_distances(np.eye(3), rtol=1),
        lambda: structure_distances(np.eye(3), rtol=1e-3),
    ),
]
TOGETHER = [
    Refusal("agreement: expected a share", "nc4_agreement", measured(agreement=2.0), measured(agreement=agreement()())),
    Refusal("bias: expected a weight", "classifier's weight", measured(bias=BIAS), measured(bias=BIAS, weight=WEIGHT)),
    Refusal("weight: expected shape (3, 5)", "transpose", measured(weight=WEIGHT.T), measured(weight=WEIGHT)),
    Refusal(
        "weight: expected real numbers", "float64", measured(weight=WEIGHT > 0), measured(weight=(WEIGHT > 0) * 1.0)
    ),
    Refusal("weight: expected finite", "drop it", measured(weight=NAN), measured()),
]


@cases(MOMENTS)
def test_moments(refusal: Refusal):
    refusal.check()


@cases(METRICS)
def test_metrics(refusal: Refusal):
    refusal.check()


@cases(TOGETHER)
def test_metrics_together(refusal: Refusal):
    refusal.check()
