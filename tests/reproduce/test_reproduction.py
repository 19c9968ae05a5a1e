"""The shipped plans: all sizes expand, claims find their parts, images and devices are replaced."""

from pathlib import Path

import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.reproduce import CLAIMS, SIZES, reproduction


@pytest.fixture(scope="module")
def plans():
    return {size: reproduction(size) for size in SIZES}


def test_every_part_serves_a_claim_and_every_claim_has_a_part(plans):
    for size, found in plans.items():
        names = {part.name for part in found.parts}
        served = {name for claim in CLAIMS.values() for name in (*claim.needs, *claim.also)}
        assert names <= served, size
        without = {id for id, claim in CLAIMS.items() if not any(claim.wants(name) for name in names)}
        assert without == ({"E5", "E6"} if size == "quick" else set()), size


def test_every_size_has_the_papers_settings(plans):
    for found in plans.values():
        parts = {part.name: part for part in found.parts}
        for spec in parts["E1"].runs:
            document = spec.as_json()
            assert (document["classes"], document["layers"], document["samples"], document["width"]) == (10, 2, 5, 70)
            assert (document["decay"], document["lr"]) == (2.0**-10, 0.5)
        relu = parts["E7-ufm"].runs[0].as_json()
        assert (relu["activation"], relu["layers"], relu["decay"], relu["width"]) == ("relu", 3, 2.0**-9, 70)
        assert any((s["classes"], s["layers"]) == (10, 2) for s in (run.as_json() for run in parts["E8"].runs))


def test_sizes_grow(plans):
    assert len(plans["quick"].ids) < len(plans["small"].ids) < len(plans["full"].ids)
    small = {part.name: part for part in plans["small"].parts}
    points = {(s["width"], s["init_scale"]): 0 for s in (run.as_json() for run in small["E2"].runs)}
    for spec in small["E2"].runs:
        document = spec.as_json()
        points[document["width"], document["init_scale"]] += document["seeds"]
    assert set(points.values()) == {64}
    assert len({scale for _, scale in points}) >= 3


def test_audits_repeat_accelerated_seeds_in_full(plans):
    for size in ("quick", "small"):
        parts = {part.name: [run.as_json() for run in part.runs] for part in plans[size].parts}
        for name in [name for name in parts if name.endswith("-audit")]:
            fast = {_setting(run) for run in parts[name.removesuffix("-audit")]}
            for run in parts[name]:
                assert run["accelerate"] is None
                assert _setting(run) in fast, (size, name)


def _setting(run):
    return run["width"], run["init_scale"], run["decay"], run["first_seed"]


def test_only_the_parts_of_the_claims_asked_for():
    found = reproduction("small", only=["E4", "T5"])
    assert [part.name for part in found.parts] == ["E4-mnist-resnet", "E4-mnist-mlp", "E2", "E2-audit", "T5"]
    assert found.name == "reproduction small of E4 T5"
    assert set(found.ids) < set(reproduction("small").ids)


def test_nothing_to_run_is_an_error():
    with pytest.raises(
        InvalidInputError, match="only: expected claims that the size quick has runs for, but found E5;"
    ):
        reproduction("quick", only=["E5"])


def test_an_archive_takes_the_place_of_cifar(tmp_path: Path):
    archive = tmp_path / "images.npz"
    np.savez(archive, X=np.zeros((20, 8, 8, 3), np.uint8), y=np.repeat(np.arange(10), 2))
    found = reproduction("small", only=["E4", "E5", "E6"], cifar10=archive)
    sources = {part.name: part.runs[0].as_json()["spec"]["data"] for part in found.parts}
    assert {name for name, data in sources.items() if data["source"] == "file"} == {"E5-cifar10-resnet", "E6-cifar10"}
    assert sources["E6-cifar10"]["path"] == str(archive)
    with pytest.raises(InvalidInputError, match=r"data.path: expected a file of images, but found .*none\.npz"):
        reproduction("small", only=["E5"], cifar10=tmp_path / "none.npz")


def test_the_device_is_that_of_all_training():
    found = reproduction("quick", only=["E1", "E4", "T4"], device="meta")
    devices = {part.name: [_device(run.as_json()) for run in part.runs] for part in found.parts}
    assert set(devices["E1"]) == set(devices["E4-mnist-mlp"]) == {"meta"}
    assert set(devices["T4"]) == {None}


def _device(document):
    return document.get("spec", document).get("device")
