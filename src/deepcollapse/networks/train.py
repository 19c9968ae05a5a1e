"""Gradient descent on the regularised loss, full batch or in minibatches, into the terminal phase of training."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks.batches import Batches, TrainingSet
from deepcollapse.networks.checkpoint import Checkpoints, read_checkpoint, write_checkpoint
from deepcollapse.networks.decay import Decay
from deepcollapse.networks.descent import Descent
from deepcollapse.networks.evaluation import Evaluation, evaluated, training_mode_objective
from deepcollapse.networks.execution import Execution, full_float32, own_randomness
from deepcollapse.networks.head import DeepHead
from deepcollapse.networks.health import Health, Outcome, expect_bounded, health
from deepcollapse.networks.images import LabelledImages
from deepcollapse.networks.network import Network, in_mode
from deepcollapse.networks.run import Run
from deepcollapse.networks.trajectory import Trajectory, recorded_steps
from deepcollapse.ufm import Problem

__all__ = ["Training", "train"]

_PROGRESS_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a run did; the network itself was changed in place.

    Attributes:
        steps: parameter updates done.
        epochs: times that the training images were seen.
        converged: whether ``outcome`` is "converged".
        outcome: "converged" (training error 0 and a settled objective ended it); "not converged"; "stalled" on a
            plateau of low rank with training errors; "collapsed" to zero logits.
        explanation: the numbers behind the outcome, and a remedy.
        trajectory: looks at the run, the last one at its end.
        best_step: updates before the look with the least objective, whose network the last checkpoint keeps.
        seconds: wall time, looks and checkpoints included, over all parts of a run that was resumed.
        look_seconds: the looks' and checkpoints' part of it.
        images_per_second: training images processed (forward and backward) per second, looks and checkpoints left out.
    """

    steps: int
    epochs: float
    converged: bool
    outcome: Outcome
    explanation: str
    trajectory: Trajectory
    best_step: int
    seconds: float
    look_seconds: float
    images_per_second: float


