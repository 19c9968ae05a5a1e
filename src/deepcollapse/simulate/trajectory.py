"""Runs under observation: loss, gradient, singular values and collapse metrics at log-spaced steps."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics import equiangularity, equinorm, nc1, nc3
from deepcollapse.simulate.classify import dnc_distance
from deepcollapse.simulate.engine import Descent, Endpoint, Engine, Start, Status
from deepcollapse.simulate.optimiser import expect_gradient_descent
from deepcollapse.simulate.settling import settling_steps
from deepcollapse.stats import class_moments
from deepcollapse.ufm import Factors, Problem, gradient, read_factors, regularised_loss
from deepcollapse.ufm.network import hidden_inputs

__all__ = ["Snapshot", "Trajectory", "snapshot", "snapshot_steps", "trajectories"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a run, in float64 whatever the engine computes in. A metric without a value is None.

    The NC metrics are those of what enters the last layer, X_L = a(H_L) (H_1 for L = 1), and of its classifier W_L:
    they mean the same in linear and in ReLU networks. All are undefined where the class means of X_L are equal.

    Attributes:
        step: updates done before.
        loss: F.
        gradient_norm: ||grad F|| over all factors.
        singular_values: of the K x N logits, non-increasing; at collapse sqrt(n) times those of the class means.
        within_class: ||Z - class means|| / ||Z||.
        imbalance: of adjacent factors, see ``ufm.Reading``; zero at critical points of the linear model.
        dnc_distance: of the class-mean logits from those of collapse, see ``simulate.classify.dnc_distance``.
        nc1: tr(Sigma_W Sigma_B^+), not divided by K; undefined with one sample per class, which has no spread.
        equinorm: coefficient of variation of the centred class means' norms (NC2).
        equiangularity: mean |cos + 1/(K-1)| of the centred class means (NC2); undefined if one of them is zero.
        nc3: distance of W_L from the centred class means at equal norm; undefined for W_L = 0.
    """

    step: int
    loss: float
    gradient_norm: float
    singular_values: Float[np.ndarray, " K"]
    within_class: float
    imbalance: float
    dnc_distance: float | None
    nc1: float | None
    equinorm: float | None
    equiangularity: float | None
    nc3: float | None


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A run and the looks at it, by increasing step.

    Attributes:
        end: how the run ended, as ``Engine.train`` would say of it.
        snapshots: the first at step 0, the last at the end unless the run diverged.
    """

    end: Endpoint
    snapshots: tuple[Snapshot, ...]

    @property
    def seed(self) -> int:
        """Of its start."""
        return self.end.seed

    @property
    def status(self) -> Status:
        """How the run ended."""
        return self.end.status

    @property
    def steps(self) -> Int[np.ndarray, " T"]:
        """Updates done before each look."""
        return np.array([look.step for look in self.snapshots])

    @property
    def losses(self) -> Float[np.ndarray, " T"]:
        """F at each look."""
        return np.array([look.loss for look in self.snapshots])

    @property
    def gradient_norms(self) -> Float[np.ndarray, " T"]:
        """||grad F|| at each look."""
        return np.array([look.gradient_norm for look in self.snapshots])

    @property
    def singular_values(self) -> Float[np.ndarray, "T K"]:
        """Singular values of the K x N logits, one row per look, non-increasing."""
        return np.array([look.singular_values for look in self.snapshots])

    def as_json(self) -> dict[str, object]:
        """Seed and status, and one list per number with an entry per look."""
        columns = {name: [getattr(look, name) for look in self.snapshots] for name in Snapshot.__slots__}
        columns["singular_values"] = self.singular_values.tolist()
        return {"seed": self.seed, "status": self.status, **columns}


def trajectories(
    problem: Problem, starts: Iterable[Start], *, descent: Descent, engine: Engine, snapshots: int = 60
) -> tuple[Trajectory, ...]:
    """Train from every start and look at the runs at ``snapshot_steps``; one trajectory per start, in their order.

    The engine runs from one look to the next, and the next leg starts at the factors of the last. Gradient descent has
    no other state, float32 factors pass through float64 unchanged, and looks lie where the stopping rule measures or
    before it first does: so a run takes the same steps and stops at the same one as without observation (to the last
    bit in ``CpuEngine``, whose lanes do not depend on their neighbours). What may differ is when a run counts as
    diverged: a leg holds the loss against that at its own start, and each look, too, is a measurement.

    Memory: per run two sets of its factors in float64 and at most ``snapshots + 2`` times K + 10 numbers, whatever the
    number of steps; all runs are in memory at once, so choose a few seeds. A look costs a pass over the factors and
    O(d^2 N + d^3) for balancedness and scatter.

    Args:
        problem: the model.
        starts: seeds and factors, see ``gaussian_starts``.
        descent: learning rate and stopping rule.
        engine: runs the legs.
        snapshots: looks per run at most, >= 2; one more where the run converged, and one where it is seen to settle.

    Raises:
        InvalidInputError: an optimiser with a state of its own, a seed given twice, a start without a finite loss, too
            few snapshots.

    >>> from deepcollapse.simulate import TorchEngine, gaussian_starts
    >>> problem, rule = Problem(classes=3, layers=1), Descent(lr=1.0, tolerance=1e-6, steps_max=1000)
    >>> (run,) = trajectories(problem, gaussian_starts(problem, [0]), descent=rule, engine=TorchEngine(), snapshots=5)
    >>> run.steps, bool((np.diff(run.losses) < 0).all())
    (array([   0,    1,   10,  100, 1000]), True)
    """
    expect_gradient_descent(descent.optimiser, of="trajectories", remedy="its state would be lost at every look")
    legs = list(pairwise(snapshot_steps(descent, count=snapshots)))
    running = _expect_starts(list(starts), problem)
    looks = {seed: [snapshot(factors, problem, step=0)] for seed, factors in running.items()}
    ends: dict[int, Endpoint] = dict.fromkeys(running)  # type: ignore[arg-type]
    for before, after in legs:
        leg = replace(descent, steps_max=after - before, window=descent.window if after == descent.steps_max else None)
        for stop in engine.train(problem, list(running.items()), descent=leg):
            end = replace(stop, steps=before + stop.steps)
            if end.factors is not None:
                looks[end.seed].append(snapshot(end.factors, problem, step=end.steps))
                running[end.seed] = end.factors
            if _is_over(end, descent):
                ends[end.seed] = end
                del running[end.seed]
        if not running:
            break
    return tuple(Trajectory(end, tuple(looks[seed])) for seed, end in ends.items())


def snapshot_steps(descent: Descent, *, count: int) -> tuple[int, ...]:
    """At most ``count`` steps from 0 to the horizon, both included, at equal ratios from 1 on, and one more.

    Beyond ``check_every`` they are rounded down to its multiples, so that no measurement of the stopping rule moves.
    The two windows in which a run is seen to settle are not cut: the one more step is where they begin.

    Raises:
        InvalidInputError: fewer than two.

    >>> snapshot_steps(Descent(lr=0.5, tolerance=1e-6, steps_max=100_000), count=11)
    (0, 1, 4, 13, 46, 100, 500, 2100, 7700, 27800, 100000)
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 2:
        raise InvalidInputError(f"snapshots: expected a whole number >= 2, but found {count!r}; 60 show a whole run")
    last, every = descent.steps_max, descent.check_every
    later = np.geomspace(1, last, count - 1).round().astype(np.int64)[:-1].tolist() if count > 2 else []
    windows = settling_steps(descent)
    begin = last if windows is None else windows[0]
    aligned = (step if step < every else step - step % every for step in later)
    return tuple(sorted({0, *(step for step in aligned if step < begin), begin, last}))


