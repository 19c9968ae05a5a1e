import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file as save_tensors

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.experiments import feature_files
from deepcollapse.experiments.feature_files import measure_files
from deepcollapse.metrics import collapse_metrics
from deepcollapse.stats import class_moments
from experiments.layer_files import KINDS, samples, written
from metrics.oracle import covariances, trace_nc1


def agreeing(features, labels, scores):
    """NC4 with loops: how often the largest score is that of the nearest class mean."""
    means = [features[labels == k].mean(axis=0) for k in range(scores.shape[1])]
    nearest = [min(range(len(means)), key=lambda k: np.linalg.norm(x - means[k])) for x in features]
    return np.mean([int(np.argmax(score)) == k for score, k in zip(scores, nearest, strict=True)])


def scalars(found):
    return found.metrics.scalars()


def values(found):
    """Without the tolerances, which follow the precision that features came in."""
    return {name: value for name, value in scalars(found).items() if not name.endswith("tolerance")}


def close(found, wanted, rel=1e-9):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=rel, abs=1e-12), name


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_metrics_of_its_arrays(tmp_path, kind):
    data = samples()
    found = measure_files([written(tmp_path, kind, **data)])
    moments = class_moments(data["features"], data["labels"], classes=4)
    scores = data["features"] @ data["weight"].T + data["bias"]
    agreement = float(agreeing(data["features"], data["labels"], scores))
    wanted = collapse_metrics(moments, weight=data["weight"], bias=data["bias"], agreement=agreement)
    assert 0.3 < agreement < 1.0
    close(scalars(found), wanted.scalars())
    assert (found.kept, found.dropped, found.warnings) == ((0, 1, 2, 3), (), ())


