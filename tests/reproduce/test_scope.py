"""What is asked for goes into the plan's name and can be read from it."""

from pathlib import Path

import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.reproduce import CLAIMS, SIZES
from deepcollapse.reproduce.scope import Scope


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("only", [None, ["E2"], ["T7", "e1", " t4"], list(CLAIMS)[:-1], list(CLAIMS)])
@pytest.mark.parametrize(
    ("device", "images"),
    [
        (None, None),
        ("cuda:0", None),
        (None, Path("a/images of mine.npz")),
        ("cuda:0", Path("a/images of mine that have a rather long name, with of E1.npz")),
    ],
)
def test_size_and_claims_are_in_the_name(size, only, device, images):
    scope = Scope.asked(size, only=only, device=device, images=images)
    assert len(scope.plan_name) <= 80
    found = Scope.of(scope.plan_name)
    assert (found.size, found.claims) == (size, scope.claims)


def test_names():
    assert Scope.asked("small").plan_name == "reproduction small"
    scope = Scope.asked("quick", only=["T4", "E1"], device="cuda", images=Path("x/y.npz"))
    assert scope.plan_name == "reproduction quick of E1 T4 on cuda with y.npz"


def test_long_names_are_shortened_and_stay_unique():
    most = [id for id in CLAIMS if id not in ("E4", "E5", "E6")]
    images = Path("a/cifar10_train4k.npz")
    name = Scope.asked("small", only=most, images=images).plan_name
    assert name == "reproduction small of E1-E3,E7-T7 with cifar10_train4k.npz"
    assert Scope.of(name).claims == tuple(most)
    long = [Path(f"{'x' * 80}-{last}.npz") for last in "ab"]
    names = {Scope.asked(size, only=most, images=image).plan_name for image in long for size in SIZES}
    assert len(names) == 6
    assert max(map(len, names)) == 80
    assert {Scope.of(name).claims for name in names} == {tuple(most)}


def test_names_of_older_stores_are_still_read():
    cut = "reproduction small of E1 E2 E3 E7 E8 T1 T2 T3 T4 T5 T6 T7 with cifar10_train4k.n"
    assert Scope.of(cut).claims == ("E1", "E2", "E3", "E7", "E8", "T1", "T2", "T3", "T4", "T5", "T6", "T7")


@pytest.mark.parametrize(
    ("size", "only", "message"),
    [
        ("tiny", None, "size: expected one of quick, small, full, but found 'tiny'; choose one"),
        ("quick", ["E9", "T1"], "only: expected some of E1, .*T7, but found E9; join them by commas"),
        ("quick", [], "only: expected some of E1, .*T7, but found none; join them by commas"),
    ],
)
def test_unknown_ones_are_refused(size, only, message):
    with pytest.raises(InvalidInputError, match=message):
        Scope.asked(size, only=only)


def test_other_plans_are_refused():
    with pytest.raises(InvalidInputError, match=r"only: expected some of E1, .*T7, but found E9; join"):
        Scope.of("reproduction small of E9")
    with pytest.raises(InvalidInputError, match="plan: expected one of a reproduction, but found 'widths'; make one"):
        Scope.of("widths")
