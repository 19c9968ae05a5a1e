"""Gradient descent on ensembles with a compiled kernel: one model per lane of the processor's vectors."""

import ctypes
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate.engine import Descent, Endpoint, Report, Start, Status, loss_ceiling, progress
from deepcollapse.simulate.kernel import Block, Model, kernel
from deepcollapse.simulate.optimiser import expect_gradient_descent
from deepcollapse.simulate.settling import Settling
from deepcollapse.ufm import Factors, Problem, factor_shapes

__all__ = ["CpuEngine"]

_GROUPS_PER_THREAD = 4  # so that starting the threads and uneven shares cost little
_ALIGNMENT = 64  # bytes; of the widest vector


@dataclass(frozen=True, slots=True)
class CpuEngine:
    """Full-batch gradient descent on many models side by side, each in a lane of its own.

    The models of a group (as many as a vector has lanes: 8 in float64 and 16 in float32 with AVX-512) take a block of
    steps together without leaving the cache; threads share the groups. A run that ends leaves and the next start takes
    its lane; when no starts are left, the runs move together into as few groups as hold them. Every run is measured
    after each ``check_every`` of its own steps and at its horizon, and takes the same steps to the last bit whatever
    runs beside it.

    Memory, whatever the number of runs: four groups per thread, each of as many copies of the parameters as it has
    lanes; per thread buffers for one group, of (2 L - 1) K d + K N (linear) or (2 L - 1) d N + K N vectors (ReLU).
    An interrupt is noticed between blocks.

    Args:
        dtype: "float64" or "float32"; float32 comes to rest early as it does in ``TorchEngine``.
        threads: how many; None is as many as torch uses (``torch.set_num_threads``, OMP_NUM_THREADS).

    Raises:
        InvalidInputError: unknown dtype, less than one thread.
        CompilerError: no C++ compiler to build the kernel with.
    """

    dtype: str = "float64"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.dtype not in ("float32", "float64"):
            raise InvalidInputError(
                f'dtype: expected "float32" or "float64", but found {self.dtype!r}; choose one of the two'
            )
        if self.threads is not None and (not isinstance(self.threads, int) or self.threads < 1):
            raise InvalidInputError(
                f"threads: expected a whole number >= 1, but found {self.threads!r}; leave it out for the default"
            )
        kernel(self.dtype)

    @property
    def name(self) -> str:
        """Engine and precision."""
        return f"cpu kernel {self.dtype}"

    @property
    def lanes(self) -> int:
        """Models per group."""
        return kernel(self.dtype).lanes()

    def group_bytes(self, problem: Problem) -> int:
        """Memory a group of models and its buffers take, to be held against a core's cache."""
        library, labels, decays = kernel(self.dtype), problem.labels, np.array(problem.factor_decays)
        model = ctypes.byref(_model(problem, labels, decays))
        return (library.state_size(model) + library.scratch_size(model)) * np.dtype(self.dtype).itemsize

    def train(
        self, problem: Problem, starts: Iterable[Start], *, descent: Descent, report: Report | None = None
    ) -> Iterator[Endpoint]:
        """Run every start to its end, by plain gradient descent only; see ``Engine.train``."""
        expect_gradient_descent(descent.optimiser, of="the compiled kernel", remedy='use engine="torch"')
        waiting, tally, steps = iter(starts), Counter[Status](), 0
        lanes = _Lanes(problem, self.dtype, threads=self.threads or torch.get_num_threads())
        settling = Settling(problem, descent)
        lanes.fill(waiting)
        while lanes.running:
            steps += lanes.advance(descent)
            lanes.watched_by(settling)
            ended = [settling.judged(endpoint) for endpoint in lanes.endings(descent)]
            tally.update(endpoint.status for endpoint in ended)
            if ended:
                lanes.fill(waiting)
                lanes.close_up()
            yield from ended
            if report:
                report(progress(tally, running=lanes.running, steps=steps))


