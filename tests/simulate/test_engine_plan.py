import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate import (
    Adam,
    BalanceAcceleration,
    GradientDescent,
    Initialisation,
    Momentum,
    OrthogonalReduction,
    TorchEngine,
    planned_engine,
)
from deepcollapse.ufm import Problem

WIDE = Problem(classes=4, layers=2, width=60, decay=0.01)
PLAIN = {"seeds": 8, "initialisation": Initialisation(), "optimiser": GradientDescent()}


def test_an_engine_is_left_alone_where_nothing_can_be_saved():
    given = TorchEngine(dtype="float32")
    assert planned_engine(WIDE, given, **PLAIN).engine is given
    assert planned_engine(WIDE, "torch", **PLAIN).engine == TorchEngine()
    narrow = WIDE.replace(width=8)
    assert planned_engine(narrow, given, **PLAIN | {"initialisation": Initialisation("orthogonal")}).engine is given


@pytest.mark.parametrize("optimiser", [GradientDescent(), Momentum()])
def test_orthogonal_starts_are_reduced(optimiser):
    settings = PLAIN | {"initialisation": Initialisation("orthogonal"), "optimiser": optimiser}
    choice = planned_engine(WIDE, "torch", **settings)
    assert choice.engine == OrthogonalReduction(TorchEngine())
    assert choice.reason == "orthogonal starts need width 9 only; as asked"


def test_steps_of_adam_depend_on_the_basis_so_nothing_is_reduced():
    settings = PLAIN | {"initialisation": Initialisation("orthogonal"), "optimiser": Adam()}
    assert planned_engine(WIDE, "torch", **settings).engine == TorchEngine()


def test_reductions_and_acceleration_combine():
    settings = PLAIN | {"initialisation": Initialisation("orthogonal"), "accelerate": "balance"}
    found = planned_engine(WIDE, "torch", **settings).engine
    assert found == BalanceAcceleration(OrthogonalReduction(TorchEngine()), reduced=TorchEngine())


def test_each_leg_of_an_accelerated_run_has_the_engine_for_its_width():
    """At the full width a group of models exceeds any cache; at width K it does not, if there is a compiler."""
    huge = Problem(classes=4, layers=2, width=600, decay=0.01)
    found = planned_engine(huge, "auto", **PLAIN, accelerate="balance").engine
    assert isinstance(found, BalanceAcceleration)
    assert found.inner == planned_engine(huge, "auto", **PLAIN).engine
    assert found.reduced == planned_engine(huge.replace(width=4), "auto", **PLAIN).engine


def test_what_cannot_be_accelerated_is_refused():
    with pytest.raises(InvalidInputError, match=r'accelerate: expected "balance", but found .warp.;'):
        planned_engine(WIDE, "auto", **PLAIN, accelerate="warp")
    with pytest.raises(InvalidInputError, match="expected plain gradient descent for balance acc"):
        planned_engine(WIDE, "auto", **PLAIN | {"optimiser": Momentum()}, accelerate="balance")
