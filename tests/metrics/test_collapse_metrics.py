"""The whole set of metrics: every number is that of its own function, and what has no value says why."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics import (
    cdnv,
    collapse_metrics,
    equiangularity,
    equinorm,
    etf_error,
    generalised_nc2,
    nc1,
    nc3,
    nc3_cosines,
    nc3_etf,
    spectrum,
    structure_distances,
    subspace_residual,
    variability_quotient,
)
from deepcollapse.stats import class_moments
from metrics.oracle import spread_features

SIMPLEX = np.eye(4) - 0.25


def moments_of(seed=0, *, classes=4, width=6, spread=0.1):
    features, labels = spread_features(np.random.default_rng(seed), classes=classes, width=width, spread=spread)
    return class_moments(features, labels, classes=classes)


def collapsed(means):
    return class_moments(np.repeat(means, 3, axis=0), np.repeat(np.arange(len(means)), 3), classes=len(means))


@given(st.integers(0, 2**32), st.sampled_from([(2, 1), (3, 2), (4, 6), (11, 5)]), st.sampled_from(["class", "sample"]))
def test_every_number_is_that_of_its_function(seed, size, centre):
    classes, width = size
    rng, moments = np.random.default_rng(seed), moments_of(seed, classes=classes, width=width)
    weight, bias = rng.standard_normal((classes, width)), rng.standard_normal(classes)
    found = collapse_metrics(moments, weight=weight, bias=bias, agreement=0.75, centre=centre)
    means = moments.centred_means(centre)
    assert found.nc1.papyan == nc1(moments, centre=centre)
    assert found.nc1.zhu == nc1(moments, centre=centre, convention="zhu")
    assert found.nc1.quotient == variability_quotient(moments, centre=centre)
    assert found.cdnv == cdnv(moments)
    for vectors, name in ((means, "means"), (weight, "weights"))[classes == 2 :]:
        assert getattr(found.nc2, f"equinorm_{name}") == equinorm(vectors)
        assert getattr(found.nc2, f"equiangular_{name}") == equiangularity(vectors)
        assert getattr(found.nc2, f"etf_error_{name}") == etf_error(vectors)
    if classes > 2 and width > 1:  # two directions have one distance; on a line some coincide
        assert found.gnc2.log_weights == generalised_nc2(weight, kernel="log")
        assert found.gnc2.distance_means == generalised_nc2(means, kernel="distance")
    assert (found.nc3.papyan, found.nc3.etf) == (nc3(weight, means), nc3_etf(weight, means))
    assert found.nc3.cosines == tuple(nc3_cosines(weight, means))
    if found.nc1.rank < width:
        assert found.nc3.subspace == pytest.approx(subspace_residual(weight, means), abs=1e-14)
    assert found.nc4.agreement == 0.75
    values = spectrum(means).singular_values
    np.testing.assert_allclose(found.spectrum.singular_values, values, rtol=0, atol=1e-14 * values[0])
    assert found.spectrum.rank == found.nc1.rank
    assert found.structure == structure_distances(weight @ moments.means.T + bias[:, None])
    assert (found.classes, found.width, found.samples, found.centre) == (*size, moments.total, centre)


def test_json_has_every_key():
    found = collapse_metrics(moments_of(), weight=np.eye(4, 6), agreement=1.0).as_json()
    assert json.loads(json.dumps(found)) == found
    inner = {key: set(value) for key, value in found.items() if isinstance(value, dict)}
    assert inner["nc1"] == {"papyan", "zhu", "rank", "tolerance", "quotient"}
    kinds = ("equinorm", "equiangular", "etf_error")
    assert inner["nc2"] == {f"{kind}_{of}" for kind in kinds for of in ("means", "weights")}
    assert inner["gnc2"] == {f"{kind}_{of}" for kind in ("distance", "log") for of in ("means", "weights")}
    assert inner["nc3"] == {"papyan", "etf", "cosines", "subspace"}
    assert inner["nc4"] == {"agreement"}
    assert {"singular_values", "rank", "stable_rank", "effective_rank"} <= inner["spectrum"]
    assert len(found["nc3"]["cosines"]) == 4


def test_scalars_are_the_numbers_of_the_json():
    found = collapse_metrics(moments_of(), weight=np.eye(4, 6))
    scalars = found.scalars()
    assert scalars["nc1/papyan"] == found.nc1.papyan
    assert scalars["spectrum/rank"] == found.spectrum.rank
    assert "nc4/agreement" not in scalars
    assert all(type(value) is float for value in scalars.values())


def test_collapse_is_zero():
    found = collapse_metrics(collapsed(SIMPLEX), weight=3.0 * SIMPLEX)
    assert (found.nc1.papyan, found.nc1.quotient, found.cdnv) == (0.0, 0.0, 0.0)
    room = 64 * np.finfo(float).eps
    for part in (found.nc2, found.gnc2):
        for name in part.__slots__:
            assert getattr(part, name) == pytest.approx(0.0, abs=room), name
    assert (found.nc3.papyan, found.nc3.etf) == pytest.approx((0.0, 0.0), abs=room)
    assert found.warnings == ()


def test_without_a_classifier_only_the_features_count():
    found = collapse_metrics(moments_of())
    assert (found.nc3.papyan, found.nc3.cosines, found.nc4.agreement, found.structure) == (None,) * 4
    assert (found.nc2.equinorm_weights, found.nc2.etf_error_weights) == (None, None)
    assert found.nc2.equinorm_means is not None
    assert found.warnings == ()


def test_what_has_no_value_says_why():
    """One class mean at the centre has no angle; a classifier of zeros has no direction at all."""
    means = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
    found = collapse_metrics(collapsed(means), weight=np.zeros((3, 2)))
    assert found.nc2.equiangular_means is None
    assert found.nc2.equinorm_means == equinorm(means)
    assert found.nc3.papyan is None
    reasons = dict(text.split(": ", 1) for text in found.warnings)
    assert {"equiangular_means", "equinorm_weights", "nc3", "structure"} <= set(reasons)
    assert "expected none to be zero, but found [2]" in reasons["equiangular_means"]


def test_without_the_scatter_only_the_trace_form_is_missing():
    features, labels = spread_features(np.random.default_rng(1), classes=3, width=5, spread=0.1)
    whole, traces = (
        collapse_metrics(class_moments(features, labels, classes=3, scatter=kept)) for kept in (True, False)
    )
    assert (traces.nc1.papyan, traces.nc1.zhu) == (None, None)
    assert traces.nc1.quotient == pytest.approx(whole.nc1.quotient, rel=1e-12)
    assert traces.cdnv == pytest.approx(whole.cdnv, rel=1e-12)
    assert [text.split(":")[0] for text in traces.warnings] == ["nc1"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"weight": np.ones((6, 4))}, r"weight: expected shape \(4, 6\), one row per class, but found \(6, 4\)"),
        ({"weight": np.ones((4, 6)), "bias": np.ones(6)}, r"bias: expected shape \(4,\).*found \(6,\)"),
        ({"bias": np.ones(4)}, "bias: expected a weight beside it, but found none"),
        ({"logits": np.ones((4, 6))}, r"logits: expected shape \(4, 4\)"),
        ({"weight": np.ones((4, 6), bool)}, "weight: expected real numbers, but found bool; cast it to float64"),
        ({"logits": np.eye(4) * 1j}, "logits: expected real numbers, but found complex128"),
        ({"agreement": 1.5}, r"agreement: expected a share from 0 to 1, but found 1.5; see nc4_agreement"),
        ({"agreement": float("nan")}, "agreement: expected a share from 0 to 1, but found nan"),
        ({"rtol": 1.0}, "rtol: expected a share from 0 to below 1, but found 1.0"),
        ({"weight": np.full((4, 6), np.nan)}, "weight: expected finite entries, but found 24 that are not"),
    ],
)
def test_what_does_not_fit_is_refused(given, message):
    with pytest.raises(InvalidInputError, match=message):
        collapse_metrics(moments_of(), **given)


def test_equal_class_means_have_no_collapse():
    with pytest.raises(UndefinedError, match="expected at least two that differ, but found 3 equal ones"):
        collapse_metrics(collapsed(np.ones((3, 2))))


def test_one_sample_per_class_has_no_spread_and_no_nearest_mean():
    moments = class_moments(np.eye(4, 6), np.arange(4), classes=4)
    found = collapse_metrics(moments, weight=np.eye(4, 6), agreement=1.0)
    assert (found.nc1.papyan, found.nc1.zhu, found.nc1.quotient, found.cdnv, found.nc4.agreement) == (None,) * 5
    assert found.nc2.etf_error_means == pytest.approx(0.0, abs=1e-14)
    reasons = dict(text.split(": ", 1) for text in found.warnings)
    assert reasons.keys() == {"nc1", "nc1_quotient", "cdnv", "nc4"}
    assert all("one sample" in reason for reason in reasons.values())
    with pytest.raises(UndefinedError, match="spread: expected a class of at least 2 samples, but found at most one"):
        nc1(moments)
    with pytest.raises(UndefinedError, match="spread: expected a class of at least 2 samples"):
        variability_quotient(moments)


def test_some_classes_of_one_sample_are_said():
    rows = np.concatenate([np.repeat(np.eye(3, 5), 3, axis=0) + 0.1 * np.eye(9, 5), 2 * np.eye(5)[3:]])
    found = collapse_metrics(class_moments(rows, np.array([*np.repeat(range(3), 3), 3, 4]), classes=5))
    assert found.nc1.quotient > 0
    assert found.cdnv > 0
    assert found.warnings[0].startswith("nc1: 2 of 5 classes have one sample, the first is 3; its spread is 0 by con")
    assert (
        found.warnings[1]
        == "cdnv: left out 7 of 10 pairs, whose classes have one sample, no variance, the first of classes 0 and 3"
    )


def test_two_class_means_are_a_simplex_by_construction():
    moments, weight = moments_of(classes=2), np.random.default_rng(0).standard_normal((2, 6))
    for centre in ("class", "sample"):
        found = collapse_metrics(moments, weight=weight, centre=centre)
        assert (found.nc2.equinorm_means, found.nc2.equiangular_means, found.nc2.etf_error_means) == (None,) * 3
        assert found.nc2.equinorm_weights == equinorm(weight)
        assert "etf_error_means: expected at least 3 classes, but found 2" in " ".join(found.warnings)


def test_means_that_span_everything_leave_nothing_outside():
    found = collapse_metrics(moments_of(classes=5, width=3), weight=np.eye(5, 3))
    assert found.nc3.subspace is None
    assert "nc3_subspace: expected a direction that no class mean has" in " ".join(found.warnings)


@pytest.mark.parametrize(("bias", "tied"), [(None, True), (np.ones(4), True), (np.arange(4.0), False)])
def test_a_classifier_whose_logits_are_tied_agrees_with_nothing(bias, tied):
    found = collapse_metrics(moments_of(), weight=np.ones((4, 6)), bias=bias, agreement=0.25)
    assert (found.nc4.agreement is None) == tied
    assert ("nc4: expected a classifier that prefers a class" in " ".join(found.warnings)) == tied


def test_equal_class_means_have_no_logarithm_of_their_distance():
    rows = np.repeat(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]), 2, axis=0)
    rows[::2] += 1e-3
    rows[1::2] -= 1e-3
    found = collapse_metrics(class_moments(rows, np.repeat(range(4), 2), classes=4))
    assert found.gnc2.log_means is None
    assert found.gnc2.distance_means > 0
    assert found.cdnv > 0
    assert "cdnv: left out 1 of 6 pairs, whose class means are equal, the first of classes 2 and 3" in found.warnings
    assert "log_means: expected class means that differ" in " ".join(found.warnings)