def snapshot(factors: Factors, problem: Problem, *, step: int) -> Snapshot:
    """A look at factors after a number of updates.

    >>> from deepcollapse.ufm import balanced_factors, collapse
    >>> problem = Problem(classes=4, layers=2, samples=2)
    >>> look = snapshot(balanced_factors(collapse(problem).logits, problem), problem, step=0)
    >>> look.nc1 < 1e-12, look.equiangularity < 1e-12, look.nc3 < 1e-12, look.gradient_norm < 1e-12
    (True, True, True, True)
    """
    reading = read_factors(factors, problem)
    return Snapshot(
        step=step,
        loss=regularised_loss(factors, problem),
        gradient_norm=float(np.sqrt(sum(np.square(slope).sum() for slope in gradient(factors, problem)))),
        singular_values=reading.singular_values,
        within_class=reading.within_class,
        imbalance=reading.imbalance,
        dnc_distance=dnc_distance(reading.logits, problem),
        **_last_layer(factors, problem),
    )


def _last_layer(factors: Factors, problem: Problem) -> dict[str, float | None]:
    """The NC metrics of X_L and W_L."""
    inputs, classifier = hidden_inputs(factors, problem)[-2], factors[-1]
    moments = class_moments(inputs.T, problem.labels, classes=problem.classes)
    try:
        means = moments.centred_means()
    except UndefinedError:
        return dict.fromkeys(("nc1", "equinorm", "equiangularity", "nc3"))
    return {
        "nc1": nc1(moments) if moments.counts.max() > 1 else None,
        "equinorm": equinorm(means),
        "equiangularity": equiangularity(means) if means.any(axis=1).all() else None,
        "nc3": nc3(classifier, means) if classifier.any() else None,
    }


def _is_over(end: Endpoint, descent: Descent) -> bool:
    """Whether the run ended; a run seen to rest between two measurements goes on to the next one."""
    measured = end.steps % descent.check_every == 0 or end.steps == descent.steps_max
    return end.status == "diverged" or end.steps >= descent.steps_max or (end.status == "converged" and measured)


def _expect_starts(starts: list[Start], problem: Problem) -> dict[int, Factors]:
    found: dict[int, Factors] = {}
    for seed, factors in starts:
        if seed in found:
            raise InvalidInputError(f"starts: expected each seed once, but found {seed} again; leave it out")
        with np.errstate(over="ignore", invalid="ignore"):
            loss = regularised_loss(factors, problem)
        if not np.isfinite(loss):
            raise InvalidInputError(
                f"starts: expected a finite loss at seed {seed}, but found {loss}; lower the scale of the start"
            )
        found[seed] = factors
    return found