class _Lanes:
    """The runs under way: factors in the kernel's layout, and per lane the seed, the age and the last measurement."""

    def __init__(self, problem: Problem, dtype: str, *, threads: int) -> None:
        self._problem, self._kernel, self._threads = problem, kernel(dtype), threads
        self._labels, self._decays = problem.labels.astype(np.int64), np.array(problem.factor_decays)
        self._model = ctypes.byref(_model(problem, self._labels, self._decays))
        self._width, groups = self._kernel.lanes(), _GROUPS_PER_THREAD * threads
        self._state = _zeros(groups, self._kernel.state_size(self._model), dtype=dtype)
        self._scratch = _zeros(threads, self._kernel.scratch_size(self._model), dtype=dtype)
        self._flat = np.empty(sum(map(math.prod, factor_shapes(problem))))
        count = groups * self._width
        self._busy: Bool[np.ndarray, " E"] = np.zeros(count, dtype=bool)
        self._seeds, self._ages, self._due = (np.zeros(count, dtype=np.int64) for _ in range(3))
        self._ceilings, self._losses, self._norms = (np.zeros(count) for _ in range(3))

    @property
    def running(self) -> int:
        return int(self._busy.sum())

    def fill(self, waiting: Iterator[Start]) -> None:
        """Puts the next starts into the free lanes."""
        free = np.flatnonzero(~self._busy)
        for lane, (seed, factors) in zip(map(int, free), itertools.islice(waiting, len(free)), strict=False):
            np.concatenate([a.ravel() for a in factors], out=self._flat)
            self._put(lane)
            self._busy[lane], self._seeds[lane], self._ages[lane] = True, seed, 0
            self._ceilings[lane] = loss_ceiling(factors, self._problem)

    def close_up(self) -> None:
        """Moves the runs into as few groups as hold them."""
        needed = -(-self.running // self._width) * self._width
        free, late = np.flatnonzero(~self._busy[:needed]), needed + np.flatnonzero(self._busy[needed:])
        for target, lane in zip(map(int, free), map(int, late), strict=False):
            self._take(lane)
            self._put(target)
            for record in (self._seeds, self._ages, self._ceilings):
                record[target] = record[lane]
            self._busy[target], self._busy[lane] = True, False

    def advance(self, descent: Descent) -> int:
        """Takes every run to its next measurement; how many steps that were."""
        left = np.minimum(descent.check_every, descent.steps_max - self._ages)
        self._due[:] = np.where(self._busy, left, 0)
        block = Block(
            self._state.ctypes.data,
            self._scratch.ctypes.data,
            groups=-(-(int(np.flatnonzero(self._busy)[-1]) + 1) // self._width),
            threads=self._threads,
            lr=descent.lr,
            steps=self._due.ctypes.data,
            losses=self._losses.ctypes.data,
            norms=self._norms.ctypes.data,
        )
        self._kernel.run(self._model, ctypes.byref(block))
        self._ages += self._due
        return int(self._due.sum())

    def watched_by(self, settling: Settling) -> None:
        """Shows the last measurement of every run."""
        busy = np.flatnonzero(self._busy)
        settling.look(
            self._seeds[busy],
            self._ages[busy],
            losses=self._losses[busy],
            factors=lambda index: self._factors_of(int(busy[index])),
        )

    def endings(self, descent: Descent) -> Iterator[Endpoint]:
        """What became of the runs that are over; their lanes are free."""
        diverged = ~(np.isfinite(self._norms) & (self._losses <= self._ceilings))  # not a number fails, too
        converged = self._norms <= descent.tolerance
        over = self._busy & (diverged | converged | (self._ages >= descent.steps_max))
        for lane in map(int, np.flatnonzero(over)):
            status: Status = "diverged" if diverged[lane] else "converged" if converged[lane] else "not converged"
            factors = None if diverged[lane] else self._factors_of(lane)
            self._busy[lane] = False
            yield Endpoint(int(self._seeds[lane]), status, int(self._ages[lane]), float(self._norms[lane]), factors)

    def _factors_of(self, lane: int) -> Factors:
        self._take(lane)
        shapes = factor_shapes(self._problem)
        ends = itertools.accumulate(map(math.prod, shapes))
        return tuple(
            self._flat[end - math.prod(shape) : end].reshape(shape).copy()
            for end, shape in zip(ends, shapes, strict=True)
        )

    def _put(self, lane: int) -> None:
        self._kernel.put(self._model, *self._place(lane), self._flat.ctypes.data)

    def _take(self, lane: int) -> None:
        self._kernel.take(self._model, *self._place(lane), self._flat.ctypes.data)

    def _place(self, lane: int) -> tuple[int, int]:
        """Address of the group, and the lane within it."""
        group, within = divmod(lane, self._width)
        return self._state[group].ctypes.data, within


def _model(problem: Problem, labels: Int[np.ndarray, " N"], decays: Float[np.ndarray, " M"]) -> Model:
    """The problem as the kernel knows it; the arrays must outlive it."""
    return Model(
        classes=problem.classes,
        samples=problem.total_samples,
        width=problem.d,
        layers=problem.layers,
        relu=problem.activation == "relu",
        squared=problem.loss == "mse",
        labels=labels.ctypes.data,
        decays=decays.ctypes.data,
    )


def _zeros(rows: int, columns: int, *, dtype: str) -> np.ndarray:
    """Zeros that begin on the boundary of a vector; memory is taken up when it is written."""
    step = np.dtype(dtype).itemsize
    room = np.zeros(rows * columns + _ALIGNMENT // step, dtype=dtype)
    skipped = -room.ctypes.data % _ALIGNMENT // step
    return room[skipped : skipped + rows * columns].reshape(rows, columns)
