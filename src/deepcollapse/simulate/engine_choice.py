"""Which engine trains an ensemble, and why."""

from dataclasses import dataclass

import torch

from deepcollapse.errors import CompilerError, InvalidInputError
from deepcollapse.simulate.cpu_engine import CpuEngine
from deepcollapse.simulate.engine import Engine
from deepcollapse.simulate.optimiser import GradientDescent, Optimiser, expect_gradient_descent
from deepcollapse.simulate.torch_engine import TorchEngine
from deepcollapse.ufm import Problem

__all__ = ["EngineChoice", "engine_choice"]

_OWN_CACHE = 5 * 2**18  # bytes: most of a usual second-level cache
_SHARED_CACHE = 12 * 2**20  # bytes of the groups under way beyond which the kernel waits for memory
_NARROW = 32  # width up to which a product is so small that calling it costs more than computing lanes in vain
_FILLED = 160  # width at which idle lanes are never worth it; the share that may be idle falls in proportion


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
    the optimiser is plain gradient descent (None); the device is the processor; a C++ compiler is there; the groups of
    models under way at a time, one per thread (of ``torch.get_num_threads``), take at most 12 MiB together or 1.25 MiB
    each; and of a group's lanes at least the share d / 160 is taken, or the width is at most 32 (idle lanes cost as
    much as busy ones).

    Measured with one thread on a processor with AVX-512. With full lanes the kernel was 1.5 to 3 times as fast as
    torch up to 9 MiB at K = 10, level with it between 8 and 13 MiB at K = 100 (0.9 to 1.2), slower above 17 MiB (0.6
    to 1.0); with half of them 1.3 to 1.6 times as fast at d = 70, 0.9 to 1.1 times at d = 140.

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
    lanes, size = kernel.lanes, kernel.group_bytes(problem)
    together = size * min(torch.get_num_threads(), -(-seeds // lanes))
    if size > _OWN_CACHE and together > _SHARED_CACHE:
        return EngineChoice(torch_engine, f"models under way take {together / 2**20:.1f} MiB, too much for the cache")
    if problem.d > _NARROW and seeds < lanes * min(1.0, problem.d / _FILLED):
        return EngineChoice(torch_engine, f"{seeds} seeds are too few for {lanes} lanes")
    return EngineChoice(kernel, f"{lanes} models at a time fit the cache")