@given(seed=st.integers(0, 2**32 - 1), magnitude=st.floats(-9, 0), centre=st.sampled_from(["class", "sample"]))
def test_numbers_equal_dense_definitions_over_nine_orders_of_spread(tmp_path_factory, seed, magnitude, centre):
    data = samples(seed, spread=10.0**magnitude)
    found = measure_files([written(tmp_path_factory.mktemp("data"), "npz", **data)], centre=centre).metrics
    within, between = covariances(data["features"], data["labels"], classes=4, centre=centre)
    nc1 = trace_nc1(data["features"], data["labels"], classes=4, rtol=1e-3, centre=centre)
    # the dense definitions lose eps / spread of the features' size in forming deviations
    assert found.nc1.papyan == pytest.approx(nc1, rel=1e-4)
    assert found.nc1.quotient == pytest.approx(np.trace(within) / np.trace(between), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_shards_in_any_order_are_one_data_set(tmp_path, kind):
    data = samples()
    whole = measure_files([written(tmp_path, kind, **data)])
    parts = np.array_split(np.arange(len(data["labels"])), 3)
    shards = [
        written(tmp_path, kind, f"shard{i}", features=data["features"][rows], labels=data["labels"][rows])
        for i, rows in enumerate(parts)
    ]
    shards.append(written(tmp_path, kind, "head", **data | {name: data[name][:0] for name in ("features", "labels")}))
    for order in (shards, shards[::-1]):
        close(scalars(measure_files(order)), scalars(whole))


def test_shards_of_different_formats_and_precisions_mix(tmp_path):
    data = samples(dtype=np.float16)
    rows = np.arange(len(data["labels"])) % 3
    shards = [
        written(
            tmp_path,
            kind,
            f"shard-{kind}",
            features=data["features"][rows == i].astype(dtype),
            labels=data["labels"][rows == i].astype(whole),
            weight=data["weight"],
            bias=data["bias"],
        )
        for i, (kind, dtype, whole) in enumerate(
            zip(KINDS, ("float64", "float16", ">f4"), ("uint8", "int16", "uint64"), strict=True)
        )
    ]
    whole = written(tmp_path, "npz", **data)
    close(values(measure_files(shards)), values(measure_files([whole])))


def test_blocks_do_not_show_in_the_numbers(tmp_path, monkeypatch):
    data = samples() | {"logits": samples(1, width=4)["weight"][samples()["labels"]]}
    path = written(tmp_path, "folder", **data)
    whole, seen = measure_files([path]), []
    monkeypatch.setattr(feature_files, "_BLOCK", 42)  # 7 rows of width 6
    found = measure_files([path], progress=lambda done, total: seen.append((done, total)))
    close(scalars(found), scalars(whole))
    rows = len(data["labels"])
    assert seen[0] == (7, 2 * rows)
    assert seen[-1] == (2 * rows, 2 * rows)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_without_a_classifier_one_pass_is_enough(tmp_path):
    data, seen = samples(), []
    path = written(tmp_path, "npz", features=data["features"], labels=data["labels"])
    found = measure_files([path], progress=lambda *step: seen.append(step))
    assert seen == [(len(data["labels"]), len(data["labels"]))]
    assert (found.metrics.nc3.papyan, found.metrics.nc4.agreement, found.metrics.structure) == (None, None, None)
    assert found.warnings == ("classifier: no weight given; NC3, and NC2 of its rows, have no value",)


@pytest.mark.parametrize("kind", ["folder", "safetensors"])
def test_memory_does_not_grow_with_the_features(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(feature_files, "_BLOCK", 1 << 16)
    peaks = []
    for rows in (100_000, 100_000, 200_000):  # the first one pays for imports and caches
        labels = (np.arange(rows) % 4).astype(np.uint8)
        features = np.eye(4, 16, dtype=np.float32)[labels]
        path = written(tmp_path, kind, f"layer{len(peaks)}", features=features, labels=labels, weight=np.eye(4, 16))
        size = features.nbytes
        del features
        tracemalloc.start()
        found = measure_files([path])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (found.metrics.samples, found.metrics.nc1.papyan) == (rows, 0.0)
    assert peaks[2] - peaks[1] < size / 16  # twice the rows; labels alone are a 64th


def test_bfloat16_is_read_exactly(tmp_path):
    data = samples()
    rounded = {name: torch.from_numpy(data[name]).bfloat16() for name in ("features", "weight", "bias")}
    save_tensors(rounded | {"labels": torch.from_numpy(data["labels"])}, tmp_path / "layer.safetensors")
    wide = {name: array.double().numpy() for name, array in rounded.items()}
    found, wanted = measure_files([tmp_path / "layer.safetensors"]), written(tmp_path, "npz", **data | wide)
    close(values(found), values(measure_files([wanted])))


def test_equal_means_up_to_bfloat16_rounding_are_equal(tmp_path):
    """Ten and its neighbour differ by one rounding unit: noise in bfloat16, a difference in float32."""
    features, labels = torch.tensor([[10.0], [10.0625]]), torch.tensor([0, 1])
    for dtype in (torch.float32, torch.bfloat16):
        save_tensors({"features": features.to(dtype), "labels": labels}, tmp_path / f"{dtype}.safetensors")
    assert measure_files([tmp_path / "torch.float32.safetensors"]).metrics.nc1.rank == 1
    with pytest.raises(UndefinedError, match="class means: expected at least two that differ"):
        measure_files([tmp_path / "torch.bfloat16.safetensors"])


def test_logits_alone_decide_nc4_and_the_structure(tmp_path):
    data = samples()
    logits = data["features"] @ data["weight"].T + data["bias"]
    by_weight = measure_files([written(tmp_path, "npz", **data)]).metrics
    path = written(tmp_path, "npz", "logits", features=data["features"], labels=data["labels"], logits=logits)
    found = measure_files([path]).metrics
    assert found.nc4.agreement == by_weight.nc4.agreement
    assert found.structure is not None
    assert found.structure.distances == pytest.approx(by_weight.structure.distances, rel=1e-9)
    assert found.nc3.papyan is None


def test_logits_that_are_those_of_the_classifier_change_nothing(tmp_path):
    data = samples()
    logits = (data["features"] @ data["weight"].T + data["bias"]).astype(np.float16)
    found = measure_files([written(tmp_path, "npz", **data, logits=logits)])
    assert found.warnings == ()
    close(scalars(found), scalars(measure_files([written(tmp_path, "npz", "plain", **data)])))


def test_logits_of_another_classifier_are_warned_about(tmp_path):
    data = samples()
    logits = data["features"] @ data["weight"].T + data["bias"]
    found = measure_files([written(tmp_path, "npz", **data, logits=logits[::-1])])
    assert "the classifier is taken, the logits are not used" in found.warnings[0]
    close(scalars(found), scalars(measure_files([written(tmp_path, "npz", "plain", **data)])))


@pytest.mark.parametrize("extra", [(), ("weight", "bias"), ("logits",)])
def test_dropped_classes_leave_the_metrics_of_the_others(tmp_path, extra):
    data = samples(classes=6)
    data["logits"] = data["features"] @ data["weight"].T + data["bias"]
    present = np.array([1, 2, 5])
    rows = np.isin(data["labels"], present)
    gaps = {"features": data["features"][rows], "labels": data["labels"][rows]} | {k: data[k] for k in extra}
    dense = gaps | {"labels": np.searchsorted(present, gaps["labels"])} | {k: data[k][present] for k in extra}
    if "logits" in extra:
        gaps["logits"], dense["logits"] = data["logits"][rows], data["logits"][rows][:, present]
    path = written(tmp_path, "npz", **gaps)
    with pytest.raises(InvalidInputError, match=r"expected samples of all 6, but found none of 0, 3, 4; add some, or"):
        measure_files([path])
    found = measure_files([path], drop_empty=True)
    assert (found.kept, found.dropped) == ((1, 2, 5), (0, 3, 4))
    assert found.warnings[-1] == "classes: no samples of 0, 3, 4, dropped; warnings number the others from 0"
    close(scalars(found), scalars(measure_files([written(tmp_path, "npz", "dense", **dense)])))
    document = found.as_json()
    assert (document["kept"], document["dropped"], document["classes"]) == ([1, 2, 5], [0, 3, 4], 3)


def test_classes_beyond_the_largest_label_can_be_named(tmp_path):
    data = samples()
    path = written(tmp_path, "npz", features=data["features"], labels=data["labels"])
    with pytest.raises(InvalidInputError, match=r"expected samples of all 16, but found none of 4, 5, .*, 13 and 2 mo"):
        measure_files([path], classes=16)
    found = measure_files([path], classes=16, drop_empty=True)
    assert found.dropped == tuple(range(4, 16))


def test_not_finite_entries_are_counted_over_all_files(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_files, "_BLOCK", 24)
    data = samples()
    good = written(tmp_path, "npz", "good", features=data["features"], labels=data["labels"])
    data["features"][[7, 20], [3, 0]] = np.nan, np.inf
    bad = [
        written(tmp_path, kind, "bad", features=data["features"], labels=data["labels"])
        for kind in ("npz", "safetensors")
    ]
    with pytest.raises(
        InvalidInputError, match=r"found 4 that are not, the first nan at \(7, 3\) of .*bad.npz; remove"
    ):
        measure_files([good, *bad])


@pytest.mark.parametrize("rtol", [-1e-3, 1.0, float("nan")])
def test_a_tolerance_out_of_range_is_refused(tmp_path, rtol):
    with pytest.raises(InvalidInputError, match="rtol: expected a number from 0 up to 1, but found"):
        measure_files([written(tmp_path, "npz", **samples())], rtol=rtol)