def train(
    network: Network,
    data: LabelledImages,
    *,
    decay: Decay,
    descent: Descent | None = None,
    batches: Batches | None = None,
    execution: Execution | None = None,
    checkpoints: Checkpoints | None = None,
    look: Callable[[int, Network], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Training:
    """Train a network in place by gradient descent on mean cross-entropy and decay.

    Every update costs one forward and one backward pass over its batch, on the network's device and in its dtype. The
    passes are made in training mode; looks and judgements are made in evaluation mode, on all images. BatchNorm uses
    the statistics of the images that pass with it (see ``Batches``) in training mode. Those of evaluation mode are
    taken anew before every look and judgement, as means over all images at the present weights, because running means
    lag behind. The objective still differs between the modes; looks report both. At the end every module is in its own
    mode again.

    On one machine's CPU the result is the same to the bit however often the run was killed and resumed from
    ``checkpoints``: permutations and dropout follow ``batches.seed``, torch's own random state is left alone.

    Args:
        network: backbone and deep head, in the dtype and on the device to train in.
        data: training images in class order.
        decay: ``UfmDecay`` or ``StandardDecay``.
        descent: step rule and stopping rule.
        batches: full batch, or minibatches; pieces.
        execution: memory format and mixed precision.
        checkpoints: where the run is saved, and found again.
        look: called at every recorded step with the updates done and the network in evaluation mode, to measure more;
            after a kill it can be called again for steps behind the last checkpoint. It cannot disturb the run's
            random numbers; it must leave the parameters alone.
        progress: called once per window or ten seconds, and at the end, with the updates done and the horizon.

    Raises:
        InvalidInputError: the images are not in class order, a class is empty, the head has other classes, or the
            checkpoint is of another run.
        ConvergenceError: the objective diverged.
    """
    descent, batches = descent or Descent(), batches or Batches()
    execution = execution or Execution()
    _expect_fitting(data, network.head)
    problem = decay.sizes(network.head, data.class_counts)
    begin = time.perf_counter()
    device = network.head.weights[0].device
    with own_randomness(device, seed=batches.seed), in_mode(network, training=True), full_float32():
        images = TrainingSet.of(data, network, channels_last=execution.channels_last)
        run = Run(network=network, data=images, decay=decay, descent=descent, batches=batches, execution=execution)
        loop = _Loop(run=run, problem=problem, checkpoints=checkpoints, look=look, progress=progress, begin=begin)
        return loop.finished() or loop.descend()


@dataclass(slots=True, kw_only=True)
class _Loop:
    """What surrounds the updates of a run: looks, judgement, checkpoints, clock."""

    run: Run
    problem: Problem
    checkpoints: Checkpoints | None
    look: Callable[[int, Network], None] | None
    progress: Callable[[int, int], None] | None
    begin: float
    earlier_seconds: float = 0.0
    look_seconds: float = 0.0
    saved_at: float = 0.0
    told_at: float = 0.0
    seen: tuple[float, Evaluation] | None = None  # since the last update

    def finished(self) -> Training | None:
        """Go to where an earlier part of the run was saved; its result if that was the end."""
        saved = read_checkpoint(self.checkpoints.folder) if self.checkpoints else None
        if saved is None:
            return None
        self.run.restore(*saved)
        values = saved[1]
        self.earlier_seconds, self.look_seconds = values["seconds"], values["look_seconds"]
        if not values["finished"]:
            return None
        return self._result(Health(**values["health"]), seconds=self.earlier_seconds)

    def descend(self) -> Training:
        """Update until the run ends."""
        run, descent = self.run, self.run.descent
        looks = recorded_steps(descent.steps_max, looks=descent.looks, spacing=descent.spacing)
        self.saved_at = self.told_at = time.perf_counter()
        while True:
            loss = run.passes()
            verdict = self._verdict()
            ended = verdict is not None and self._ends(verdict)
            if ended or run.step in looks:
                expect_bounded(float(loss), run.step)
                self._look()
            self._tell(ended)
            if verdict is not None and ended:
                run.optimiser.zero_grad()
                self._save(verdict)
                return self._result(verdict, seconds=self._seconds())
            run.update()
            self.seen = None
            now = time.perf_counter()
            if self.checkpoints and self.checkpoints.due(step=run.step, seconds=now - self.saved_at):
                self._save()

    def _verdict(self) -> Health | None:
        """At the end of a window, and at the horizon."""
        run, step = self.run, self.run.step
        whole, last = run.window.complete(step), step >= run.descent.steps_max
        if not whole and not last:
            return None
        if step + 1 < run.window.period:
            return Health("not converged", f"the horizon of {step} updates is shorter than a window")
        if not run.window.judged(step):
            return Health("not converged", f"the horizon of {step} updates came within an epoch; let it end one")
        found = health(
            run.window, step, descent=run.descent, classes=self.problem.classes, look=lambda: self._evaluated()[1]
        )
        if whole:
            run.unwell = run.unwell + 1 if found.outcome in ("stalled", "collapsed") else 0
        elif found.outcome == "converged":
            return Health(
                "not converged", f"{found.explanation}, but the horizon came before the window's end; raise it"
            )
        return found

    def _ends(self, verdict: Health) -> bool:
        descent = self.run.descent
        out_of_patience = 0 < descent.patience <= self.run.unwell
        return verdict.outcome == "converged" or out_of_patience or self.run.step >= descent.steps_max

    def _evaluated(self) -> tuple[float, Evaluation]:
        """The objective in training mode, and what the network is in evaluation mode at its present weights."""
        if self.seen is None:
            begin, run = time.perf_counter(), self.run
            given = {"decay": run.decay, "problem": self.problem}
            with own_randomness(run.data.images.device):
                training = training_mode_objective(run.network, run.data, **given, batches=run.batches)
            with own_randomness(run.data.images.device):
                self.seen = training, evaluated(run.network, run.data, **given)
            self.look_seconds += time.perf_counter() - begin
        return self.seen

    def _look(self) -> None:
        training, seen = self._evaluated()
        begin, run = time.perf_counter(), self.run
        values = seen.singular_values.tolist()
        run.recorder.rows.append((run.step, seen.objective, seen.train_error, training, values))
        run.remember_best(seen.objective)
        if self.look:
            with own_randomness(run.data.images.device), in_mode(run.network, training=False):
                self.look(run.step, run.network)
        self.look_seconds += time.perf_counter() - begin

    def _tell(self, ended: bool) -> None:
        now = time.perf_counter()
        late = now - self.told_at > _PROGRESS_SECONDS
        if self.progress and (ended or late or self.run.window.complete(self.run.step)):
            self.progress(self.run.step, self.run.descent.steps_max)
            self.told_at = now

    def _save(self, verdict: Health | None = None) -> None:
        if self.checkpoints is None:
            return
        begin = time.perf_counter()
        values = self.run.values() | {
            "finished": verdict is not None,
            "health": None if verdict is None else asdict(verdict),
            "seconds": self._seconds(),
            "look_seconds": self.look_seconds,
        }
        write_checkpoint(self.checkpoints.folder, self.run.tensors(), values)
        self.saved_at = time.perf_counter()
        self.look_seconds += self.saved_at - begin

    def _seconds(self) -> float:
        return self.earlier_seconds + time.perf_counter() - self.begin

    def _result(self, verdict: Health, *, seconds: float) -> Training:
        run = self.run
        return Training(
            steps=run.step,
            epochs=run.seen / len(run.data.labels),
            converged=verdict.outcome == "converged",
            outcome=verdict.outcome,
            explanation=verdict.explanation,
            trajectory=run.recorder.trajectory(),
            best_step=run.best[0] if run.best else run.step,
            seconds=seconds,
            look_seconds=self.look_seconds,
            images_per_second=run.seen / (seconds - self.look_seconds),
        )


def _expect_fitting(data: LabelledImages, head: DeepHead) -> None:
    outputs = head.weights[-1].shape[0]
    if outputs != data.classes:
        raise InvalidInputError(f"head: expected {data.classes} logits, one per class, but found {outputs}; rebuild it")
    if not data.in_class_order:
        raise InvalidInputError(
            "labels: expected class order, but found a decrease; sort the images, or use class_split"
        )
