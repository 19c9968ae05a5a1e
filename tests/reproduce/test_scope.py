"""What is asked for goes into the plan's name and can be read from it."""

from pathlib import Path

import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.reproduce import CLAIMS, SIZES
from deepcollapse.reproduce.scope import Scope


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("only", [None, ["E2"], ["T7", "e1", " t4"], list(CLAIMS)[:-1], list(CLAIMS)])
@pytest.mark.parametrize(("device", "images"), [(None, None), ("cuda:0", None), (None, Path("a/images of mine.npz"))])
def test_size_and_claims_are_in_the_name(size, only, device, images):
    scope = Scope.asked(size, only=only, device=device, images=images)
    assert len(scope.plan_name) <= 80
    found = Scope.of(scope.plan_name)
    assert (found.size, found.claims) == (size, scope.claims)


def test_names():
    assert Scope.asked("small").plan_name == "reproduction small"
    scope = Scope.asked("quick", only=["T4", "E1"], device="cuda", images=Path("x/y.npz"))
    assert scope.plan_name == "reproduction quick of E1 T4 on cuda with y.npz"


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
    with pytest.raises(InvalidInputError, match="plan: expected one of a reproduction, but found 'widths'; make one"):
        Scope.of("widths")
