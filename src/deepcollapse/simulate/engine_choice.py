"""Which engine trains an ensemble, and why."""

from dataclasses import dataclass

from deepcollapse.errors import CompilerError, InvalidInputError
from deepcollapse.simulate.cpu_engine import CpuEngine
from deepcollapse.simulate.engine import Engine
from deepcollapse.simulate.optimiser import GradientDescent, Optimiser, expect_gradient_descent
from deepcollapse.simulate.torch_engine import TorchEngine
from deepcollapse.ufm import Problem

__all__ = ["EngineChoice", "engine_choice"]

_CACHE = 5 * 2**18  # bytes of a group beyond which the kernel waits for memory and blocked products win
_NARROW = 32  # width up to which a product is so small that calling it costs more than computing lanes in vain


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """An engine and, for people, the reason for it."""

    engine: Engine
    reason: str


def engine_choice(
    problem: Problem,
    name: str,
    *,
    seeds: int,
    dtype: str = "float64",
    device: str = "cpu",
    optimiser: Optimiser | None = None,
) -> EngineChoice:
    """The engine of this name; "auto" picks by size.

    The compiled kernel where all of the following hold, torch elsewhere:
    the optimiser is plain gradient descent (None); the device is the processor; a C++ compiler is there; a group of
    models, one per lane, takes at most 1.25 MiB (for wider ones both wait for memory, and torch's products wait less);
    and there are as many seeds as lanes, or the width is at most 32 (idle lanes cost as much as busy ones). Measured
    with one thread on a processor with AVX-512.

    Raises:
        InvalidInputError: unknown name, dtype or device; the kernel asked for on another device or with another
            optimiser.
        CompilerError: the kernel asked for by name, and no compiler.

    >>> engine_choice(Problem(classes=10, layers=3, width=512), "auto", seeds=4).engine.name
    'torch float64 cpu'
    """
    if name not in ("auto", "torch", "cpu"):
        raise InvalidInputError(
            f'engine: expected "auto", "torch" or "cpu", but found {name!r}; "auto" picks one by size'
        )
    if name == "torch":
        return EngineChoice(TorchEngine(dtype=dtype, device=device), "as asked")
    if name == "cpu" and device != "cpu":
        raise InvalidInputError(
            f'engine: expected "torch" for the device {device!r}, but found "cpu"; the kernel runs on no other device'
        )
    rule = GradientDescent() if optimiser is None else optimiser
    if name == "cpu":
        expect_gradient_descent(rule, of="the compiled kernel", remedy='use engine="torch"')
        return EngineChoice(CpuEngine(dtype=dtype), "as asked")
    if not isinstance(rule, GradientDescent):
        reason = f"the kernel takes plain gradient steps only, not {rule.name}"
        return EngineChoice(TorchEngine(dtype=dtype, device=device), reason)
    return _by_size(problem, seeds=seeds, dtype=dtype, device=device)


def _by_size(problem: Problem, *, seeds: int, dtype: str, device: str) -> EngineChoice:
    torch_engine = TorchEngine(dtype=dtype, device=device)
    if device != "cpu":
        return EngineChoice(torch_engine, f"the device is {device}")
    try:
        kernel = CpuEngine(dtype=dtype)
    except CompilerError as error:
        return EngineChoice(torch_engine, f"no kernel: {error}")
    size = kernel.group_bytes(problem)
    if size > _CACHE:
        return EngineChoice(torch_engine, f"{kernel.lanes} models take {size / 2**20:.1f} MiB, too much for the cache")
    if problem.d > _NARROW and seeds < kernel.lanes:
        return EngineChoice(torch_engine, f"{seeds} seeds are too few for {kernel.lanes} lanes")
    return EngineChoice(kernel, f"{kernel.lanes} models at a time fit the cache")
