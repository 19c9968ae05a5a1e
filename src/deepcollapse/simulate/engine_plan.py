"""The engine for a whole simulation: what takes the steps, and the reductions around it."""

from collections.abc import Callable

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate.balance_acceleration import BalanceAcceleration, balanced_problem
from deepcollapse.simulate.engine import Engine
from deepcollapse.simulate.engine_choice import EngineChoice, engine_choice
from deepcollapse.simulate.initialise import Initialisation
from deepcollapse.simulate.optimiser import Adam, Optimiser, expect_gradient_descent
from deepcollapse.simulate.orthogonal_reduction import OrthogonalReduction, reduced_problem
from deepcollapse.ufm import Problem

__all__ = ["planned_engine"]


def planned_engine(
    problem: Problem,
    engine: Engine | str,
    *,
    seeds: int,
    initialisation: Initialisation,
    optimiser: Optimiser,
    accelerate: str | None = None,
    dtype: str = "float64",
    device: str = "cpu",
) -> EngineChoice:
    """An engine, or the one of ``engine_choice`` by its name, within the reductions that apply or are asked for.

    Orthogonal starts of a linear model are always trained at width N + K + 1 where that is less than d: the steps are
    the same. Not under Adam, whose steps depend on the basis.

    Raises:
        InvalidInputError: as ``engine_choice`` does; an acceleration that is unknown, or asked for with another
            optimiser than plain gradient descent.
    """
    if accelerate not in (None, "balance"):
        raise InvalidInputError(f'accelerate: expected "balance", but found {accelerate!r}; leave it out for full runs')

    def choose(size: Problem) -> EngineChoice:
        if not isinstance(engine, str):
            return EngineChoice(engine, "as given")
        return engine_choice(size, engine, seeds=seeds, dtype=dtype, device=device, optimiser=optimiser)

    choice = _reduced(problem, choose, initialisation=initialisation, optimiser=optimiser)
    if accelerate is None:
        return choice
    expect_gradient_descent(optimiser, of="balance acceleration", remedy="leave accelerate out")
    later = choose(balanced_problem(problem))
    reason = f"{choice.reason}; balanced: {later.reason}"
    return EngineChoice(BalanceAcceleration(choice.engine, reduced=later.engine), reason)


def _reduced(
    problem: Problem,
    choose: Callable[[Problem], EngineChoice],
    *,
    initialisation: Initialisation,
    optimiser: Optimiser,
) -> EngineChoice:
    narrow = reduced_problem(problem)
    if initialisation.kind != "orthogonal" or isinstance(optimiser, Adam) or narrow == problem:
        return choose(problem)
    choice = choose(narrow)
    reason = f"orthogonal starts need width {narrow.d} only; {choice.reason}"
    return EngineChoice(OrthogonalReduction(choice.engine), reason)
